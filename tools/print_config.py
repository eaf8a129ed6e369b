"""Print a config with everything that it inherits: ``python tools/print_config.py CONFIG [--resolved] [--origin]``.

``--resolved`` prints what runs, ``--origin`` the file that set each key, ``--files`` the chain of files,
``--only KEY ...`` some entries. The output is a config file.
"""

import importlib.util
import sys
from pathlib import Path


def resolved(path, overrides):
    """What runs; only this needs the package, whose import takes seconds."""
    import mmseg_uda  # noqa: F401  (first: it prepares mmcv)
    from mmseg_uda.engine.resolved_config import resolved_config

    return resolved_config(path, overrides)


def main():
    """Load the reader of config files by its path, without the package around it."""
    path = Path(__file__).resolve().parents[1] / 'mmseg_uda' / 'utils' / 'config_files.py'
    spec = importlib.util.spec_from_file_location('config_files', path)
    reader = importlib.util.module_from_spec(spec)
    sys.modules['config_files'] = reader  # dataclasses look their module up
    spec.loader.exec_module(reader)
    reader.main(resolve=resolved)


if __name__ == '__main__':
    main()

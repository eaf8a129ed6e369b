"""Domain adaptation for MMSegmentation: networks, data sets and training methods.

Importing the package does three things, in this order: it checks the versions of torch, mmcv and mmseg, it stands in
for mmcv's compiled extension when mmcv was installed without it, and it registers every network, data set, component
and method. Therefore import it before ``mmseg`` (configs do so with ``custom_imports =
dict(imports=['mmseg_uda'])``).
"""

from __future__ import annotations

import sys
from typing import Any

from .version import __version__


def register_all_modules() -> None:
    """Do all three; a second call does nothing."""
    from .compat import prepare_environment
    from .compat.registration import import_registering_modules

    prepare_environment()
    import_registering_modules()


def _is_command() -> bool:
    """Whether this is ``python -m mmseg_uda``, whose tools read their arguments first and then register everything."""
    words = getattr(sys, 'orig_argv', [])  # Python 3.9 does not tell
    return sys.argv[:1] == ['-m'] and ['-m', __name__] in [words[i : i + 2] for i in range(len(words))]


if not _is_command():
    register_all_modules()

__all__ = ['__version__', 'load', 'register_all_modules']


def __getattr__(name: str) -> Any:
    """``mmseg_uda.load``, whose module is imported when it is asked for."""
    if name == 'load':
        from .engine.load import load

        return load
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')

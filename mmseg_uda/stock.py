"""Run a tool of the installed MMSegmentation 0.30 with this package: ``python -m mmseg_uda.stock TOOL ARGUMENTS``.

Without compiled ops MMSegmentation's own tools end at ``mmcv._ext``; here the stand-in is in place and the networks and
data sets of this package are known. Tools that cannot do their work on a config of this package are refused, with what
to use instead.
"""

from __future__ import annotations

import runpy
import sys
from pathlib import Path
from typing import Optional, Sequence

import mmseg

#: tools of MMSegmentation that do not fit, and what does their work
REPLACED = {
    'train': "it knows no 'uda' block: mmseg-uda train CONFIG",
    'browse_dataset': 'it knows no data sets with several streams: mmseg-uda browse CONFIG',
    'get_flops': 'it needs a CUDA device: python benchmarks/memory.py CONFIG computes a step of any config',
    'benchmark': 'it needs a CUDA device: python benchmarks/inference.py measures any device',
}


def tools() -> dict[str, Path]:
    """Tools of the installed MMSegmentation by name."""
    folder = Path(mmseg.__file__).parent / '.mim' / 'tools'
    return {path.stem: path for path in sorted(folder.rglob('*.py')) if not path.stem.startswith('_')}


def main(argv: Optional[Sequence[str]] = None) -> None:
    """Run ``argv`` = tool and its arguments; leaves the interpreter where the tool is refused."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    known = tools()
    if not arguments or arguments[0] in ('-h', '--help'):
        print(f'{__doc__.splitlines()[0]}\n\ntools: {", ".join(sorted(set(known) - set(REPLACED)))}')
        return
    name = arguments[0][:-3] if arguments[0].endswith('.py') else arguments[0]
    if name in REPLACED:
        sys.exit(f"MMSegmentation's tool '{name}' is not for configs of mmseg_uda: {REPLACED[name]}")
    if name not in known:
        sys.exit(f"MMSegmentation has no tool '{name}'; there are {', '.join(sorted(known))}")
    sys.argv = [str(known[name]), *arguments[1:]]
    runpy.run_path(str(known[name]), run_name='__main__')


if __name__ == '__main__':
    main()

"""Convert published checkpoints to this package's names, or back: ``python tools/convert_checkpoint.py SOURCE
TARGET``."""

import mmseg_uda  # noqa: F401  (first: it prepares mmcv)
from mmseg_uda.engine.convert_checkpoint import main
from mmseg_uda.utils.cli import run_tool

if __name__ == '__main__':
    run_tool(main)

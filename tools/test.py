"""Test a checkpoint: ``python tools/test.py CONFIG CHECKPOINT --eval mIoU`` (flags as in MMSegmentation)."""

import mmseg_uda  # noqa: F401  (first: it prepares mmcv)
from mmseg_uda.engine.test import main
from mmseg_uda.utils.cli import run_tool

if __name__ == '__main__':
    run_tool(main)

"""Train a config: ``python tools/train.py CONFIG`` (flags as in MMSegmentation)."""

import mmseg_uda  # noqa: F401  (first: it prepares mmcv)
from mmseg_uda.engine.train import main
from mmseg_uda.utils.cli import run_tool

if __name__ == '__main__':
    run_tool(main)

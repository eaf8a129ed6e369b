"""AdaBN: give a trained network the batch norm statistics of the target: ``python tools/target_statistics.py CONFIG
CHECKPOINT --out FILE``."""

import mmseg_uda  # noqa: F401  (first: it prepares mmcv)
from mmseg_uda.engine.target_statistics import main
from mmseg_uda.utils.cli import run_tool

if __name__ == '__main__':
    run_tool(main)

"""mIoU against bought labels: ``python tools/active_curve.py [NAME=]WORK_DIR[,WORK_DIR] ... --out curve.png``."""

import mmseg_uda  # noqa: F401  (first: it prepares mmcv)
from mmseg_uda.active.curve import main
from mmseg_uda.utils.cli import run_tool

if __name__ == '__main__':
    run_tool(main)

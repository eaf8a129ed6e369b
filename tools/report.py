"""Compare runs in one HTML file: ``python tools/report.py WORK_DIR [WORK_DIR ...]``."""

import mmseg_uda  # noqa: F401  (first: it prepares mmcv)
from mmseg_uda.engine.report import main
from mmseg_uda.utils.cli import run_tool

if __name__ == '__main__':
    run_tool(main)

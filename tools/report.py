"""Compare runs in one HTML file: ``python tools/report.py WORK_DIR [WORK_DIR ...]``."""

import mmseg_uda  # noqa: F401  (first: it prepares mmcv)
from mmseg_uda.engine.report import main

if __name__ == '__main__':
    main()

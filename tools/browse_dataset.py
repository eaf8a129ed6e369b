"""Pictures of what the network sees: ``python tools/browse_dataset.py CONFIG --out FOLDER``."""

import mmseg_uda  # noqa: F401  (first: it prepares mmcv)
from mmseg_uda.engine.browse import main
from mmseg_uda.utils.cli import run_tool

if __name__ == '__main__':
    run_tool(main)

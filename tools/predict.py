"""Segment own images: ``python tools/predict.py CONFIG CHECKPOINT IMAGE_OR_FOLDER ... --out FOLDER``."""

import mmseg_uda  # noqa: F401  (first: it prepares mmcv)
from mmseg_uda.engine.predict import main
from mmseg_uda.utils.cli import run_tool

if __name__ == '__main__':
    run_tool(main)

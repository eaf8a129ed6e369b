"""Segment own images: ``python tools/predict.py CONFIG CHECKPOINT IMAGE_OR_FOLDER ... --out FOLDER``."""

import mmseg_uda  # noqa: F401  (first: it prepares mmcv)
from mmseg_uda.engine.predict import main

if __name__ == '__main__':
    main()

"""Convert published checkpoints to this package's names, or back: ``python tools/convert_checkpoint.py SOURCE
TARGET``."""

import mmseg_uda  # noqa: F401  (first: it prepares mmcv)
from mmseg_uda.engine.convert_checkpoint import main

if __name__ == '__main__':
    main()

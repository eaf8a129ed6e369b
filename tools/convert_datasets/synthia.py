"""Convert SYNTHIA labels to Cityscapes train ids: ``python tools/convert_datasets/synthia.py data/synthia --nproc
8``."""

import mmseg_uda  # noqa: F401  (first: it prepares mmcv)
from mmseg_uda.datasets.conversion import SYNTHIA, main

if __name__ == '__main__':
    main(SYNTHIA)

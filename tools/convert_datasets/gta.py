"""Convert GTA5 labels to Cityscapes train ids: ``python tools/convert_datasets/gta.py data/gta --nproc 8``."""

import mmseg_uda  # noqa: F401  (first: it prepares mmcv)
from mmseg_uda.datasets.conversion import GTA, main

if __name__ == '__main__':
    main(GTA)

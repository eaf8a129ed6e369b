"""Convert Mapillary Vistas' labels to Cityscapes train ids:

``python tools/convert_datasets/mapillary.py data/mapillary --nproc 8``.
"""

import mmseg_uda  # noqa: F401  (first: it prepares mmcv)
from mmseg_uda.datasets.conversion import MAPILLARY, main

if __name__ == '__main__':
    main(MAPILLARY)

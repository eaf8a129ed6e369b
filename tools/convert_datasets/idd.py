"""Draw IDD's polygons and convert its labels to Cityscapes train ids:

``python tools/convert_datasets/idd.py data/idd --nproc 8``.
"""

import mmseg_uda  # noqa: F401  (first: it prepares mmcv)
from mmseg_uda.datasets.conversion import IDD, main

if __name__ == '__main__':
    main(IDD)

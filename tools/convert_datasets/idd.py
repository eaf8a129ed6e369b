"""Draw IDD's polygons and convert its labels to Cityscapes train ids:

``python tools/convert_datasets/idd.py data/idd --nproc 8``.
"""

from functools import partial

import mmseg_uda  # noqa: F401  (first: it prepares mmcv)
from mmseg_uda.datasets.conversion import IDD, main
from mmseg_uda.utils.cli import run_tool

if __name__ == '__main__':
    run_tool(partial(main, IDD))

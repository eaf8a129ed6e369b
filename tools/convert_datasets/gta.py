"""Convert GTA5 labels to Cityscapes train ids: ``python tools/convert_datasets/gta.py data/gta --nproc 8``."""

from functools import partial

import mmseg_uda  # noqa: F401  (first: it prepares mmcv)
from mmseg_uda.datasets.conversion import GTA, main
from mmseg_uda.utils.cli import run_tool

if __name__ == '__main__':
    run_tool(partial(main, GTA))

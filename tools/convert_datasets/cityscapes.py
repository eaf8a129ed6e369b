"""Convert Cityscapes label ids to train ids and write split lists:

``python tools/convert_datasets/cityscapes.py data/cityscapes --nproc 8``.
"""

from typing import Optional, Sequence

import mmseg_uda  # noqa: F401  (first: it prepares mmcv)
from mmseg_uda.datasets.conversion import CITYSCAPES, write_split_lists
from mmseg_uda.datasets.conversion import main as convert
from mmseg_uda.utils.cli import run_tool


def main(argv: Optional[Sequence[str]] = None) -> None:
    args = convert(CITYSCAPES, argv)
    write_split_lists(args.root, args.gt_dir, args.out_dir)


if __name__ == '__main__':
    run_tool(main)

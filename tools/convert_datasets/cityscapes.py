"""Convert Cityscapes label ids to train ids and write split lists:

``python tools/convert_datasets/cityscapes.py data/cityscapes --nproc 8``.
"""

import mmseg_uda  # noqa: F401  (first: it prepares mmcv)
from mmseg_uda.datasets.conversion import CITYSCAPES, main, write_split_lists

if __name__ == '__main__':
    args = main(CITYSCAPES)
    write_split_lists(args.root, args.gt_dir, args.out_dir)

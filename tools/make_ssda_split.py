"""Split a config's target set into labelled and unlabelled images, for training with a few target labels:

``python tools/make_ssda_split.py CONFIG --number 100 200 500 --seed 0 1 2 --out-dir data/cityscapes/splits/ssda``

One list of image names per line, as MMSegmentation's ``split`` reads it. Equal seeds give nested lists.
"""

from pathlib import Path
from typing import Optional, Sequence

import mmseg_uda  # noqa: F401  (first: it prepares mmcv)
from mmseg_uda.datasets.inspection import build_data_set, config_parser, parse_with_data_sets
from mmseg_uda.datasets.splits import STRATEGIES, UNLABELED, write_lists
from mmseg_uda.utils.cli import run_tool


def main(argv: Optional[Sequence[str]] = None) -> None:
    parser = config_parser(__doc__)
    parser.add_argument('--part', default='target', help='the data set to split: target (default), target2, source')
    parser.add_argument(
        '--number', type=int, required=True, nargs='+', help='labelled images; several make nested splits'
    )
    parser.add_argument('--seed', type=int, default=[0], nargs='+')
    parser.add_argument(
        '--strategy',
        choices=STRATEGIES,
        default='random',
        help='random; folders: the same number from every folder (city); classes: balanced over the classes, an '
        'oracle that looks at all labels (the data set then needs ann_dir, see --cfg-options)',
    )
    parser.add_argument(
        '--unlabeled',
        choices=UNLABELED,
        default='complement',
        help='whether the unlabelled list leaves the labelled images out or holds all images',
    )
    parser.add_argument('--name', default='train', help='first part of the file names')
    parser.add_argument('--out-dir', type=Path, required=True)
    args, parts = parse_with_data_sets(parser, 'part', argv)
    dataset = build_data_set(parts[args.part])[0]
    for seed in args.seed:
        for number in args.number:
            print('wrote', *write_lists(dataset, number, seed, args.out_dir, args.strategy, args.unlabeled, args.name))


if __name__ == '__main__':
    run_tool(main)

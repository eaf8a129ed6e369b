"""Split a config's target set at random into labelled and unlabelled images, for semi-supervised training:

``python tools/make_split.py CONFIG --number 100 --seed 0 --out-dir data/cityscapes/splits/ssda``
"""
from pathlib import Path

import mmseg_uda  # noqa: F401  (first: it prepares mmcv)
from mmseg_uda.datasets.inspection import build_data_set, config_parser, parse_with_data_sets
from mmseg_uda.datasets.splits import write_lists


def main() -> None:
    parser = config_parser(__doc__)
    parser.add_argument('--part', default='target', help='the data set to split: target (default), target2, source')
    parser.add_argument('--number', type=int, required=True, nargs='+', help='labelled images; several make nested splits')
    parser.add_argument('--seed', type=int, default=[0], nargs='+')
    parser.add_argument('--out-dir', type=Path, required=True)
    args, parts = parse_with_data_sets(parser, 'part')
    dataset = build_data_set(parts[args.part])[0]
    for seed in args.seed:
        for number in args.number:
            print('wrote', *write_lists(dataset, number, seed, args.out_dir))


if __name__ == '__main__':
    main()

"""Split a config's target set at random into labelled and unlabelled images, for semi-supervised training:

``python tools/make_split.py CONFIG --number 100 --seed 0 --out-dir data/cityscapes/splits/ssda``
"""
import argparse
from pathlib import Path

from mmcv import Config, DictAction

import mmseg_uda  # noqa: F401  (first: it prepares mmcv)
from mmseg_uda.datasets.inspection import build_data_set, config_data_sets
from mmseg_uda.datasets.splits import write_lists


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config')
    parser.add_argument('--part', default='target', help='the data set to split: target (default), target2, source')
    parser.add_argument('--number', type=int, required=True, nargs='+', help='labelled images; several make nested splits')
    parser.add_argument('--seed', type=int, default=[0], nargs='+')
    parser.add_argument('--out-dir', type=Path, required=True)
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, default={}, help='override config entries')
    args = parser.parse_args()
    cfg = Config.fromfile(args.config)
    cfg.merge_from_dict(args.cfg_options)
    parts = config_data_sets(cfg)
    if args.part not in parts:
        parser.error(f"{args.config} has no data set '{args.part}'; it has {sorted(parts)}")
    dataset = build_data_set(parts[args.part])[0]
    for seed in args.seed:
        for number in args.number:
            print('wrote', *write_lists(dataset, number, seed, args.out_dir))


if __name__ == '__main__':
    main()

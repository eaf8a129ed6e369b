"""Class statistics of a labelled data set, as rare-class sampling uses them:

``python tools/class_stats.py CONFIG [--part source] [--min-pixels 3000] [--class-temp 0.01] [--out-dir DIR]``

Counts what is not stored yet, prints the share, the files and the sampling probability of every class, and with
``--out-dir`` writes the three published JSON files.
"""
import argparse
from pathlib import Path

from mmcv import Config, DictAction

import mmseg_uda  # noqa: F401  (first: it prepares mmcv)
from mmseg_uda.datasets.class_stats import dataset_stats, stats_table, write_stats
from mmseg_uda.datasets.inspection import build_data_set, config_data_sets


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config')
    parser.add_argument('--part', default='source', help='source (default), labeled_target, val, test')
    parser.add_argument('--min-pixels', type=int, default=3000, help='pixels that make a file a candidate for a class')
    parser.add_argument('--class-temp', type=float, default=0.01, help='temperature of the class probabilities')
    parser.add_argument('--out-dir', type=Path, help='write sample_class_stats.json and its companions here')
    parser.add_argument('--nproc', type=int, default=4, help='worker processes')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, default={}, help='override config entries')
    args = parser.parse_args()
    cfg = Config.fromfile(args.config)
    cfg.merge_from_dict(args.cfg_options)
    parts = config_data_sets(cfg)
    if args.part not in parts:
        parser.error(f"{args.config} has no data set '{args.part}'; it has {sorted(parts)}")
    datasets = build_data_set(parts[args.part])
    records = [record for dataset in datasets for record in dataset_stats(dataset, args.nproc)]
    print(stats_table(records, datasets[0].CLASSES, args.min_pixels, args.class_temp))
    if args.out_dir:
        write_stats(records, args.out_dir)
        print(f'wrote sample_class_stats.json, sample_class_stats_dict.json, samples_with_class.json to {args.out_dir}')


if __name__ == '__main__':
    main()

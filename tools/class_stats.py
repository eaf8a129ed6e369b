"""Class statistics of a labelled data set, as rare-class sampling uses them:

``python tools/class_stats.py CONFIG [--part source] [--min-pixels 3000] [--class-temp 0.01] [--out-dir DIR]``

Counts what is not stored yet, prints the share, the files and the sampling probability of every class, and with
``--out-dir`` writes the three published JSON files.
"""

from pathlib import Path
from typing import Optional, Sequence

import mmseg_uda  # noqa: F401  (first: it prepares mmcv)
from mmseg_uda.datasets.class_stats import dataset_stats, stats_table, write_stats
from mmseg_uda.datasets.inspection import build_data_set, config_parser, parse_with_data_sets
from mmseg_uda.utils.cli import run_tool


def main(argv: Optional[Sequence[str]] = None) -> None:
    parser = config_parser(__doc__)
    parser.add_argument('--part', default='source', help='source (default), labeled_target, val, test')
    parser.add_argument('--min-pixels', type=int, default=3000, help='pixels that make a file a candidate for a class')
    parser.add_argument('--class-temp', type=float, default=0.01, help='temperature of the class probabilities')
    parser.add_argument('--out-dir', type=Path, help='write sample_class_stats.json and its companions here')
    args, parts = parse_with_data_sets(parser, 'part', argv)
    datasets = build_data_set(parts[args.part])
    records = [record for dataset in datasets for record in dataset_stats(dataset, args.nproc)]
    print(stats_table(records, datasets[0].CLASSES, args.min_pixels, args.class_temp))
    if args.out_dir:
        write_stats(records, args.out_dir)
        print(f'wrote sample_class_stats.json, sample_class_stats_dict.json, samples_with_class.json to {args.out_dir}')


if __name__ == '__main__':
    run_tool(main)

"""Looking at, counting and splitting the data sets of a config (``tools/check_dataset.py``, ``class_stats.py``,
``make_ssda_split.py``)."""

from __future__ import annotations

import json
import sys
from typing import Optional, Sequence

from ..datasets.class_stats import dataset_stats, stats_table, write_stats
from ..datasets.inspection import build_data_set, check_data_set, chosen_data_sets, notes, summary
from ..datasets.splits import write_lists
from ..options import check_dataset, class_stats, make_ssda_split


def check(argv: Optional[Sequence[str]] = None) -> None:
    """Run ``tools/check_dataset.py``; leaves the interpreter with status 1 when anything is wrong."""
    args = check_dataset.parse_args(argv)
    findings: dict[str, list[dict[str, str]]] = {}
    remarks: dict[str, list[str]] = {}
    for name, part in chosen_data_sets(args.config, args.cfg_options, args.only or ()).items():
        for dataset in build_data_set(part):
            reports = check_data_set(dataset, args.nproc, images=not args.labels_only)
            print(summary(name, dataset, reports))
            findings.setdefault(name, []).extend(dict(file=r.name, **r.problems) for r in reports if r.problems)
            remarks.setdefault(name, []).extend(notes(dataset, reports))
    if args.out:
        with open(args.out, 'w', encoding='utf-8') as file:
            json.dump({**findings, 'notes': remarks}, file, indent=1)
    sys.exit(any(findings.values()))


def count(argv: Optional[Sequence[str]] = None) -> None:
    """Run ``tools/class_stats.py``."""
    args = class_stats.parse_args(argv)
    datasets = build_data_set(chosen_data_sets(args.config, args.cfg_options, [args.part])[args.part])
    records = [record for dataset in datasets for record in dataset_stats(dataset, args.nproc)]
    print(stats_table(records, datasets[0].CLASSES, args.min_pixels, args.class_temp))
    if args.out_dir:
        write_stats(records, args.out_dir)
        print(f'wrote sample_class_stats.json, sample_class_stats_dict.json, samples_with_class.json to {args.out_dir}')


def split(argv: Optional[Sequence[str]] = None) -> None:
    """Run ``tools/make_ssda_split.py``."""
    args = make_ssda_split.parse_args(argv)
    dataset = build_data_set(chosen_data_sets(args.config, args.cfg_options, [args.part])[args.part])[0]
    for seed in args.seed:
        for number in args.number:
            print('wrote', *write_lists(dataset, number, seed, args.out_dir, args.strategy, args.unlabeled, args.name))

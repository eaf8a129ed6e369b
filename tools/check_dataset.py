"""Check the files of a config's data sets: ``python tools/check_dataset.py CONFIG [--only source val]``.

Reports missing labels, corrupt images and labels, unexpected ids, differing sizes, and the class histogram. Exit
status 1 when anything is wrong.
"""

import json
import sys
from typing import Optional, Sequence

import mmseg_uda  # noqa: F401  (first: it prepares mmcv)
from mmseg_uda.datasets.inspection import (
    build_data_set,
    check_data_set,
    config_parser,
    notes,
    parse_with_data_sets,
    summary,
)
from mmseg_uda.utils.cli import run_tool


def main(argv: Optional[Sequence[str]] = None) -> None:
    parser = config_parser(__doc__)
    parser.add_argument('--only', nargs='+', help='source, target, target2 ..., labeled_target, val, test')
    parser.add_argument('--labels-only', action='store_true', help='do not decode the images')
    parser.add_argument('--out', help='write all findings as JSON')
    args, parts = parse_with_data_sets(parser, 'only', argv)
    findings: dict[str, list[dict[str, str]]] = {}
    remarks: dict[str, list[str]] = {}
    for name in args.only or parts:
        for dataset in build_data_set(parts[name]):
            reports = check_data_set(dataset, args.nproc, images=not args.labels_only)
            print(summary(name, dataset, reports))
            findings.setdefault(name, []).extend(dict(file=r.name, **r.problems) for r in reports if r.problems)
            remarks.setdefault(name, []).extend(notes(dataset, reports))
    if args.out:
        with open(args.out, 'w', encoding='utf-8') as file:
            json.dump({**findings, 'notes': remarks}, file, indent=1)
    sys.exit(any(findings.values()))


if __name__ == '__main__':
    run_tool(main)

"""Command line of ``tools/report.py``."""

from __future__ import annotations

import argparse
from typing import Optional, Sequence


def parse_args(argv: Optional[Sequence[str]] = None) -> argparse.Namespace:
    """Flags of ``tools/report.py``."""
    parser = argparse.ArgumentParser(description='Compare runs in one HTML file: curves, per-class IoU, pictures')
    parser.add_argument(
        'runs',
        nargs='+',
        metavar='WORK_DIR',
        help='work folders, each WORK_DIR or TITLE=WORK_DIR; TITLE=WORK_DIR,WORK_DIR,... are seeds of one method',
    )
    parser.add_argument(
        '--baseline',
        metavar='TITLE',
        help='the run that gains are measured against, or none (default: the first of several)',
    )
    parser.add_argument('--out', help='HTML file (default: report.html in the first folder)')
    parser.add_argument(
        '--images', type=int, default=4, help='test images of each test set in the panels; 0 leaves them out'
    )
    parser.add_argument(
        '--worst',
        type=int,
        default=3,
        help='test images of each test set with the lowest mIoU, with maps of the errors; needs tools/test.py before',
    )
    parser.add_argument(
        '--picture',
        action='append',
        default=[],
        metavar='TITLE=FILE',
        help='a further picture (png, jpg, gif, webp) at the end; may be repeated',
    )
    parser.add_argument('--panel-image', help='also write the panels as one picture, for a document')
    parser.add_argument(
        '--imports',
        nargs='+',
        default=[],
        metavar='MODULE',
        help='modules with own classes that the runs use; nothing that a run names by itself is imported',
    )
    parser.add_argument('--device', choices=['cuda', 'cpu'], help='default: cuda when there is one')
    return parser.parse_args(argv)

"""Check the files of a config's data sets: ``python tools/check_dataset.py CONFIG [--only source val]``.

Reports missing labels, corrupt images and labels, unexpected ids, differing sizes, and the class histogram. Exit
status 1 when anything is wrong.
"""

from __future__ import annotations

import argparse
from typing import Optional, Sequence

from .common import data_set_parser


def parse_args(argv: Optional[Sequence[str]] = None) -> argparse.Namespace:
    """Flags of ``tools/check_dataset.py``."""
    parser = data_set_parser(__doc__)
    parser.add_argument('--only', nargs='+', help='source, target, target2 ..., labeled_target, val, test')
    parser.add_argument('--labels-only', action='store_true', help='do not decode the images')
    parser.add_argument('--out', help='write all findings as JSON')
    return parser.parse_args(argv)

"""Class statistics of a labelled data set, as rare-class sampling uses them:

``python tools/class_stats.py CONFIG [--part source] [--min-pixels 3000] [--class-temp 0.01] [--out-dir DIR]``

Counts what is not stored yet, prints the share, the files and the sampling probability of every class, and with
``--out-dir`` writes the three published JSON files.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Optional, Sequence

from .common import data_set_parser


def parse_args(argv: Optional[Sequence[str]] = None) -> argparse.Namespace:
    """Flags of ``tools/class_stats.py``."""
    parser = data_set_parser(__doc__)
    parser.add_argument('--part', default='source', help='source (default), labeled_target, val, test')
    parser.add_argument('--min-pixels', type=int, default=3000, help='pixels that make a file a candidate for a class')
    parser.add_argument('--class-temp', type=float, default=0.01, help='temperature of the class probabilities')
    parser.add_argument('--out-dir', type=Path, help='write sample_class_stats.json and its companions here')
    return parser.parse_args(argv)

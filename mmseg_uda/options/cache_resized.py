"""Decode and resize the training images of a config once: ``python tools/cache_resized.py CONFIG --folder FOLDER``.

Training with ``data.cache.folder=FOLDER`` then reads the same pixels from there. Entries that exist are kept, those of
changed files or steps are made again, and a training fills what is missing by itself.
"""

from __future__ import annotations

import argparse
from typing import Optional, Sequence

from .common import data_set_parser


def parse_args(argv: Optional[Sequence[str]] = None) -> argparse.Namespace:
    """Flags of ``tools/cache_resized.py``."""
    parser = data_set_parser(__doc__)
    parser.add_argument('--folder', help="where to write (default: the config's data.cache.folder)")
    parser.add_argument('--only', nargs='+', help='streams: source, target, target2 ..., labeled_target, paste')
    return parser.parse_args(argv)

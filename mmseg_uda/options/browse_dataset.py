"""Command line of ``tools/browse_dataset.py``."""

from __future__ import annotations

import argparse
from typing import Optional, Sequence

from .common import add_common_arguments


def parse_args(argv: Optional[Sequence[str]] = None) -> argparse.Namespace:
    """Flags of ``tools/browse_dataset.py``."""
    parser = argparse.ArgumentParser(description='Save pictures of the first training batches as the network sees them')
    parser.add_argument('config')
    parser.add_argument(
        '--checkpoint',
        help='weights (and teacher) for the pseudo-labels; without it they are those of the initial network',
    )
    parser.add_argument('--out', default='browse', help='folder for the pictures')
    parser.add_argument('--batches', type=int, default=4, help='number of batches')
    parser.add_argument('--seed', type=int, help="default: the config's")
    parser.add_argument('--gpu-id', type=int, default=0)
    add_common_arguments(parser)
    return parser.parse_args(argv)

"""Command line of ``tools/check_gpu.py``."""

from __future__ import annotations

import argparse
from typing import Optional, Sequence

from .common import DictAction


def parse_args(argv: Optional[Sequence[str]] = None) -> argparse.Namespace:
    """Flags of ``tools/check_gpu.py``."""
    parser = argparse.ArgumentParser(
        description='Is this machine set up right, and how long will a config take on it? Needs no data and no weights.'
    )
    parser.add_argument('configs', nargs='*', help='configs whose steps are timed; none: the checks alone')
    parser.add_argument('--device', help='cuda, cuda:1, cpu (default: a GPU if there is one)')
    parser.add_argument('--steps', type=int, default=10, help='timed steps of each variant, after three others')
    parser.add_argument('--size', type=int, nargs=2, metavar=('HEIGHT', 'WIDTH'), help="default: the config's crop")
    parser.add_argument('--batch', type=int, default=0, help='images per stream (default: samples_per_gpu)')
    parser.add_argument('--variants', nargs='+', help='some of the variants only, by name')
    parser.add_argument('--minutes', type=float, default=8.0, help='no further variant begins after so long')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, help='override config entries')
    parser.add_argument('--json', help='write the figures here as well')
    return parser.parse_args(argv)

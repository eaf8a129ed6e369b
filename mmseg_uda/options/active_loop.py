"""Command line of ``tools/active_loop.py``."""

from __future__ import annotations

import argparse
from typing import Optional, Sequence

from .common import DEFAULT_SEED, add_common_arguments


def parse_args(argv: Optional[Sequence[str]] = None) -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(
        description='Train and buy labels in turn, for all rounds of a config; run it again to go on'
    )
    parser.add_argument('config', help="config file with an 'active' block whose pool has labels (a simulation)")
    parser.add_argument('--work-dir', help='folder of the loop (default: work_dirs/<config name>)')
    parser.add_argument('--seed', type=int, default=DEFAULT_SEED)
    parser.add_argument(
        '--restart-from', metavar='STAGE', help='repeat this training (round_00, ...); bought labels stay bought'
    )
    parser.add_argument('--gpu-id', type=int, default=0)
    add_common_arguments(parser)
    return parser.parse_args(argv)

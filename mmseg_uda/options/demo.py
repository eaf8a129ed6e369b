"""Command line of ``tools/demo.py``."""

from __future__ import annotations

import argparse
from typing import Optional, Sequence

#: rows of the demo's table
ROWS = ('source-only', 'DACS', 'oracle')


def parse_args(argv: Optional[Sequence[str]] = None) -> argparse.Namespace:
    """Flags of ``tools/demo.py``."""
    parser = argparse.ArgumentParser(
        description='Train source-only, DACS and an oracle on the toy world and compare them'
    )
    parser.add_argument('--work-dir', default='work_dirs/demo', help='folder for logs, checkpoints and the report')
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--iters', type=int, help='iterations of each run (default: as the configs say)')
    parser.add_argument('--jobs', type=int, help='runs side by side (default: one per core, at most 3; 1 on a GPU)')
    parser.add_argument('--rows', nargs='+', choices=ROWS, default=list(ROWS))
    return parser.parse_args(argv)

"""Command line of ``tools/active_curve.py``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Optional, Sequence


def parse_args(argv: Optional[Sequence[str]] = None) -> argparse.Namespace:
    """Runs and picture."""
    parser = argparse.ArgumentParser(description='Draw mIoU against the annotation that was paid for')
    parser.add_argument(
        'runs',
        nargs='+',
        metavar='[NAME=]FOLDER[,FOLDER]',
        help='work folders of tools/active_loop.py or of runs with a hook',
    )
    parser.add_argument('--out', type=Path, help='picture (.png, .svg, .pdf)')
    return parser.parse_args(argv)

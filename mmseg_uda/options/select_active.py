"""Command line of ``tools/select_active.py``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Optional, Sequence

from .common import add_common_arguments


def parse_args(argv: Optional[Sequence[str]] = None) -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(description='Choose target images or regions to annotate, and keep the books')
    commands = parser.add_subparsers(dest='command', required=True)
    described = {
        'rank': 'score the images of the pool with a checkpoint and write ranking.csv',
        'buy': 'choose the next round; reveal its labels (simulation) or export it for annotation',
        'import': 'check the annotations of an exported round and enter them',
        'status': 'what has been bought in each round, and its share of the pool',
        'pictures': 'draw what has been bought',
    }
    for name, text in described.items():
        command = commands.add_parser(name, help=text, description=text)
        command.add_argument('config', help="config file with an 'active' block")
        command.add_argument('--folder', help='label set to use instead of active.folder')
        add_common_arguments(command)
        if name in ('rank', 'buy'):
            command.add_argument('--checkpoint', type=Path, help='network that scores (acquisitions that need one)')
            command.add_argument('--test-with', help='score with this network of the method (student, teacher, ...)')
            command.add_argument('--gpu-id', type=int, default=0)
        if name in ('buy', 'pictures'):
            command.add_argument('--pictures', type=int, default=8, help='draw so many purchases of a round (0 = none)')
        if name == 'pictures':
            command.add_argument('--round', type=int, help='this round only (default: all)')
        if name == 'import':
            command.add_argument(
                '--labels', type=Path, required=True, help='folder with <name>.png for every exported image'
            )
            command.add_argument(
                '--ignore-extra', action='store_true', help='leave files alone that were not asked for'
            )
    return parser.parse_args(argv)

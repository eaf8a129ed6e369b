"""Command line of ``tools/run_stages.py``."""

from __future__ import annotations

import argparse
from typing import Optional, Sequence

from .common import DEFAULT_SEED, DictAction, add_common_arguments


def parse_args(argv: Optional[Sequence[str]] = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description='Run a recipe of several stages; goes on where it stopped')
    parser.add_argument('config', help='recipe: a config with stages = [...]')
    parser.add_argument('--work-dir', help='default: work_dirs/<recipe name>')
    parser.add_argument('--seed', type=int, default=DEFAULT_SEED)
    parser.add_argument('--no-validate', action='store_true', help='do not evaluate during training')
    parser.add_argument('--restart-from', metavar='STAGE', help='delete and repeat this stage and all later ones')
    parser.add_argument(
        '--train-options', nargs='+', action=DictAction, help='override entries of all training configs: key=value'
    )
    parser.add_argument('--gpu-id', type=int, default=0)
    add_common_arguments(parser)
    return parser.parse_args(argv)

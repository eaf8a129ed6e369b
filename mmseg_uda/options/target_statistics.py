"""Command line of ``tools/target_statistics.py``."""

from __future__ import annotations

import argparse
from typing import Optional, Sequence

from .common import add_common_arguments

#: where the images stand in a config, and how many are read
TARGET = 'data.train.target'
DEFAULT_IMAGES = 64


def parse_args(argv: Optional[Sequence[str]] = None) -> argparse.Namespace:
    """Flags of ``tools/target_statistics.py``."""
    parser = argparse.ArgumentParser(
        description='AdaBN: give a trained network the batch norm statistics of target images, without labels'
    )
    parser.add_argument('config', help='training config')
    parser.add_argument('checkpoint', help='weights')
    parser.add_argument('--out', required=True, help='checkpoint to write')
    parser.add_argument('--data', default=TARGET, help=f'the data set in the config (default: {TARGET})')
    parser.add_argument('--images', type=int, default=DEFAULT_IMAGES, help=f'default: {DEFAULT_IMAGES}')
    add_common_arguments(parser)
    return parser.parse_args(argv)

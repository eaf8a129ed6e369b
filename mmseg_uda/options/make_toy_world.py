"""Draw the toy world in the official layouts of its data sets."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Optional, Sequence

#: every data set of the toy world
TOY_DATASETS = (
    *('gta', 'synthia', 'cityscapes', 'idd', 'mapillary', 'acdc', 'dark_zurich'),
    *('loveda', 'potsdam', 'potsdam_irrg', 'vaihingen', 'polyps'),
    *('viper_seq', 'synthia_seq', 'cityscapes_seq'),
)


def parse_args(argv: Optional[Sequence[str]] = None) -> argparse.Namespace:
    """Flags of ``tools/make_toy_world.py``."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--root', default='data/toy')
    parser.add_argument('--datasets', nargs='+', choices=TOY_DATASETS, default=list(TOY_DATASETS))
    parser.add_argument('--size', nargs=2, type=int, metavar=('WIDTH', 'HEIGHT'), default=(256, 128))
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument(
        '--gap',
        type=float,
        default=1.0,
        help='1 = the appearances as they are, 0 = colours and light of the game everywhere',
    )
    parser.add_argument('--scale', type=float, default=1.0, help='factor on the number of pictures')
    parser.add_argument('--workers', type=int)
    parser.add_argument(
        '--contact-sheet',
        type=Path,
        help='also write a picture of all appearances, and one of the square pictures beside it (..._square)',
    )
    return parser.parse_args(argv)

"""Split a config's target set into labelled and unlabelled images, for training with a few target labels:

``python tools/make_ssda_split.py CONFIG --number 100 200 500 --seed 0 1 2 --out-dir data/cityscapes/splits/ssda``

One list of image names per line, as MMSegmentation's ``split`` reads it. Equal seeds give nested lists.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Optional, Sequence

from .common import data_set_parser

STRATEGIES = ('random', 'folders', 'classes')
UNLABELED = ('complement', 'all')


def parse_args(argv: Optional[Sequence[str]] = None) -> argparse.Namespace:
    """Flags of ``tools/make_ssda_split.py``."""
    parser = data_set_parser(__doc__)
    parser.add_argument('--part', default='target', help='the data set to split: target (default), target2, source')
    parser.add_argument(
        '--number', type=int, required=True, nargs='+', help='labelled images; several make nested splits'
    )
    parser.add_argument('--seed', type=int, default=[0], nargs='+')
    parser.add_argument(
        '--strategy',
        choices=STRATEGIES,
        default='random',
        help='random; folders: the same number from every folder (city); classes: balanced over the classes, an '
        'oracle that looks at all labels (the data set then needs ann_dir, see --cfg-options)',
    )
    parser.add_argument(
        '--unlabeled',
        choices=UNLABELED,
        default='complement',
        help='whether the unlabelled list leaves the labelled images out or holds all images',
    )
    parser.add_argument('--name', default='train', help='first part of the file names')
    parser.add_argument('--out-dir', type=Path, required=True)
    return parser.parse_args(argv)

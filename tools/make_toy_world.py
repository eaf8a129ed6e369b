"""Draw the toy world: ``python tools/make_toy_world.py [--datasets gta cityscapes]``."""

import argparse
from pathlib import Path
from typing import Optional, Sequence

import cv2
import numpy as np

import mmseg_uda  # noqa: F401  (first: it prepares mmcv)
from mmseg_uda.datasets.label_spaces import CITY19_PALETTE
from mmseg_uda.engine.predictions import colorize
from mmseg_uda.toy import TOY_DATASETS, ensure_toy_world
from mmseg_uda.toy.canvas import LANE_MARKING
from mmseg_uda.toy.looks import APPEARANCES
from mmseg_uda.toy.render import render
from mmseg_uda.utils.cli import run_tool


def contact_sheet(path: Path, width: int, height: int, columns: int = 3) -> None:
    """Pictures and labels of every appearance, one row each."""
    rows = []
    for number, (name, look) in enumerate(APPEARANCES.items()):
        cells = []
        for column in range(columns):
            image, label = render(look, width, height, np.random.default_rng([7, number, column]))
            label[label == LANE_MARKING] = 0
            cells += [image, colorize(label, CITY19_PALETTE)]
        row = np.concatenate(cells, 1)
        cv2.putText(row, name, (6, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (255, 255, 255), 2, cv2.LINE_AA)
        cv2.putText(row, name, (6, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (20, 20, 20), 1, cv2.LINE_AA)
        rows.append(row)
    path.parent.mkdir(parents=True, exist_ok=True)
    if not cv2.imwrite(str(path), np.concatenate(rows)[..., ::-1]):
        raise OSError(f"cannot write '{path}'")


def main(argv: Optional[Sequence[str]] = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--root', default='data/toy')
    parser.add_argument('--datasets', nargs='+', choices=list(TOY_DATASETS), default=list(TOY_DATASETS))
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
    parser.add_argument('--contact-sheet', type=Path, help='also write a picture of all appearances')
    args = parser.parse_args(argv)
    width, height = args.size
    roots = ensure_toy_world(
        args.root,
        args.datasets,
        args.workers,
        width=width,
        height=height,
        seed=args.seed,
        gap=args.gap,
        scale=args.scale,
    )
    if args.contact_sheet:
        contact_sheet(args.contact_sheet, width, height)
    for name, folder in roots.items():
        print(f'{name}: {folder}')


if __name__ == '__main__':
    run_tool(main)

"""Drawing the toy world by hand, and a sheet of all its appearances (``tools/make_toy_world.py``)."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, Callable, Mapping, Optional, Sequence

import cv2
import numpy as np

from ..datasets.label_spaces import CITY19_PALETTE
from ..options.make_toy_world import parse_args
from ..toy import ensure_toy_world
from ..toy.aerial import AerialLook
from ..toy.appearance import Appearance
from ..toy.canvas import LANE_MARKING
from ..toy.looks import APPEARANCES
from ..toy.render import render
from ..toy.square_looks import SQUARE_LOOKS, render_square
from .predictions import colorize

#: colours of what aerial pictures show, in the order of KINDS
KIND_COLORS = (
    *((0, 0, 0), (150, 150, 150), (255, 0, 0), (255, 255, 0), (0, 0, 255), (159, 129, 183)),
    *((0, 120, 0), (255, 195, 128), (180, 255, 180), (255, 0, 255), (255, 128, 0)),
)
Draw = Callable[[np.random.Generator], tuple[np.ndarray, np.ndarray]]


def street_rows(width: int, height: int) -> dict[str, Draw]:
    """What draws a picture and its label in colours, by appearance."""

    def draw(look: Appearance, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        image, label = render(look, width, height, rng)
        label[label == LANE_MARKING] = 0
        return image, colorize(label, CITY19_PALETTE)

    return {name: partial(draw, look) for name, look in APPEARANCES.items()}


def square_rows(side: int) -> dict[str, Draw]:
    """The same for the aerial and medical pictures."""

    def draw(look: Any, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        image, label = render_square(look, side, rng)
        return image, colorize(label, KIND_COLORS if isinstance(look, AerialLook) else ((0, 0, 0), (255, 255, 255)))

    return {name: partial(draw, look) for name, look in SQUARE_LOOKS.items()}


def contact_sheet(path: Path, drawn: Mapping[str, Draw], columns: int) -> None:
    """Pictures and labels of every appearance, one row each."""
    rows = []
    for number, (name, draw) in enumerate(drawn.items()):
        cells = [cell for column in range(columns) for cell in draw(np.random.default_rng([7, number, column]))]
        row = np.concatenate(cells, 1)
        cv2.putText(row, name, (6, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (255, 255, 255), 2, cv2.LINE_AA)
        cv2.putText(row, name, (6, 16), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (20, 20, 20), 1, cv2.LINE_AA)
        rows.append(row)
    path.parent.mkdir(parents=True, exist_ok=True)
    if not cv2.imwrite(str(path), np.concatenate(rows)[..., ::-1]):
        raise OSError(f"cannot write '{path}'")


def main(argv: Optional[Sequence[str]] = None) -> None:
    """Run ``tools/make_toy_world.py``."""
    args = parse_args(argv)
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
        contact_sheet(args.contact_sheet, street_rows(width, height), 3)
        square = args.contact_sheet.with_name(f'{args.contact_sheet.stem}_square{args.contact_sheet.suffix}')
        contact_sheet(square, square_rows(height), 3)
    for name, folder in roots.items():
        print(f'{name}: {folder}')

"""Pictures of what was bought."""

from __future__ import annotations

from pathlib import Path
from typing import Optional, Sequence

import cv2
import numpy as np

from ..ops.labels import IGNORE
from .label_set import LabelSet
from .pool import Pool
from .regions import RegionLabels, region_path

WIDTH = 640


def draw_regions(
    image: np.ndarray, regions: RegionLabels, palette: Sequence[Sequence[int]], thicken: int = 2, rounds: int = 255
) -> np.ndarray:
    """The darkened image with the pixels bought up to a round in the colours of their classes (white: no class).

    Args:
        image: uint8 BGR (H, W, 3).
        palette: RGB per class.
        thicken: regions of few pixels are drawn larger by this radius, to be seen at all.
        rounds: later rounds are not drawn.
    """
    colours = np.full((256, 3), 255, np.uint8)
    colours[: len(palette)] = np.asarray(palette, np.uint8)[:, ::-1]
    picture: np.ndarray = (image * 0.45).astype(np.uint8)
    bought: np.ndarray = (regions.bought > 0) & (regions.bought <= rounds)
    painted: np.ndarray = np.where(bought[..., None], colours[np.where(bought, regions.label, IGNORE)], 0).astype(
        np.uint8
    )
    if thicken:
        kernel = np.ones((2 * thicken + 1, 2 * thicken + 1), np.uint8)
        painted = cv2.dilate(painted, kernel)
        bought = cv2.dilate(bought.astype(np.uint8), kernel) > 0
    picture[bought] = painted[bought]
    return picture


def draw_label(
    image: np.ndarray, label: np.ndarray, palette: Sequence[Sequence[int]], strength: float = 0.5
) -> np.ndarray:
    """The image with its whole label painted over it; ignored pixels stay as they are."""
    colours = np.zeros((256, 3), np.uint8)
    colours[: len(palette)] = np.asarray(palette, np.uint8)[:, ::-1]
    known = (label != IGNORE)[..., None]
    return np.where(known, image * (1 - strength) + colours[label] * strength, image).astype(np.uint8)


def write_pictures(pool: Pool, label_set: LabelSet, round_number: int, limit: int = 8) -> list[Path]:
    """Draw the first ``limit`` purchases of a round into its folder; returns the files."""
    purchase = next(p for p in label_set.purchases if p.round == round_number)
    names = purchase.images if label_set.level == 'image' else label_set.names
    folder = label_set.round_folder(round_number) / 'pictures'
    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for name in names[:limit]:
        picture = _picture(pool, label_set, name, round_number)
        if picture is None:
            continue
        height = round(picture.shape[0] * WIDTH / picture.shape[1])
        files.append(folder / f'{name.replace("/", "_")}.jpg')
        files[-1].write_bytes(
            cv2.imencode('.jpg', cv2.resize(picture, (WIDTH, height), interpolation=cv2.INTER_AREA))[1].tobytes()
        )
    return files


def _picture(pool: Pool, label_set: LabelSet, name: str, round_number: int) -> Optional[np.ndarray]:
    image = pool.read_image(name)
    if label_set.level == 'region':
        regions = RegionLabels.load(region_path(label_set.folder, name))
        return None if regions is None else draw_regions(image, regions, pool.palette, rounds=round_number)
    return draw_label(image, pool.read_label(name), pool.palette) if pool.simulated else image

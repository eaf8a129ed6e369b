"""Small endoscope pictures: a red tube with folds, vessels, highlights and, sometimes, a polyp."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

Rng = np.random.Generator
Rgb = tuple[float, float, float]


@dataclass(frozen=True)
class EndoscopyLook:
    """How the pictures of one endoscope look.

    Attributes:
        tissue, polyp: RGB of the wall and of a polyp; the drawn colours vary around them.
        variety: standard deviation of these colours in grey levels.
        folds, vessels, highlights: expected numbers.
        share: of pictures with a polyp; a few have two.
        size: range of a polyp's radius as a share of the picture.
        light: darkening from the centre to the corners, in [0, 1].
        contrast, brightness, saturation: of the whole picture; 1 = unchanged.
        tint: factors of red, green, blue.
        mask: radius of the round field of view as a share of the picture's edge; 0: none.
        blur, noise: of the camera: Gaussian sigma in pixels, standard deviation in grey levels.
    """

    tissue: Rgb = (196, 112, 92)
    polyp: Rgb = (214, 104, 96)
    variety: float = 8
    folds: float = 4
    vessels: float = 5
    highlights: float = 8
    share: float = 0.9
    size: tuple[float, float] = (0.08, 0.24)
    light: float = 0.55
    contrast: float = 1
    brightness: float = 1
    saturation: float = 1
    tint: Rgb = (1, 1, 1)
    mask: float = 0
    blur: float = 0
    noise: float = 0


def render_endoscopy(look: EndoscopyLook, side: int, rng: Rng) -> tuple[np.ndarray, np.ndarray]:
    """One picture and its mask.

    Args:
        look: the look of the data set.
        side: edge of the picture in pixels.
        rng: the only source of randomness.

    Returns:
        image (H, W, 3) uint8 RGB, label (H, W) uint8: 1 = polyp, else 0.
    """
    rows, columns = np.mgrid[:side, :side].astype(np.float32) / side
    color = np.asarray(look.tissue, np.float32) + rng.normal(0, look.variety, 3).astype(np.float32)
    color = np.broadcast_to(color, (side, side, 3)).copy()
    patches = cv2.resize(rng.standard_normal((7, 7), dtype=np.float32), (side, side), interpolation=cv2.INTER_CUBIC)
    color += 9 * patches[..., None]
    centre = rng.uniform(0.35, 0.65, 2)
    radius = np.hypot(rows - centre[0], columns - centre[1])
    for _ in range(rng.poisson(look.folds)):  # ridges of the wall: rings around where the tube leads
        where, width = rng.uniform(0.1, 0.7), rng.uniform(0.015, 0.05)
        wave = 0.04 * np.sin(3 * np.arctan2(rows - centre[0], columns - centre[1]) + rng.uniform(0, 6))
        color += (20 * np.exp(-(((radius + wave - where) / width) ** 2)))[..., None]
        color -= (16 * np.exp(-(((radius + wave - where - width) / width) ** 2)))[..., None]
    for _ in range(rng.poisson(look.vessels)):
        _vessel(color, rng, side)
    label = np.zeros((side, side), np.uint8)
    for _ in range(int(rng.random() < look.share) + int(rng.random() < 0.1 * look.share)):
        _polyp(color, label, look, rng, rows, columns)
    color *= (1 - look.light * np.clip(radius / 0.75, 0, 1) ** 2)[..., None]
    for _ in range(rng.poisson(look.highlights)):
        spot = tuple(int(v) for v in rng.uniform(0.1, 0.9, 2) * side)
        axes = (max(int(rng.uniform(0.004, 0.02) * side), 1), max(int(rng.uniform(0.003, 0.01) * side), 1))
        cv2.ellipse(color, spot, axes, rng.uniform(0, 180), 0, 360, (250.0, 246.0, 240.0), -1)
    return _camera(color, look, rng, np.hypot(rows - 0.5, columns - 0.5)), label


def _vessel(color: np.ndarray, rng: Rng, side: int) -> None:
    steps = np.cumsum(rng.normal(0, 0.05, (10, 2)) + rng.normal(0, 0.03, 2), 0) + rng.random(2)
    layer: Any = np.zeros(color.shape[:2], np.float32)
    cv2.polylines(layer, [np.round(steps * side).astype(np.int32)], False, 1.0, max(side // 96, 1))
    layer = cv2.GaussianBlur(layer, (0, 0), 0.8)
    color -= layer[..., None] * np.array([18, 40, 34], np.float32)


def _polyp(
    color: np.ndarray, label: np.ndarray, look: EndoscopyLook, rng: Rng, rows: np.ndarray, columns: np.ndarray
) -> None:
    """A dome with its own colour, a light side and a shadow."""
    centre, radius = rng.uniform(0.2, 0.8, 2), rng.uniform(*look.size)
    angle = np.arctan2(rows - centre[0], columns - centre[1])
    outline = radius * (1 + 0.12 * np.sin(2 * angle + rng.uniform(0, 6)) + 0.06 * np.sin(5 * angle + rng.uniform(0, 6)))
    distance = np.hypot(rows - centre[0], columns - centre[1]) / outline
    shadow = np.hypot(rows - centre[0] - 0.02, columns - centre[1] - 0.02) / outline
    color *= np.where((shadow < 1.15) & (distance >= 1), 0.8, 1.0)[..., None].astype(np.float32)
    inside = distance < 1
    dome = np.sqrt(np.clip(1 - distance**2, 0, 1))
    own = np.asarray(look.polyp, np.float32) + rng.normal(0, look.variety, 3).astype(np.float32)
    texture = 6 * cv2.GaussianBlur(rng.standard_normal(rows.shape, dtype=np.float32), (0, 0), 1.2)
    shaded = own * (0.72 + 0.34 * dome)[..., None] + texture[..., None]
    color[inside] = shaded[inside]
    label[inside] = 1


def _camera(color: np.ndarray, look: EndoscopyLook, rng: Rng, from_centre: np.ndarray) -> np.ndarray:
    color = color * np.asarray(look.tint, np.float32) * (look.brightness * rng.uniform(0.92, 1.08))
    grey = color.mean(-1, keepdims=True)
    color = grey + look.saturation * (color - grey)
    color = (color - 118) * look.contrast + 118
    if look.blur > 0:
        color = cv2.GaussianBlur(np.ascontiguousarray(color), (0, 0), look.blur)
    if look.noise > 0:
        color = color + look.noise * rng.standard_normal(color.shape, dtype=np.float32)
    if look.mask:
        color = np.where((from_centre < look.mask)[..., None], color, 8)
    return np.clip(color, 0, 255).astype(np.uint8)

"""What an appearance is: the palette, light, camera and habits that make one toy data set look unlike another."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Mapping

import numpy as np

Rgb = tuple[float, float, float]


@dataclass(frozen=True)
class Appearance:
    """How one data set looks.

    Attributes:
        base: RGB per kind of surface; the drawn colour varies around it by ``variety`` (per object).
        buildings, vehicles, clothes: alternatives of RGB.
        variety: standard deviation of object colours, in grey levels.
        sky: RGB at the zenith and at the horizon.
        texture: amplitude of surface texture in grey levels.
        grain: size of the texture in pixels of the final picture.
        contrast, brightness, saturation: of the whole picture; 1 = unchanged.
        tint: RGB factors.
        haze: share of haze at 60 m, in [0, 1]; its colour is the sky at the horizon.
        shadows: darkness of shadows on the ground, in [0, 1].
        blur, noise: of the camera: Gaussian sigma in pixels, standard deviation in grey levels.
        vignette: darkening at the corners, in [0, 1].
        jpeg: quality of a compression pass, or 0 for none.
        night: 0 = day, 1 = night with lit windows and lamps.
        elevation, horizon, focal: ranges of the camera (metres; share of the height; share of the width).
        road: range of the road's half width in metres.
        bonnet: whether the own car's bonnet is seen.
        density: factors on the frequency of kinds of objects (of ``scene.FURNITURE``).
    """

    base: Mapping[str, Rgb]
    buildings: tuple[Rgb, ...]
    vehicles: tuple[Rgb, ...]
    clothes: tuple[Rgb, ...] = ((40, 44, 60), (120, 40, 40), (60, 90, 120), (150, 140, 130), (70, 70, 50), (30, 30, 30))
    variety: float = 8
    sky: tuple[Rgb, Rgb] = ((110, 160, 225), (205, 220, 235))
    texture: float = 5
    grain: float = 1
    contrast: float = 1
    brightness: float = 1
    saturation: float = 1
    tint: Rgb = (1, 1, 1)
    haze: float = 0.1
    shadows: float = 0.4
    blur: float = 0
    noise: float = 0
    vignette: float = 0
    jpeg: int = 0
    night: float = 0
    elevation: tuple[float, float] = (1.3, 1.6)
    horizon: tuple[float, float] = (0.40, 0.46)
    focal: tuple[float, float] = (0.55, 0.65)
    road: tuple[float, float] = (4.5, 7)
    bonnet: bool = False
    density: Mapping[str, float] = field(default_factory=dict)

    def color(self, name: str, rng: np.random.Generator) -> np.ndarray:
        """One object's colour for a kind of surface, float32 (3,)."""
        return self.vary(self.base[name], rng)

    def vary(self, rgb: Rgb, rng: np.random.Generator) -> np.ndarray:
        """``rgb`` with this appearance's variety of brightness and hue."""
        out = np.asarray(rgb, np.float32) + rng.normal(0, self.variety) + rng.normal(0, self.variety / 3, 3)
        return np.clip(out, 3, 252).astype(np.float32)


def between(a: Appearance, b: Appearance, share: float) -> Appearance:
    """An appearance ``share`` of the way from ``a`` to ``b`` in colours and light, to narrow or widen a gap.

    Layout and camera habits are those of ``b``.
    """

    def blend(left: object, right: object) -> object:
        if isinstance(left, dict) and isinstance(right, dict):
            return {key: blend(left.get(key, value), value) for key, value in right.items()}
        if isinstance(left, tuple) and isinstance(right, tuple) and len(left) == len(right):
            return tuple(blend(x, y) for x, y in zip(left, right))
        if isinstance(left, (int, float)) and isinstance(right, (int, float)) and not isinstance(right, bool):
            return (1 - share) * left + share * right
        return right

    fields = (
        'base',
        'sky',
        'texture',
        'contrast',
        'brightness',
        'saturation',
        'tint',
        'haze',
        'shadows',
        'blur',
        'noise',
        'vignette',
        'variety',
    )
    mixed: dict[str, Any] = {name: blend(getattr(a, name), getattr(b, name)) for name in fields}
    return replace(b, **mixed)

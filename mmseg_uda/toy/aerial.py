"""Small aerial pictures: fields, woods, water, roads and houses seen from above, in four bands (red, green, blue, near
infrared)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Mapping, Sequence

import cv2
import numpy as np

from .render import OVERSAMPLING

Rng = np.random.Generator
#: red, green, blue and near-infrared in grey levels
Bands = tuple[float, float, float, float]
#: what is drawn; label values are the positions in this list
KINDS = ('nodata', 'yard', 'building', 'road', 'water', 'soil', 'wood', 'field', 'meadow', 'car', 'clutter')
KIND = {name: number for number, name in enumerate(KINDS)}
RGB, IRRG = (0, 1, 2), (3, 0, 1)


@dataclass(frozen=True)
class AerialLook:
    """How one aerial data set looks.

    Attributes:
        base: bands per kind.
        roofs, cars: alternatives.
        shown: which of the four bands the pictures hold, in the order red, green, blue of a picture.
        parcels: weights of the kinds that the parcels of land may have.
        parcel: edge of a parcel as a share of the picture.
        woods, houses, trees, ponds, patches, clutter, parked: expected numbers.
        house: range of a house's edges as a share of the picture.
        roads: range of the number of roads; road: their width as a share of the picture.
        nodata: share of pictures with an empty corner.
        variety: standard deviation of object colours, in grey levels.
        texture: amplitude of the surfaces' texture in grey levels.
        contrast, brightness, saturation: of the whole picture; 1 = unchanged.
        tint: factors of the shown bands.
        haze: share of light grey mixed in.
        shadows: darkness of shadows, in [0, 1].
        blur, noise: of the camera: Gaussian sigma in pixels, standard deviation in grey levels.
    """

    base: Mapping[str, Bands]
    roofs: tuple[Bands, ...]
    cars: tuple[Bands, ...] = ((200, 200, 200, 190), (60, 60, 64, 60), (150, 40, 40, 90), (50, 70, 130, 80))
    shown: tuple[int, int, int] = RGB
    parcels: Mapping[str, float] = field(default_factory=lambda: dict(field=1.0))
    parcel: float = 0.4
    woods: float = 1.0
    houses: float = 4
    trees: float = 6
    ponds: float = 0.3
    patches: float = 0.5
    clutter: float = 0.0
    parked: float = 0.0
    house: tuple[float, float] = (0.06, 0.12)
    roads: tuple[int, int] = (1, 2)
    road: float = 0.03
    nodata: float = 0.0
    variety: float = 9
    texture: float = 5
    contrast: float = 1
    brightness: float = 1
    saturation: float = 1
    tint: tuple[float, float, float] = (1, 1, 1)
    haze: float = 0.0
    shadows: float = 0.45
    blur: float = 0
    noise: float = 0


class Plan:
    """What is painted: bands (H, W, 4) float32 and kind (H, W) uint8 of a square picture, oversampled."""

    def __init__(self, side: int) -> None:
        self.side = side
        self.color = np.zeros((side, side, 4), np.float32)
        self.label = np.zeros((side, side), np.uint8)

    def polygon(self, points: np.ndarray, color: np.ndarray, kind: str) -> None:
        """Fill a polygon given as shares of the picture (N, 2)."""
        corners = np.round(points * self.side).astype(np.int32)
        cv2.fillPoly(self.color, [corners], tuple(float(c) for c in color))
        cv2.fillPoly(self.label, [corners], KIND[kind])

    def disc(self, centre: np.ndarray, radius: float, color: np.ndarray, kind: str) -> None:
        """Fill a disc."""
        where = tuple(int(round(v * self.side)) for v in centre)
        size = max(int(round(radius * self.side)), 1)
        cv2.circle(self.color, where, size, tuple(float(c) for c in color), -1)
        cv2.circle(self.label, where, size, KIND[kind], -1)

    def path(self, points: np.ndarray, width: float, color: np.ndarray, kind: str) -> None:
        """A line through points (N, 2)."""
        corners = np.round(points * self.side).astype(np.int32)
        thickness = max(int(round(width * self.side)), 1)
        cv2.polylines(self.color, [corners], False, tuple(float(c) for c in color), thickness)
        cv2.polylines(self.label, [corners], False, KIND[kind], thickness)

    def shade(self, points: np.ndarray, darkness: float) -> None:
        """Darken a polygon; labels stay."""
        mask = np.zeros(self.label.shape, np.uint8)
        cv2.fillPoly(mask, [np.round(points * self.side).astype(np.int32)], 1)
        self.color[mask > 0] *= 1 - darkness

    def kind_at(self, point: np.ndarray) -> str:
        """What lies at a point."""
        column, row = np.clip((point * self.side).astype(int), 0, self.side - 1)
        return KINDS[self.label[row, column]]


def paint_plan(look: AerialLook, side: int, rng: Rng) -> Plan:
    """Paint one picture from the ground up: parcels, water, bare soil, woods, roads, houses, trees, cars.

    Args:
        look: the look of the data set.
        side: edge in pixels.
        rng: the only source of randomness.
    """
    plan = Plan(side)
    angle = rng.uniform(0, np.pi)
    _parcels(plan, look, rng, angle)
    for _ in range(rng.poisson(look.patches)):
        _blob(plan, look, rng, 'soil', rng.uniform(0.08, 0.2))
    for _ in range(rng.poisson(look.ponds)):
        if rng.random() < 0.5:
            _blob(plan, look, rng, 'water', rng.uniform(0.08, 0.22))
        else:
            plan.path(_crossing(rng, 0.12), rng.uniform(0.05, 0.14), _vary(look.base['water'], look, rng), 'water')
    for _ in range(rng.poisson(look.woods)):
        _wood(plan, look, rng)
    for number in range(int(rng.integers(look.roads[0], look.roads[1] + 1))):
        _road(plan, look, rng, angle + number % 2 * np.pi / 2)
    for _ in range(rng.poisson(look.clutter)):
        color = np.array([rng.uniform(60, 220), rng.uniform(60, 200), rng.uniform(60, 200), rng.uniform(60, 180)])
        plan.polygon(_rectangle(rng.random(2), rng.uniform(0.03, 0.08, 2), angle), color, 'clutter')
    for _ in range(rng.poisson(look.houses)):
        _house(plan, look, rng, angle)
    for _ in range(rng.poisson(look.trees)):
        _crown(plan, look, rng, rng.random(2), rng.uniform(0.015, 0.04))
    for _ in range(rng.poisson(look.parked)):
        _car(plan, look, rng, angle)
    if rng.random() < look.nodata:
        corner = np.array([[0, 0], [rng.uniform(0.15, 0.4), 0], [0, rng.uniform(0.15, 0.4)]])
        plan.polygon(corner, np.zeros(4), 'nodata')
    return plan


def _vary(color: Sequence[float], look: AerialLook, rng: Rng) -> np.ndarray:
    out = np.asarray(color, np.float32) + rng.normal(0, look.variety) + rng.normal(0, look.variety / 3, 4)
    return np.clip(out, 2, 252).astype(np.float32)


def _turned(points: np.ndarray, centre: np.ndarray, angle: float) -> np.ndarray:
    cos, sin = np.cos(angle), np.sin(angle)
    return points @ np.array([[cos, sin], [-sin, cos]]) + centre


def _rectangle(centre: np.ndarray, size: Any, angle: float) -> np.ndarray:
    half = np.asarray(size) / 2
    return _turned(np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * half, centre, angle)


def _crossing(rng: Rng, bend: float) -> np.ndarray:
    """A bent line across the picture, (N, 2)."""
    start, end = np.array([-0.05, rng.random()]), np.array([1.05, rng.random()])
    share = np.linspace(0, 1, 12)[:, None]
    line = start + share * (end - start)
    line[:, 1] += bend * np.sin(share[:, 0] * rng.uniform(2, 7) + rng.uniform(0, 6))
    return line if rng.random() < 0.5 else line[:, ::-1]


def _parcels(plan: Plan, look: AerialLook, rng: Rng, angle: float) -> None:
    """Land in a turned grid; fields get furrows."""
    kinds, weights = list(look.parcels), np.array(list(look.parcels.values()), float)
    step = look.parcel * rng.uniform(0.8, 1.2)
    centre, count = np.array([0.5, 0.5]), int(np.ceil(0.8 / step))
    plan.polygon(np.array([[0, 0], [1, 0], [1, 1], [0, 1]]), _vary(look.base[kinds[0]], look, rng), kinds[0])
    for row in range(-count, count + 1):
        for column in range(-count, count + 1):
            kind = str(rng.choice(kinds, p=weights / weights.sum()))
            color = _vary(look.base[kind], look, rng)
            low = np.array([column, row]) * step
            size = np.array([step, step]) * rng.uniform(0.9, 1.05, 2)
            corners = low + np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) * size
            plan.polygon(_turned(corners, centre, angle), color, kind)
            if kind == 'field':
                for share in np.arange(0.04, 1, 0.08):
                    furrow = low + np.array([[share * size[0], 0], [share * size[0], size[1]]])
                    plan.path(_turned(furrow, centre, angle), 0.004, np.clip(color * 0.86, 0, 255), kind)


def _blob(plan: Plan, look: AerialLook, rng: Rng, kind: str, radius: float) -> None:
    angles = np.linspace(0, 2 * np.pi, 14, endpoint=False)
    radii = radius * rng.uniform(0.7, 1.2, len(angles))
    outline = rng.random(2) + np.stack([np.cos(angles), np.sin(angles)], 1) * radii[:, None]
    plan.polygon(outline, _vary(look.base[kind], look, rng), kind)


def _crown(plan: Plan, look: AerialLook, rng: Rng, centre: np.ndarray, radius: float) -> None:
    color = _vary(look.base['wood'], look, rng)
    angles = np.linspace(0, 2 * np.pi, 10, endpoint=False)
    ring = np.stack([np.cos(angles), np.sin(angles)], 1) * radius
    plan.shade(centre + ring + radius * 0.5, look.shadows * 0.8)
    plan.disc(centre, radius, np.clip(color * 0.85, 0, 255), 'wood')
    plan.disc(centre - radius * 0.25, radius * 0.6, np.clip(color * 1.12, 0, 255), 'wood')


def _wood(plan: Plan, look: AerialLook, rng: Rng) -> None:
    centre, spread = rng.random(2), rng.uniform(0.06, 0.18)
    for _ in range(int(900 * spread**2) + 8):
        _crown(plan, look, rng, centre + rng.normal(0, spread / 2, 2), rng.uniform(0.02, 0.035))


def _road(plan: Plan, look: AerialLook, rng: Rng, angle: float) -> None:
    centre = rng.uniform(0.15, 0.85, 2)
    share = np.linspace(-1.2, 1.2, 13)[:, None]
    line = np.concatenate([share, 0.04 * np.sin(share * rng.uniform(0, 5))], 1)
    width = look.road * rng.uniform(0.8, 1.25)
    points = _turned(line, centre, angle)
    plan.path(points, width, _vary(look.base['road'], look, rng), 'road')
    if width > 0.045:
        plan.path(points, 0.005, np.array([225.0, 225, 220, 210]), 'road')


def _house(plan: Plan, look: AerialLook, rng: Rng, angle: float) -> None:
    centre = rng.random(2)
    if plan.kind_at(centre) in ('road', 'water'):
        return
    size = rng.uniform(*look.house, 2)
    turn = angle + (0 if rng.random() < 0.5 else np.pi / 2)
    outline = _rectangle(centre, size, turn)
    height = 0.25 * float(size.min()) + 0.01
    plan.shade(outline + height, look.shadows)
    roof = _vary(look.roofs[int(rng.integers(len(look.roofs)))], look, rng)
    plan.polygon(outline, roof, 'building')
    if rng.random() < 0.7:  # a gable: the other half lies in another light
        half = np.stack([outline[0], outline[1], (outline[1] + outline[2]) / 2, (outline[3] + outline[0]) / 2])
        plan.polygon(half, np.clip(roof * rng.uniform(0.75, 0.88), 0, 255), 'building')


def _car(plan: Plan, look: AerialLook, rng: Rng, angle: float) -> None:
    for _ in range(12):
        centre = rng.random(2)
        if plan.kind_at(centre) in ('road', 'yard'):
            color = _vary(look.cars[int(rng.integers(len(look.cars)))], look, rng)
            outline = _rectangle(centre, (0.042, 0.02), angle + np.pi / 2 * rng.integers(2))
            plan.shade(outline + 0.005, look.shadows)
            plan.polygon(outline, color, 'car')
            return


_GAIN = np.array([dict(water=0.3, wood=2.2, field=1.2, meadow=1.4, soil=1.5).get(kind, 0.8) for kind in KINDS])


def render_aerial(look: AerialLook, side: int, rng: Rng) -> tuple[np.ndarray, np.ndarray]:
    """One picture and what it shows.

    Args:
        look: the look of the data set.
        side: edge of the picture in pixels.
        rng: the only source of randomness.

    Returns:
        image (H, W, 3) uint8, the bands of ``look.shown``; label (H, W) uint8, positions in :data:`KINDS`.
    """
    plan = paint_plan(look, side * OVERSAMPLING, rng)
    label = np.ascontiguousarray(plan.label[OVERSAMPLING // 2 :: OVERSAMPLING, OVERSAMPLING // 2 :: OVERSAMPLING])
    color = cv2.resize(plan.color, (side, side), interpolation=cv2.INTER_AREA)[..., list(look.shown)]
    grain = rng.standard_normal((side, side), dtype=np.float32)
    patches = cv2.resize(rng.standard_normal((side // 10 + 2,) * 2, dtype=np.float32), (side, side))
    color = color + (look.texture * _GAIN[label] * (grain + 0.8 * patches))[..., None]
    color = color * np.asarray(look.tint, np.float32) * (look.brightness * rng.uniform(0.94, 1.06))
    grey = color.mean(-1, keepdims=True)
    color = grey + look.saturation * (color - grey)
    color = (color - 118) * look.contrast + 118
    color = color * (1 - look.haze) + 205 * look.haze
    if look.blur > 0:
        color = cv2.GaussianBlur(np.ascontiguousarray(color), (0, 0), look.blur)
    if look.noise > 0:
        color = color + look.noise * rng.standard_normal(color.shape, dtype=np.float32)
    color[label == KIND['nodata']] = 0
    return np.clip(color, 0, 255).astype(np.uint8), label

"""Things on the street: people, riders, vehicles, street furniture, trees. Sizes in metres."""

from __future__ import annotations

from typing import Any, Callable

import numpy as np

from ..datasets.label_spaces import CITY19
from .appearance import Appearance
from .canvas import AUTORICKSHAW, Canvas

ID = {name: i for i, name in enumerate(CITY19)}
Rng = np.random.Generator


def _pick(options: Any, rng: Rng) -> Any:
    return options[int(rng.integers(len(options)))]


def shadow(canvas: Canvas, look: Appearance, x: tuple[float, float], z: tuple[float, float]) -> None:
    """Darken the ground below an object; the class of the ground stays."""
    if look.shadows <= 0:
        return
    project = canvas.camera.project
    points = np.round([project(x[0], 0, z[0]), project(x[0], 0, z[1]), project(x[1], 0, z[1]), project(x[1], 0, z[0])])
    points = np.clip(points, -8000, 8000)
    low, high = points.min(0).astype(int), points.max(0).astype(int) + 1
    rows = slice(max(low[1], 0), min(max(high[1], 0), canvas.camera.height))
    columns = slice(max(low[0], 0), min(max(high[0], 0), canvas.camera.width))
    canvas.color[rows, columns] *= 1 - look.shadows * 0.7


def person(
    canvas: Canvas, look: Appearance, rng: Rng, x: float, z: float, label: int = ID['person'], base: float = 0.0
) -> None:
    """A standing or walking person; riders are persons on something (``base`` metres up)."""
    height = rng.uniform(1.55, 1.9)
    shirt, trousers = look.vary(_pick(look.clothes, rng), rng), look.vary(_pick(look.clothes, rng), rng)
    project, scale = canvas.camera.project, canvas.camera.scale(z)
    if base == 0:
        shadow(canvas, look, (x - 0.3, x + 0.3), (z, z + 0.4))
    hip, neck = base + 0.48 * height, base + 0.84 * height
    stride = rng.uniform(0.02, 0.2)
    for side in (-1, 1):
        canvas.line(
            project(x + side * 0.08, hip, z), project(x + side * stride, base, z), 0.15 * scale, trousers, label, z
        )
        canvas.line(
            project(x + side * 0.2, neck - 0.08, z),
            project(x + side * rng.uniform(0.22, 0.36), hip, z),
            0.1 * scale,
            shirt * 0.9,
            label,
            z,
        )
    canvas.polygon(
        [project(x - 0.19, hip, z), project(x - 0.24, neck, z), project(x + 0.24, neck, z), project(x + 0.19, hip, z)],
        shirt,
        label,
        z,
    )
    canvas.ellipse(project(x, base + 0.92 * height, z), (0.1 * scale, 0.13 * scale), look.color('skin', rng), label, z)


def two_wheeler(canvas: Canvas, look: Appearance, rng: Rng, x: float, z: float, kind: str, rider: bool) -> None:
    """A bicycle or motorcycle, seen from the side or obliquely, with or without its rider."""
    color, scale, project = look.color(kind, rng), canvas.camera.scale(z), canvas.camera.project
    label, length = ID[kind], rng.uniform(0.35, 1.0) * 0.55
    radius = 0.34 if kind == 'bicycle' else 0.31
    heavy = 0.05 if kind == 'bicycle' else 0.13
    shadow(canvas, look, (x - length, x + length), (z, z + 0.4))
    if rider:
        person(canvas, look, rng, x, z, ID['rider'], base=0.35)
    for side in (-1, 1):
        canvas.ellipse(
            project(x + side * length, radius, z),
            (radius * scale * (0.4 + length), radius * scale),
            look.color('tyre', rng),
            label,
            z,
            hollow=max(heavy * scale, 1),
        )
    seat, bar = project(x - 0.5 * length, 0.9, z), project(x + 0.8 * length, 1.0, z)
    pedal, hub = project(x, 0.35, z), project(x + length, radius, z)
    for start, end in ((seat, pedal), (pedal, bar), (bar, hub), (seat, bar), (seat, project(x - length, radius, z))):
        canvas.line(start, end, heavy * scale, color, label, z)
    if kind == 'motorcycle':
        canvas.billboard(x, z, length * 1.1, 0.35, 0.85, color, label)


def _wheels(
    canvas: Canvas,
    look: Appearance,
    rng: Rng,
    x: tuple[float, float],
    z: tuple[float, float],
    radius: float,
    label: int,
) -> None:
    color = look.color('tyre', rng)
    for edge in x:
        canvas.billboard(edge + (0.13 if edge == x[0] else -0.13), z[0], 0.26, 0.0, 2 * radius, color, label)


def _lamps(
    canvas: Canvas, x: tuple[float, float], z: float, height: float, label: int, front: bool, lit: float
) -> None:
    color = np.array([255, 250, 220] if front else [190 + 60 * lit, 30, 30], np.float32)
    scale = canvas.camera.scale(z)
    for edge in (x[0] + 0.25, x[1] - 0.25):
        canvas.ellipse(canvas.camera.project(edge, height, z), (0.12 * scale, 0.09 * scale), color, label, z)


def car(canvas: Canvas, look: Appearance, rng: Rng, x: float, z: float) -> None:
    """A car from behind or in front: body, cabin, windows, wheels, lamps."""
    width, length, label = rng.uniform(1.65, 1.9), rng.uniform(3.8, 4.8), ID['car']
    color = look.vary(_pick(look.vehicles, rng), rng)
    left, right = x - width / 2, x + width / 2
    waist, top = rng.uniform(0.8, 0.95), rng.uniform(1.4, 1.75)
    shadow(canvas, look, (left - 0.1, right + 0.1), (z - 0.1, z + length))
    _wheels(canvas, look, rng, (left, right), (z, z + length), 0.32, label)
    canvas.box((left + 0.12, right - 0.12), (waist, top), (z + 0.7, z + length - 1.0), color * 0.95, label)
    canvas.box((left, right), (0.22, waist), (z, z + length), color, label)
    project = canvas.camera.project
    glass = look.color('glass', rng)
    canvas.polygon(
        [
            project(left + 0.16, waist, z + 0.5),
            project(left + 0.3, top - 0.08, z + 0.7),
            project(right - 0.3, top - 0.08, z + 0.7),
            project(right - 0.16, waist, z + 0.5),
        ],
        glass,
        label,
        z,
    )
    front = bool(rng.random() < 0.5)
    _lamps(canvas, (left, right), z, 0.68, label, front, look.night)
    canvas.billboard(x, z, 0.5, 0.4, 0.52, (230, 230, 224), label)


def large_vehicle(canvas: Canvas, look: Appearance, rng: Rng, x: float, z: float, kind: str) -> None:
    """A bus, truck or train (tram)."""
    size = dict(bus=(2.5, 3.0, 11.0), truck=(2.45, 3.4, 8.0), train=(2.6, 3.5, 28.0))[kind]
    width, height, length = size[0], size[1] * rng.uniform(0.92, 1.08), size[2]
    color, label = look.color(kind, rng), ID[kind]
    left, right = x - width / 2, x + width / 2
    shadow(canvas, look, (left, right), (z, z + length))
    _wheels(canvas, look, rng, (left, right), (z, z + length), 0.45, label)
    canvas.box((left, right), (0.45, height), (z, z + length), color, label)
    glass = look.color('glass', rng)
    if kind == 'truck':
        canvas.billboard(x, z, width * 0.94, 0.8, height - 0.15, color * 0.9, label)
        for share in (0.33, 0.66):
            canvas.billboard(left + width * share, z, 0.05, 0.8, height - 0.2, color * 0.6, label)
        canvas.billboard(x, z, width, 0.45, 0.75, (60, 60, 60), label)
    else:
        canvas.billboard(x, z, width * 0.86, height * 0.45, height * 0.82, glass, label)
        inner = right if x < 0 else left
        project = canvas.camera.project
        windows = int(length / (1.6 if kind == 'bus' else 2.2))
        for i in range(windows):
            z0, z1 = z + 0.4 + i * length / windows, z + 0.4 + (i + 0.78) * length / windows
            canvas.polygon(
                [
                    project(inner, height * 0.5, z0),
                    project(inner, height * 0.5, z1),
                    project(inner, height * 0.84, z1),
                    project(inner, height * 0.84, z0),
                ],
                glass * 0.8,
                label,
                z,
            )
        if kind == 'bus':
            canvas.billboard(x, z, width * 0.6, height * 0.86, height * 0.96, (30, 30, 30), label)
            canvas.billboard(x, z, width * 0.4, height * 0.88, height * 0.94, (250, 160, 40), label)
        else:
            canvas.billboard(x, z, width, 0.45, 0.9, color * 0.5, label)
    _lamps(canvas, (left, right), z, 0.85, label, kind == 'train', look.night)


def autorickshaw(canvas: Canvas, look: Appearance, rng: Rng, x: float, z: float) -> None:
    """A three-wheeler with a dark canopy over a coloured body; no class of Cityscapes."""
    color = look.vary(_pick(((232, 190, 40), (60, 130, 70)), rng), rng)
    left, right, project = x - 0.65, x + 0.65, canvas.camera.project
    shadow(canvas, look, (left, right), (z, z + 2.6))
    _wheels(canvas, look, rng, (left, right), (z, z + 2.6), 0.22, AUTORICKSHAW)
    canvas.box((left + 0.08, right - 0.08), (0.85, 1.75), (z + 0.1, z + 2.2), (52, 50, 46), AUTORICKSHAW)
    canvas.box((left, right), (0.2, 0.85), (z, z + 2.6), color, AUTORICKSHAW)
    canvas.polygon(
        [
            project(left + 0.2, 0.9, z),
            project(left + 0.26, 1.4, z),
            project(right - 0.26, 1.4, z),
            project(right - 0.2, 0.9, z),
        ],
        look.color('glass', rng),
        AUTORICKSHAW,
        z,
    )
    _lamps(canvas, (left, right), z, 0.55, AUTORICKSHAW, bool(rng.random() < 0.5), look.night)


def pole(canvas: Canvas, look: Appearance, rng: Rng, x: float, z: float) -> None:
    """A lamp pole with an arm over the road, or a plain pole."""
    color, scale, project = look.color('pole', rng), canvas.camera.scale(z), canvas.camera.project
    height = rng.uniform(4.5, 8)
    canvas.line(project(x, 0, z), project(x, height, z), 0.16 * scale, color, ID['pole'], z)
    if rng.random() < 0.7:
        reach = -np.sign(x) * rng.uniform(0.8, 1.8)
        canvas.line(project(x, height, z), project(x + reach, height + 0.15, z), 0.12 * scale, color, ID['pole'], z)
        head = (255, 236, 170) if look.night else color * 0.8
        canvas.ellipse(project(x + reach, height + 0.1, z), (0.3 * scale, 0.1 * scale), head, ID['pole'], z)


def traffic_light(canvas: Canvas, look: Appearance, rng: Rng, x: float, z: float) -> None:
    """A pole with a housing of three lamps, one of them lit."""
    scale, project = canvas.camera.scale(z), canvas.camera.project
    height = rng.uniform(2.6, 3.6)
    canvas.line(project(x, 0, z), project(x, height, z), 0.13 * scale, look.color('pole', rng), ID['pole'], z)
    canvas.billboard(x, z, 0.42, height - 0.1, height + 1.1, look.color('light', rng), ID['traffic light'])
    lit = int(rng.integers(3))
    for i, rgb in enumerate(((250, 50, 40), (250, 200, 40), (60, 240, 110))):
        color = np.asarray(rgb, np.float32) * (1.0 if i == lit else 0.25)
        canvas.ellipse(
            project(x, height + 0.92 - 0.36 * i, z), (0.13 * scale, 0.13 * scale), color, ID['traffic light'], z
        )


def traffic_sign(canvas: Canvas, look: Appearance, rng: Rng, x: float, z: float) -> None:
    """A pole with a round, triangular or rectangular sign."""
    scale, project = canvas.camera.scale(z), canvas.camera.project
    height, label = rng.uniform(2.0, 2.8), ID['traffic sign']
    canvas.line(project(x, 0, z), project(x, height, z), 0.09 * scale, look.color('pole', rng), ID['pole'], z)
    kind, centre = int(rng.integers(3)), height + 0.3
    if kind == 0:
        canvas.ellipse(project(x, centre, z), (0.4 * scale, 0.4 * scale), (205, 35, 35), label, z)
        canvas.ellipse(project(x, centre, z), (0.27 * scale, 0.27 * scale), (240, 240, 235), label, z)
    elif kind == 1:
        for size, color in ((0.48, (205, 35, 35)), (0.27, (240, 235, 225))):
            canvas.polygon(
                [
                    project(x - size, centre - size * 0.7, z),
                    project(x, centre + size, z),
                    project(x + size, centre - size * 0.7, z),
                ],
                color,
                label,
                z,
            )
    else:
        canvas.billboard(x, z, 0.8, centre - 0.4, centre + 0.4, look.color('sign', rng), label)
        canvas.billboard(x, z, 0.4, centre - 0.08, centre + 0.08, (240, 240, 235), label)


def tree(canvas: Canvas, look: Appearance, rng: Rng, x: float, z: float) -> None:
    """A trunk and a crown of leaf clusters, all vegetation."""
    scale, project, label = canvas.camera.scale(z), canvas.camera.project, ID['vegetation']
    height, radius = rng.uniform(4, 8), rng.uniform(1.2, 2.3)
    leaf = look.color('vegetation', rng)
    canvas.line(project(x, 0, z), project(x, height * 0.6, z), 0.28 * scale, look.color('trunk', rng), label, z)
    shadow(canvas, look, (x - radius * 0.6, x + radius * 0.6), (z, z + radius))
    for i in range(16):
        angle, reach = rng.uniform(0, 2 * np.pi), radius * np.sqrt(rng.random()) * 0.85
        lift = np.sin(angle) * reach
        shade = leaf * (0.78 + 0.3 * (lift / radius + 1) / 2 + rng.normal(0, 0.07)) * (0.85 if i < 6 else 1)
        canvas.ellipse(
            project(x + np.cos(angle) * reach, height * 0.75 + lift * 0.9, z),
            (radius * scale * 0.42, radius * scale * 0.36),
            np.clip(shade, 0, 255),
            label,
            z,
        )


def bush(canvas: Canvas, look: Appearance, rng: Rng, x: float, z: float) -> None:
    """A low round plant."""
    scale, leaf = canvas.camera.scale(z), look.color('vegetation', rng)
    for _ in range(5):
        offset = rng.uniform(-0.8, 0.8)
        canvas.ellipse(
            canvas.camera.project(x + offset, 0.5, z),
            (0.6 * scale, 0.55 * scale),
            np.clip(leaf * rng.uniform(0.8, 1.15), 0, 255),
            ID['vegetation'],
            z,
        )


Drawer = Callable[[Canvas, Appearance, Rng, float, float], None]
DRAWERS: dict[str, Drawer] = {
    'person': person,
    'car': car,
    'pole': pole,
    'traffic light': traffic_light,
    'traffic sign': traffic_sign,
    'tree': tree,
    'bush': bush,
    'autorickshaw': autorickshaw,
    'truck': lambda c, a, r, x, z: large_vehicle(c, a, r, x, z, 'truck'),
    'bus': lambda c, a, r, x, z: large_vehicle(c, a, r, x, z, 'bus'),
    'train': lambda c, a, r, x, z: large_vehicle(c, a, r, x, z, 'train'),
    'bicycle': lambda c, a, r, x, z: two_wheeler(c, a, r, x, z, 'bicycle', rider=False),
    'motorcycle': lambda c, a, r, x, z: two_wheeler(c, a, r, x, z, 'motorcycle', rider=False),
    'rider on bicycle': lambda c, a, r, x, z: two_wheeler(c, a, r, x, z, 'bicycle', rider=True),
    'rider on motorcycle': lambda c, a, r, x, z: two_wheeler(c, a, r, x, z, 'motorcycle', rider=True),
}

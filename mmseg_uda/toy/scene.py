"""The layout of a street scene: ground, building fronts, and what stands and drives on it, painted from far to near."""

from __future__ import annotations

from typing import Callable

import numpy as np

from .appearance import Appearance
from .canvas import EGO_VEHICLE, LANE_MARKING, Camera, Canvas
from .objects import DRAWERS, ID, Rng

FAR = 90.0
NEAR = 1.2
#: expected number per scene: (kind, count, where); ``density`` of an appearance scales it, and only Indian roads have
#: autorickshaws
FURNITURE = (
    ('pole', 3.2, 'kerb'),
    ('traffic light', 1.1, 'kerb'),
    ('traffic sign', 1.6, 'kerb'),
    ('tree', 2.6, 'outer'),
    ('bush', 1.2, 'outer'),
    ('person', 2.6, 'walk'),
    ('person', 0.35, 'road'),
    ('bicycle', 0.5, 'walk'),
    ('motorcycle', 0.16, 'parking'),
    ('rider on bicycle', 0.42, 'road'),
    ('rider on motorcycle', 0.16, 'road'),
    ('car', 2.6, 'parking'),
    ('car', 2.4, 'lane'),
    ('truck', 0.2, 'lane'),
    ('bus', 0.14, 'lane'),
    ('train', 0.07, 'tram'),
    ('autorickshaw', 1.1, 'lane'),
)


def paint_scene(
    look: Appearance, width: int, height: int, rng: Rng, make_canvas: Callable[[Camera], Canvas] = Canvas
) -> Canvas:
    """Paint one scene.

    Args:
        look: the appearance; its camera and layout habits are used here, its light and sensor in :mod:`.render`.
        width, height: in pixels.
        rng: the only source of randomness.
        make_canvas: gives the canvas for the drawn camera; one of :mod:`.motion` shows the scene at another time.

    Returns:
        Colour, label (train ids and the extra values of :mod:`.canvas`) and distance.
    """
    camera = Camera(
        width,
        height,
        focal=width * rng.uniform(*look.focal),
        horizon=height * rng.uniform(*look.horizon),
        centre=width * rng.uniform(0.42, 0.58),
        elevation=rng.uniform(*look.elevation),
    )
    canvas = make_canvas(camera)
    half = rng.uniform(*look.road)
    walk = half + rng.uniform(1.8, 3.6)
    front = walk + rng.choice([0.0, rng.uniform(1.0, 5.0)])
    _sky(canvas, look, rng)
    _ground(canvas, look, rng, half, walk)
    for side in (-1, 1):
        _front(canvas, look, rng, side, front)
    _furniture(canvas, look, rng, half, walk, front)
    if look.bonnet:
        _bonnet(canvas, rng)
    return canvas


def _sky(canvas: Canvas, look: Appearance, rng: Rng) -> None:
    camera = canvas.camera
    rows = int(min(camera.horizon + 1, camera.height))
    share = (np.arange(rows, dtype=np.float32) / max(camera.horizon, 1))[:, None]
    zenith, low = (np.asarray(c, np.float32) for c in look.sky)
    canvas.color[:rows] = ((1 - share) * zenith + share * low)[:, None]
    canvas.label[:rows] = ID['sky']
    for _ in range(int(rng.integers(0, 4)) if not look.night else 0):
        centre = (rng.uniform(0, camera.width), rng.uniform(0, camera.horizon * 0.6))
        tone = np.clip(low * rng.uniform(0.97, 1.08), 0, 255)
        for _ in range(5):
            where = (centre[0] + rng.normal(0, camera.width * 0.05), centre[1] + rng.normal(0, camera.height * 0.01))
            canvas.ellipse(
                where,
                (camera.width * rng.uniform(0.02, 0.07), camera.height * rng.uniform(0.01, 0.03)),
                tone,
                ID['sky'],
                1000,
            )
    if rng.random() < 0.6:  # a distant row of trees or houses closes the street
        kind = 'vegetation' if rng.random() < 0.6 else 'building'
        color = (
            look.color('vegetation', rng)
            if kind == 'vegetation'
            else look.vary(look.buildings[int(rng.integers(len(look.buildings)))], rng)
        )
        for x in np.linspace(-60, 60, 25):
            canvas.billboard(
                x, FAR, 5.6, 0, rng.uniform(4, 9), np.clip(color * rng.uniform(0.92, 1.05), 0, 255), ID[kind]
            )


def _ground(canvas: Canvas, look: Appearance, rng: Rng, half: float, walk: float) -> None:
    camera = canvas.camera
    first = int(max(camera.horizon, 0))
    canvas.color[first:], canvas.label[first:] = look.color('terrain', rng), ID['terrain']
    reach = 600.0
    road, side = look.color('road', rng), look.color('sidewalk', rng)
    canvas.ground((-walk, -walk), (walk, walk), 0.5, reach, side, ID['sidewalk'])
    canvas.ground(
        (-half - 0.15, -half - 0.15), (half + 0.15, half + 0.15), 0.5, reach, look.color('kerb', rng), ID['sidewalk']
    )
    canvas.ground((-half, -half), (half, half), 0.5, reach, road, ID['road'])
    if rng.random() < 0.85:
        marking, phase = look.color('marking', rng), rng.uniform(0, 6)
        for z in np.arange(-6 + phase, FAR, 6):
            canvas.ground((-0.09, -0.09), (0.09, 0.09), max(z, 0.6), max(z + 3, 0.7), marking, LANE_MARKING)
        if rng.random() < 0.5:
            for x in (-half + 0.4, half - 0.4):
                canvas.ground((x - 0.07, x - 0.07), (x + 0.07, x + 0.07), 0.6, reach, marking, LANE_MARKING)
    if rng.random() < 0.18:
        z = rng.uniform(8, 25)
        for x in np.arange(-half + 0.3, half - 0.5, 1.0):
            canvas.ground((x, x), (x + 0.5, x + 0.5), z, z + 3, look.color('marking', rng), LANE_MARKING)
    rows = np.arange(camera.height, dtype=np.float32)[first:]
    canvas.distance[first:] = np.clip(
        camera.focal * camera.elevation / np.maximum(rows - camera.horizon, 0.3), 0.5, 1000
    )[:, None]


def _front(canvas: Canvas, look: Appearance, rng: Rng, side: int, front: float) -> None:
    """What borders the street on one side, from far to near: buildings, walls, fences, hedges, gaps."""
    z = FAR
    while z > NEAR:
        length = rng.uniform(8, 20)
        near = max(z - length, NEAR)
        kind = rng.choice(['building', 'wall', 'fence', 'hedge', 'gap'], p=[0.66, 0.09, 0.09, 0.09, 0.07])
        x = side * (front + rng.uniform(0, 0.6))
        if kind == 'building':
            _building(canvas, look, rng, side, x, near, z)
        elif kind == 'wall':
            _screen(canvas, look.color('wall', rng), ID['wall'], x, near, z, rng.uniform(1.6, 2.8))
        elif kind == 'fence':
            _fence(canvas, look, rng, x, near, z)
        elif kind == 'hedge':
            _screen(canvas, look.color('vegetation', rng), ID['vegetation'], x, near, z, rng.uniform(1.2, 3.0))
        z = near


def _screen(
    canvas: Canvas, color: np.ndarray, label: int, x: float, near: float, far: float, height: float, bottom: float = 0.0
) -> None:
    project = canvas.camera.project
    canvas.polygon(
        [project(x, bottom, near), project(x, bottom, far), project(x, height, far), project(x, height, near)],
        color,
        label,
        (near + far) / 2,
    )


def _building(canvas: Canvas, look: Appearance, rng: Rng, side: int, x: float, near: float, far: float) -> None:
    height, color = rng.uniform(6, 18), look.vary(look.buildings[int(rng.integers(len(look.buildings)))], rng)
    lit = 1.04 if side < 0 else 0.86  # the sun stands on the right
    outer = x + side * 14
    canvas.box(
        (min(x, outer), max(x, outer)),
        (0, height),
        (near, far),
        np.clip(color * (lit - 0.1), 0, 255),
        ID['building'],
        side=lit / (lit - 0.1),
    )
    glass = look.color('glass', rng)
    storey, step = rng.uniform(2.8, 3.4), rng.uniform(2.2, 3.4)
    project = canvas.camera.project
    warm = np.array([250, 214, 130], np.float32)
    for level in np.arange(0.9, height - 1.6, storey):
        for z in np.arange(far - step * 0.8, near + 0.4, -step):
            tone = warm if look.night and rng.random() < 0.3 else glass * rng.uniform(0.8, 1.25)
            z1 = max(z - step * 0.5, near)
            canvas.polygon(
                [
                    project(x, level, z1),
                    project(x, level, z),
                    project(x, level + storey * 0.5, z),
                    project(x, level + storey * 0.5, z1),
                ],
                np.clip(tone, 0, 255),
                ID['building'],
                (near + far) / 2,
            )


def _fence(canvas: Canvas, look: Appearance, rng: Rng, x: float, near: float, far: float) -> None:
    color, height, project = look.color('fence', rng), rng.uniform(1.1, 1.9), canvas.camera.project
    _screen(canvas, np.clip(color * 1.25, 0, 255), ID['fence'], x, near, far, height, 0.1)
    for z in np.arange(far, near, -1.2):
        canvas.line(project(x, 0, z), project(x, height, z), 0.09 * canvas.camera.scale(z), color * 0.7, ID['fence'], z)
    for level in (0.25, 0.6, 0.95):
        canvas.line(
            project(x, height * level, near),
            project(x, height * level, far),
            0.06 * canvas.camera.scale(near) * 0.5,
            color * 0.7,
            ID['fence'],
            near,
        )


def _place(where: str, rng: Rng, half: float, walk: float, front: float) -> float:
    side = -1.0 if rng.random() < 0.5 else 1.0
    if where == 'kerb':
        return side * (half + rng.uniform(0.3, 0.7))
    if where == 'walk':
        return side * rng.uniform(half + 0.5, walk - 0.2)
    if where == 'outer':
        return side * rng.uniform(walk - 0.4, max(front, walk) + 0.3)
    if where == 'parking':
        return side * (half - rng.uniform(0.9, 1.1))
    if where == 'tram':
        return side * rng.uniform(1.6, 2.4)
    if where == 'lane':
        return side * rng.uniform(1.5, max(half - 2.6, 1.7))
    return rng.uniform(-half + 0.5, half - 0.5)


def _furniture(canvas: Canvas, look: Appearance, rng: Rng, half: float, walk: float, front: float) -> None:
    placed: list[tuple[float, float, str]] = []
    for kind, count, where in FURNITURE:
        factor = look.density.get(kind, 0.0 if kind == 'autorickshaw' else 1.0)
        if factor <= 0:
            continue
        for _ in range(rng.poisson(count * factor)):
            large = kind in ('bus', 'truck', 'train')
            z = float(np.exp(rng.uniform(np.log(9.0 if large else 5.0), np.log(55.0))))
            placed.append((z, _place(where, rng, half, walk, front), kind))
    blocked: list[tuple[float, float, float]] = []
    lengths = dict(car=5.5, bus=12.0, truck=9.5, train=29.0, autorickshaw=3.5)
    for z, x, kind in sorted(placed, reverse=True):
        length = lengths.get(kind, 0.0)
        if length and any(abs(x - other) < 2.4 and z < end and z + length > start for start, end, other in blocked):
            continue  # vehicles do not stand in one another
        if length:
            blocked.append((z, z + length, x))
        with canvas.thing(kind, x, z) as (now_x, now_z):
            DRAWERS[kind](canvas, look, rng, now_x, now_z)


def _bonnet(canvas: Canvas, rng: Rng) -> None:
    """The own car at the lower edge."""
    height, width = canvas.camera.height, canvas.camera.width
    top = height * rng.uniform(0.93, 0.96)
    canvas.ellipse((width / 2, height * 1.06), (width * 0.42, height * 1.06 - top), (44, 46, 50), EGO_VEHICLE, 0.5)

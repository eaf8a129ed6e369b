"""The toy world in motion: a camera that drives, things that move by themselves, and the exact optical flow.

Every painted surface is a plane in space, so that the depth of every pixel is known. The flow between two moments is
that of the camera and, on things, of their own velocity.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import Any, Iterator, NamedTuple, Optional, Sequence

import numpy as np

from .canvas import Camera, Canvas, Color, Point
from .render import OVERSAMPLING, sampled

#: own speed of things in metres per frame: mean along the street, deviation along and across
SPEEDS = {
    'car': (0.5, 0.35, 0.0),
    'bus': (0.4, 0.2, 0.0),
    'truck': (0.4, 0.2, 0.0),
    'train': (0.4, 0.2, 0.0),
    'person': (0.0, 0.05, 0.06),
    'rider on bicycle': (0.25, 0.1, 0.02),
    'rider on motorcycle': (0.4, 0.2, 0.0),
}
#: things this near are left out of every frame of a clip
NEAREST = 1.0
_STILL = (0.0, 0.0)
_UP = np.array([0.0, 1.0, 0.0])


class WorldPoint(tuple):
    """A pixel position that knows its place relative to the camera: x right, y up, z ahead, in metres."""

    place: tuple[float, float, float]

    def __new__(cls, pixel: Point, place: tuple[float, float, float]) -> WorldPoint:
        point = super().__new__(cls, pixel)
        point.place = place
        return point


@dataclass(frozen=True)
class Drive:
    """How a clip moves.

    Attributes:
        speed: of the camera in metres per frame.
        yaw: columns per frame by which the street turns.
        frames: number of frames.
        seed: of the things' own velocities.
    """

    speed: float
    yaw: float
    frames: int
    seed: tuple[int, ...]


@dataclass(frozen=True)
class MovingCamera(Camera):
    """A camera ``forward`` metres down the street."""

    forward: float = 0.0

    def project(self, x: float, y: float, z: float) -> Point:
        """See the base class; the point remembers where it is."""
        ahead = z - self.forward
        return WorldPoint(super().project(x, y, ahead), (x, y - self.elevation, ahead))

    def scale(self, z: float) -> float:
        """See the base class."""
        return super().scale(z - self.forward)


class Surface(NamedTuple):
    """A plane ``normal * P = offset`` in camera coordinates and its own velocity (x, z) in metres per frame; a normal
    of None moves with the camera."""

    normal: Optional[np.ndarray]
    offset: float = 0.0
    velocity: tuple[float, float] = _STILL


@dataclass
class View:
    """What one frame shows, at the pixels of the picture.

    Attributes:
        camera: of the canvas.
        depth: metres (H, W), infinite in the sky and for what moves with the camera.
        velocity: (H, W, 2) own velocity (x, z) of the surface.
        fixed: bool (H, W), pixels that move with the camera.
    """

    camera: MovingCamera
    depth: np.ndarray
    velocity: np.ndarray
    fixed: np.ndarray = field(repr=False)


class MovingCanvas(Canvas):
    """A canvas at frame ``time`` of a drive; it remembers which surface every pixel shows."""

    camera: MovingCamera

    def __init__(self, camera: Camera, drive: Drive, time: int) -> None:
        moved = dict(vars(camera), centre=camera.centre + drive.yaw * time, forward=drive.speed * time)
        super().__init__(MovingCamera(**moved))
        self.drive, self.time = drive, time
        # 0 is what is painted straight on the canvas: the sky, and bare ground below the horizon
        self.surface = np.zeros(self.label.shape, np.int32)
        self.surfaces = [Surface(_UP, -camera.elevation)]
        self._velocity: tuple[float, float] = _STILL
        self._things = 0
        self._muted = False

    @contextlib.contextmanager
    def thing(self, kind: str, x: float, z: float) -> Iterator[Point]:
        """Move a thing by its own velocity; leave it out where it comes too near within the clip."""
        rng = np.random.default_rng([*self.drive.seed, self._things])
        self._things += 1
        mean, along, across = SPEEDS.get(kind, (0.0, 0.0, 0.0))
        ahead = mean + along * rng.normal()
        oncoming = x < 0 and kind != 'person'
        velocity = (across * rng.normal(), -ahead if oncoming else ahead)
        if kind == 'car' and rng.random() < 0.5:
            velocity = _STILL  # parked
        steps = np.arange(self.drive.frames)
        nearest = (z + (velocity[1] - self.drive.speed) * steps).min()
        self._velocity, self._muted = velocity, bool(nearest < NEAREST)
        kept = self.color.copy() if self._muted else None  # shadows are painted straight on the canvas
        try:
            yield x + velocity[0] * self.time, z + velocity[1] * self.time
        finally:
            if kept is not None:
                self.color = kept
            self._velocity, self._muted = _STILL, False

    def _begin(self, points: Sequence[Point], upright: bool) -> None:
        """Note the surface through some points."""
        places = [point.place for point in points if isinstance(point, WorldPoint)]
        if len(places) < len(points):
            self.surfaces.append(Surface(None))
        else:
            normal = _normal(np.array(places), upright)
            self.surfaces.append(Surface(normal, float(normal @ places[0]), self._velocity))

    def polygon(self, points: Sequence[Point], color: Color, label: int, z: float) -> None:
        """See the base class."""
        self._begin(points, upright=False)
        super().polygon(points, color, label, z)

    def line(self, start: Point, end: Point, width: float, color: Color, label: int, z: float) -> None:
        """See the base class."""
        self._begin([start, end], upright=True)
        super().line(start, end, width, color, label, z)

    def ellipse(
        self, centre: Point, radii: tuple[float, float], color: Color, label: int, z: float, hollow: float = 0
    ) -> None:
        """See the base class."""
        self._begin([centre], upright=True)
        super().ellipse(centre, radii, color, label, z, hollow)

    def _layers(self, color: Color, label: int, z: float) -> list[tuple[np.ndarray, Any]]:
        layers = super()._layers(color, label, z - self.camera.forward)
        return [] if self._muted else [*layers, (self.surface, len(self.surfaces) - 1)]

    def view(self) -> View:
        """Depth and velocity of every pixel of the picture."""
        surface, camera = sampled(self.surface), self.camera
        rays = pixel_rays(camera, surface.shape)
        used, inverse = np.unique(surface, return_inverse=True)
        inverse = inverse.reshape(surface.shape)
        fixed_of = np.array([self.surfaces[number].normal is None for number in used])
        normals = np.array([_UP if self.surfaces[n].normal is None else self.surfaces[n].normal for n in used])
        offsets = np.array([self.surfaces[number].offset for number in used])
        velocities = np.array([self.surfaces[number].velocity for number in used])
        facing = (normals[inverse] * rays).sum(-1)
        with np.errstate(divide='ignore', invalid='ignore'):
            depth = offsets[inverse] / facing
        fixed = fixed_of[inverse]
        depth = np.where(fixed | ~(depth > 0), np.inf, depth)
        return View(camera, depth, velocities[inverse], fixed)


def _normal(places: np.ndarray, upright: bool) -> np.ndarray:
    """Normal of the plane through some points; upright surfaces of one or two points face the camera's axis."""
    if not upright and len(places) >= 3:
        for i in range(2, len(places)):
            normal = np.cross(places[1] - places[0], places[i] - places[0])
            if np.linalg.norm(normal) > 1e-9:
                return normal / np.linalg.norm(normal)
    along = places[-1] - places[0]
    across = np.cross(along, _UP)
    if abs(along[2]) > 1e-6 and np.linalg.norm(across) > 1e-9:
        return across / np.linalg.norm(across)
    return np.array([0.0, 0.0, 1.0])


def pixel_rays(camera: Camera, shape: tuple[int, int]) -> np.ndarray:
    """Directions (H, W, 3) with z = 1 of the pixels of the picture, read where the label is read."""
    rows, columns = (np.arange(side) * OVERSAMPLING + OVERSAMPLING // 2 for side in shape)
    right = np.broadcast_to((columns - camera.centre) / camera.focal, shape)
    up = np.broadcast_to((camera.horizon - rows[:, None]) / camera.focal, shape)
    return np.stack([right, up, np.ones(shape)], -1)


def exact_flow(view: View, steps: int, other: View) -> tuple[np.ndarray, np.ndarray]:
    """Flow from a frame to another one.

    Args:
        view: of the frame.
        steps: frames from ``view`` to ``other``: -1 for the one before.
        other: of the other frame.

    Returns:
        float32 (2, H, W) in pixels of the picture, and bool (H, W): the other frame does not show it.
    """
    shape = view.depth.shape
    far = ~np.isfinite(view.depth)
    depth = np.where(far, 1e6, view.depth)
    place = pixel_rays(view.camera, shape) * depth[..., None]
    forward = other.camera.forward - view.camera.forward
    moved_x = place[..., 0] + steps * view.velocity[..., 0]
    moved_z = np.maximum(place[..., 2] + steps * view.velocity[..., 1] - forward, 1e-3)
    turn = other.camera.centre - view.camera.centre
    columns = moved_x / moved_z * view.camera.focal + other.camera.centre
    rows = view.camera.horizon - place[..., 1] / moved_z * view.camera.focal
    own_rows, own_columns = (np.arange(side) * OVERSAMPLING + OVERSAMPLING // 2 for side in shape)
    flow = np.stack([columns - own_columns, rows - own_rows[:, None]]) / OVERSAMPLING
    flow = np.where(far & ~view.fixed, np.array([turn / OVERSAMPLING, 0.0]).reshape(2, 1, 1), flow)
    flow = np.where(view.fixed, 0.0, flow)
    return flow.astype(np.float32), _hidden(flow, np.where(far, np.inf, moved_z), view, other)


def _hidden(flow: np.ndarray, depth: np.ndarray, view: View, other: View) -> np.ndarray:
    """Pixels that leave the picture, or land where the other frame shows something else."""
    height, width = depth.shape
    columns = np.floor(np.arange(width) + flow[0] + 0.5).astype(np.int64)
    rows = np.floor(np.arange(height)[:, None] + flow[1] + 0.5).astype(np.int64)
    outside = (columns < 0) | (columns >= width) | (rows < 0) | (rows >= height)
    where = rows.clip(0, height - 1), columns.clip(0, width - 1)
    there = other.depth[where]
    with np.errstate(invalid='ignore'):
        same = (np.abs(there - depth) <= 0.05 * depth + 0.2) | (np.isinf(there) & np.isinf(depth))
    same &= (other.fixed[where] == view.fixed) & (np.abs(other.velocity[where] - view.velocity).max(-1) < 1e-6)
    return outside | ~same

"""A canvas that paints colour, class and distance at once, seen through a pinhole camera over a flat ground."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Any, Iterator, Sequence, Union

import cv2
import numpy as np

Color = Union[Sequence[float], np.ndarray]
Point = tuple[float, float]
#: label values beyond the 19 train ids and 255
LANE_MARKING = 100
EGO_VEHICLE = 101
AUTORICKSHAW = 102
VOID = 255


@dataclass(frozen=True)
class Camera:
    """A forward-looking camera.

    Attributes:
        width, height: of the picture in pixels.
        focal: in pixels.
        horizon: row of the horizon in pixels.
        centre: column of the vanishing point.
        elevation: of the camera over the ground in metres.
    """

    width: int
    height: int
    focal: float
    horizon: float
    centre: float
    elevation: float

    def project(self, x: float, y: float, z: float) -> Point:
        """Pixel (column, row) of a point: x metres to the right, y metres above the ground, z metres ahead."""
        z = max(z, 0.5)
        return self.centre + self.focal * x / z, self.horizon + self.focal * (self.elevation - y) / z

    def scale(self, z: float) -> float:
        """Pixels per metre at distance ``z``."""
        return self.focal / max(z, 0.5)


class Canvas:
    """Colour (H, W, 3) RGB float32 in [0, 255], label (H, W) uint8, distance (H, W) float32 in metres."""

    def __init__(self, camera: Camera) -> None:
        shape = (camera.height, camera.width)
        self.camera = camera
        self.color = np.zeros((*shape, 3), np.float32)
        self.label = np.full(shape, VOID, np.uint8)
        self.distance = np.full(shape, 1000.0, np.float32)

    def _layers(self, color: Color, label: int, z: float) -> list[tuple[np.ndarray, Any]]:
        """The buffers that a primitive is painted into, with its value in each."""
        return [(self.color, tuple(float(c) for c in color)), (self.label, int(label)), (self.distance, float(z))]

    @contextlib.contextmanager
    def thing(self, kind: str, x: float, z: float) -> Iterator[Point]:
        """Where something of a kind is painted: (x, z) in metres. A canvas that knows about time moves it."""
        yield x, z

    def polygon(self, points: Sequence[Point], color: Color, label: int, z: float) -> None:
        """Fill a polygon given in pixels."""
        corners = np.round(np.clip(np.asarray(points, np.float64), -8000, 8000)).astype(np.int32)
        for buffer, value in self._layers(color, label, z):
            cv2.fillPoly(buffer, [corners], value)

    def line(self, start: Point, end: Point, width: float, color: Color, label: int, z: float) -> None:
        """A line of at least one pixel."""
        (x0, y0), (x1, y1) = start, end
        thickness = max(int(round(width)), 1)
        ends = (
            (int(np.clip(x0, -8000, 8000)), int(np.clip(y0, -8000, 8000))),
            (int(np.clip(x1, -8000, 8000)), int(np.clip(y1, -8000, 8000))),
        )
        for buffer, value in self._layers(color, label, z):
            cv2.line(buffer, *ends, value, thickness)

    def ellipse(
        self, centre: Point, radii: tuple[float, float], color: Color, label: int, z: float, hollow: float = 0
    ) -> None:
        """A filled ellipse, or a ring of ``hollow`` pixels."""
        thickness = -1 if hollow <= 0 else max(int(round(hollow)), 1)
        where = (int(np.clip(centre[0], -8000, 8000)), int(np.clip(centre[1], -8000, 8000)))
        axes = (max(int(round(radii[0])), 1), max(int(round(radii[1])), 1))
        for buffer, value in self._layers(color, label, z):
            cv2.ellipse(buffer, where, axes, 0, 0, 360, value, thickness)

    def ground(
        self, left: tuple[float, float], right: tuple[float, float], near: float, far: float, color: Color, label: int
    ) -> None:
        """A strip on the ground between two lateral positions (near, far) in metres; distance grows row by row."""
        project = self.camera.project
        corners = [
            project(left[0], 0, near),
            project(left[1], 0, far),
            project(right[1], 0, far),
            project(right[0], 0, near),
        ]
        self.polygon(corners, color, label, (near + far) / 2)

    def billboard(self, x: float, z: float, width: float, bottom: float, top: float, color: Color, label: int) -> None:
        """An upright rectangle facing the camera, in metres."""
        project = self.camera.project
        self.polygon(
            [
                project(x - width / 2, bottom, z),
                project(x - width / 2, top, z),
                project(x + width / 2, top, z),
                project(x + width / 2, bottom, z),
            ],
            color,
            label,
            z,
        )

    def box(
        self,
        x: tuple[float, float],
        y: tuple[float, float],
        z: tuple[float, float],
        color: Color,
        label: int,
        side: float = 0.75,
        roof: float = 1.15,
    ) -> None:
        """A cuboid: the side that faces the camera's axis, the roof when it lies below the camera, and the front."""
        project = self.camera.project
        (x0, x1), (y0, y1), (near, far) = x, y, z
        shade = np.asarray(color, np.float32)
        inner = x1 if x1 < 0 else x0 if x0 > 0 else None
        if inner is not None:
            self.polygon(
                [project(inner, y0, near), project(inner, y0, far), project(inner, y1, far), project(inner, y1, near)],
                shade * side,
                label,
                near,
            )
        if y1 < self.camera.elevation:
            self.polygon(
                [project(x0, y1, near), project(x0, y1, far), project(x1, y1, far), project(x1, y1, near)],
                np.minimum(shade * roof, 255),
                label,
                near,
            )
        self.polygon(
            [project(x0, y0, near), project(x0, y1, near), project(x1, y1, near), project(x1, y0, near)],
            shade,
            label,
            near,
        )

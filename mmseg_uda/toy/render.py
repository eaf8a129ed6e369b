"""Light, air and sensor: from a painted canvas to the picture of a camera."""

from __future__ import annotations

import cv2
import numpy as np

from .appearance import Appearance
from .canvas import Canvas
from .objects import ID
from .scene import paint_scene

#: the canvas is painted this much larger and reduced, which smooths edges
OVERSAMPLING = 2


def render(look: Appearance, width: int, height: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """One picture and its label.

    Args:
        look: the appearance.
        width, height: in pixels.
        rng: the only source of randomness.

    Returns:
        image (H, W, 3) uint8 RGB, label (H, W) uint8: train ids, 255, or the extra values of :mod:`.canvas`.
    """
    canvas = paint_scene(look, width * OVERSAMPLING, height * OVERSAMPLING, rng)
    fields = texture_fields(look, width, height, rng)
    return develop(canvas, look, fields, rng.uniform(0.94, 1.06), rng)


def sampled(values: np.ndarray) -> np.ndarray:
    """The values of a canvas at the pixels of the picture."""
    return np.ascontiguousarray(values[OVERSAMPLING // 2 :: OVERSAMPLING, OVERSAMPLING // 2 :: OVERSAMPLING])


def develop(
    canvas: Canvas,
    look: Appearance,
    fields: tuple[np.ndarray, np.ndarray],
    exposure: float,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """The picture of a painted canvas, and its label.

    Args:
        fields: noise of the surfaces, see :func:`texture_fields`.
        exposure: factor of the brightness.
        rng: of the sensor's noise.
    """
    height, width = canvas.label.shape[0] // OVERSAMPLING, canvas.label.shape[1] // OVERSAMPLING
    color = cv2.resize(canvas.color, (width, height), interpolation=cv2.INTER_AREA)
    label, distance = sampled(canvas.label), sampled(canvas.distance)
    color = _texture(color, label, distance, look, fields)
    if look.night:
        color = _night(color, label, distance, look, canvas)
    color = _air(color, label, distance, look)
    return _sensor(color, look, exposure, rng), label


def texture_fields(
    look: Appearance, width: int, height: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Fine and coarse noise (height, width)."""
    coarse = (max(int(height / look.grain), 2), max(int(width / look.grain), 2))
    noise = cv2.resize(rng.standard_normal(coarse, dtype=np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
    patches = cv2.resize(
        rng.standard_normal((max(height // 12, 2), max(width // 12, 2)), dtype=np.float32),
        (width, height),
        interpolation=cv2.INTER_CUBIC,
    )
    return noise, patches


def _texture(
    color: np.ndarray,
    label: np.ndarray,
    distance: np.ndarray,
    look: Appearance,
    fields: tuple[np.ndarray, np.ndarray],
) -> np.ndarray:
    """Surface texture, stronger on plants and ground, weaker far away; none in the sky."""
    noise, patches = fields
    gain = np.full(256, 0.7, np.float32)
    gain[[ID['vegetation'], ID['terrain']]] = (2.2, 1.6)
    gain[[ID['road'], ID['sidewalk'], ID['building'], ID['wall']]] = (0.9, 1.0, 1.0, 1.3)
    gain[ID['sky']] = 0.0
    strength = look.texture * gain[label] / (1 + distance / 60)
    return color + (strength * (noise + 0.7 * patches))[..., None]


def _night(color: np.ndarray, label: np.ndarray, distance: np.ndarray, look: Appearance, canvas: Canvas) -> np.ndarray:
    """Darkness, with the glow of everything bright (windows, lamps) and a cone of own headlights on the road."""
    bright = np.clip(color.max(-1, keepdims=True) - 205, 0, 50) / 50 * (label != ID['sky'])[..., None]
    glow = cv2.GaussianBlur(color * bright, (0, 0), canvas.camera.width / OVERSAMPLING / 60)
    near = np.clip(1.2 - distance / 28, 0, 1)[..., None] * (label != ID['sky'])[..., None]
    light = 0.3 + 0.6 * near
    return color * np.where(bright > 0.3, 1.0, light) + look.night * 0.9 * glow


def _air(color: np.ndarray, label: np.ndarray, distance: np.ndarray, look: Appearance) -> np.ndarray:
    """Haze of the sky's colour that grows with distance: share 1 - (1 - haze)^(d / 60 m)."""
    if look.haze <= 0:
        return color
    share = 1 - (1 - min(look.haze, 0.98)) ** (distance / 60.0)
    share = np.where(label == ID['sky'], 0, share)[..., None]
    return color * (1 - share) + np.asarray(look.sky[1], np.float32) * share


def _sensor(color: np.ndarray, look: Appearance, exposure: float, rng: np.random.Generator) -> np.ndarray:
    color = color * np.asarray(look.tint, np.float32)
    grey = color.mean(-1, keepdims=True)
    color = grey + look.saturation * (color - grey)
    color = (color - 118) * look.contrast + 118
    color = color * look.brightness * exposure
    if look.blur > 0:
        color = cv2.GaussianBlur(color, (0, 0), look.blur)
    height, width = color.shape[:2]
    if look.vignette > 0:
        rows, columns = (
            np.linspace(-1, 1, height, dtype=np.float32)[:, None],
            np.linspace(-1, 1, width, dtype=np.float32)[None],
        )
        color = color * (1 - look.vignette * 0.5 * (rows**2 + columns**2))[..., None]
    if look.noise > 0:
        color = color + look.noise * rng.standard_normal(color.shape, dtype=np.float32)
    image = np.clip(color, 0, 255).astype(np.uint8)
    if look.jpeg:
        code = cv2.imencode('.jpg', image, [cv2.IMWRITE_JPEG_QUALITY, look.jpeg])[1]
        image = cv2.imdecode(code, cv2.IMREAD_COLOR)
    return image

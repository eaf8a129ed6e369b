"""Geometry of STAL's and U2PL's training augmentation: a scale with median 1, and a crop with symmetric padding."""

from __future__ import annotations

from typing import Sequence

import numpy as np


def random_scale(low: float, high: float, u_side: float, u_value: float) -> float:
    """A scale in [low, high] that lies below 1 in half of the draws: low + (1 - low) u, or 1 + (high - 1) u.

    Args:
        u_side: uniform draw; below 1/2 shrinks.
        u_value: uniform draw inside the chosen side.
    """
    return low + (1 - low) * u_value if u_side < 0.5 else 1 + (high - 1) * u_value


def scaled_size(height: int, width: int, scale: float) -> tuple[int, int]:
    """New height and width, rounded down."""
    return int(height * scale), int(width * scale)


def resize_nearest(values: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Nearest-pixel resize of (H, W) to ``size`` with the index rule of PyTorch: floor(i * (old / new)) in float32."""
    index = [
        np.minimum((np.arange(new, dtype=np.float32) * np.float32(old / new)).astype(np.int64), old - 1)
        for old, new in zip(values.shape, size)
    ]
    return values[np.ix_(*index)]


def symmetric_padding(height: int, width: int, crop: int) -> tuple[int, int, int, int]:
    """Padding (top, bottom, left, right) that brings an image to at least ``crop`` in both directions; an odd pixel
    goes to bottom/right."""
    rows, columns = max(crop - height, 0), max(crop - width, 0)
    return rows // 2, rows - rows // 2, columns // 2, columns - columns // 2


def crop_range(height: int, width: int, crop: int) -> tuple[int, int]:
    """Number of valid offsets (rows, columns) of a crop in the padded image."""
    return max(height - crop, 0) + 1, max(width - crop, 0) + 1


def centre_offset(height: int, width: int, crop: int) -> tuple[int, int]:
    """Offset (row, column) of the central crop in the padded image."""
    return (max(height, crop) - crop) // 2, (max(width, crop) - crop) // 2


def pad_and_crop(values: np.ndarray, crop: int, offset: Sequence[int], fill: object = 0) -> np.ndarray:
    """Pad symmetrically to the crop size and cut a square.

    Args:
        values: (H, W) or (H, W, C).
        offset: (row, column) in the padded array.
        fill: value (or one per channel) of the padding.

    Returns:
        (crop, crop) or (crop, crop, C), contiguous.
    """
    height, width = values.shape[:2]
    top, bottom, left, right = symmetric_padding(height, width, crop)
    if top or bottom or left or right:
        padded = np.empty((height + top + bottom, width + left + right, *values.shape[2:]), values.dtype)
        padded[...] = np.asarray(fill, dtype=values.dtype)
        padded[top : top + height, left : left + width] = values
        values = padded
    row, column = offset
    return np.ascontiguousarray(values[row : row + crop, column : column + crop])

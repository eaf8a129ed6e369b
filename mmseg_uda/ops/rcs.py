"""Rare-class sampling arithmetic and pseudo-label margins (DAFormer, arXiv 2111.14887, section 3.2; HRDA's margins)."""

from __future__ import annotations

from typing import Iterable, Mapping, Sequence

import numpy as np


def rcs_class_probs(records: Iterable[Mapping[int, int]], temperature: float) -> tuple[list[int], np.ndarray]:
    """Class probabilities ``P(c) = softmax((1 - f_c) / T)`` with ``f_c`` the share of class c among all pixels.

    Args:
        records: per image, class id -> number of pixels (> 0).
        temperature: T > 0; infinity gives the uniform distribution.

    Returns:
        Classes that occur, ascending by pixel count (ties in order of first appearance), and their probabilities (K,)
        float32.

    Raises:
        ValueError: no class occurs, or T <= 0.
    """
    if not temperature > 0:
        raise ValueError(f'class_temp must be positive, got {temperature}')
    totals: dict[int, int] = {}
    for record in records:
        for cls, pixels in record.items():
            totals[int(cls)] = totals.get(int(cls), 0) + int(pixels)
    if not totals:
        raise ValueError('no labelled pixel in any file: rare-class sampling has no class to draw from')
    classes = sorted(totals, key=lambda cls: totals[cls])
    counts = np.array([totals[cls] for cls in classes], np.float32)
    logits = (np.float32(1) - counts / counts.sum(dtype=np.float32)) / np.float32(temperature)
    weights = np.exp(logits - logits.max())
    return classes, (weights / weights.sum()).astype(np.float32)


def samples_with_class(
    records: Sequence[tuple[str, Mapping[int, int]]], classes: Iterable[int], min_pixels: int
) -> dict[int, list[str]]:
    """Files that hold more than ``min_pixels`` pixels of a class.

    Args:
        records: (file, class id -> pixels).
        classes: the classes to list.
        min_pixels: strict lower bound at native label resolution.

    Returns:
        class -> files in the order of ``records``; a class without any file has an empty list.
    """
    return {cls: [name for name, counts in records if counts.get(cls, 0) > min_pixels] for cls in classes}


def pseudo_margin_mask(height: int, width: int, margins: Sequence[int]) -> np.ndarray:
    """1 inside, 0 in the margins where a pseudo-label does not count (rectification artefacts, the ego car).

    Args:
        height, width: image size in pixels.
        margins: top, bottom, left, right in pixels; 0 removes nothing.

    Returns:
        uint8 (height, width).

    Raises:
        ValueError: not four non-negative numbers.
    """
    if len(margins) != 4 or any(m < 0 for m in margins):
        raise ValueError(f'pseudo-label margins are four numbers >= 0 (top, bottom, left, right), got {list(margins)}')
    top, bottom, left, right = (int(m) for m in margins)
    mask = np.zeros((height, width), np.uint8)
    mask[top : max(height - bottom, top), left : max(width - right, left)] = 1
    return mask

"""The colour jitter of the DACS lineage:

additive brightness, plain contrast, saturation and hue in HSV (kornia 0.5.8 semantics).
"""

from __future__ import annotations

import math
from typing import Sequence

import torch
from torch import Tensor

#: numbers of the operations in ``order``
BRIGHTNESS, CONTRAST, SATURATION, HUE = range(4)


def rgb_to_hsv(img: Tensor) -> Tensor:
    """(..., 3, H, W) RGB in [0, 1] to hue in radians [0, 2 pi), saturation, value. Grey has hue 0;

    on ties the first channel is the maximum.
    """
    value, index = img.max(-3)
    spread = value - img.min(-3).values
    saturation = spread / (value + 1e-6)
    safe = torch.where(spread == 0, torch.ones_like(spread), spread)
    red, green, blue = (value.unsqueeze(-3) - img).unbind(-3)
    hue = torch.stack([blue - green, 2 * safe + red - blue, 4 * safe + green - red], -3)
    hue = hue.gather(-3, index.unsqueeze(-3)).squeeze(-3) / safe
    hue = (hue / 6) % 1 * (2 * math.pi)
    return torch.stack([hue, saturation, value], -3)


def hsv_to_rgb(img: Tensor) -> Tensor:
    """Inverse of :func:`rgb_to_hsv`; any hue in radians, also negative."""
    hue, saturation, value = img.unbind(-3)
    sixth = hue / (2 * math.pi) * 6
    sector = sixth.floor() % 6
    fraction = (sixth % 6) - sector
    low = value * (1 - saturation)
    falling = value * (1 - fraction * saturation)
    rising = value * (1 - (1 - fraction) * saturation)
    table = torch.stack(
        [
            value,
            falling,
            low,
            low,
            rising,
            value,
            rising,
            value,
            value,
            falling,
            low,
            low,
            low,
            low,
            rising,
            value,
            value,
            falling,
        ],
        -3,
    )
    first = sector.long().unsqueeze(-3)
    return table.gather(-3, torch.cat([first, first + 6, first + 12], -3))


def _apply(operation: int, img: Tensor, factor: Tensor) -> Tensor:
    factor = factor.view(-1, 1, 1, 1)
    if operation == BRIGHTNESS:
        return (img + (factor - 1)).clamp(0, 1)
    if operation == CONTRAST:
        return (img * factor).clamp(0, 1)
    hue, saturation, value = rgb_to_hsv(img).split(1, dim=1)
    if operation == SATURATION:
        saturation = (saturation * factor).clamp(0, 1)
    else:
        hue = torch.fmod(hue + factor * (2 * math.pi), 2 * math.pi)
    return hsv_to_rgb(torch.cat([hue, saturation, value], 1))


def color_jitter(img: Tensor, factors: Tensor, orders: Sequence[Sequence[int]], mean: Tensor, std: Tensor) -> Tensor:
    """Jitter normalised images.

    Args:
        img: float (B, 3, H, W), normalised RGB: (x - mean) / std with x in [0, 255].
        factors: (B, 4): brightness f (adds f - 1), contrast f (multiplies), saturation f (multiplies S), hue h
            (adds h turns).
        orders: B permutations of (0, 1, 2, 3) = brightness, contrast, saturation, hue.
        mean, std: (3,) of the normalisation.

    Returns:
        Normalised images (B, 3, H, W), float32.
    """
    mean, std = (t.to(img.device, torch.float32).view(1, 3, 1, 1) for t in (mean, std))
    out = (img.float() * std + mean) / 255
    factors = factors.to(img.device, torch.float32)
    for position in range(4):
        for operation in (BRIGHTNESS, CONTRAST, SATURATION, HUE):
            rows = [i for i, order in enumerate(orders) if order[position] == operation]
            if len(rows) == len(orders):
                out = _apply(operation, out, factors[:, operation])
            elif rows:
                out = out.clone()
                out[rows] = _apply(operation, out[rows], factors[rows, operation])
    return (out * 255 - mean) / std

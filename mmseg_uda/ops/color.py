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
    first = torch.nan_to_num(sector).long().unsqueeze(-3)  # no hue, no sector: NaN stays in the values
    return table.gather(-3, torch.cat([first, first + 6, first + 12], -3))


def _apply(operation: int, img: Tensor, factor: Tensor, low: Tensor, high: Tensor) -> Tensor:
    factor = factor.view(-1, 1, 1, 1)
    if operation == BRIGHTNESS:
        return torch.clamp(img + (factor - 1), low, high)
    if operation == CONTRAST:
        return torch.clamp(img * factor, low, high)
    hue, saturation, value = rgb_to_hsv(img).split(1, dim=1)
    if operation == SATURATION:
        saturation = (saturation * factor).clamp(0, 1)
    else:
        hue = torch.fmod(hue + factor * (2 * math.pi), 2 * math.pi)
    return hsv_to_rgb(torch.cat([hue, saturation, value], 1))


def value_limits(mean: Sequence[float], std: Sequence[float], depth: str = 'uint8') -> tuple[float, float]:
    """Black and white of images whose values have the type ``depth``: what the jitter takes for 0 and 1.

    8-bit images: 0 and 255. Others use an unknown part of their range, so that black and white are 2.4 standard
    deviations from the mean (where they are for natural 8-bit images), black being 0 unless values can be negative.
    """
    if depth == 'uint8':
        return 0.0, 255.0
    white = max(m + 2.4 * s for m, s in zip(mean, std))
    black = min(0.0, *(m - 2.4 * s for m, s in zip(mean, std))) if depth.startswith(('float', 'int')) else 0.0
    return black, white


def color_jitter(
    img: Tensor,
    factors: Tensor,
    orders: Sequence[Sequence[int]],
    mean: Tensor,
    std: Tensor,
    limits: tuple[float, float] = (0.0, 255.0),
) -> Tensor:
    """Jitter normalised images.

    Args:
        img: float (B, C, H, W), normalised: (x - mean) / std; three bands are RGB. With another number of bands
            brightness and contrast change all of them, saturation and hue, which only colours have, nothing.
        factors: (B, 4): brightness f (adds f - 1), contrast f (multiplies), saturation f (multiplies S), hue h
            (adds h turns).
        orders: B permutations of (0, 1, 2, 3) = brightness, contrast, saturation, hue.
        mean, std: (C,) of the normalisation.
        limits: black and white of x, from :func:`value_limits`; values beyond are kept, but none are added.

    Returns:
        Normalised images (B, C, H, W), float32.

    Raises:
        ValueError: ``mean`` or ``std`` of another number of bands.
    """
    bands = img.shape[1]
    if len(mean) != bands or len(std) != bands:
        raise ValueError(
            f'the color_jitter has {len(mean)} values of mean and {len(std)} of std for images of {bands} channels'
        )
    black, white = limits
    mean, std = (t.to(img.device, torch.float32).view(1, bands, 1, 1) for t in (mean, std))
    out = (img.float() * std + (mean - black)) / (white - black)
    factors = factors.to(img.device, torch.float32)
    low, high = out.amin((1, 2, 3), keepdim=True).clamp(max=0), out.amax((1, 2, 3), keepdim=True).clamp(min=1)
    if limits == (0.0, 255.0):  # whatever rounding of the normalisation left beyond is cut off
        low, high = torch.zeros_like(low), torch.ones_like(high)
    for position in range(4):
        for operation in (BRIGHTNESS, CONTRAST, SATURATION, HUE)[: 4 if bands == 3 else 2]:
            rows = [i for i, order in enumerate(orders) if order[position] == operation]
            if len(rows) == len(orders):
                out = _apply(operation, out, factors[:, operation], low, high)
            elif rows:
                out = out.clone()
                out[rows] = _apply(operation, out[rows], factors[rows, operation], low[rows], high[rows])
    return (out * (white - black) - (mean - black)) / std

"""torchvision's colour jitter on tensors: brightness, contrast and saturation as blends, and hue."""

from __future__ import annotations

import math
from typing import Sequence

import torch
from torch import Tensor

from .color import BRIGHTNESS, CONTRAST, HUE, SATURATION, hsv_to_rgb, rgb_to_hsv

_LUMA = (0.2989, 0.587, 0.114)


def to_gray(img: Tensor) -> Tensor:
    """RGB (..., 3, H, W) -> luma (..., 1, H, W)."""
    red, green, blue = img.unbind(-3)
    return (_LUMA[0] * red + _LUMA[1] * green + _LUMA[2] * blue).unsqueeze(-3)


def _blend(img: Tensor, other: Tensor, factor: Tensor) -> Tensor:
    return (factor * img + (1 - factor) * other).clamp(0, 1)


def _apply(operation: int, img: Tensor, factor: Tensor) -> Tensor:
    if operation == BRIGHTNESS:
        return _blend(img, torch.zeros_like(img), factor)
    if operation == CONTRAST:
        return _blend(img, to_gray(img).mean((-3, -2, -1), keepdim=True), factor)
    if operation == SATURATION:
        return _blend(img, to_gray(img), factor)
    hue, saturation, value = rgb_to_hsv(img).split(1, dim=-3)
    return hsv_to_rgb(torch.cat([(hue + factor * (2 * math.pi)) % (2 * math.pi), saturation, value], -3))


def torchvision_jitter(img: Tensor, factors: Tensor, orders: Sequence[Sequence[int]]) -> Tensor:
    """Jitter every image in its own order.

    Args:
        img: float (B, 3, H, W), RGB in [0, 1].
        factors: (B, 4): brightness, contrast, saturation (1 = no change), hue in turns (0 = no change).
        orders: B permutations of (0, 1, 2, 3) = brightness, contrast, saturation, hue.

    Returns:
        (B, 3, H, W) in [0, 1].
    """
    done = []
    for one, values, order in zip(img, factors, orders):
        for operation in order:
            assert operation in (BRIGHTNESS, CONTRAST, SATURATION, HUE)
            one = _apply(operation, one, values[operation])
        done.append(one)
    return torch.stack(done)

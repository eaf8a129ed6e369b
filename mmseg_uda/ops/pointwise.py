"""1x1 convolutions as matrix products on channels-last memory, at the size where they are cheapest.

A 1x1 convolution and bilinear resizing commute, because one mixes channels and the other mixes positions. A head that
resizes every level to the finest one, concatenates them and then mixes channels may therefore mix first, at each
level's own size, and add the results: the same function without the large concatenation.
"""

from __future__ import annotations

from typing import Optional, Sequence

import torch.nn.functional as F
from torch import Tensor

from .precision import full_precision


def pointwise(x: Tensor, weight: Tensor, bias: Optional[Tensor] = None) -> Tensor:
    """A 1x1 convolution with stride 1 as one matrix product.

    Args:
        x: (B, C, H, W) in any memory format; channels-last memory is used as it is.
        weight: (D, C) or (D, C, 1, 1).
        bias: (D,) or None.

    Returns:
        (B, D, H, W) in channels-last memory.
    """
    mixed = F.linear(x.permute(0, 2, 3, 1), weight.flatten(1), bias)  # (B, H, W, D)
    return mixed.permute(0, 3, 1, 2)  # (B, D, H, W)


def resized(x: Tensor, size: Sequence[int], align_corners: bool = False) -> Tensor:
    """Bilinear interpolation of (B, C, h, w) to (B, C, *size); the input itself where nothing changes."""
    if tuple(x.shape[2:]) == tuple(size):
        return x
    return F.interpolate(x, size=tuple(size), mode='bilinear', align_corners=align_corners)


def pointwise_over_levels(
    levels: Sequence[Tensor],
    weights: Sequence[Tensor],
    size: Sequence[int],
    bias: Optional[Tensor] = None,
    align_corners: bool = False,
) -> Tensor:
    """``conv1x1(cat(resize(level) for level in levels))`` without the concatenation.

    Args:
        levels: maps (B, C_i, h_i, w_i).
        weights: the convolution's weight split by level, (D, C_i) each.
        size: height and width of the result.
        bias: (D,), added once.

    Returns:
        (B, D, *size) in channels-last memory.
    """
    parts = [resized(pointwise(x, w), size, align_corners) for x, w in zip(levels, weights)]  # (B, D, *size) each
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total if bias is None else total + bias.to(total.dtype)[:, None, None]


def folded(outer: Tensor, inner: Tensor, bias: Optional[Tensor]) -> tuple[Tensor, Optional[Tensor]]:
    """One layer for ``outer @ (inner @ x + bias)``: weight (D, C) of (D, E) and (E, C), and bias (D,) of (E,).

    In float32 whatever autocast says: the product of two rounded matrices would be rounded a third time.
    """
    with full_precision(outer.device):
        weight = outer.float() @ inner.float()  # (D, C)
        return weight, None if bias is None else outer.float() @ bias.float()  # (D,)

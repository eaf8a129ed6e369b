"""Zero padding that writes every value once."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from .memory_format import memory_format_of


class _ZeroPadding(torch.autograd.Function):
    """torch fills the whole result before it copies the image into it, and copies the gradient it cuts out."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, top: int, bottom: int, left: int, right: int) -> Tensor:
        height, width = x.shape[2:]
        ctx.inside = (..., slice(top, top + height), slice(left, left + width))
        size = (*x.shape[:2], top + height + bottom, left + width + right)
        out = torch.empty(size, dtype=x.dtype, device=x.device, memory_format=memory_format_of(x))  # (B, C, H', W')
        out[ctx.inside] = x
        for margin in (out[:, :, :top], out[:, :, top + height :]):
            margin.zero_()
        rows = out[:, :, top : top + height]
        for margin in (rows[..., :left], rows[..., left + width :]):
            margin.zero_()
        return out

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Any, ...]:
        return grad[ctx.inside], None, None, None, None


def zero_padding(x: Tensor, top: int, bottom: int, left: int, right: int) -> Tensor:
    """``F.pad(x, (left, right, top, bottom))``.

    Args:
        x: (B, C, H, W); its memory format is kept.
        top, bottom, left, right: rows and columns of zeros, not negative.

    Returns:
        (B, C, top + H + bottom, left + W + right); ``x`` itself where nothing is added.
    """
    return _ZeroPadding.apply(x, top, bottom, left, right) if top + bottom + left + right else x

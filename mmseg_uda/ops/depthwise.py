"""Dilated depthwise convolution on a CPU, with an input gradient that is a forward convolution."""

from __future__ import annotations

from typing import Any, Optional

import torch
import torch.nn.functional as F
from torch import Tensor


class _DilatedDepthwise(torch.autograd.Function):
    """Stride 1 and 'same' padding make the input's gradient the same convolution with the kernel turned by 180 degrees.

    oneDNN's backward of a dilated depthwise convolution takes two to three times as long as its forward.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Optional[Tensor], dilation: int) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.dilation, ctx.has_bias = dilation, bias is not None
        return _convolve(x, weight, bias, dilation)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Optional[Tensor], ...]:
        x, weight = ctx.saved_tensors
        grad = grad.contiguous()
        needs = ctx.needs_input_grad
        grad_x = _convolve(grad, weight.flip(2, 3), None, ctx.dilation) if needs[0] else None  # (B, C, H, W)
        grad_weight = _weight_gradient(x, grad, weight, ctx.dilation) if needs[1] else None  # (C, 1, k, k)
        grad_bias = grad.sum((0, 2, 3)) if ctx.has_bias and needs[2] else None  # (C,)
        return grad_x, grad_weight, grad_bias, None


def _convolve(x: Tensor, weight: Tensor, bias: Optional[Tensor], dilation: int) -> Tensor:
    padding = dilation * (weight.shape[-1] // 2)
    return F.conv2d(x, weight, bias, padding=padding, dilation=dilation, groups=weight.shape[0])


def _weight_gradient(x: Tensor, grad: Tensor, weight: Tensor, dilation: int) -> Tensor:
    padding = dilation * (weight.shape[-1] // 2)
    mask = [False, True, False]
    return torch.ops.aten.convolution_backward(
        grad, x, weight, None, [1, 1], [padding] * 2, [dilation] * 2, False, [0, 0], weight.shape[0], mask
    )[1]


def dilated_depthwise(x: Tensor, weight: Tensor, bias: Optional[Tensor], dilation: int) -> Tensor:
    """Depthwise convolution with stride 1 and zero padding that keeps the size.

    Args:
        x: (B, C, H, W); brought to contiguous (NCHW) memory, in which a CPU computes it up to 12 times as fast as in
            channels-last memory.
        weight: (C, 1, k, k) with odd k.
        bias: (C,) or None.
        dilation: distance between the taps.

    Returns:
        (B, C, H, W).
    """
    return _DilatedDepthwise.apply(x.contiguous(), weight, bias, dilation)

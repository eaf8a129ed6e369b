"""Depthwise convolutions on a CPU whose gradients take oneDNN's fast kernels."""

from __future__ import annotations

from typing import Any, Optional, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

#: width up to which oneDNN's weight gradient of a depthwise kernel is fast; wider ones take up to 20 times as long
FAST_WIDTH = 3


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
        grad_weight = None
        if needs[1]:
            padding = [ctx.dilation * (weight.shape[-1] // 2)] * 2
            grad_weight = _gradient(grad, x, weight, padding, [ctx.dilation] * 2, of_weight=True)  # (C, 1, k, k)
        grad_bias = grad.sum((0, 2, 3)) if ctx.has_bias and needs[2] else None  # (C,)
        return grad_x, grad_weight, grad_bias, None


class _WideDepthwise(torch.autograd.Function):
    """The weight's gradient in groups of kernel columns that are narrow enough for the fast kernel."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Optional[Tensor], stride: Sequence[int], padding: Sequence[int]
    ) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.stride, ctx.padding, ctx.has_bias = list(stride), list(padding), bias is not None
        return F.conv2d(x, weight, bias, ctx.stride, ctx.padding, groups=weight.shape[0])

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Optional[Tensor], ...]:
        x, weight = ctx.saved_tensors
        needs = ctx.needs_input_grad
        grad_x = _gradient(grad, x, weight, ctx.padding, [1, 1], ctx.stride) if needs[0] else None  # (B, C, H, W)
        grad_weight = None
        if needs[1]:
            columns = range(0, weight.shape[3], FAST_WIDTH)
            parts = [_of_columns(grad, x, weight, ctx.stride, ctx.padding, first) for first in columns]
            grad_weight = torch.cat(parts, dim=3)  # (C, 1, k, k)
        grad_bias = grad.sum((0, 2, 3)) if ctx.has_bias and needs[2] else None  # (C,)
        return grad_x, grad_weight, grad_bias, None, None


def _of_columns(
    grad: Tensor, x: Tensor, weight: Tensor, stride: Sequence[int], padding: Sequence[int], first: int
) -> Tensor:
    """Gradient of the kernel columns from ``first`` on, at most :data:`FAST_WIDTH`: (C, 1, k, columns)."""
    part = weight[:, :, :, first : first + FAST_WIDTH]
    left = first - padding[1]  # the first column of the input that these columns of the kernel see
    end = left + stride[1] * (grad.shape[3] - 1) + part.shape[3]
    seen = F.pad(x, (-left, end - x.shape[3]))  # (B, C, H, end - left); negative padding cuts off
    return _gradient(grad, seen, part, [padding[0], 0], [1, 1], stride, of_weight=True)


def _convolve(x: Tensor, weight: Tensor, bias: Optional[Tensor], dilation: int) -> Tensor:
    padding = dilation * (weight.shape[-1] // 2)
    return F.conv2d(x, weight, bias, padding=padding, dilation=dilation, groups=weight.shape[0])


def _gradient(
    grad: Tensor,
    x: Tensor,
    weight: Tensor,
    padding: Sequence[int],
    dilation: Sequence[int],
    stride: Sequence[int] = (1, 1),
    of_weight: bool = False,
) -> Tensor:
    """Gradient of the input, or of the weight, by torch's own backward."""
    mask = [not of_weight, of_weight, False]
    backward = torch.ops.aten.convolution_backward
    found = backward(grad, x, weight, None, stride, padding, dilation, False, [0, 0], weight.shape[0], mask)
    return found[int(of_weight)]


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


def wide_depthwise(
    x: Tensor, weight: Tensor, bias: Optional[Tensor], stride: Sequence[int], padding: Sequence[int]
) -> Tensor:
    """Depthwise convolution whose kernel is wider than :data:`FAST_WIDTH`.

    Args:
        x: (B, C, H, W) in any memory format.
        weight: (C, 1, k, l).
        bias: (C,) or None.
        stride: along height and width.
        padding: of zeros, on both sides of height and width.

    Returns:
        (B, C, H', W') in the memory format of ``x``.
    """
    return _WideDepthwise.apply(x, weight, bias, stride, padding)

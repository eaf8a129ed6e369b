"""The sum at the end of a residual branch."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class _ScaledResidual(torch.autograd.Function):
    """``addcmul`` whose backward pass is one product: torch's own multiplies the factor by 1 before, in a kernel of its
    own."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, branch: Tensor, factor: Tensor) -> Tensor:
        ctx.save_for_backward(factor)
        ctx.dtype = branch.dtype
        return torch.addcmul(x, branch, factor)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None]:
        (factor,) = ctx.saved_tensors
        return grad, (grad * factor).to(ctx.dtype), None


def scaled_residual(x: Tensor, branch: Tensor, factor: Tensor) -> Tensor:
    """``x + branch * factor`` in one kernel forward and one backward.

    Args:
        x: (B, N, C).
        branch: like ``x``, in any memory format.
        factor: without gradient, broadcasts against ``x``: stochastic depth, (B, 1, 1).

    Returns:
        (B, N, C).
    """
    return _ScaledResidual.apply(x, branch, factor)

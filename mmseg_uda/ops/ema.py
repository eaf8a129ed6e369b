"""Arithmetic of the exponential moving average of network parameters."""

from __future__ import annotations

from typing import Sequence

import torch
from torch import Tensor


def ema_alpha(iteration: int, alpha: float) -> float:
    """EMA rate with warm-up: min(1 - 1/(t+1), alpha) at 0-based iteration t (DACS, arXiv 2007.08702; first update at
    t=1 uses 0.5)."""
    return min(1 - 1 / (iteration + 1), alpha)


@torch.no_grad()
def ema_update_(targets: Sequence[Tensor], sources: Sequence[Tensor], alpha: float) -> None:
    """targets = alpha * targets + (1 - alpha) * sources, in place, in one multi-tensor call per dtype and device.

    Args:
        targets, sources: floating-point tensors of pairwise equal shape; sources of another dtype are cast.
        alpha: weight of the old value in [0, 1].
    """
    old = [t.data for t in targets]
    new = [s.data if s.dtype == t.dtype else s.data.to(t.dtype) for t, s in zip(targets, sources)]
    torch._foreach_lerp_(old, new, 1 - alpha)

"""Ground truth that is known for some pixels of the target: it wins over pseudo-labels."""

from __future__ import annotations

import torch
from torch import Tensor


def override_labels(label: Tensor, weight: Tensor, truth: Tensor, ignore: int = 255) -> tuple[Tensor, Tensor]:
    """Replace pseudo-labels where the ground truth is known; those pixels count fully.

    Args:
        label: pseudo-labels int64 (B, H, W).
        weight: their weights, float (B, H, W).
        truth: int64 (B, H, W), ``ignore`` where nothing is known.

    Returns:
        New labels and weights.
    """
    known = truth != ignore
    return torch.where(known, truth, label), weight.masked_fill(known, 1.0)


def exchange_images(chosen: Tensor, given: Tensor, other: Tensor) -> Tensor:
    """Image i of ``other`` where ``chosen[i]``, else image i of ``given``: (B, ...) of equal shapes; ``chosen`` is
    bool (B,)."""
    return torch.where(chosen.view(-1, *[1] * (given.dim() - 1)), other, given)

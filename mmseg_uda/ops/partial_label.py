"""Losses of RIPU (arXiv 2111.12940, eq. 8 to 10) for a target with few labelled pixels."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .labels import IGNORE
from .precision import single_precision
from .world import ALONE, World


def mean_where(values: Tensor, chosen: Tensor, world: World = ALONE) -> Tensor:
    """Mean of ``values`` over the entries that are chosen on any process; 0 with zero gradient when there are none.

    The mean of the processes' results is that of the whole batch.
    """
    total = torch.where(chosen, values, torch.zeros_like(values)).sum()
    return world.world_size * total / world.total(chosen.sum()).clamp(min=1)


def labeled_cross_entropy(logits: Tensor, label: Tensor, world: World = ALONE) -> Tensor:
    """Cross entropy averaged over labelled pixels only.

    Args:
        logits: (B, C, H, W); label: (B, H, W) int64, 255 = not labelled.
    """
    losses = F.cross_entropy(single_precision(logits), label, ignore_index=IGNORE, reduction='none')
    return mean_where(losses, label != IGNORE, world)


def negative_learning_loss(prob: Tensor, threshold: float = 0.05, eps: float = 1e-6, world: World = ALONE) -> Tensor:
    """Mean of -log(1 - p + eps) over the (pixel, class) entries with p < threshold; 0 when there are none.

    Args:
        prob: (B, C, H, W) softmax probabilities.
    """
    prob = single_precision(prob)
    chosen = (prob < threshold).detach()
    # entries outside are replaced before the logarithm, which has no finite slope at p = 1 without eps
    return mean_where(-torch.log(1 - prob.masked_fill(~chosen, 0) + eps), chosen, world)


def semantic_boundary(label: Tensor) -> Tensor:
    """Pixels where the 8-neighbour Laplacian of the label map is not zero (255 included, zeros outside the image).

    Args:
        label: (B, H, W) int64.

    Returns:
        (B, H, W) bool.
    """
    values = F.pad(label[:, None].float(), (1, 1, 1, 1))
    window = F.avg_pool2d(values, 3, stride=1, divisor_override=1)
    return (9 * values[..., 1:-1, 1:-1] - window)[:, 0] != 0


def local_discrepancy(prob: Tensor, kind: str = 'l1') -> Tensor:
    """Difference of each pixel's prediction and the mean prediction of its 3x3 window (replicated border).

    Args:
        prob: (B, C, H, W).
        kind: ``l1`` sum_c |p - m|, or ``kl`` sum_c p log(p / (m + 1e-6) + 1e-6).

    Returns:
        (B, H, W).
    """
    prob = single_precision(prob)
    mean = F.avg_pool2d(F.pad(prob, (1, 1, 1, 1), mode='replicate'), 3, stride=1)
    if kind == 'kl':
        return (prob * torch.log(prob / (mean + 1e-6) + 1e-6)).sum(dim=1)
    return (prob - mean).abs().sum(dim=1)


def local_consistency_loss(prob: Tensor, label: Tensor, kind: str = 'l1', world: World = ALONE) -> Tensor:
    """Mean local discrepancy over the labelled pixels on semantic boundaries; 0 when there are none.

    Args:
        prob: (B, C, H, W) softmax probabilities.
        label: (B, H, W) int64, 255 = ignore.
    """
    return mean_where(local_discrepancy(prob, kind), semantic_boundary(label) & (label != IGNORE), world)

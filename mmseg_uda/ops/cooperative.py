"""Cooperative self-training and knowledge transfer between domain heads: CoaST (arXiv 2210.01578), MTAF (arXiv
2108.06962)."""

from __future__ import annotations

from typing import NamedTuple, Optional, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from .adversarial import FIRST_IGNORED
from .labels import IGNORE
from .partial_label import mean_where
from .world import ALONE, World

LOSS_MODES = ('paper', 'official')
KD_REDUCTIONS = ('element', 'pixel')


class CooperativeLosses(NamedTuple):
    """Losses of one target's images.

    Attributes:
        pseudo: cross entropy of the target's own head.
        style: cross entropy and consistency of the stylised views, averaged over the views.
        weight: rectification (B, h, w), averaged over the views.
        divergence: summed divergence (B, h, w) of the stylised views.
    """

    pseudo: Tensor
    style: Tensor
    weight: Tensor
    divergence: Tensor


def pixel_divergence(teacher: Tensor, student: Tensor) -> Tensor:
    """Kullback-Leibler divergence (B, H, W) of class scores (B, C, H, W); no gradient reaches the teacher."""
    target = teacher.detach().float().log_softmax(dim=1)  # (B, C, H, W)
    return (target.exp() * (target - student.float().log_softmax(dim=1))).sum(dim=1)


def distillation_loss(teacher: Tensor, student: Tensor, reduction: str = 'element') -> Tensor:
    """Mean divergence over all pixels.

    Args:
        teacher, student: class scores (B, C, H, W); no gradient reaches the teacher.
        reduction: ``element``: the mean over all B * C * H * W elements, which divides by the number of classes as
            well, as the released codes do; ``pixel``: the mean over pixels.
    """
    if reduction not in KD_REDUCTIONS:
        raise ValueError(f"kd_reduction must be one of {', '.join(KD_REDUCTIONS)}, got '{reduction}'")
    mean = pixel_divergence(teacher, student).mean()
    return mean / teacher.shape[1] if reduction == 'element' else mean


def rectification(divergence: Tensor, gamma: float = 1.0) -> Tensor:
    """Reliability exp(-gamma V) of pseudo-labels from the divergence V of two views; without gradient."""
    return (-gamma * divergence.detach()).exp()


def cooperative_losses(
    own: Tensor,
    styled: Sequence[Tensor],
    label: Tensor,
    gamma: Optional[float] = 1.0,
    mode: str = 'paper',
    world: World = ALONE,
) -> CooperativeLosses:
    """Pseudo-label losses on a target's images and their stylised views.

    Args:
        own: scores (B, C, h, w) of the target's head on its own images.
        styled: scores of the other heads on the views in their style; empty with one target: weight 1, no style loss.
        label: int64 (B, h, w) pseudo-labels; ids from 200 on are ignored.
        gamma: sharpness of the rectification, or None for none.
        mode: ``paper`` weights every pixel; ``official`` reproduces the released code, which multiplies the mean cross
            entropies with the weights and every image with every image's mask. Its scale grows with the images per
            iteration.
        world: means run over the valid pixels of all processes.

    Returns:
        All losses are 0 with zero gradient where no pixel is valid.
    """
    if mode not in LOSS_MODES:
        raise ValueError(f"mode must be one of {', '.join(LOSS_MODES)}, got '{mode}'")
    valid = (label >= 0) & (label < FIRST_IGNORED)
    label = label.masked_fill(~valid, IGNORE)
    divergences = [pixel_divergence(own, view) for view in styled]
    zero = own.float().sum() * 0
    divergence = torch.stack(divergences).sum(dim=0) if divergences else torch.zeros_like(label, dtype=torch.float32)
    weight = torch.ones_like(divergence)
    if gamma is not None and divergences:
        weight = torch.stack([rectification(value, gamma) for value in divergences]).mean(dim=0)
    views = [own, *styled]
    pixel = [F.cross_entropy(view.float(), label, ignore_index=IGNORE, reduction='none') for view in views]
    if mode == 'official':
        means = [mean_where(value, valid, world) for value in pixel]
        scale = world.total(_cross_mask_mean(weight, valid, world)) / world.world_size
        pseudo = means[0] if gamma is None else means[0] * scale
        style = (
            zero
            if not styled
            else (torch.stack(means[1:]).sum() * scale + _cross_mask_mean(divergence, valid, world)) / len(styled)
        )
    else:
        pseudo = mean_where(pixel[0] * weight, valid, world)
        style = (
            zero
            if not styled
            else mean_where(torch.stack(pixel[1:]).sum(dim=0) * weight + divergence, valid, world) / len(styled)
        )
    return CooperativeLosses(pseudo, style, weight, divergence.detach())


def _cross_mask_mean(values: Tensor, valid: Tensor, world: World) -> Tensor:
    """Every image's values times every image's mask, over the number of valid pixels (the released broadcast).

    The mean of the processes' results is that of the whole batch.
    """
    counts = world.total(valid.sum(dim=0))
    return world.world_size * (values.sum(dim=0) * counts).sum() / counts.sum().clamp(min=1)

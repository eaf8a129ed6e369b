"""Losses and class statistics of the semi-supervised engine of STAL: AEL (arXiv 2110.05474) and U2PL (arXiv
2203.03884)."""

from __future__ import annotations

from typing import Optional, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from .acquisition import entropy_map
from .labels import IGNORE
from .precision import single_precision
from .world import ALONE, World

#: Nats. Pixels with the same prediction (flat areas, replicated borders) have entropies that differ in the last
#: float32 digits; a percentile among them would split them by rounding, which depends on the batch size and the
#: device.
ENTROPY_TIE = 1e-6


def percentile(values: Tensor, percent: float, valid: Optional[Tensor] = None) -> Tensor:
    """Percentile with linear interpolation over any number of elements, without a transfer to the host.

    Args:
        values: float tensor of any shape.
        percent: in [0, 100].
        valid: bool mask of the elements that count; None counts all.

    Returns:
        0-dimensional float64 tensor; +inf when nothing counts.
    """
    flat = values.detach().flatten()
    if valid is None:
        count = torch.full((), flat.numel(), dtype=torch.int64, device=flat.device)
    else:
        keep = valid.flatten()
        count = keep.sum()
        flat = flat.masked_fill(~keep, float('inf'))
    ordered = flat.sort().values
    position = (count - 1).clamp(min=0).double() * (percent / 100.0)
    lower = position.floor().long()
    upper = torch.minimum(lower + 1, (count - 1).clamp(min=0))
    low, high = ordered.gather(0, torch.stack([lower, upper])).double()  # an index of no dimensions goes to the host
    step = torch.where(high > low, (high - low) * (position - lower), torch.zeros_like(low))
    return low + step


def ohem_keep(
    logits: Tensor, target: Tensor, threshold: float = 0.7, min_kept: int = 100000, world: World = ALONE
) -> Tensor:
    """Pixels that online hard example mining keeps.

    Fewer than ``min_kept`` valid pixels, or ``min_kept`` = 0: all valid ones. Otherwise those whose probability of
    the true class is at most max(threshold, the ``min_kept``-th smallest such probability of the batch).

    Args:
        logits: (B, C, H, W).
        target: (B, H, W) int64, 255 = ignore.
        min_kept: of the batch of all processes.

    Returns:
        (B, H, W) bool.
    """
    valid = target != IGNORE
    if min_kept <= 0 or min_kept > target.numel() * world.world_size:
        return valid
    prob = torch.softmax(single_precision(logits.detach()), dim=1)
    true = prob.gather(1, target.masked_fill(~valid, 0)[:, None])[:, 0].masked_fill(~valid, 1.0)
    bound = world.gather(true.flatten()).kthvalue(min_kept).values.clamp(min=threshold)
    mine = world.total(valid.sum()) >= min_kept
    return valid & ((true <= bound) | ~mine)


def ohem_cross_entropy(
    logits: Tensor,
    target: Tensor,
    threshold: float = 0.7,
    min_kept: int = 100000,
    all_ignored: str = 'zero',
    world: World = ALONE,
) -> Tensor:
    """Cross entropy averaged over hard pixels (see :func:`ohem_keep`); the mean of the processes' losses is that of
    the whole batch.

    Args:
        logits: (B, C, H, W); target: (B, H, W) int64, 255 = ignore.
        all_ignored: loss when no pixel is valid: ``zero`` (with a graph), or ``nan`` as in the released code.
    """
    keep = ohem_keep(logits, target, threshold, min_kept, world)
    losses = F.cross_entropy(
        single_precision(logits), target.masked_fill(~keep, IGNORE), ignore_index=IGNORE, reduction='none'
    )
    count = world.total(keep.sum())
    return world.world_size * losses.sum() / (count if all_ignored == 'nan' else count.clamp(min=1))


def relative_confidence(class_confidence: Tensor, gamma: float = 1.0) -> Tensor:
    """k_c = ((1 - kappa_c) / (max_c (1 - kappa_c) + 1e-12))^gamma: share of the pixels of class c that AEL samples;
    (C,) -> (C,)."""
    doubt = 1 - class_confidence
    return (doubt / (doubt.max() + 1e-12)) ** gamma


def confidence_weights(
    logits: Tensor,
    confidence: Tensor,
    class_confidence: Tensor,
    draws: Optional[Tensor],
    gamma: float = 2.0,
    class_gamma: float = 1.0,
) -> Tensor:
    """Unnormalised pixel weights of the adaptive consistency loss: conf^gamma, thinned per class predicted by the
    student.

    Args:
        logits: student, (B, C, H, W).
        confidence: teacher's largest probability, (B, H, W).
        class_confidence: kappa, (C,).
        draws: (C, H, W) uniform numbers, one map per class for the whole batch; None keeps every pixel.

    Returns:
        (B, H, W), no gradient.
    """
    weight = single_precision(confidence.detach()) ** gamma
    if draws is None:
        return weight
    predicted = logits.detach().argmax(dim=1)
    share = relative_confidence(class_confidence, class_gamma)
    draw = draws[None].expand(len(predicted), -1, -1, -1).gather(1, predicted[:, None])[:, 0]
    return weight * (draw > 1 - share[predicted])


def confidence_weighted_ce(
    logits: Tensor,
    confidence: Tensor,
    target: Tensor,
    class_confidence: Tensor,
    draws: Optional[Tensor],
    gamma: float = 2.0,
    class_gamma: float = 1.0,
    world: World = ALONE,
) -> Tensor:
    """Adaptive, confidence-weighted cross entropy of AEL: sum of w * CE with w normalised over the whole batch.

    Ignored pixels add nothing to the loss but count in the normalisation. Nothing kept gives 0.

    Args:
        target: (B, H, W) int64, 255 = ignore. Others as in :func:`confidence_weights`.
    """
    weight = confidence_weights(logits, confidence, class_confidence, draws, gamma, class_gamma)
    weight = weight / (world.total(weight.sum()) + 1e-12)
    losses = F.cross_entropy(single_precision(logits), target, ignore_index=IGNORE, reduction='none')
    return world.world_size * (weight * losses).sum()


def class_confidence_sums(logits: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Per class: sum of its softmax probability over the pixels labelled with it, and their number; two (C,) float
    tensors.

    Args:
        logits: (B, C, H, W); target: (B, H, W) int64, 255 = ignore.
    """
    classes = logits.shape[1]
    valid = target != IGNORE
    label = target.masked_fill(~valid, 0)
    true = torch.softmax(single_precision(logits.detach()), dim=1).gather(1, label[:, None])[:, 0]
    sums = true.new_zeros(classes).index_add_(0, label.flatten(), (true * valid).flatten())
    counts = true.new_zeros(classes).index_add_(0, label.flatten(), valid.flatten().to(true.dtype))
    return sums, counts


def class_confidence(logits: Tensor, target: Tensor) -> Tensor:
    """Mean probability of each class over its labelled pixels, 0 for absent classes; (C,)."""
    sums, counts = class_confidence_sums(logits, target)
    return sums / counts.clamp(min=1)


def paste_class_probability(kappa: Tensor, never: Sequence[int] = ()) -> tuple[Tensor, Tensor]:
    """Probability of each class to be pasted: softmax of sqrt(1 - kappa) over the classes outside ``never``.

    Args:
        kappa: class confidence, (C,).

    Returns:
        class ids (T,) int64 and their probabilities (T,).
    """
    excluded = set(never)
    classes = torch.tensor([c for c in range(len(kappa)) if c not in excluded], dtype=torch.int64, device=kappa.device)
    return classes, torch.softmax(torch.sqrt(1 - kappa[classes]), dim=0)


def draw_classes(probability: Tensor, draws: Tensor) -> Tensor:
    """Classes drawn with replacement by inverting the cumulated probability.

    Args:
        probability: (T,) non-negative weights; draws: (n,) uniform in [0, 1).

    Returns:
        (n,) int64 positions; the last one when all weights are 0.
    """
    cumulated = probability.double().cumsum(0)
    found = torch.searchsorted(cumulated, draws.to(cumulated) * cumulated[-1], right=True)
    return found.clamp(max=len(probability) - 1)


def class_sampling_probability(kappa: Tensor) -> Tensor:
    """Probability of each class to guide the box mask: softmax of 1 - kappa; (C,) -> (C,)."""
    return torch.softmax(1 - kappa, dim=0)


def drop_by_entropy(
    label: Tensor, entropy: Tensor, percent: float, drop: str = 'high', world: World = ALONE, tie: float = 0.0
) -> Tensor:
    """Ignore pseudo-labels by their entropy.

    Args:
        label: (B, H, W) int64, 255 = ignore.
        entropy: (B, H, W).
        percent: percentile of the entropies that is the bound.
        drop: ``high``: entropy >= bound is dropped, percentile over valid pixels (the papers);
            ``low_official``: entropy < bound is dropped, percentile over all pixels (released STAL, which so drops
                the most certain).
        tie: the bound is lowered by this, so that pixels whose entropies differ by rounding only are treated alike
            (:data:`ENTROPY_TIE`).

    Returns:
        (B, H, W) int64, a new tensor.
    """
    if drop == 'low_official':
        return label.masked_fill(entropy < percentile(world.gather(entropy), percent) - tie, IGNORE)
    if drop != 'high':
        raise ValueError(f"drop must be 'high' or 'low_official', got '{drop}'")
    valid = label != IGNORE
    bound = percentile(world.gather(entropy), percent, world.gather(valid)) - tie
    return label.masked_fill(valid & (entropy >= bound), IGNORE)


def percentile_cross_entropy(
    logits: Tensor, target: Tensor, teacher_logits: Tensor, percent: float
) -> tuple[Tensor, Tensor]:
    """Unsupervised loss of U2PL: CE over the pseudo-labels below the entropy percentile, times (all pixels / kept
    pixels).

    Args:
        logits, teacher_logits: (B, C, H, W); target: (B, H, W) int64.
        percent: percentile of the teacher's entropy over valid pixels.

    Returns:
        loss (0 when nothing is kept) and the targets that were used.
    """
    kept = drop_by_entropy(target, entropy_map(teacher_logits.detach()), percent)
    count = (kept != IGNORE).sum()
    losses = F.cross_entropy(single_precision(logits), kept, ignore_index=IGNORE, reduction='none').sum()
    scale = kept.numel() / count.clamp(min=1)
    return scale * losses / count.clamp(min=1), kept


def poly_lr(base: float, step: int, total: int, power: float = 0.9) -> float:
    """Polynomial decay base * (1 - step / total)^power; step counts from 0, and from ``total`` on the rate is 0."""
    return base * max(0.0, 1 - step / total) ** power

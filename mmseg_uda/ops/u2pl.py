"""Pixel contrast with a memory bank: U2PL (arXiv 2203.03884, eq. 7 to 12) as STAL uses it.

Everything is a batched tensor form over classes: variable-length pixel sets are boolean masks, and "the r-th pixel of
the set" is a binary search in the mask's running count. No step depends on a size that only the device knows.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Optional

import torch
import torch.nn.functional as F
from torch import Tensor

from .ael import percentile
from .labels import IGNORE
from .precision import single_precision
from .world import ALONE, World


@dataclass(frozen=True)
class ContrastRules:
    """Options of the contrastive loss.

    Attributes:
        low_rank, high_rank: a class is a negative of an unlabelled pixel when its probability rank lies in [low_rank,
            high_rank), and of a labelled pixel when it lies in [0, low_rank).
        anchor_threshold: an anchor's probability of its class exceeds this.
        negative_threshold: a key's probability of the class is below this.
        num_queries, num_negatives: anchors per class, negatives per anchor.
        temperature: divisor of the cosine similarities.
        official_keys: keys must also be labelled with the very class they are negatives of (released code: labelled
            keys are then always absent and unlabelled ones nearly so).
        official_slots: slot i takes the anchors and prototype of class i but the bank of the i-th present class
            (released code).
        confidence_weighted: prototypes are means weighted by the largest class probability.
    """

    low_rank: int = 3
    high_rank: int = 20
    anchor_threshold: float = 0.3
    negative_threshold: float = 1.0
    num_queries: int = 256
    num_negatives: int = 50
    temperature: float = 0.5
    official_keys: bool = False
    official_slots: bool = False
    confidence_weighted: bool = False


class ContrastSets(NamedTuple):
    """Pixel sets per class over the N = B h w feature pixels in batch-row-column order; (C, N) bool each."""

    valid: Tensor
    anchors: Tensor
    keys: Tensor


def onehot_ignore(label: Tensor, classes: int, official: bool = False) -> Tensor:
    """One-hot encoding in which ignored pixels are all zero.

    Args:
        label: (B, H, W) int64, 255 = ignore.
        official: put the labels of all images into the first batch slot, ignored pixels of the others as class 0, as
            the released code does for batches above one.

    Returns:
        (B, C, H, W) float of 0 and 1.
    """
    valid = label != IGNORE
    onehot = F.one_hot(label.masked_fill(~valid, 0), classes).permute(0, 3, 1, 2).float()
    if official:
        merged = torch.zeros_like(onehot)
        merged[0] = onehot.amax(dim=0)
        onehot = merged
    return onehot * valid[:, None]


def contrast_masks(
    label_l: Tensor,
    label_u: Tensor,
    entropy_u: Tensor,
    low_percent: float,
    high_percent: float,
    size: tuple[int, int],
    valid_only: bool = True,
    world: World = ALONE,
    tie: float = 0.0,
) -> tuple[Tensor, Tensor]:
    """Masks of reliable (low entropy) and unreliable (high entropy) pixels at feature size.

    Args:
        label_l: (Bl, H, W), label_u: (Bu, H, W) int64, 255 = ignore; entropy_u: (Bu, H, W).
        low_percent, high_percent: percentiles over the unlabelled pixels; low is entropy <= , high is entropy >= .
        size: (h, w) of the features; nearest interpolation.
        valid_only: percentiles over the pixels of ``label_u`` that are not ignored (U2PL), or over all (released STAL).
        tie: both masks are widened by this, so that rounding does not split pixels of equal entropy
            (:data:`.semi_supervised.ENTROPY_TIE`).

    Returns:
        low, high: (Bl + Bu, 1, h, w) float of 0 and 1.
    """
    known = label_l != IGNORE
    usable = label_u != IGNORE
    values, counted = world.gather(entropy_u), world.gather(usable) if valid_only else None
    low = usable & (entropy_u <= percentile(values, low_percent, counted) + tie)
    high = usable & (entropy_u >= percentile(values, high_percent, counted) - tie)
    masks = torch.stack([torch.cat([known, low]), torch.cat([known, high])], dim=1).float()  # (Bl + Bu, 2, H, W)
    small = F.interpolate(masks, size=size, mode='nearest')
    return small[:, :1], small[:, 1:]


def probability_ranks(prob: Tensor) -> Tensor:
    """Rank of every class at every pixel, 0 = most probable; (B, C, h, w) -> (B, C, h, w) int64."""
    order = prob.argsort(dim=1, descending=True, stable=True)
    places = torch.arange(prob.shape[1], device=prob.device)[None, :, None, None].expand_as(order)
    return torch.empty_like(order).scatter_(1, order, places)


def contrast_sets(
    onehot: Tensor, prob: Tensor, low_mask: Tensor, high_mask: Tensor, num_labeled: int, rules: ContrastRules
) -> ContrastSets:
    """Valid pixels, anchors and negative keys of every class.

    Args:
        onehot: (B, C, h, w), labelled images first; prob: (B, C, h, w) teacher softmax.
        low_mask, high_mask: (B, 1, h, w).
        num_labeled: how many of the B images are labelled.
    """
    member = onehot.bool()  # (B, C, h, w), as all masks here
    valid = member & low_mask.bool()
    anchors = valid & (prob > rules.anchor_threshold)
    rank = probability_ranks(prob)
    wrong = (rank[:num_labeled] < rules.low_rank) & ~member[:num_labeled]
    doubtful = (rank[num_labeled:] >= rules.low_rank) & (rank[num_labeled:] < rules.high_rank)
    keys = torch.cat([wrong, doubtful]) & high_mask.bool() & (prob < rules.negative_threshold)
    if rules.official_keys:
        keys = keys & member
    return ContrastSets(*(part.transpose(0, 1).flatten(1) for part in (valid, anchors, keys)))  # (C, B * h * w)


def rank_to_index(mask: Tensor, ranks: Tensor) -> Tensor:
    """Position of the r-th (from 0) set entry of each row.

    Args:
        mask: (C, N) bool; ranks: (C, Q) int64.

    Returns:
        (C, Q) int64; entries whose rank exceeds the row's count are N - 1 and must not be used.
    """
    running = mask.cumsum(dim=1)  # (C, N); the r-th entry is where the count becomes r + 1
    return torch.searchsorted(running, ranks.contiguous() + 1).clamp(max=mask.shape[1] - 1)


def uniform_ranks(draws: Tensor, counts: Tensor) -> Tensor:
    """floor(u * count): uniform ranks with replacement; draws (C, Q) in [0, 1), counts (C,) -> (C, Q) int64, 0 where
    the count is 0."""
    limit = (counts - 1).clamp(min=0)[:, None]
    return torch.minimum((draws.double() * counts[:, None]).long(), limit)


def class_prototypes(features: Tensor, sets: ContrastSets, confidence: Optional[Tensor] = None) -> Tensor:
    """Mean teacher feature of the valid pixels of each class; (C, D), zeros for classes without any.

    Args:
        features: (N, D).
        confidence: (N,) largest teacher probability of each pixel, to weight the mean by it; None for a plain mean.
    """
    features = single_precision(features)
    weight = sets.valid.to(features.dtype)
    if confidence is not None:
        weight = weight * confidence.to(features.dtype)
    return (weight @ features) / weight.sum(dim=1, keepdim=True).clamp(min=torch.finfo(features.dtype).tiny)


class ContrastSlots(NamedTuple):
    """Slots of the loss: the class whose bank each slot uses (C,), whether it takes part (C,) bool, and the number of
    present classes."""

    bank_class: Tensor
    active: Tensor
    present: Tensor


def contrast_slots(sets: ContrastSets, bank_lengths: Tensor, official: bool = False) -> ContrastSlots:
    """Which class pairs with which bank; slot i belongs to the anchors and the prototype of class i.

    Slots without anchors or with an empty bank do not take part; one or no present class makes all of them inactive.
    """
    seen = sets.valid.any(dim=1)
    present = seen.sum()
    order = torch.arange(len(seen), device=seen.device)
    if official:
        bank_class = torch.argsort((~seen).to(torch.int8), stable=True)
        candidate = order < present
    else:
        bank_class, candidate = order, seen
    active = candidate & sets.anchors.any(dim=1) & (bank_lengths[bank_class] > 0) & (present > 1)
    return ContrastSlots(bank_class, active, present)


def contrast_loss(
    anchors: Tensor, positives: Tensor, negatives: Tensor, slots: ContrastSlots, temperature: float
) -> Tensor:
    """InfoNCE with cosine similarities, averaged over queries, summed over active slots, divided by the number of
    present classes.

    Args:
        anchors: (C, Q, D) with gradient; positives: (C, Q, D); negatives: (C, Q, K, D).

    Returns:
        Scalar; 0 with a graph when no slot is active.
    """
    candidates = torch.cat([positives[:, :, None], negatives], dim=2)  # (C, Q, 1 + K, D), the positive first
    cosine = F.cosine_similarity(
        single_precision(anchors)[:, :, None], single_precision(candidates), dim=3
    )  # (C, Q, 1 + K)
    losses = -F.log_softmax(cosine / temperature, dim=2)[..., 0].mean(dim=1)  # (C,)
    return torch.where(slots.active, losses, torch.zeros_like(losses)).sum() / slots.present.clamp(min=1)


def momentum_prototypes(
    prototypes: Tensor, momentum: Tensor, iteration: int, bank_class: Optional[Tensor] = None
) -> Tensor:
    """Prototypes blended with their running values: (1 - a) mu + a mu_old, a = min(1 - 1/iteration, 0.999).

    Args:
        prototypes, momentum: (C, Q, D) present and running values per query; the running ones are all zero before the
            first update.
        iteration: number of the iteration, >= 1.
        bank_class: (C,) class whose running value slot i takes; None means class i.
    """
    decay = min(1 - 1 / iteration, 0.999)
    old = momentum if bank_class is None else momentum[bank_class]
    return torch.where((momentum == 0).all(), prototypes, (1 - decay) * prototypes + decay * old)


def fifo_enqueue(bank: Tensor, keys: Tensor, size: int) -> Tensor:
    """The newest ``size`` rows of ``bank`` followed by ``keys``, oldest first; (n, D)."""
    return torch.cat([bank, keys])[-size:]

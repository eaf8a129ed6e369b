"""Losses and labels of video adaptation: TPS (arXiv 2207.02372), DA-VSN (arXiv 2107.11052) and the video part of
QuadMix (arXiv 2311.13254)."""

from __future__ import annotations

from typing import NamedTuple, Optional, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from .entropy import normalized_entropy
from .flow import resize_flow, splat, warp
from .precision import single_precision

ABSENT = ('skip', 'zeros')
FLIP_FLOWS = ('consistent', 'legacy')
KEY_CONFIDENCES = ('softmax', 'raw')


# ---- frames --------------------------------------------------------------------------------------------------------
def match_histograms(source: Tensor, target: Tensor, reference: Optional[Tensor] = None) -> Tensor:
    """Give each channel of each source image the distribution of the target image's grey levels.

    A value becomes the target value at its own cumulative frequency, linearly interpolated between the target's
    values.

    Args:
        source: float (B, C, H, W).
        target: float (B, C, h, w).
        reference: float (B, C, y, x), image whose frequencies count; None: ``source`` itself.
    """
    shape = source.shape
    values, template = source.flatten(2).contiguous(), target.flatten(2).sort(-1).values.contiguous()
    known = (values if reference is None else reference.flatten(2)).sort(-1).values.contiguous()
    size, count = known.shape[-1], template.shape[-1]
    below = torch.searchsorted(known, values, right=True)  # (B, C, N), pixels up to this value
    index = ((below * count + size - 1).div(size, rounding_mode='floor') - 1).clamp(min=0)
    upper = template.gather(-1, index).contiguous()
    first = torch.searchsorted(template, upper)
    after = torch.searchsorted(template, upper, right=True)
    lower = template.gather(-1, (first - 1).clamp(min=0)).double()
    share = (below.double() * count / size - first) / (after - first)
    matched = lower + (upper.double() - lower) * share
    return torch.where(first > 0, matched, upper.double()).to(source.dtype).view(shape)


def wrap_to_bytes(img: Tensor) -> Tensor:
    """What the released strong augmentation makes of a normalised image: 255 times it, cut to whole numbers, modulo
    256, divided by 255."""
    return torch.remainder((255 * single_precision(img)).trunc(), 256) / 255


# ---- pseudo-labels -------------------------------------------------------------------------------------------------
class ClipLabels(NamedTuple):
    """Pseudo-labels of the current frame at image size.

    Attributes:
        label, prob: int64 and float32 (B, H, W) of the current frame, from probabilities warped to it.
        key_label: int64 (B, H, W) of the labelled (key) frame itself.
        key_score: its highest raw score; ``key_prob``: its highest probability.
    """

    label: Tensor
    prob: Tensor
    key_label: Tensor
    key_score: Tensor
    key_prob: Tensor


def _warped(values: Tensor, flow: Tensor, mirrored: bool, flip_flow: str) -> Tensor:
    """Bring a map of the (mirrored) labelled frame to the current frame."""
    if flip_flow not in FLIP_FLOWS:
        raise ValueError(f"flip_flow must be one of {', '.join(FLIP_FLOWS)}, got '{flip_flow}'")
    if not mirrored:
        return warp(values, flow)
    return warp(values, flow).flip(-1) if flip_flow == 'legacy' else warp(values.flip(-1), flow)


def propagated_label(
    scores: Tensor, flow: Tensor, mirrored: bool = False, flip_flow: str = 'consistent', scale: str = 'per_axis'
) -> Tensor:
    """Labels of the current frame at score resolution: the earlier frame's probabilities, warped (TPS).

    Args:
        scores: class scores of the earlier frame (B, C, h, w), of its mirror image when ``mirrored``.
        flow: current to earlier, on any grid, never mirrored.
        flip_flow: ``consistent`` mirrors the probabilities back before the warp; ``legacy`` afterwards (released code,
            which so warps mirrored frames by a flow that is not theirs).
        scale: see :func:`~mmseg_uda.ops.flow.resize_flow`.

    Returns:
        int64 (B, h, w).
    """
    prob = single_precision(scores).softmax(1)
    return _warped(prob, resize_flow(flow, (scores.shape[2], scores.shape[3]), scale), mirrored, flip_flow).argmax(1)


def clip_labels(
    scores: Tensor,
    flow: Tensor,
    size: tuple[int, int],
    mirrored: bool = False,
    flip_flow: str = 'consistent',
    scale: str = 'per_axis',
) -> ClipLabels:
    """Labels and confidence of the current frame and of the earlier frame that was labelled, at image size.

    Args:
        scores: class scores of the earlier frame (B, C, h, w); they are upsampled with aligned corners.
        size: (H, W) of the images.
        flow, mirrored, flip_flow, scale: as in :func:`propagated_label`.
    """
    scores = F.interpolate(single_precision(scores), size=size, mode='bilinear', align_corners=True)
    own = scores.softmax(1)
    prob, label = _warped(own, resize_flow(flow, size, scale), mirrored, flip_flow).max(1)
    straight = scores.flip(-1) if mirrored else scores
    key_score, key_label = straight.max(1)
    key_prob = own.max(1).values
    return ClipLabels(label, prob, key_label, key_score, key_prob.flip(-1) if mirrored else key_prob)


# ---- class-wise alignment ------------------------------------------------------------------------------------------
def class_vectors(scores: Tensor, label: Optional[Tensor] = None, min_pixels: int = 5) -> tuple[Tensor, Tensor]:
    """Mean score vector of each class in each image.

    Args:
        scores: class scores (B, C, h, w). A pixel belongs to the class of its highest score.
        label: int64 (B, h, w); with it only pixels count whose label is that class.
        min_pixels: classes with fewer pixels are absent.

    Returns:
        (B, C, C), row t for class t, zero where absent; and which classes are present, bool (B, C).
    """
    scores = single_precision(scores)
    classes = scores.shape[1]
    member = F.one_hot(scores.detach().argmax(1), classes).bool()  # (B, h, w, C)
    if label is not None:
        member = member & (label.unsqueeze(-1) == torch.arange(classes, device=label.device))
    weight = member.flatten(1, 2).to(scores.dtype)  # (B, h*w, C)
    count = weight.sum(1)  # (B, C)
    present = count >= min_pixels
    sums = torch.einsum('bpt,bcp->btc', weight, scores.flatten(2))
    return sums / count.clamp(min=1).unsqueeze(-1) * present.unsqueeze(-1), present


def temporal_mean(
    near: Tensor, far: Tensor, near_present: Tensor, far_present: Tensor, absent: str = 'skip'
) -> tuple[Tensor, Tensor]:
    """Mean of the class vectors of two frame pairs.

    Args:
        near, far: (B, C, C); near_present, far_present: bool (B, C).
        absent: ``skip`` takes the mean over the pairs in which a class is present; ``zeros`` halves a class that only
            one pair shows (released code).

    Returns:
        The mean and the classes that at least one pair shows.
    """
    if absent not in ABSENT:
        raise ValueError(f"absent must be one of {', '.join(ABSENT)}, got '{absent}'")
    count = (near_present.to(near.dtype) + far_present.to(near.dtype)).clamp(min=1).unsqueeze(-1)
    return (near + far) / (2.0 if absent == 'zeros' else count), near_present | far_present


def mmd(source: Tensor, target: Tensor, used: Optional[Tensor] = None) -> Tensor:
    """Maximum mean discrepancy between the rows of pairs of matrices, five Gaussian kernels around the mean distance.

    Args:
        source, target: (B, C, D).
        used: bool (B, C): rows that count on both sides; None = all (released code, in which absent classes are zero
            rows).

    Returns:
        Mean over the pairs; a pair without rows gives 0.
    """
    source, target = single_precision(source), single_precision(target)
    rows = torch.cat([source, target], 1)  # (B, 2C, D)
    if used is None:
        used = torch.ones(source.shape[:2], dtype=torch.bool, device=source.device)
    weight = torch.cat([used, used], 1).to(rows.dtype)
    weights = weight.unsqueeze(1) * weight.unsqueeze(2)  # (B, 2C, 2C)
    distance = (rows.unsqueeze(1) - rows.unsqueeze(2)).square().sum(-1)
    number = weight.sum(1)
    pairs = (number * number - number).clamp(min=1)
    width = ((distance.detach() * weights).sum((1, 2)) / pairs / 4).view(-1, 1, 1)
    width = torch.where(width > 0, width, torch.ones_like(width))
    kernel = sum(torch.exp(-distance / (width * 2**i)) for i in range(5)) * weights
    classes = source.shape[1]
    sign = torch.ones(2 * classes, device=rows.device, dtype=rows.dtype)
    sign[classes:] = -1
    per_pair = (kernel * sign.unsqueeze(0) * sign.unsqueeze(1)).sum((1, 2)) / (number / 2).square().clamp(min=1)
    return per_pair.mean()


# ---- DA-VSN --------------------------------------------------------------------------------------------------------
class Propagated(NamedTuple):
    """What the key frame says about the current one: probabilities (B, C, h, w), entropies (B, h, w) of both frames as
    the mean over classes of -p log2 p / log2 C, and the weight (B, h, w) of a pixel."""

    prob: Tensor
    entropy: Tensor
    key_entropy: Tensor
    weight: Tensor


def propagate_by_splat(scores: Tensor, key_scores: Tensor, flow: Tensor) -> Propagated:
    """Push the key frame's probabilities and entropy to the current frame; pixels count where its prediction was surer.

    Args:
        scores, key_scores: class scores of the current and of the key frame (B, C, h, w).
        flow: current to key on the same grid.
    """
    key_prob = single_precision(key_scores).softmax(1)
    classes = scores.shape[1]
    entropy = normalized_entropy(single_precision(scores).softmax(1)) / classes
    prob, _ = splat(key_prob, flow)
    key_entropy, _ = splat(normalized_entropy(key_prob).unsqueeze(1) / classes, flow)
    surer = (key_entropy[:, 0] < entropy).to(prob.dtype)
    return Propagated(prob, entropy, key_entropy[:, 0], prob.sum(1) * surer)


def temporal_consistency_loss(scores: Tensor, key_scores: Tensor, flow: Tensor) -> Tensor:
    """Mean over classes and pixels of the weighted distance between a frame's probabilities and the propagated ones.

    Gradient reaches ``scores`` only.
    """
    with torch.no_grad():
        seen = propagate_by_splat(scores, key_scores, flow)
    return (seen.weight.unsqueeze(1) * (single_precision(scores).softmax(1) - seen.prob).abs()).mean()


def weight_discrepancy(first: Sequence[Tensor], second: Sequence[Tensor]) -> Tensor:
    """Mean over pairs of parameter tensors of their cosine similarity plus 1: 0 for opposite weights, 2 for equal."""
    if len(first) != len(second):
        raise ValueError(f'two networks of one architecture are compared, got {len(first)} and {len(second)} tensors')
    similar = [F.cosine_similarity(a.flatten(), b.flatten(), dim=0) for a, b in zip(first, second)]
    return torch.stack(similar).mean() + 1

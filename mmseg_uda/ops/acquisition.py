"""Acquisition arithmetic: how informative an image, a region or a pixel is, and which ones a budget buys.

Image level: STAL (arXiv 2301.13361, section "active learning"): mean entropy and a quota per city.
Region and pixel level: RIPU (arXiv 2111.12940, eq. 3 to 6): region impurity times region uncertainty, greedy selection.
"""

from __future__ import annotations

import math
from typing import Optional, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .precision import single_precision


def entropy_map(logits: Tensor, eps: float = 1e-10) -> Tensor:
    """Pixel entropy -sum_c p_c log(p_c + eps), natural logarithm.

    Args:
        logits: (B, C, H, W) float.
        eps: added inside the logarithm (1e-10 in U2PL/STAL training, 1e-6 in the acquisition scores of STAL and RIPU).

    Returns:
        (B, H, W) float (float32 for half-precision logits), in nats.
    """
    prob = torch.softmax(single_precision(logits), dim=1)
    return -(prob * torch.log(prob + eps)).sum(dim=1)


def mean_entropy_score(logits: Tensor, norm_classes: Optional[int] = None, eps: float = 1e-6) -> Tensor:
    """Mean normalised pixel entropy of each image (STAL's image score).

    Args:
        logits: (B, C, H, W) float at the resolution of the label.
        norm_classes: entropies are divided by its logarithm; None means C, the released code says 19 always.
        eps: added inside the logarithm.

    Returns:
        (B,) float.
    """
    return entropy_map(logits, eps).flatten(1).mean(dim=1) / math.log(norm_classes or logits.shape[1])


def margin_map(logits: Tensor) -> Tensor:
    """1 - (largest - second largest softmax probability) per pixel: (B, C, H, W) -> (B, H, W), 1 is most uncertain
    (best versus second best)."""
    top = torch.softmax(single_precision(logits), dim=1).topk(2, dim=1).values
    return 1 - (top[:, 0] - top[:, 1])


def window_sum(values: Tensor, radius: int) -> Tensor:
    """Sum over the (2 radius + 1)^2 window around every pixel, zero outside the image.

    Masks are counted in float32, which is exact; other values are summed in float64. Wide windows cost as much as
    narrow ones.

    Args:
        values: (..., H, W), bool or floating point.

    Returns:
        (..., H, W) float32 for a mask, else float64.
    """
    total = values.float() if values.dtype == torch.bool else values.double()
    if radius <= 2 and values.dtype == torch.bool:
        flat = total.reshape(-1, 1, *values.shape[-2:])
        return F.avg_pool2d(flat, 2 * radius + 1, stride=1, padding=radius, divisor_override=1).reshape(values.shape)
    for dim in (-1, -2):
        size = values.shape[dim]
        cumulated = torch.cat([torch.zeros_like(total.narrow(dim, 0, 1)), total.cumsum(dim)], dim)
        position = torch.arange(size, device=values.device)
        upper = (position + radius + 1).clamp(max=size)
        lower = (position - radius).clamp(min=0)
        total = cumulated.index_select(dim, upper) - cumulated.index_select(dim, lower)
    return total


def region_score(
    logits: Tensor, radius: int, norm_classes: Optional[int] = None, eps: float = 1e-6
) -> tuple[Tensor, Tensor, Tensor]:
    """RIPU's region score: impurity of the predicted classes times mean uncertainty, in a (2 radius + 1)^2 window.

    Classes are counted one after another, so that the memory needed does not grow with their number.

    Args:
        logits: (C, H, W) float.
        radius: k of the paper, in pixels.
        norm_classes: logarithms are divided by log(norm_classes); None means C, the released code says 19 always, and
            0 means not at all (natural logarithms: the pixel variant).
        eps: added inside the logarithms.

    Returns:
        score, impurity, uncertainty; (H, W) float32 each, score = impurity * uncertainty.
    """
    classes, height, width = logits.shape
    scale = 1.0 if norm_classes == 0 else 1.0 / math.log(norm_classes or classes)
    count = window_sum(torch.ones(height, width, dtype=torch.bool, device=logits.device), radius)
    uncertainty = (window_sum(entropy_map(logits[None], eps)[0] * scale, radius) / count).float()
    predicted = logits.argmax(dim=0)
    impurity = torch.zeros_like(uncertainty)
    for label in range(classes):
        share = window_sum(predicted == label, radius) / count
        impurity -= share * torch.log(share + eps)
    impurity *= scale
    return impurity * uncertainty, impurity, uncertainty


def pixel_score(logits: Tensor, radius: int, eps: float = 1e-6) -> Tensor:
    """RIPU-PA's pixel score: entropy of the pixel times impurity of its window, natural logarithms.

    Args:
        logits: (C, H, W) float.

    Returns:
        (H, W) float32.
    """
    return entropy_map(logits[None], eps)[0] * region_score(logits, radius, norm_classes=0, eps=eps)[1]


def picks_per_round(pixels: int, ratio: float, rounds: int, radius: int) -> int:
    """Regions bought per image and round for a pixel share: ceil(pixels * (ratio / rounds) / (2 radius + 1)^2)
    (RIPU-RA)."""
    return math.ceil(pixels * (ratio / rounds) / (2 * radius + 1) ** 2)


def greedy_select(
    score: np.ndarray,
    active: np.ndarray,
    picks: int,
    label_radius: int,
    block_radius: int,
    when_exhausted: str = 'stop',
) -> tuple[np.ndarray, np.ndarray]:
    """Take the best pixel again and again, blocking a window around each pick (RIPU algorithm 1).

    Equivalent to one full-map maximum per pick, but sorts once: each earlier pick can block at most (2 block_radius +
    1)^2 candidates, hence no more than picks * (that + 1) of the best candidates are ever looked at. Of equal scores
    the smaller column wins, then the smaller row, as in the released code.

    Args:
        score: (H, W) float, larger is better; NaN is never picked.
        active: (H, W) bool, pixels that cannot be picked; changed in place.
        picks: number of regions to buy.
        label_radius: a pick labels the (2 label_radius + 1)^2 window around it.
        block_radius: and blocks the (2 block_radius + 1)^2 window for later picks.
        when_exhausted: ``stop`` when every pixel is blocked, or ``corner``: pick (0, 0) again, as the released code
            does.

    Returns:
        centres (n, 2) int64 as (row, column) in the order of the picks, n <= picks; selected (H, W) bool, the
        labelled pixels.
    """
    height, width = score.shape
    columnwise = np.where(active | np.isnan(score), -np.inf, score).T.ravel()
    candidates = int(min(columnwise.size, picks * ((2 * block_radius + 1) ** 2 + 1)))
    if candidates and candidates < columnwise.size:
        threshold = np.partition(columnwise, columnwise.size - candidates)[columnwise.size - candidates]
        pool = np.flatnonzero(columnwise >= threshold)
    else:
        pool = np.arange(columnwise.size)
    order = pool[np.argsort(-columnwise[pool], kind='stable')]
    order = order[columnwise[order] > -np.inf]
    selected = np.zeros_like(active, dtype=bool)
    centres: list[tuple[int, int]] = []

    def take(row: int, column: int) -> None:
        centres.append((row, column))
        selected[
            max(row - label_radius, 0) : row + label_radius + 1,
            max(column - label_radius, 0) : column + label_radius + 1,
        ] = True
        active[
            max(row - block_radius, 0) : row + block_radius + 1,
            max(column - block_radius, 0) : column + block_radius + 1,
        ] = True

    for column, row in zip(*(part.tolist() for part in np.divmod(order, height))):
        if len(centres) == picks:
            break
        if not active[row, column]:
            take(row, column)
    if when_exhausted == 'corner':
        while len(centres) < picks:
            take(0, 0)
    return np.asarray(centres, dtype=np.int64).reshape(-1, 2), selected


def reveal(mask: np.ndarray, ground_truth: np.ndarray, selected: np.ndarray) -> np.ndarray:
    """The label mask after buying ``selected``: ground truth there (ignored pixels stay 255), ``mask`` elsewhere;
    uint8 (H, W)."""
    return np.where(selected, ground_truth, mask).astype(np.uint8)


def group_quota(sizes: Sequence[int], labeled: Sequence[int], budget: int) -> list[int]:
    """Images to buy per group (city), in proportion to its unlabelled images (STAL).

    q = round(budget * (size - labelled) / total size) with halves to even; the last group takes what is left. Where
    that would be negative or more than the group has, the quotas are clipped and the rest is given to (taken from)
    the groups with the most room.

    Args:
        sizes, labeled: images and already labelled images per group, in the groups' order.
        budget: images to buy in all.

    Returns:
        Quotas, summing to ``min(budget, unlabelled images)``.
    """
    total = sum(sizes)
    room = [size - known for size, known in zip(sizes, labeled)]
    if any(r < 0 for r in room):
        raise ValueError(f'more labelled images than images in a group: sizes {list(sizes)}, labelled {list(labeled)}')
    budget = min(budget, sum(room))
    quota = [round(budget * r / total) for r in room[:-1]]
    quota.append(budget - sum(quota))
    quota = [min(max(q, 0), r) for q, r in zip(quota, room)]
    while sum(quota) != budget:
        if sum(quota) < budget:
            quota[max(range(len(quota)), key=lambda i: room[i] - quota[i])] += 1
        else:
            quota[max(range(len(quota)), key=lambda i: quota[i])] -= 1
    return quota


def rank_names(names: Sequence[str], scores: Sequence[float]) -> list[str]:
    """Names by descending score; of equal scores the larger name stands first (STAL's ``sort(reverse=True)`` of
    pairs)."""
    return [name for _, name in sorted(zip(map(float, scores), names), reverse=True)]


def select_images(rankings: Sequence[Sequence[str]], quota: Sequence[int], labeled: Sequence[str]) -> list[str]:
    """The first ``quota[g]`` names of each group's ranking that are not labelled yet, group after group.

    Args:
        rankings: names per group, best first; empty strings are skipped.
        labeled: names that are already labelled.
    """
    known = set(labeled)
    chosen: list[str] = []
    for ranking, wanted in zip(rankings, quota):
        chosen += [name for name in ranking if name and name not in known][:wanted]
    return chosen

"""Which pseudo-labels to trust: class-wise thresholds on a confidence score (ESL, arXiv 2006.08658; BDL, arXiv
1904.10620).

A pixel's label is the arg max of its class probabilities, its score the normalised entropy (ESL, low is confident), the
largest probability (BDL, high is confident) or the margin between the two largest. A class's threshold is an order
statistic of the scores of all pixels with that label, bounded by a constant.

Two estimators of the order statistic need memory that does not depend on the number of pixels:

* a histogram of quantised scores (:func:`quantize`, :func:`class_histogram`, :func:`rank_bins`): one pass, and the true
  value lies within one level;
* a radix search over the bit pattern (:func:`order_statistics`): two passes, exact.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable, Iterable, Optional

import torch
from torch import Tensor

from .entropy import normalized_entropy
from .label_maps import strip_rows
from .labels import IGNORE

SCORES = {'entropy': False, 'max_prob': True, 'margin': True}
DEFAULT_BOUNDS = {'entropy': 0.1, 'max_prob': 0.9, 'margin': 0.8}
#: levels of the 16-bit and the 8-bit quantiser; 0.1 and 0.9 of both are integers
FINE_LEVELS = 65530
COMPACT_LEVELS = 250
_HALF = 1 << 16

#: yields (label, score) or (label, code) tensors of equal shape, one pair per image or batch
Stream = Callable[[], Iterable[tuple[Tensor, Tensor]]]


@dataclass(frozen=True)
class Criterion:
    """When a pseudo-label is kept.

    Attributes:
        score: ``entropy``, ``max_prob`` or ``margin``.
        fraction: share of each class's pixels that the order statistic keeps.
        bound: scores at least this confident are always kept. It is a floor of the entropy threshold and a cap of the
            others.
        limit: scores less confident than this are never kept; None = no such limit, as published.

    Raises:
        ValueError: an unknown score or a number out of range.
    """

    score: str = 'entropy'
    fraction: float = 0.5
    bound: Optional[float] = None
    limit: Optional[float] = None

    def __post_init__(self) -> None:
        if self.score not in SCORES:
            raise ValueError(f"criterion score must be one of {', '.join(SCORES)}, got '{self.score}'")
        if self.bound is None:
            object.__setattr__(self, 'bound', DEFAULT_BOUNDS[self.score])
        for name in ('fraction', 'bound', 'limit'):
            value = getattr(self, name)
            if value is not None and not 0 <= value <= 1:
                raise ValueError(f'criterion {name} must lie in [0, 1], got {value}')

    @property
    def higher_is_better(self) -> bool:
        """Whether a high score means confidence."""
        return SCORES[self.score]

    def rank(self, count: Tensor) -> Tensor:
        """0-based rank of the order statistic among ``count`` ascending scores: round half to even."""
        share = 1 - self.fraction if self.higher_is_better else self.fraction
        return torch.minimum(torch.round(count.double() * share).long(), count - 1).clamp(min=0)

    def thresholds(self, statistic: Tensor) -> Tensor:
        """Order statistics (C,) -> thresholds (C,), float64; scores equal to the threshold are kept."""
        values, bound, limit = statistic.double(), float(self.bound or 0), self.limit
        if self.higher_is_better:
            values = values.clamp(max=bound)
            return values if limit is None else values.clamp(min=limit)
        values = values.clamp(min=bound)
        return values if limit is None else values.clamp(max=limit)


def label_and_score(prob: Tensor, score: str = 'entropy') -> tuple[Tensor, Tensor]:
    """Pseudo-label and confidence score of every pixel.

    Args:
        prob: class probabilities (B, C, H, W).
        score: see :class:`Criterion`.

    Returns:
        label int64 (B, H, W), the first maximum on ties, and score float32 (B, H, W) in [0, 1].
    """
    batch, classes, height, width = prob.shape
    label = torch.empty((batch, height, width), dtype=torch.int64, device=prob.device)
    confidence = torch.empty((batch, height, width), dtype=torch.float32, device=prob.device)
    rows = strip_rows(batch * classes * width, prob.device)
    for top in range(0, height, rows):
        strip = prob[:, :, top : top + rows]  # (B, C, rows, W)
        highest, at = strip.max(dim=1)
        if score == 'entropy':
            value = normalized_entropy(strip)
        elif score == 'max_prob':
            value = highest
        else:
            value = highest.float() - strip.float().scatter(1, at[:, None], -1).amax(dim=1)
        label[:, top : top + rows], confidence[:, top : top + rows] = at, value.float().clamp(0, 1)
    return label, confidence


def apply_thresholds(label: Tensor, score: Tensor, thresholds: Tensor, criterion: Criterion) -> Tensor:
    """``label`` with 255 where the score fails its class's threshold.

    Args:
        label: integer class ids of any shape, 255 = invalid.
        score: scores of the same shape; compared in float64.
        thresholds: (C,) float64.
    """
    limit = thresholds[label.long().clamp(max=len(thresholds) - 1)]
    kept = score.double() >= limit if criterion.higher_is_better else score.double() <= limit
    return label.masked_fill(~kept, IGNORE)


# ---- exact order statistic
# ------------------------------------------------------------------------------------------------
def order_statistics(stream: Stream, num_classes: int, criterion: Criterion) -> tuple[Tensor, Tensor]:
    """Order statistic of each class's scores, bit for bit, with two passes over ``stream`` and 2 * C * 65536 counters.

    Args:
        stream: called twice; labels are integers (255 = not counted), scores non-negative float32.

    Returns:
        statistic (C,) float64 (0 for an absent class) and pixel count (C,) int64.
    """
    upper = _total_histogram(stream, num_classes, lambda label, bits: (bits >> 16, None))
    count = upper.sum(1)
    bucket, below = _find_rank(upper, criterion.rank(count))

    def in_bucket(label: Tensor, bits: Tensor) -> tuple[Tensor, Tensor]:
        return bits & (_HALF - 1), (bits >> 16) == bucket[label.clamp(max=num_classes - 1)]

    lower = _total_histogram(stream, num_classes, in_bucket)
    rest, _ = _find_rank(lower, criterion.rank(count) - below)
    value = ((bucket << 16) | rest).int().view(torch.float32).double()
    return torch.where(count > 0, value, torch.zeros_like(value)), count


_Split = Callable[[Tensor, Tensor], 'tuple[Tensor, Optional[Tensor]]']


def _total_histogram(stream: Stream, num_classes: int, split: _Split) -> Tensor:
    total = torch.zeros(num_classes, _HALF, dtype=torch.int64)
    for label, score in stream():
        bits = score.float().abs().contiguous().view(torch.int32).long()  # abs: -0.0 would sort last
        codes, chosen = split(label.long(), bits)
        total += class_histogram(label, codes, num_classes, _HALF, chosen).cpu()
    return total


def _find_rank(histogram: Tensor, rank: Tensor) -> tuple[Tensor, Tensor]:
    """First bin whose cumulative count exceeds ``rank`` (the last bin of an empty row) and the count before it."""
    cumulative = histogram.cumsum(1)
    found = (cumulative <= rank[:, None]).sum(1).clamp(max=histogram.shape[1] - 1)
    at = cumulative.gather(1, found[:, None])[:, 0]
    return found, at - histogram.gather(1, found[:, None])[:, 0]


# ---- histogram of quantised scores
# ----------------------------------------------------------------------------------------
def invalid_code(levels: int) -> int:
    """The code of a pixel that does not count: the largest of the integer type that holds the codes."""
    return 255 if levels <= COMPACT_LEVELS else 65535


def quantize(score: Tensor, levels: int, higher_is_better: bool = False) -> Tensor:
    """Scores in [0, 1] to integer codes 0..levels.

    For any integer j, ``score <= j / levels`` is the same as ``code <= j``; with ``higher_is_better``
    ``score >= j / levels`` is the same as ``code >= j``. (The product of a 24-bit and a 16-bit number is exact in
    float64.) NaN gets the worst code.

    Returns:
        int64 codes of the same shape.
    """
    scaled = torch.nan_to_num(score.double() * levels, nan=0.0 if higher_is_better else float(levels))
    return (scaled.floor() if higher_is_better else scaled.ceil()).clamp(0, levels).long()


def class_histogram(
    label: Tensor, code: Tensor, num_classes: int, bins: int, chosen: Optional[Tensor] = None
) -> Tensor:
    """Number of pixels per class and code: int64 (C, bins), on the device of ``label``, without synchronisation.

    Args:
        label: integer class ids of any shape; ids from ``num_classes`` on do not count.
        code: integer codes of the same shape; codes from ``bins`` on do not count.
        chosen: bool mask of the pixels that count; None = all.
    """
    label, code = label.long().flatten(), code.long().flatten()
    counted = (label < num_classes) & (code < bins)
    if chosen is not None:
        counted &= chosen.flatten()
    index = torch.where(counted, label * bins + code, torch.zeros_like(label))
    histogram = torch.zeros(num_classes * bins, dtype=torch.int64, device=label.device)
    return histogram.scatter_add_(0, index, counted.long()).view(num_classes, bins)


def rank_bins(histogram: Tensor, criterion: Criterion) -> tuple[Tensor, Tensor]:
    """The bin of each class's order statistic.

    Args:
        histogram: int64 (C, levels + 1); histograms of several runs or processes may be added before.

    Returns:
        bin (C,) int64, -1 for an absent class, and the largest number (C,) of pixels that the coarse threshold keeps
        beyond the exact one: all of them lie in this bin.
    """
    count = histogram.sum(1)
    found, _ = _find_rank(histogram, criterion.rank(count))
    in_bin = histogram.gather(1, found[:, None])[:, 0]
    present = count > 0
    return torch.where(present, found, -torch.ones_like(found)), torch.where(
        present, in_bin - 1, torch.zeros_like(found)
    )


def code_thresholds(bins: Tensor, levels: int, criterion: Criterion) -> Tensor:
    """Bins of order statistics to thresholds on codes, (C,) int64: keep ``code <= t`` (``>=`` when high is confident).

    The threshold on scores is t / levels. It never excludes a pixel that the exact threshold keeps, and equals the
    exact one wherever the bound decides, because ``bound * levels`` is an integer.

    Raises:
        ValueError: ``bound * levels`` is no integer.
    """
    bound = float(criterion.bound or 0) * levels
    if abs(bound - round(bound)) > 1e-6:
        raise ValueError(
            f'bound {criterion.bound} is no multiple of 1/{levels}: choose levels so that bound * levels is an integer '
            f'({FINE_LEVELS} and {COMPACT_LEVELS} fit every bound with one decimal)'
        )
    bins = bins.clamp(min=0)
    if criterion.higher_is_better:
        bins = bins.clamp(max=round(bound))
        return bins if criterion.limit is None else bins.clamp(min=int(-(-criterion.limit * levels // 1)))
    bins = bins.clamp(min=round(bound))
    return bins if criterion.limit is None else bins.clamp(max=int(criterion.limit * levels))


# ---- online
# ---------------------------------------------------------------------------------------------------------------
def decayed_thresholds(
    mass: Tensor, floor: float, min_mass: float, limit: Optional[float] = None, fraction: float = 0.5
) -> Tensor:
    """Entropy thresholds of an online histogram that forgets: (C,) float64.

    Args:
        mass: float64 (C, levels + 1), decayed pixel counts per quantised entropy.
        floor: smallest threshold, used alone for a class with less than ``min_mass`` pixels.
        limit: largest threshold, or None.
    """
    total = mass.sum(1)
    levels = mass.shape[1] - 1
    found = (mass.cumsum(1) <= fraction * total[:, None]).sum(1).clamp(max=levels)
    values = (found.double() / levels).clamp(min=floor)
    values = torch.where(total < min_mass, torch.full_like(values, floor), values)
    return values if limit is None else values.clamp(max=max(limit, floor))

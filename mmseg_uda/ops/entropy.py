"""Entropy of class probabilities: the maps and losses of MinEnt and AdvEnt (arXiv 1811.12833) and ESL's confidence
score.

Everything is computed in float32 or wider, whatever the input: the logarithm of a small probability has no meaning in
half precision.
"""

from __future__ import annotations

import math
from typing import Optional

import torch
from torch import Tensor

#: keeps the logarithm of a vanished probability finite, as in the released code; 0 in half precision
_TINY = 1e-30


def _wide(values: Tensor) -> Tensor:
    return values if values.dtype in (torch.float32, torch.float64) else values.float()


def normalized_entropy(prob: Tensor, dim: int = 1) -> Tensor:
    """Pixel entropy divided by ln C, in [0, 1]; a probability of exactly 0 contributes 0.

    Args:
        prob: class probabilities with C > 1 classes along ``dim``.
        dim: the class axis.

    Returns:
        ``prob`` without ``dim``. Computed in float64 and returned in the input's precision (at least float32), so
        that the order of two nearly equal pixels does not depend on the device.
    """
    wide = prob.double()
    entropy = -torch.special.xlogy(wide, wide).sum(dim) / math.log(prob.shape[dim])
    return entropy.to(_wide(prob).dtype)


def self_information(logits: Tensor) -> Tensor:
    """Weighted self-information map -p log p / log C (arXiv 1811.12833, eq. 6): what AdvEnt's discriminators see.

    Args:
        logits: class scores (B, C, H, W).

    Returns:
        (B, C, H, W) float32; the sum over classes is the normalised entropy.
    """
    prob = _wide(logits).softmax(dim=1)
    # in place where no gradient asks for the old values: a map is as large as the scores
    return prob * torch.log2(prob + _TINY).mul_(-1 / math.log2(logits.shape[1]))


def entropy_from_logits(logits: Tensor) -> Tensor:
    """Normalised pixel entropy (B, H, W) of class scores (B, C, H, W), differentiable also where a probability
    vanishes."""
    return self_information(logits).sum(dim=1)


def robust_entropy_loss(logits: Tensor, eta: float) -> Tensor:
    """Mean Charbonnier penalty ``(h^2 + 0.001^2)^eta`` of the normalised entropy h: FDA's (arXiv 2004.05498, eq. 6).

    Args:
        logits: class scores (B, C, H, W).
        eta: above 0.5, undecided pixels count more than nearly decided ones.
    """
    return (entropy_from_logits(logits).square() + 0.001**2).pow(eta).mean()


def entropy_loss(logits: Tensor, hardest: Optional[float] = None) -> Tensor:
    """Mean normalised entropy, MinEnt's loss (arXiv 1811.12833, eq. 4).

    Args:
        logits: class scores (B, C, H, W).
        hardest: share in (0, 1] of each image's pixels, those of highest entropy, that count (the paper's entropy
            range); None counts all.
    """
    entropy = entropy_from_logits(logits)
    if hardest is None or hardest == 1:
        return entropy.mean()
    flat = entropy.flatten(1)
    count = max(1, round(hardest * flat.shape[1]))
    return flat.topk(count, dim=1).values.mean()


def class_prior_loss(logits: Tensor, prior: Tensor, slack: float = 0.5) -> Tensor:
    """Penalty for classes that vanish from an image's prediction (arXiv 1811.12833, eq. 8).

    Only a class that takes less than ``slack`` times its share among the source pixels costs something.

    Args:
        logits: class scores (B, C, H, W).
        prior: (C,) share of each class among the source pixels.
        slack: relaxation mu in [0, 1].

    Returns:
        Sum over classes, mean over images.
    """
    share = _wide(logits).softmax(dim=1).mean(dim=(2, 3))
    return (slack * prior - share).clamp(min=0).sum(dim=1).mean()

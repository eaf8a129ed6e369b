"""One-channel (sigmoid) scores as the scores of two classes, so that everything that takes softmax and argmax works."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def class_planes(score: Tensor, threshold: float = 0.5) -> Tensor:
    """Scores (B, 2, ...) of background and foreground from the logit z (B, 1, ...) of a sigmoid.

    With the threshold 0.5 they are [0, z]: softmax gives (1 - sigmoid(z), sigmoid(z)) exactly. Another threshold t
    moves the first plane to logit(t), so that argmax gives class 1 where sigmoid(z) > t, and the probabilities are
    those of a sigmoid that is shifted to its decision boundary.

    Args:
        score: logits of class 1.
        threshold: probability of class 1 above which a pixel is class 1, in (0, 1).

    Raises:
        ValueError: a threshold outside (0, 1).
    """
    if not 0 < threshold < 1:
        raise ValueError(f'the threshold of a one-channel head must lie in (0, 1), got {threshold}')
    boundary = 0.0 if threshold == 0.5 else math.log(threshold / (1 - threshold))
    return torch.cat([torch.full_like(score, boundary), score], dim=1)  # (B, 2, ...)


def one_plane(planes: Tensor) -> Tensor:
    """The logit (B, 1, ...) of class 1 against class 0 from scores (B, 2, ...): the inverse of :func:`class_planes` at
    threshold 0.5."""
    return planes[:, 1:] - planes[:, :1]


def probability_planes(prob: Tensor, threshold: float = 0.5) -> Tensor:
    """Probabilities (B, 2, ...) of background and foreground from those of class 1, (B, 1, ...): the softmax of
    :func:`class_planes` of its logit.

    Args:
        prob: sigmoid output.
        threshold: as in :func:`class_planes`.
    """
    if threshold != 0.5:
        kept = prob * (1 - threshold)
        prob = kept / (kept + (1 - prob) * threshold)
    return torch.cat([1 - prob, prob], dim=1)  # (B, 2, ...)

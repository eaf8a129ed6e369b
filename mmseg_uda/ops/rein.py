"""Rein: refining the tokens of a frozen transformer with few learned ones (arXiv 2312.04265)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

#: a linear layer: weight (out, in) and bias (out)
Linear = tuple[Tensor, Tensor]


def rein_refine(features: Tensor, learned: Tensor, token_to_feature: Linear, delta: Linear, scale: Tensor) -> Tensor:
    """Patch tokens after one block.

    Args:
        features: (B, N, C), patches only.
        learned: (m, C), the tokens of this block; the first one only takes up attention.
        token_to_feature, delta: the two linear layers that all blocks share.
        scale: scalar factor of the change.

    Returns:
        (B, N, C).
    """
    similarity = (features @ learned.T * learned.shape[-1] ** -0.5).softmax(-1)  # (B, N, m)
    change = similarity[..., 1:] @ F.linear(learned[1:], *token_to_feature)
    return features + scale * F.linear(change + features, *delta)

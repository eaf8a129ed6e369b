"""Losses of the domain game of AdaptSegNet (arXiv 1802.10349) and AdvEnt (arXiv 1811.12833). Source is 0, target is
1."""

from __future__ import annotations

from typing import Callable, Optional

import torch.nn.functional as F
from torch import Tensor

from .labels import IGNORE
from .partial_label import mean_where
from .world import ALONE, World

SOURCE_DOMAIN = 0
TARGET_DOMAIN = 1
#: ids from here on are ignored by the published cross entropy, not only 255
FIRST_IGNORED = 200


def domain_bce(scores: Tensor, domain: int) -> Tensor:
    """Mean logistic loss of discriminator logits of any shape against one domain code: softplus(d) - domain * d."""
    scores = scores.float()
    return (F.softplus(scores) - domain * scores).mean()


def domain_mse(scores: Tensor, domain: int) -> Tensor:
    """Mean squared distance of discriminator outputs to the domain code (AdaptSegNet's least-squares variant)."""
    return (scores.float() - domain).square().mean()


#: by the name that configs use
DOMAIN_LOSSES: dict[str, Callable[[Tensor, int], Tensor]] = {'bce': domain_bce, 'mse': domain_mse}


def domain_accuracy(scores: Tensor, domain: int) -> Tensor:
    """Share of discriminator logits that fall on the right side of 0."""
    return ((scores.detach() > 0) == bool(domain)).float().mean()


def valid_cross_entropy(logits: Tensor, label: Tensor, weight: Optional[Tensor] = None, world: World = ALONE) -> Tensor:
    """Cross entropy averaged over the valid pixels of the whole batch; 0 with zero gradient when there is none.

    Args:
        logits: class scores (B, C, H, W).
        label: int64 (B, H, W); negative ids and those from 200 on are ignored, as in the published code.
        weight: (B, H, W) factors of the pixels, which do not change the divisor; None = 1.
        world: the mean runs over the pixels of all processes.
    """
    valid = (label >= 0) & (label < FIRST_IGNORED)
    label = label.masked_fill(~valid, IGNORE)
    losses = F.cross_entropy(logits.float(), label, ignore_index=IGNORE, reduction='none')
    return mean_where(losses if weight is None else losses * weight, valid, world)

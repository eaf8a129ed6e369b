"""Distilling the features of a frozen foundation model (VFM-UDA++, arXiv 2503.10685)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def feature_distillation(projected: Tensor, target: Tensor, distance_share: float = 0.1) -> Tensor:
    """Smooth L1 distance and angle between features, mean over the cells.

    Args:
        projected: (B, D, h, w), features of the student in the space of the teacher.
        target: (B, D, h, w), of the frozen network.
        distance_share: weight of the smooth L1 distance (mean over channels); 1 - cos has the rest.

    Returns:
        float32 scalar.
    """
    projected, target = projected.float(), target.float()
    distance = F.smooth_l1_loss(projected, target, reduction='none').mean(1)
    angle = 1 - F.cosine_similarity(projected, target, dim=1)
    return (distance_share * distance + (1 - distance_share) * angle).mean()

"""PointRend's head in training (Kirillov et al. 2020): it classifies single points and is trained on them alone."""

from __future__ import annotations

from typing import Any, NamedTuple, Optional, Sequence

import torch
from mmcv.ops import point_sample
from mmseg.models.decode_heads.point_head import PointHead, calculate_uncertainty
from torch import Tensor

from .weighted import loss_of


class PointOutput(NamedTuple):
    """Class scores (B, C, P) of points (B, P, 2) in [0, 1] x [0, 1], as (x, y)."""

    scores: Tensor
    points: Tensor


def point_output(head: PointHead, inputs: Sequence[Tensor], coarse: Tensor, train_cfg: Any) -> PointOutput:
    """Draw points, most of them where the stage before is unsure, and classify them.

    Args:
        inputs: feature maps.
        coarse: scores (B, C, h, w) of the stage before.
        train_cfg: of the segmentor: ``num_points``, ``oversample_ratio``, ``importance_sample_ratio``.
    """
    with torch.no_grad():
        points = head.get_points_train(coarse, calculate_uncertainty, cfg=train_cfg)
    fine = head._get_fine_grained_point_feats(head._transform_inputs(inputs), points)
    return PointOutput(head(fine, head._get_coarse_point_feats(coarse, points)), points)


def point_losses(
    head: PointHead, output: PointOutput, label: Tensor, weight: Optional[Tensor] = None
) -> dict[str, Tensor]:
    """The head's losses on the points of :func:`point_output`.

    Args:
        label: int64 (B, 1, H, W).
        weight: float (B, H, W), or None.
    """

    def at_points(values: Tensor) -> Tensor:  # (B, 1, H, W) -> (B, P, 1)
        sampled = point_sample(values.float(), output.points, mode='nearest', align_corners=head.align_corners)
        return sampled.squeeze(1)[..., None]

    scores, labels = output.scores.float()[..., None], at_points(label).long()
    weights = None if weight is None else at_points(weight[:, None])
    parts = head.loss_decode if isinstance(head.loss_decode, torch.nn.ModuleList) else [head.loss_decode]
    losses: dict[str, Tensor] = {}
    for part in parts:
        name = f'point{part.loss_name}'
        value = loss_of(part, scores, labels, weights, head.ignore_index)
        losses[name] = losses[name] + value if name in losses else value
    return losses

"""Distilling a frozen foundation model into the student (VFM-UDA++, arXiv 2503.10685)."""

from __future__ import annotations

from typing import Any, Optional, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...components.feature_distillation import FeatureProjection
from ...ops.distillation import feature_distillation
from ..base import LossTerm

STREAMS = ('source', 'target')


class Distillation(nn.Module):
    """Projects the student's deepest map into the space of a frozen encoder and compares them.

    Args:
        student: gives the channels of its deepest map (``backbone.embed_dims``).
        reference: the frozen encoder; its last output is the target.
        weight: factor of the loss.
        size: (H, W) to which clean images are resized for the reference; 406 = 29 patches of 14.
        distance_share: see :func:`~mmseg_uda.ops.distillation.feature_distillation`.
        streams: images of which streams.
        channels: of the student's deepest map, for backbones that do not say it.

    Raises:
        ValueError: a weight or stream that makes no sense, or unknown channels.
    """

    def __init__(
        self,
        student: nn.Module,
        reference: nn.Module,
        weight: float = 0.1,
        size: Sequence[int] = (406, 406),
        distance_share: float = 0.1,
        streams: Sequence[str] = STREAMS,
        channels: Optional[int] = None,
    ) -> None:
        super().__init__()
        if weight <= 0 or not 0 <= distance_share <= 1:
            raise ValueError(
                f'distillation needs weight > 0 and distance_share in [0, 1], got {weight} and {distance_share}; leave '
                'distillation out to switch it off'
            )
        if not streams or any(name not in STREAMS for name in streams):
            raise ValueError(f'distillation.streams are some of {STREAMS}, got {tuple(streams)}')
        own = getattr(student.backbone, 'embed_dims', None)
        channels = channels or (own[-1] if isinstance(own, (list, tuple)) else own)
        if not isinstance(channels, int):
            raise ValueError(
                f'distillation: {type(student.backbone).__name__} does not say how many channels its deepest map has: '
                'set distillation.channels'
            )
        self.weight = float(weight)
        self.size = tuple(size)
        self.distance_share = distance_share
        self.streams = tuple(streams)
        widths: Any = reference.embed_dims
        self.projection = FeatureProjection(channels, int(widths[-1]))

    def term(self, stream: str, features: Tensor, reference: nn.Module, img: Tensor) -> LossTerm:
        """The loss of one stream.

        Args:
            stream: ``source`` or ``target``.
            features: the student's deepest map (B, C, h, w).
            reference: the frozen encoder.
            img: clean normalised images (B, 3, H, W).
        """
        with torch.no_grad():
            target = reference(F.interpolate(img, size=self.size, mode='bilinear', align_corners=False))[-1]
        loss = feature_distillation(self.projection(features, target.shape[2:]), target, self.distance_share)
        name = f'distillation_{stream}'
        return LossTerm(name, loss, self.weight, {f'{name}.loss_feat': loss})

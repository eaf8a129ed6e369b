"""The trainable part of VFM-UDA++'s feature distillation."""

from __future__ import annotations

from typing import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from ..models.decode_heads.vfm_head import ChannelNorm


class FeatureProjection(nn.Module):
    """Student features in the space of the frozen network: 1x1 convolution C -> 4C, layer norm, GELU, 1x1 -> D.

    Args:
        channels: C.
        out_channels: D.
    """

    def __init__(self, channels: int, out_channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(channels, 4 * channels, 1),
            ChannelNorm(4 * channels, eps=1e-6),
            nn.GELU(),
            nn.Conv2d(4 * channels, out_channels, 1),
        )

    def forward(self, features: Tensor, size: Sequence[int]) -> Tensor:
        """(B, C, h, w) -> (B, D, *size), bilinear."""
        return F.interpolate(self.layers(features), size=tuple(size), mode='bilinear', align_corners=False)

"""The classifier of ProDA's DeepLabV2, which CoaST uses once per domain."""

from __future__ import annotations

from typing import Any, Sequence

import torch
from mmseg.models.builder import HEADS
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from torch import Tensor, nn


class ChannelGate(nn.Module):
    """Squeeze and excitation (Hu et al. 2018): channels are weighted by a function of their means.

    Args:
        channels: of the input.
        reduction: factor by which the hidden layer is narrower.
    """

    def __init__(self, channels: int, reduction: int = 16) -> None:
        super().__init__()
        hidden = channels // reduction
        self.se = nn.Sequential(
            nn.Linear(channels, hidden), nn.ReLU(inplace=True), nn.Linear(hidden, channels), nn.Sigmoid()
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, h, w) to the same shape."""
        return x * self.se(x.mean(dim=(2, 3)))[..., None, None]


@HEADS.register_module()
class SEASPPHead(BaseDecodeHead):
    """Atrous spatial pyramid with group norm and a channel gate (ProDA, arXiv 2101.10979; CoaST, arXiv 2210.01578).

    A 1x1 convolution and one dilated 3x3 convolution per rate, each with group norm and ReLU, are concatenated,
    gated, and merged by a 3x3 convolution with group norm; a 1x1 convolution without bias classifies after a dropout
    of whole channels. Weights of all convolutions start from N(0, 0.01).

    Args:
        dilations: rates of the 3x3 convolutions; the released networks have (6, 12, 18, 24).
        num_groups: groups of the group norms.
        kwargs: options of ``BaseDecodeHead``; ``channels`` are those of each branch and of the merged features,
            ``norm_cfg``, ``conv_cfg`` and ``act_cfg`` have no use here.
    """

    def __init__(
        self, dilations: Sequence[int] = (6, 12, 18, 24), channels: int = 256, num_groups: int = 32, **kwargs: Any
    ) -> None:
        for unused in ('norm_cfg', 'conv_cfg', 'act_cfg'):
            kwargs.pop(unused, None)
        kwargs.setdefault('init_cfg', None)
        super().__init__(channels=channels, **kwargs)
        self.dilations = tuple(dilations)
        branches = [nn.Conv2d(self.in_channels, channels, 1)]
        branches += [nn.Conv2d(self.in_channels, channels, 3, padding=rate, dilation=rate) for rate in self.dilations]
        self.conv2d_list = nn.ModuleList(
            nn.Sequential(conv, nn.GroupNorm(num_groups, channels), nn.ReLU(inplace=True)) for conv in branches
        )
        joined = channels * len(branches)
        self.bottleneck = nn.Sequential(
            ChannelGate(joined), nn.Conv2d(joined, channels, 3, padding=1), nn.GroupNorm(num_groups, channels)
        )
        self.conv_seg = nn.Conv2d(channels, self.out_channels, 1, bias=False)

    def init_weights(self) -> None:
        for module in self.modules():
            if isinstance(module, (nn.Conv2d, nn.Linear, nn.GroupNorm)):
                module.reset_parameters()
            if isinstance(module, nn.Conv2d):
                nn.init.normal_(module.weight, std=0.01)
        merge = self.bottleneck[1]
        assert isinstance(merge, nn.Conv2d) and merge.bias is not None
        nn.init.zeros_(merge.bias)
        super().init_weights()

    def _forward_feature(self, inputs: Sequence[Tensor]) -> Tensor:
        """Backbone features -> features (B, channels, h, w) before the classifier."""
        features = self._transform_inputs(inputs)
        return self.bottleneck(torch.cat([branch(features) for branch in self.conv2d_list], dim=1))

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        """Backbone features -> class scores (B, num_classes, h, w) at the selected feature's size."""
        return self.cls_seg(self._forward_feature(inputs))

"""The classifiers of ADVENT's DeepLabV2."""

from __future__ import annotations

import math
from typing import Any, Optional, Sequence

from mmseg.models.builder import HEADS
from mmseg.models.decode_heads.aspp_head import ASPPModule
from torch import Tensor, nn

from .dlv2_head import DLV2Head


@HEADS.register_module()
class AdventHead(DLV2Head):
    """Four dilated convolutions whose scores are summed, initialised as in ADVENT: weights N(0, 0.01), PyTorch's
    biases.

    Args:
        num_active_branches: convolutions that take part; None = all. AdaptSegNet stores four and uses the first 2,
            because its loop returns early: the same weights give other scores under the two readings.
        kwargs: options of :class:`~mmseg_uda.models.decode_heads.dlv2_head.DLV2Head`.
    """

    def __init__(self, num_active_branches: Optional[int] = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        count = len(self.dilations)
        self.num_active_branches = count if num_active_branches is None else num_active_branches
        if not 1 <= self.num_active_branches <= count:
            raise ValueError(f'num_active_branches must lie in 1..{count}, got {num_active_branches}')

    def init_weights(self) -> None:
        super().init_weights()
        for module in self.aspp_modules.modules():
            if isinstance(module, nn.Conv2d) and module.bias is not None:
                bound = 1 / math.sqrt(module.weight[0].numel())
                nn.init.uniform_(module.bias, -bound, bound)

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        """Backbone features -> class scores (B, num_classes, h, w) at the selected feature's size."""
        features = self._transform_inputs(inputs)
        scores = self.aspp_modules[0](features)
        for i in range(1, self.num_active_branches):
            scores = scores + self.aspp_modules[i](features)
        return scores


@HEADS.register_module()
class AdventBottleneckHead(AdventHead):
    """:class:`AdventHead` that gives features instead of scores, with drop-out and a 1x1 classifier without bias on
    them (the CNN of the video part of UDASS).

    Args:
        mid_channels: of the features.
        channel_dropout: share of channels that are dropped.
        kwargs: options of :class:`AdventHead`.
    """

    def __init__(self, mid_channels: int = 256, channel_dropout: float = 0.1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.aspp_modules = ASPPModule(
            self.dilations, self.in_channels, mid_channels, conv_cfg=None, norm_cfg=None, act_cfg=None
        )
        self.channel_dropout = nn.Dropout2d(channel_dropout)
        self.classifier = nn.Conv2d(mid_channels, self.out_channels, 1, bias=False)

    def init_weights(self) -> None:
        super().init_weights()
        nn.init.normal_(self.classifier.weight, std=0.01)

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        """Backbone features -> class scores (B, num_classes, h, w) at the selected feature's size."""
        return self.classifier(self.channel_dropout(super().forward(inputs)))

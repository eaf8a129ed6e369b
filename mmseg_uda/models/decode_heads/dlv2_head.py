"""The decode head of DeepLabV2."""

from __future__ import annotations

from typing import Any, Sequence

from mmseg.models.builder import HEADS
from mmseg.models.decode_heads.aspp_head import ASPPModule
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from torch import Tensor


@HEADS.register_module()
class DLV2Head(BaseDecodeHead):
    """Parallel dilated 3x3 convolutions whose class scores are summed (Chen et al. 2017, DeepLab, sec. 3.2).

    No norm, no activation, no dropout; weights start from N(0, 0.01), biases from 0.

    Args:
        dilations: one convolution each. The published models of this family use (6, 12) although DeepLabV2 has (6, 12,
            18, 24).
        kwargs: options of ``BaseDecodeHead``; ``channels``, ``dropout_ratio``, ``norm_cfg``, ``act_cfg`` have no use
            here.
    """

    def __init__(self, dilations: Sequence[int] = (6, 12, 18, 24), **kwargs: Any) -> None:
        for unused in ('channels', 'dropout_ratio', 'norm_cfg', 'act_cfg'):
            kwargs.pop(unused, None)
        kwargs.setdefault('init_cfg', dict(type='Normal', std=0.01, override=dict(name='aspp_modules')))
        super().__init__(channels=1, dropout_ratio=0, norm_cfg=None, act_cfg=None, **kwargs)
        del self.conv_seg
        self.dilations = tuple(dilations)
        self.aspp_modules = ASPPModule(
            self.dilations, self.in_channels, self.out_channels, conv_cfg=None, norm_cfg=None, act_cfg=None
        )

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        """Backbone features -> class scores (B, num_classes, h, w) at the selected feature's size."""
        return sum(self.aspp_modules(self._transform_inputs(inputs)))

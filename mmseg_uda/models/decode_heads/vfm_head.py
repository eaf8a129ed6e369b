"""The light decode head of VFM-UDA (arXiv 2406.09896)."""

from __future__ import annotations

from typing import Any, Sequence

from mmseg.models.builder import HEADS
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from torch import Tensor, nn


class ChannelNorm(nn.LayerNorm):
    """Layer norm over the channels of a map (B, C, H, W)."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


@HEADS.register_module()
class VFMHead(BaseDecodeHead):
    """Upsamples one map four-fold by two transposed convolutions, and classifies; no layer has a bias.

    Deconvolution C -> C/2, layer norm over channels, GELU, deconvolution C/2 -> C/4, norm, convolution 3x3, norm,
    1x1 classifier that starts from N(0, 0.1).

    Args:
        in_channels: C of the map ``in_index``.
        kwargs: options of ``BaseDecodeHead``; ``channels`` is C/4 and need not be given.
    """

    def __init__(self, in_channels: int, **kwargs: Any) -> None:
        if not isinstance(in_channels, int) or in_channels % 4:
            raise ValueError(f'VFMHead reads one map whose channels are a multiple of 4, got in_channels={in_channels}')
        if kwargs.setdefault('channels', in_channels // 4) != in_channels // 4:
            raise ValueError(f'VFMHead: channels is in_channels / 4 = {in_channels // 4}, got {kwargs["channels"]}')
        kwargs.setdefault('dropout_ratio', 0)
        super().__init__(
            in_channels=in_channels,
            **{**kwargs, 'init_cfg': dict(type='Normal', std=0.1, override=dict(name='conv_seg'))},
        )
        half, quarter = in_channels // 2, in_channels // 4
        self.conv_seg = nn.Conv2d(quarter, self.out_channels, 1, bias=False)
        self.upscale = nn.Sequential(
            nn.ConvTranspose2d(in_channels, half, 2, 2, bias=False),
            ChannelNorm(half, eps=1e-6),
            nn.GELU(),
            nn.ConvTranspose2d(half, quarter, 2, 2, bias=False),
            ChannelNorm(quarter, eps=1e-6),
            nn.Conv2d(quarter, quarter, 3, padding=1, bias=False),
            ChannelNorm(quarter, eps=1e-6),
        )

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        """Maps of the backbone -> logits (B, num_classes, 4 h, 4 w)."""
        return self.cls_seg(self.upscale(self._transform_inputs(inputs)))

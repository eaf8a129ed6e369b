"""DeepLabV3+ decode head with a representation tower beside the classifier (U2PL and STAL)."""

from __future__ import annotations

from typing import Any, Sequence

import torch
from mmcv.cnn import build_norm_layer
from mmseg.models.builder import HEADS
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.ops import resize
from torch import Tensor, nn


def conv_block(
    in_channels: int, out_channels: int, kernel: int, norm_cfg: Any, dilation: int = 1, bias: bool = False
) -> list[nn.Module]:
    """Convolution that keeps the size, normalisation, ReLU; PyTorch's default initialisation."""
    padding = dilation * (kernel // 2)
    conv = nn.Conv2d(in_channels, out_channels, kernel, padding=padding, dilation=dilation, bias=bias)
    return [conv, build_norm_layer(norm_cfg, out_channels)[1], nn.ReLU(inplace=True)]


def tower(in_channels: int, channels: int, norm_cfg: Any, dropout: float) -> nn.Sequential:
    """Two 3x3 blocks with channel dropout between them: what the classifier and the representation have in common."""
    return nn.Sequential(
        *conv_block(in_channels, channels, 3, norm_cfg, bias=True),
        nn.Dropout2d(dropout),
        *conv_block(channels, channels, 3, norm_cfg, bias=True),
    )


class PooledASPP(nn.Module):
    """Atrous spatial pyramid pooling, concatenated in the order global pool, 1x1, then the 3x3 convolutions by
    dilation.

    Args:
        in_channels, channels: input channels and channels per branch.
        dilations: of the 3x3 branches.
        align_corners: of the upsampling of the pooled branch.
    """

    def __init__(
        self, in_channels: int, channels: int, dilations: Sequence[int], norm_cfg: Any, align_corners: bool
    ) -> None:
        super().__init__()
        self.align_corners = align_corners
        self.conv1 = nn.Sequential(nn.AdaptiveAvgPool2d(1), *conv_block(in_channels, channels, 1, norm_cfg))
        self.conv2 = nn.Sequential(*conv_block(in_channels, channels, 1, norm_cfg))
        self.atrous_names = []
        for i, dilation in enumerate(dilations, start=3):
            self.atrous_names.append(f'conv{i}')
            self.add_module(f'conv{i}', nn.Sequential(*conv_block(in_channels, channels, 3, norm_cfg, dilation)))

    def forward(self, x: Tensor) -> Tensor:
        pooled = resize(self.conv1(x), size=x.shape[2:], mode='bilinear', align_corners=self.align_corners)
        return torch.cat([pooled, self.conv2(x), *(getattr(self, name)(x) for name in self.atrous_names)], dim=1)


@HEADS.register_module()
class DLV3PlusRepHead(BaseDecodeHead):
    """DeepLabV3+ decoder whose fused feature feeds a classifier and a representation tower of the same shape.

    Inputs are a low-level map (stride 4) and the deepest map, chosen by ``in_index``.

    Args:
        in_channels: channels of the two maps.
        dilations: of the 3x3 ASPP branches.
        low_channels: channels of the projected low-level map.
        representation_channels: D of the representation (it is not normalised; the loss takes cosines).
        kwargs: of MMSeg's decode heads. ``norm_cfg`` must normalise more than one value per channel: the pooled ASPP
            branch sees 1x1 maps, so a training batch needs two images.

    Source: arXiv 2203.03884, released decoder; see docs/methods/stal.md.
    """

    def __init__(
        self,
        in_channels: Sequence[int] = (256, 2048),
        dilations: Sequence[int] = (12, 24, 36),
        low_channels: int = 256,
        representation_channels: int = 256,
        in_index: Sequence[int] = (0, 3),
        **kwargs: Any,
    ) -> None:
        kwargs.setdefault('init_cfg', None)
        super().__init__(
            in_channels=list(in_channels), in_index=list(in_index), input_transform='multiple_select', **kwargs
        )
        low, deep = in_channels
        self.low_conv = nn.Sequential(*conv_block(low, low_channels, 1, self.norm_cfg, bias=True))
        self.aspp = PooledASPP(deep, self.channels, dilations, self.norm_cfg, self.align_corners)
        self.head = nn.Sequential(
            *conv_block((len(dilations) + 2) * self.channels, self.channels, 3, self.norm_cfg),
            nn.Dropout2d(self.dropout_ratio),
        )
        fused = low_channels + self.channels
        self.classifier = tower(fused, self.channels, self.norm_cfg, self.dropout_ratio)
        self.representation = nn.Sequential(
            *tower(fused, representation_channels, self.norm_cfg, self.dropout_ratio),
            nn.Dropout2d(self.dropout_ratio),
            nn.Conv2d(representation_channels, representation_channels, 1),
        )
        self.representation_channels = representation_channels

    def fuse(self, inputs: Sequence[Tensor]) -> Tensor:
        """The fused feature (B, low + channels, h, w) at the size of the low-level map."""
        low, deep = self._transform_inputs(inputs)
        context = self.head(self.aspp(deep))
        context = resize(context, size=low.shape[2:], mode='bilinear', align_corners=self.align_corners)
        return torch.cat([self.low_conv(low), context], dim=1)

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        return self.cls_seg(self.classifier(self.fuse(inputs)))

    def forward_with_representation(self, inputs: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Class scores (B, C, h, w) and representation (B, D, h, w)."""
        fused = self.fuse(inputs)
        return self.cls_seg(self.classifier(fused)), self.representation(fused)

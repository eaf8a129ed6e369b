"""The pyramid decode head of VFM-UDA++ (arXiv 2503.10685)."""

from __future__ import annotations

from typing import Any, Sequence

import torch
from mmseg.models.builder import HEADS
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from torch import Tensor, nn


class PyramidUpscale(nn.Module):
    """Four maps of C channels at strides 4, 8, 16, 32 -> one of C / 8 channels at stride 4.

    Three times: transposed convolution of the deeper map to half the channels, plus a 1x1 convolution of the next map,
    convolution 3x3, batch norm, ReLU; then a convolution 3x3.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        width = channels
        for i in (1, 2, 3):
            setattr(self, f'up_conv{i}', nn.ConvTranspose2d(width, width // 2, 2, 2))
            setattr(self, f'reduce_conv{i}', nn.Conv2d(channels, width // 2, 1))
            setattr(self, f'smooth_conv{i}', nn.Conv2d(width // 2, width // 2, 3, padding=1))
            setattr(self, f'norm{i}', nn.BatchNorm2d(width // 2))
            width //= 2
        self.smooth_conv4 = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        x = maps[-1]
        for i, lateral in enumerate(reversed(maps[:-1]), 1):
            x = getattr(self, f'up_conv{i}')(x) + getattr(self, f'reduce_conv{i}')(lateral)
            x = torch.relu(getattr(self, f'norm{i}')(getattr(self, f'smooth_conv{i}')(x)))
        return self.smooth_conv4(x)


@HEADS.register_module()
class VFMPyramidHead(BaseDecodeHead):
    """Fuses the four maps of :class:`~mmseg_uda.models.backbones.vit_adapter.ViTAdapter`, and classifies without bias.

    Args:
        in_channels: C of the four maps (one number, or four equal ones).
        kwargs: options of ``BaseDecodeHead``; ``channels`` is C/8 and need not be given.
    """

    def __init__(self, in_channels: Any, **kwargs: Any) -> None:
        given = list(in_channels) if isinstance(in_channels, (list, tuple)) else [in_channels] * 4
        if len(given) != 4 or len(set(given)) > 1 or given[0] % 8:
            raise ValueError(f'VFMPyramidHead reads four maps of equal channels, a multiple of 8, got {in_channels}')
        channels = given[0]
        if kwargs.setdefault('channels', channels // 8) != channels // 8:
            raise ValueError(f'VFMPyramidHead: channels is in_channels / 8 = {channels // 8}, got {kwargs["channels"]}')
        kwargs.setdefault('dropout_ratio', 0)
        kwargs.setdefault('in_index', (0, 1, 2, 3))
        super().__init__(
            in_channels=given,
            input_transform='multiple_select',
            **{**kwargs, 'init_cfg': dict(type='Normal', std=0.1, override=dict(name='conv_seg'))},
        )
        self.conv_seg = nn.Conv2d(channels // 8, self.out_channels, 1, bias=False)
        self.upscale = PyramidUpscale(channels)

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        """Maps at strides 4, 8, 16, 32 -> logits (B, num_classes, h, w) at stride 4."""
        return self.cls_seg(self.upscale(self._transform_inputs(inputs)))

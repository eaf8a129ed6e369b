"""How layers are computed: the same functions of the same parameters, by the fastest way on the device at hand.

:func:`speed_up` goes through a network once, after it was built and placed. It replaces the class of single layers,
never a parameter or a name, so that checkpoints, optimisers and copies of the network do not notice.
"""

from __future__ import annotations

from typing import Any, TypeVar

import mmcv.cnn
import torch
from torch import Tensor, nn

from ..ops.depthwise import FAST_WIDTH, dilated_depthwise, wide_depthwise
from ..ops.on_cpu import computed_on_cpu
from ..ops.pointwise import pointwise

Network = TypeVar('Network', bound=nn.Module)
#: convolutions without a way of their own; mmcv's, of which mix transformers are made, only minds empty inputs
PLAIN = (nn.Conv2d, mmcv.cnn.Conv2d)
#: activations whose gradient needs their input: computed in place, autograd copies it first
NEED_THEIR_INPUT = (nn.ReLU6, nn.Hardtanh, nn.Hardswish, nn.SiLU)


class PointwiseConv2d(nn.Conv2d):
    """A 1x1 convolution; with one CPU thread a matrix product, since torch then takes its slow path for small
    batches."""

    def forward(self, x: Tensor) -> Tensor:
        if not computed_on_cpu(x) or torch.get_num_threads() > 1:
            return super().forward(x)
        return pointwise(x, self.weight, self.bias)


class DilatedDepthwiseConv2d(nn.Conv2d):
    """A dilated depthwise convolution; on a CPU in contiguous memory and with a fast input gradient."""

    def forward(self, x: Tensor) -> Tensor:
        if not computed_on_cpu(x) or torch.is_autocast_enabled('cpu'):
            return super().forward(x)
        return dilated_depthwise(x, self.weight, self.bias, self.dilation[0])


class WideDepthwiseConv2d(nn.Conv2d):
    """A depthwise convolution with a kernel of more than three columns; on a CPU with a fast weight gradient."""

    def forward(self, x: Tensor) -> Tensor:
        if not computed_on_cpu(x) or torch.is_autocast_enabled('cpu'):
            return super().forward(x)
        return wide_depthwise(x, self.weight, self.bias, self.stride, self.padding)  # type: ignore[arg-type]


class UnreadStage(nn.Sequential):
    """A stage of a timm network behind the last one whose output is read: it keeps its weights and computes nothing."""

    def forward(self, x: Tensor) -> Tensor:
        return x


def speed_up(network: Network) -> Network:
    """Choose the way of computing of every layer of ``network``; returns it.

    Stages that nobody reads are passed over; 1x1 convolutions of backbones, dilated and wide depthwise convolutions
    take their fast forms; activations that must keep their input are not computed in place. Outputs and gradients are
    those of the plain layers but for rounding.
    """
    for name, module in network.named_modules():
        if type(module) in PLAIN:
            if _is_dilated_depthwise(module):
                module.__class__ = DilatedDepthwiseConv2d
            elif _is_wide_depthwise(module):
                module.__class__ = WideDepthwiseConv2d
            elif _is_pointwise(module) and 'backbone' in name.split('.'):
                module.__class__ = PointwiseConv2d
        elif type(module) in NEED_THEIR_INPUT:
            module.inplace = False
        elif type(module).__name__ == 'Conv2dSame':
            from .execution_timm import PaddedConv2dSame, WideDepthwiseConv2dSame

            wide = _is_wide_depthwise(module, padding=False)
            module.__class__ = WideDepthwiseConv2dSame if wide else PaddedConv2dSame
        elif hasattr(module, '_stage_out_idx') and isinstance(getattr(module, 'blocks', None), nn.Sequential):
            _pass_over_unread_stages(module)
    return network


def _is_pointwise(conv: nn.Conv2d) -> bool:
    return conv.kernel_size == (1, 1) and conv.stride == (1, 1) and conv.groups == 1 and conv.padding in ((0, 0), 0)


def _is_dilated_depthwise(conv: nn.Conv2d) -> bool:
    k, d = conv.kernel_size, conv.dilation
    return (
        conv.groups == conv.in_channels == conv.out_channels
        and k[0] == k[1]
        and k[0] % 2 == 1
        and d[0] == d[1]
        and d[0] > 1
        and conv.stride == (1, 1)
        and conv.padding == (d[0] * (k[0] // 2),) * 2
        and conv.padding_mode == 'zeros'
    )


def _is_wide_depthwise(conv: nn.Conv2d, padding: bool = True) -> bool:
    return (
        conv.groups == conv.in_channels == conv.out_channels
        and conv.kernel_size[1] > FAST_WIDTH
        and conv.dilation == (1, 1)
        and (not padding or (isinstance(conv.padding, tuple) and conv.padding_mode == 'zeros'))
    )


def _pass_over_unread_stages(timm_network: Any) -> None:
    """timm's feature networks of the EfficientNet family run every stage, also those behind the last index asked
    for."""
    if getattr(timm_network, 'feature_hooks', None) is not None:
        return
    last = max(timm_network._stage_out_idx)
    for stage in list(timm_network.blocks)[last:]:
        if type(stage) is nn.Sequential:
            stage.__class__ = UnreadStage

"""Fast forms of layers of timm; imported where a network has such layers."""

from __future__ import annotations

import torch
from timm.layers import Conv2dSame, pad_same
from torch import Tensor

from ..ops.depthwise import wide_depthwise
from ..ops.on_cpu import computed_on_cpu


class WideDepthwiseConv2dSame(Conv2dSame):
    """A depthwise convolution with a wide kernel and TensorFlow's 'same' padding; on a CPU with a fast gradient."""

    def forward(self, x: Tensor) -> Tensor:
        if not computed_on_cpu(x) or torch.is_autocast_enabled('cpu'):
            return super().forward(x)
        padded = pad_same(x, list(self.kernel_size), list(self.stride), list(self.dilation))  # (B, C, H + a, W + b)
        return wide_depthwise(padded, self.weight, self.bias, self.stride, (0, 0))

"""Fast forms of layers of timm; imported where a network has such layers."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from timm.layers import Conv2dSame
from timm.layers.padding import get_same_padding
from torch import Tensor

from ..ops.depthwise import wide_depthwise
from ..ops.on_cpu import computed_on_cpu
from ..ops.padding import zero_padding


class PaddedConv2dSame(Conv2dSame):
    """TensorFlow's 'same' padding, on a CPU in one go."""

    def forward(self, x: Tensor) -> Tensor:
        if not computed_on_cpu(x) or torch.is_autocast_enabled('cpu'):
            return super().forward(x)
        rows, columns = (
            get_same_padding(x.shape[2 + i], self.kernel_size[i], self.stride[i], self.dilation[i]) for i in (0, 1)
        )
        halves = (rows // 2, rows - rows // 2, columns // 2, columns - columns // 2)
        return self.convolve(zero_padding(x, *halves))  # of (B, C, H + rows, W + columns)

    def convolve(self, padded: Tensor) -> Tensor:
        """The convolution of an image that is padded."""
        return F.conv2d(padded, self.weight, self.bias, self.stride, 0, self.dilation, self.groups)


class WideDepthwiseConv2dSame(PaddedConv2dSame):
    """The same of a depthwise convolution with a wide kernel: its weight gradient is fast, too."""

    def convolve(self, padded: Tensor) -> Tensor:
        return wide_depthwise(padded, self.weight, self.bias, self.stride, (0, 0))

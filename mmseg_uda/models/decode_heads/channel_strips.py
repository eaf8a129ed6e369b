"""Wide depthwise separable convolutions, strip by strip of their channels, where no gradient is needed.

A head whose batch statistics are those of all detail windows of a teacher cannot take the windows in chunks. Its widest
maps, between a depthwise convolution, its norm and the 1x1 convolution that makes them narrow, are computed for some
channels at a time: statistics are of single channels, so that only the sum over the strips rounds differently.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from mmcv.cnn import DepthwiseSeparableConvModule
from torch import Tensor, nn


def has_strips(branch: nn.Module) -> bool:
    """Whether :func:`separable_in_strips` knows every part of a module."""
    if not isinstance(branch, DepthwiseSeparableConvModule):
        return False
    deep, point = branch.depthwise_conv, branch.pointwise_conv
    norm = deep.norm if deep.with_norm else None
    return (
        deep.order == point.order == ('conv', 'norm', 'act')
        and (norm is None or (type(norm) is nn.BatchNorm2d and norm.momentum is not None))
        and not (deep.with_explicit_padding or point.with_explicit_padding)
        and point.conv.kernel_size == point.conv.stride == (1, 1)
    )


def separable_in_strips(branch: Any, x: Tensor, strips: int) -> Tensor:
    """The forward pass of a ``DepthwiseSeparableConvModule`` (see :func:`has_strips`) without gradients.

    Args:
        branch: the module; its running statistics are renewed as ever.
        x: (B, C, H, W).
        strips: number of strips of the C channels.

    Returns:
        (B, D, H, W).
    """
    deep, point = branch.depthwise_conv, branch.pointwise_conv
    total = None  # float32, whatever autocast says: a sum of rounded parts
    for channels in torch.arange(x.shape[1]).chunk(strips):
        part = slice(int(channels[0]), int(channels[-1]) + 1)
        wide = _depthwise(deep, x, part)  # (B, C / strips, H, W)
        narrow = F.conv2d(wide, point.conv.weight[:, part]).float()  # (B, D, H, W)
        total = narrow if total is None else total.add_(narrow)
        dtype = wide.dtype
    assert total is not None
    if deep.with_norm and deep.norm.training and deep.norm.track_running_stats:
        deep.norm.num_batches_tracked.add_(1)
    if point.conv.bias is not None:
        total.add_(point.conv.bias.float()[:, None, None])
    out = total.to(dtype)
    if point.with_norm:
        out = point.norm(out)
    return point.activate(out) if point.with_activation else out


def _depthwise(layer: Any, x: Tensor, part: slice) -> Tensor:
    """Convolution, norm and activation of the channels ``part``."""
    conv = layer.conv
    bias = None if conv.bias is None else conv.bias[part]
    count = part.stop - part.start
    out = F.conv2d(x[:, part], conv.weight[part], bias, conv.stride, conv.padding, conv.dilation, count)
    if layer.with_norm:
        out = _normalised(layer.norm, out, part)
    return layer.activate(out) if layer.with_activation else out


def _normalised(norm: nn.BatchNorm2d, x: Tensor, part: slice) -> Tensor:
    """Batch norm of the channels ``part``, as ``BatchNorm2d`` chooses its statistics."""
    running = (norm.running_mean, norm.running_var) if norm.track_running_stats or not norm.training else (None, None)
    mean, variance = (None if value is None else value[part] for value in running)
    weight, bias = (None if value is None else value[part] for value in (norm.weight, norm.bias))
    batch_statistics = norm.training or norm.running_mean is None
    return F.batch_norm(x, mean, variance, weight, bias, batch_statistics, norm.momentum or 0.0, norm.eps)

"""Bilinear resizing of class scores; on a CPU as two matrix products where a gradient is wanted.

torch's backward of a bilinear resize costs a CPU several times its forward, and its output takes over channels-last
memory, which softmax and cross entropy then copy. Interpolation is linear in rows and in columns, so that two small
matrices do the same, forward and backward, and give contiguous memory. Without a backward pass torch's form is the
faster one, on contiguous memory.
"""

from __future__ import annotations

from typing import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from .on_cpu import computed_on_cpu


def _weights(size: int, resized: int, align_corners: bool) -> Tensor:
    """What every position of a line gives to every one after resizing: (size, resized)."""
    lines = torch.eye(size)[None]  # (1, size, size)
    return F.interpolate(lines, size=resized, mode='linear', align_corners=align_corners)[0]  # (size, resized)


def resize_scores(scores: Tensor, size: Sequence[int], align_corners: bool = False) -> Tensor:
    """``F.interpolate(scores, size, mode='bilinear')`` but for rounding.

    Args:
        scores: (B, C, h, w), float32.
        size: (H, W).
        align_corners: as there.

    Returns:
        (B, C, H, W); contiguous where it was computed on a CPU. The input itself where the size is the same.
    """
    height, width = (int(side) for side in size)
    if tuple(scores.shape[2:]) == (height, width):
        return scores
    if not computed_on_cpu(scores) or scores.dtype != torch.float32:
        return F.interpolate(scores, size=(height, width), mode='bilinear', align_corners=align_corners)
    if not (scores.requires_grad and torch.is_grad_enabled()):
        return F.interpolate(scores.contiguous(), size=(height, width), mode='bilinear', align_corners=align_corners)
    rows = _weights(scores.shape[2], height, align_corners)  # (h, H)
    columns = _weights(scores.shape[3], width, align_corners)  # (w, W)
    with torch.autocast('cpu', enabled=False):
        tall = torch.matmul(rows.t(), scores.contiguous())  # (B, C, H, w)
        return torch.matmul(tall, columns)  # (B, C, H, W)

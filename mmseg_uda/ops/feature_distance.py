"""Feature distance to a frozen ImageNet network on thing classes (DAFormer, arXiv 2111.14887, eq. 7-10)."""

from __future__ import annotations

from typing import Optional, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from .labels import IGNORE
from .world import ALONE, World


def downscale_label_ratio(
    label: Tensor, scale: int, min_ratio: float, num_classes: int, ignore_index: int = IGNORE
) -> Tensor:
    """Majority label of every ``scale`` x ``scale`` cell, by a histogram over cells.

    Args:
        label: int64 (B, 1, H, W) in [0, num_classes) or ``ignore_index``.
        scale: cell side in pixels; rows and columns that fill no cell are dropped.
        min_ratio: a cell whose majority has a smaller share becomes ``ignore_index``.
        num_classes: number of classes.

    Returns:
        int64 (B, 1, H // scale, W // scale); ties go to the lower class, a majority of ignored pixels gives
        ``ignore_index``.
    """
    if scale < 1:
        raise ValueError(f'scale must be at least 1, got {scale}')
    batch, _, height, width = label.shape
    rows, columns = height // scale, width // scale
    cells = label[:, 0, : rows * scale, : columns * scale].reshape(batch, rows, scale, columns, scale)
    values = torch.where(cells == ignore_index, num_classes, cells)
    grid = torch.arange(batch * rows * columns, device=label.device).view(batch, rows, 1, columns, 1)
    index = (grid * (num_classes + 1) + values).flatten()
    counts = torch.zeros(batch * rows * columns * (num_classes + 1), dtype=torch.int32, device=label.device)
    counts.scatter_add_(0, index, torch.ones((), dtype=torch.int32, device=label.device).expand_as(index))
    most, majority = counts.view(batch, rows, columns, num_classes + 1).max(-1)
    unsure = (most.float() / (scale * scale) < min_ratio) | (majority == num_classes)
    return majority.masked_fill(unsure, ignore_index).unsqueeze(1)


def cell_labels(
    label: Tensor, grid: Sequence[int], min_ratio: float, num_classes: int, ignore_index: int = IGNORE
) -> Tensor:
    """Majority label of every cell of a feature map, which covers the whole label.

    A label whose sides are no multiple of the map's (patch 14, crop 512: 37 cells) is first resized, nearest, to the
    next multiple, so that cell and feature look at the same pixels.

    Args:
        label: int64 (B, 1, H, W).
        grid: (h, w) of the feature map.
        min_ratio, num_classes, ignore_index: see :func:`downscale_label_ratio`.

    Returns:
        int64 (B, 1, h, w).
    """
    scale = max(-(-side // cells) for side, cells in zip(label.shape[2:], grid))
    size = tuple(cells * scale for cells in grid)
    if size != tuple(label.shape[2:]):
        label = F.interpolate(label.float(), size=size, mode='nearest').long()
    return downscale_label_ratio(label, scale, min_ratio, num_classes, ignore_index)


def class_cells(label: Tensor, classes: Sequence[int]) -> Tensor:
    """bool (B, h, w): where a cell label (B, 1, h, w) is one of ``classes``."""
    found = torch.zeros_like(label[:, 0], dtype=torch.bool)
    for value in classes:  # a handful of tiny kernels instead of a list that waits to be copied to the device
        found |= label[:, 0] == value
    return found


def feature_distance(
    features: Tensor, reference: Tensor, cells: Optional[Tensor] = None, world: World = ALONE
) -> Tensor:
    """Mean L2 distance over channels of the selected cells of the batch of all ranks.

    Args:
        features, reference: (B, C, h, w).
        cells: bool (B, h, w), or None for all.

    Returns:
        float32 scalar; the mean over the ranks is the loss of the whole batch. No selected cell gives 0 with zero
        gradient (the released code logs NaN there).
    """
    distance = torch.linalg.vector_norm(features.float() - reference.float(), dim=1)
    if cells is None:
        return distance.mean()
    weight = cells.to(distance.dtype)
    return world.world_size * (distance * weight).sum() / world.total(weight.sum()).clamp(min=1)

"""Multi-scale deformable attention (Deformable DETR, arXiv 2010.04159) without compiled operators."""

from __future__ import annotations

from typing import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

Shapes = Sequence[tuple[int, int]]


def reference_points(shapes: Shapes, device: torch.device) -> Tensor:
    """Centres of the cells of several maps, one map after another: (1, sum of h * w, 1, 2) as (x, y) in [0, 1]."""
    points = []
    for height, width in shapes:
        y = (torch.arange(height, device=device) + 0.5) / height
        x = (torch.arange(width, device=device) + 0.5) / width
        grid = torch.stack([x.expand(height, width), y[:, None].expand(height, width)], -1)
        points.append(grid.reshape(1, height * width, 1, 2))
    return torch.cat(points, 1)


def deformable_attention(value: Tensor, shapes: Shapes, locations: Tensor, weights: Tensor) -> Tensor:
    """Weighted sum of bilinear samples of several maps.

    Args:
        value: (B, S, heads, D), S = sum of h * w over the maps.
        shapes: (h, w) of every map.
        locations: (B, Q, heads, levels, points, 2) as (x, y) in [0, 1]; outside counts as zero.
        weights: (B, Q, heads, levels, points).

    Returns:
        (B, Q, heads * D).
    """
    batch, _, heads, width = value.shape
    queries, points = locations.shape[1], locations.shape[4]
    grids = (2 * locations - 1).permute(3, 0, 2, 1, 4, 5).flatten(1, 2)  # (levels, B * heads, Q, points, 2)
    sampled = []
    for level, part in enumerate(value.split([h * w for h, w in shapes], dim=1)):
        image = part.permute(0, 2, 3, 1).reshape(batch * heads, width, *shapes[level])  # (B * heads, D, h, w)
        sampled.append(F.grid_sample(image, grids[level], 'bilinear', 'zeros', align_corners=False))
    stacked = torch.cat(sampled, -1)  # (B * heads, D, Q, levels * points)
    factors = weights.permute(0, 2, 1, 3, 4).reshape(batch * heads, 1, queries, len(shapes) * points)
    return (stacked * factors).sum(-1).view(batch, heads * width, queries).transpose(1, 2)

"""Absolute position embeddings of vision transformers at other grids than the trained one.

Three interpolation rules are in use, and they differ visibly (DINOv2's last map moves by 5 to 17 % between the first
two):

==============  ========================================================================  ===========================
rule            what it does                                                              who
==============  ========================================================================  ===========================
``hub``         bicubic, no antialias, scale factors (h + 0.1) / M, (w + 0.1) / M         official DINOv2 without
                                                                                          registers, VFM-UDA
``antialias``   bicubic, antialias, size (h, w)                                           official DINOv2 with
                                                                                          registers; timm
``plain``       bicubic, no antialias, size (h, w)                                        MMSeg's ViT, Rein
==============  ========================================================================  ===========================
"""

from __future__ import annotations

from typing import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

RULES = ('hub', 'antialias', 'plain')
_HUB_OFFSET = 0.1  # moves the sampling positions, not only the rounding of the size


def resize_position_table(table: Tensor, grid: Sequence[int], size: Sequence[int], prefix: int, rule: str) -> Tensor:
    """The position table for another grid, interpolated in float32 whatever the autocast.

    Args:
        table: (1, prefix + M_h * M_w, C); entries of prefix tokens (class, registers) come first and stay.
        grid: (M_h, M_w).
        size: (h, w) of the new grid.
        prefix: entries that belong to no patch.
        rule: one of :data:`RULES`.

    Returns:
        (1, prefix + h * w, C) of the dtype of ``table``; the table itself for h = M_h and w = M_w.

    Raises:
        ValueError: unknown rule.
    """
    if rule not in RULES:
        raise ValueError(f"the rule for position embeddings must be one of {RULES}, got '{rule}'")
    if tuple(size) == tuple(grid):
        return table
    tokens, patches = table[:, :prefix], table[:, prefix:]
    image = patches.float().reshape(1, *grid, -1).permute(0, 3, 1, 2)  # (1, C, M_h, M_w)
    if rule == 'hub':
        factors = tuple((side + _HUB_OFFSET) / cells for side, cells in zip(size, grid))
        image = F.interpolate(image, scale_factor=factors, mode='bicubic', antialias=False)
    else:
        image = F.interpolate(image, size=tuple(size), mode='bicubic', antialias=rule == 'antialias')
    if tuple(image.shape[2:]) != tuple(size):
        raise ValueError(f'position table of {tuple(grid)} cells cannot be resized to {tuple(size)} by rule {rule}')
    resized = image.permute(0, 2, 3, 1).flatten(1, 2).to(table.dtype)  # (1, h * w, C)
    return torch.cat([tokens, resized], dim=1)

"""Block masks and batches of masked image consistency (MIC, arXiv 2212.01322, eq. 4-6)."""

from __future__ import annotations

from typing import NamedTuple, Optional

import torch
import torch.nn.functional as F
from torch import Tensor

#: what the masked pass is trained on; the suffix ``aug`` adds colour augmentation before masking
MODES = ('separate', 'separateaug', 'separatesrc', 'separatesrcaug', 'separatetrg', 'separatetrgaug')


def mask_grid(height: int, width: int, block: int) -> tuple[int, int]:
    """Rows and columns of blocks: round half to even, at least one."""
    return max(round(height / block), 1), max(round(width / block), 1)


def block_mask(noise: Tensor, height: int, width: int, ratio: float) -> Tensor:
    """Keep a block where its noise exceeds ``ratio``.

    Args:
        noise: uniform [0, 1) (B, 1, rows, columns), see :func:`mask_grid`.
        height, width: size of the image.
        ratio: expected share of hidden blocks.

    Returns:
        float32 (B, 1, height, width), 1 = visible.
    """
    return F.interpolate((noise > ratio).float(), size=(height, width), mode='nearest')


class MaskedBatch(NamedTuple):
    """Images (B, 3, H, W), labels (B, 1, H, W) and pixel weights (B, H, W) or None of a masked pass."""

    img: Tensor
    label: Tensor
    weight: Optional[Tensor]


def select_masked_batch(
    mode: str, source_img: Tensor, source_label: Tensor, target_img: Tensor, target_label: Tensor, target_weight: Tensor
) -> MaskedBatch:
    """The images that a mask mode trains on, before augmentation and masking.

    Args:
        mode: one of :data:`MODES`. ``separate`` takes the first ceil(B/2) source and the first floor(B/2) target
            images (the released code
            allows B = 2 only: one each).
        source_img, target_img: (B, 3, H, W).
        source_label: (B, 1, H, W).
        target_label, target_weight: pseudo-label and weight (B, H, W).
    """
    if mode not in MODES:
        raise ValueError(f"mask_mode must be one of {', '.join(MODES)}, got '{mode}'")
    kind = mode[:-3] if mode.endswith('aug') else mode
    if kind == 'separatesrc':
        return MaskedBatch(source_img, source_label, None)
    if kind == 'separatetrg':
        return MaskedBatch(target_img, target_label.unsqueeze(1), target_weight)
    batch = source_img.shape[0]
    from_source = (batch + 1) // 2
    from_target = batch - from_source
    weight = torch.cat([torch.ones_like(target_weight[:1]).expand(from_source, -1, -1), target_weight[:from_target]])
    return MaskedBatch(
        torch.cat([source_img[:from_source], target_img[:from_target]]),
        torch.cat([source_label[:from_source], target_label[:from_target].unsqueeze(1)]),
        weight,
    )

"""Hiding parts of images."""

from __future__ import annotations

import torch
from torch import Tensor

from ..ops.masking import block_mask, mask_grid
from ..registry import MASKERS
from ..utils.rng import StepRng, rand_per_sample


@MASKERS.register_module()
class BlockMasker:
    """Hides random square blocks (MIC, arXiv 2212.01322, eq. 4): their normalised values become 0, the mean colour.

    Args:
        block_size: side in pixels (64 for 1024 inputs, 32 for 512).
        ratio: expected share of hidden blocks; every block is drawn independently.
    """

    def __init__(self, block_size: int = 64, ratio: float = 0.7) -> None:
        if block_size < 1:
            raise ValueError(f'mask_block_size must be at least 1, got {block_size}')
        if not 0 <= ratio <= 1:
            raise ValueError(f'mask_ratio must lie in [0, 1], got {ratio}')
        self.block_size = block_size
        self.ratio = ratio

    @torch.no_grad()
    def __call__(self, img: Tensor, rng: StepRng) -> Tensor:
        """Masked copies of ``img`` (B, 3, H, W)."""
        batch, _, height, width = img.shape
        noise = rand_per_sample(rng.samples, batch, 1, *mask_grid(height, width, self.block_size))
        return img * block_mask(noise.to(img.device, non_blocking=True), height, width, self.ratio)

"""Cross-domain mixing of source and target images."""

from __future__ import annotations

from typing import NamedTuple, Optional

import torch
from torch import Tensor

from ..ops.mixing import LABEL_VALUES, SCOPES, class_mix_masks, mix
from ..registry import MIXERS
from ..utils.rng import StepRng, rand_per_sample
from .cross_rank import current_ranks


class MixedBatch(NamedTuple):
    """Mixed images (B, 3, H, W), labels (B, 1, H, W) int64, pixel weights (B, H, W) and where the source was pasted
    (B, 1, H, W)."""

    img: Tensor
    label: Tensor
    weight: Tensor
    mask: Tensor


@MIXERS.register_module()
class ClassMixer:
    """Pastes the pixels of half of the source classes onto the target image (DACS, arXiv 2007.08702, section 3).

    Args:
        class_scope: ``batch`` draws from the classes of the whole batch, as the released code of DAFormer, HRDA and
            MIC does (an image then may
            lack some drawn classes); ``image`` from the image's own classes, as the papers and the DACS release of 2020
            do.
    """

    def __init__(self, class_scope: str = 'batch') -> None:
        if class_scope not in SCOPES:
            raise ValueError(f"class_scope must be one of {SCOPES}, got '{class_scope}'")
        self.class_scope = class_scope

    def draw_masks(self, label: Tensor, rng: StepRng) -> Tensor:
        """int64 (B, 1, H, W), 1 = source pixel."""
        scores = rand_per_sample(rng.samples, label.shape[0], LABEL_VALUES)
        return class_mix_masks(label, scores.to(label.device, non_blocking=True), self.class_scope, current_ranks())

    def __call__(
        self,
        source_img: Tensor,
        source_label: Tensor,
        target_img: Tensor,
        target_label: Tensor,
        target_weight: Tensor,
        rng: StepRng,
        mask: Optional[Tensor] = None,
    ) -> MixedBatch:
        """Mix image i of the source with image i of the target.

        Args:
            source_img, target_img: (B, 3, H, W) of equal size.
            source_label: int64 (B, 1, H, W).
            target_label, target_weight: pseudo-label and its weight (B, H, W).
            mask: use this mask instead of drawing one.

        Raises:
            ValueError: source and target differ in batch or image size.
        """
        if source_img.shape != target_img.shape:
            raise ValueError(
                f'mixing needs source and target images of one size, got {tuple(source_img.shape)} and '
                f'{tuple(target_img.shape)}: '
                'give both pipelines the same crop_size'
            )
        mask = self.draw_masks(source_label, rng) if mask is None else mask
        weight = mix(mask[:, 0], torch.ones_like(target_weight), target_weight)
        return MixedBatch(
            mix(mask, source_img, target_img), mix(mask, source_label, target_label.unsqueeze(1)), weight, mask
        )

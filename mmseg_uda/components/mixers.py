"""Mixing of source and target images."""

from __future__ import annotations

from abc import abstractmethod
from typing import NamedTuple, Optional

import torch
from torch import Tensor

from ..ops.adaptive_mix import box_mask, random_half_area_box
from ..ops.mixing import LABEL_VALUES, SCOPES, class_mix_masks, mix
from ..registry import MIXERS
from ..utils.rng import StepRng, rand_per_sample
from ..utils.world import current_world


class MixedBatch(NamedTuple):
    """Mixed images (B, 3, H, W), labels (B, 1, H, W) int64, pixel weights (B, H, W) and where the source was pasted
    (B, 1, H, W)."""

    img: Tensor
    label: Tensor
    weight: Tensor
    mask: Tensor


class Mixer:
    """Pastes some pixels of the source image onto the target image; subclasses choose them."""

    @abstractmethod
    def draw_masks(self, label: Tensor, rng: StepRng) -> Tensor:
        """Source label int64 (B, 1, H, W) to int64 (B, 1, H, W), 1 = source pixel."""

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


@MIXERS.register_module()
class ClassMixer(Mixer):
    """Pastes the pixels of half of the source classes (DACS, arXiv 2007.08702, section 3).

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
        scores = rand_per_sample(rng.samples, label.shape[0], LABEL_VALUES)
        return class_mix_masks(label, scores.to(label.device, non_blocking=True), self.class_scope, current_world())


@MIXERS.register_module()
class BoxMixer(Mixer):
    """Pastes a box at a random place and of random shape (CutMix, arXiv 1905.04899; the box as in AEL, arXiv
    2110.05474).

    Args:
        share: of the image that the box covers.
    """

    def __init__(self, share: float = 0.5) -> None:
        if not 0 < share <= 1:
            raise ValueError(f'mixer.share lies in (0, 1], got {share}')
        self.share = share

    def draw_masks(self, label: Tensor, rng: StepRng) -> Tensor:
        size = (label.shape[2], label.shape[3])
        draws = rand_per_sample(rng.samples, len(label), 3).tolist()
        masks = [box_mask(random_half_area_box(size, shape, place, self.share), size) for shape, *place in draws]
        return torch.stack(masks)[:, None].long().to(label.device, non_blocking=True)

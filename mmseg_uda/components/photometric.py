"""Strong augmentation in 8-bit arithmetic, as the published code of DSTC offers it."""

from __future__ import annotations

from typing import Any, Mapping, Sequence

import torch
from torch import Tensor

from ..ops import photometric as ops
from ..ops.normalize import denormalize, normalize_on_device
from ..registry import AUGMENTATIONS
from ..utils.rng import StepRng, rand_per_sample

_DRAWS = 9  # per image: is the colour changed, 5 sizes, grey, blurred, kernel


@AUGMENTATIONS.register_module()
class PhotometricDistortion8Bit:
    """Brightness, contrast and HSV shifts, grey images, small blur, each image for itself.

    Brightness and contrast ~ U(-limit, limit) (brightness in units of 255), then the HSV shifts; grey and blur are
    drawn separately. A blur has 3 taps with probability 1/3, else 5.

    Args:
        color_prob: probability that brightness, contrast and HSV change.
        brightness_limit, contrast_limit: fractions.
        hue_limit, saturation_limit, value_limit: in steps of OpenCV's 8-bit HSV.
        gray_prob, blur_prob: probabilities.
    """

    def __init__(
        self,
        color_prob: float = 0.8,
        brightness_limit: float = 0.2,
        contrast_limit: float = 0.2,
        hue_limit: float = 20,
        saturation_limit: float = 30,
        value_limit: float = 20,
        gray_prob: float = 0.2,
        blur_prob: float = 0.5,
    ) -> None:
        for name, value in dict(color_prob=color_prob, gray_prob=gray_prob, blur_prob=blur_prob).items():
            if not 0 <= value <= 1:
                raise ValueError(f'{name} must lie in [0, 1], got {value}')
        self.color_prob, self.gray_prob, self.blur_prob = color_prob, gray_prob, blur_prob
        self.limits = torch.tensor([brightness_limit, contrast_limit, hue_limit, saturation_limit, value_limit])
        if (self.limits < 0).any():
            raise ValueError(f'the limits must not be negative, got {self.limits.tolist()}')

    @torch.no_grad()
    def __call__(self, img: Tensor, metas: Sequence[Mapping[str, Any]], rng: StepRng) -> Tensor:
        """Augment ``img`` (B, 3, H, W), normalised as ``metas[0]['img_norm_cfg']`` says; returns a new tensor."""
        if not metas or 'img_norm_cfg' not in metas[0]:
            raise KeyError(
                "the augmentation needs 'img_norm_cfg' in img_metas: put dict(type='Normalize', ...) into the pipeline"
            )
        depth = metas[0]['img_norm_cfg'].get('depth', 'uint8')
        if img.shape[1] != 3 or depth != 'uint8':
            raise ValueError(
                f'PhotometricDistortion8Bit changes the colours of 8-bit images of 3 channels, got {img.shape[1]} '
                f'channels of {depth}: use ColorJitterBlur, which takes any number of bands, or no augmentation'
            )
        draws = rand_per_sample(rng.samples, len(img), _DRAWS).to(img.device, non_blocking=True)
        out = torch.stack([denormalize(one.float(), metas[0]) for one in img]).float()
        brightness, contrast, hue, saturation, value = ((2 * draws[:, 1:6] - 1) * self.limits.to(img.device)).unbind(1)
        colored = ops.shift_hsv(ops.brightness_contrast(out, brightness, contrast), hue, saturation, value)
        out = _where(draws[:, 0] < self.color_prob, colored, out)
        out = _where(draws[:, 6] < self.gray_prob, ops.to_gray(out), out)
        small = draws[:, 8] < 1 / 3
        out = _where(draws[:, 7] < self.blur_prob, _where(small, ops.blur(out, 3), ops.blur(out, 5)), out)
        plain = [dict(img_norm_cfg=metas[0]['img_norm_cfg'])] * len(img)
        return normalize_on_device(out.flip(1).to(torch.uint8), plain)


def _where(which: Tensor, yes: Tensor, no: Tensor) -> Tensor:
    return torch.where(which.view(-1, 1, 1, 1), yes, no)

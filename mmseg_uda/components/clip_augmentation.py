"""Strong augmentation of all frames of a clip with the same random draws."""

from __future__ import annotations

from typing import Any, Mapping, Sequence

import torch
from torch import Tensor
from torchvision.transforms import functional as colors

from ..ops.blur import gaussian_blur
from ..ops.video import wrap_to_bytes
from ..registry import AUGMENTATIONS
from ..utils.rng import StepRng, rand_per_sample
from .augmentations import ColorJitterBlur

_DRAWS = 8  # blurred, radius, coloured, four factors, grey


@AUGMENTATIONS.register_module()
class ClipColorJitterBlur(ColorJitterBlur):
    """The augmentation of the image methods (:class:`~mmseg_uda.components.augmentations.ColorJitterBlur`) on clips:
    all frames of a clip get the draws of that clip."""

    @torch.no_grad()
    def __call__(  # type: ignore[override]
        self, frames: Sequence[Tensor], metas: Sequence[Mapping[str, Any]], rng: StepRng
    ) -> list[Tensor]:
        """Augment frames (B, 3, H, W), normalised as ``img_norm_cfg`` of ``metas`` says."""
        draws = self.draw(len(frames[0]), rng)
        return [self.apply(frame, metas, draws) for frame in frames]


@AUGMENTATIONS.register_module()
class ClipAugmentation:
    """Blur, colour jitter and grey pictures as strong as TPS has them (arXiv 2207.02372); all frames of a clip get the
    draws of that clip.

    Args:
        blur_prob, jitter_prob, grey_prob: probabilities; the released VIPER configs of QuadMix have 0 everywhere.
        jitter: largest change of brightness, contrast and saturation (factors) and of the hue (turns).
        radii: of the blur (standard deviations in pixels), one is drawn; made for frames of 1024x512.
        range_of_values: ``image``: frames are augmented as pictures in [0, 1] and normalised again; ``legacy_u8``: as
            released, 255 times the normalised frame is taken modulo 256 and stays in [0, 1], see
            :func:`~mmseg_uda.ops.video.wrap_to_bytes`.
    """

    def __init__(
        self,
        blur_prob: float = 0.6,
        jitter_prob: float = 0.8,
        grey_prob: float = 0.2,
        jitter: Sequence[float] = (0.8, 0.8, 0.8, 0.2),
        radii: Sequence[float] = (5.0, 7.0, 9.0),
        range_of_values: str = 'image',
    ) -> None:
        for name, value in dict(blur_prob=blur_prob, jitter_prob=jitter_prob, grey_prob=grey_prob).items():
            if not 0 <= value <= 1:
                raise ValueError(f'augmentation.{name} must lie in [0, 1], got {value}')
        if range_of_values not in ('image', 'legacy_u8'):
            raise ValueError(f"augmentation.range_of_values must be image or legacy_u8, got '{range_of_values}'")
        if len(jitter) != 4 or min(jitter) < 0 or max(jitter[:3]) > 1 or jitter[3] > 0.5:
            raise ValueError(f'augmentation.jitter takes three numbers in [0, 1] and a hue in [0, 0.5], got {jitter}')
        if not radii or min(radii) <= 0:
            raise ValueError(f'augmentation.radii must be positive numbers, got {tuple(radii)}')
        self.radii = torch.tensor([float(radius) for radius in radii])
        self.blur_prob, self.jitter_prob, self.grey_prob = blur_prob, jitter_prob, grey_prob
        self.jitter = torch.tensor([float(value) for value in jitter])
        self.legacy = range_of_values == 'legacy_u8'

    @torch.no_grad()
    def __call__(self, frames: Sequence[Tensor], metas: Sequence[Mapping[str, Any]], rng: StepRng) -> list[Tensor]:
        """Augment frames (B, 3, H, W), normalised as ``img_norm_cfg`` of ``metas`` says; new tensors."""
        draws = rand_per_sample(rng.samples, len(frames[0]), _DRAWS)
        if self.legacy:
            return [self._augment(wrap_to_bytes(frame), draws) for frame in frames]
        if not metas or 'img_norm_cfg' not in metas[0]:
            raise KeyError(
                "the augmentation needs 'img_norm_cfg' in img_metas: put dict(type='Normalize') into the pipeline"
            )
        norm, like = metas[0]['img_norm_cfg'], frames[0]
        mean, std = (
            torch.tensor([float(v) for v in norm[key]], device=like.device).view(3, 1, 1) for key in ('mean', 'std')
        )
        order = 1 if norm.get('to_rgb', True) else -1
        pictures = [((frame * std + mean) / 255).clamp(0, 1) for frame in frames]
        shown = [self._augment(picture if order == 1 else picture.flip(1), draws) for picture in pictures]
        return [((one if order == 1 else one.flip(1)) * 255 - mean) / std for one in shown]

    def _augment(self, rgb: Tensor, draws: Tensor) -> Tensor:
        """Augment pictures (B, 3, H, W) in [0, 1] by draws (B, 8) in [0, 1)."""
        out = rgb
        blurred = draws[:, 0] < self.blur_prob
        if blurred.any():
            sigma = self.radii[(draws[:, 1] * len(self.radii)).long()].to(rgb.device)
            soft = gaussian_blur(rgb, sigma, float(self.radii.max()))
            out = torch.where(blurred.to(rgb.device).view(-1, 1, 1, 1), soft, out)
        return torch.stack([self._color(one, draw.tolist()) for one, draw in zip(out, draws)])

    def _color(self, rgb: Tensor, draw: Sequence[float]) -> Tensor:
        if draw[2] < self.jitter_prob:
            low = [1 - limit for limit in self.jitter.tolist()[:3]]
            brightness, contrast, saturation = (start + 2 * (1 - start) * value for start, value in zip(low, draw[3:6]))
            rgb = colors.adjust_brightness(rgb, brightness)
            rgb = colors.adjust_contrast(rgb, contrast)
            rgb = colors.adjust_saturation(rgb, saturation)
            rgb = colors.adjust_hue(rgb, (2 * draw[6] - 1) * float(self.jitter[3]))
        return colors.rgb_to_grayscale(rgb, num_output_channels=3) if draw[7] < self.grey_prob else rgb

"""The augmentations of VFM-UDA: torchvision's colour jitter, grey images and a wide blur, every image for itself."""

from __future__ import annotations

from typing import Any, Callable, Mapping, Sequence

import torch
from torch import Tensor

from ..ops.blur import gaussian_blur
from ..ops.torchvision_color import to_gray, torchvision_jitter
from ..registry import AUGMENTATIONS
from ..utils.rng import StepRng, rand_per_sample

#: images and their draws -> changed images
Change = Callable[[Tensor, Tensor], Tensor]
_DRAWS = 12  # per image: jittered?, 4 factors, 4 for the order, grey?, blurred?, sigma


@AUGMENTATIONS.register_module()
class TorchvisionJitter:
    """Colour jitter as ``torchvision.transforms.ColorJitter``, then grey, then Gaussian blur, each with a probability.

    VFM-UDA's three settings: weak ``brightness=32/255, contrast=0.5, saturation=0.5, hue=0.05, probability=0.9``; of
    mixed and masked images ``0.2, 0.2, 0.2, 0.2, probability=0.8, blur_probability=0.5, sigma=(0.15, 1.15)``; strong
    (VFM-UDA++) ``0.8, 0.8, 0.8, 0.4, probability=0.8, gray_probability=0.1, blur_probability=0.5, sigma=(0.15, 3)``.

    Args:
        brightness, contrast, saturation: v; the factor is ~ U(max(0, 1 - v), 1 + v).
        hue: v in [0, 0.5]; the shift is ~ U(-v, v) turns.
        probability: of the jitter.
        gray_probability, blur_probability: of an image in grey, of a blur.
        sigma: range of the blur's standard deviation in pixels.
    """

    def __init__(
        self,
        brightness: float = 0.2,
        contrast: float = 0.2,
        saturation: float = 0.2,
        hue: float = 0.2,
        probability: float = 0.8,
        gray_probability: float = 0.0,
        blur_probability: float = 0.0,
        sigma: Sequence[float] = (0.15, 1.15),
    ) -> None:
        chances = dict(probability=probability, gray_probability=gray_probability, blur_probability=blur_probability)
        for name, value in chances.items():
            if not 0 <= value <= 1:
                raise ValueError(f'TorchvisionJitter.{name} must lie in [0, 1], got {value}')
        if min(brightness, contrast, saturation) < 0 or not 0 <= hue <= 0.5:
            raise ValueError('TorchvisionJitter: brightness, contrast, saturation >= 0 and hue in [0, 0.5]')
        if len(sigma) != 2 or not 0 < sigma[0] <= sigma[1]:
            raise ValueError(f'TorchvisionJitter.sigma is a rising pair of positive numbers, got {sigma}')
        low = [max(0.0, 1 - v) for v in (brightness, contrast, saturation)] + [-hue]
        high = [1 + brightness, 1 + contrast, 1 + saturation, hue]
        self.low, self.high = torch.tensor(low), torch.tensor(high)
        self.probability, self.gray_probability, self.blur_probability = chances.values()
        self.sigma = (float(sigma[0]), float(sigma[1]))

    @torch.no_grad()
    def __call__(self, img: Tensor, metas: Sequence[Mapping[str, Any]], rng: StepRng) -> Tensor:
        """Augment ``img`` (B, 3, H, W), RGB, normalised as ``metas[0]['img_norm_cfg']`` says; returns a new tensor.

        Raises:
            KeyError: meta data without ``img_norm_cfg``. ValueError: other images than RGB of 8 bits.
        """
        norm = metas[0].get('img_norm_cfg') if metas else None
        if norm is None:
            raise KeyError(
                "TorchvisionJitter needs 'img_norm_cfg' in img_metas: put dict(type='Normalize', ...) into the pipeline"
            )
        if img.shape[1] != 3 or not norm.get('to_rgb', True) or norm.get('depth', 'uint8') != 'uint8':
            raise ValueError('TorchvisionJitter changes RGB images of 8 bits: use ColorJitterBlur for other ones')
        mean, std = (torch.tensor(norm[key], dtype=torch.float32).view(1, 3, 1, 1) for key in ('mean', 'std'))
        mean, std = mean.to(img.device), std.to(img.device)
        draws = rand_per_sample(rng.samples, len(img), _DRAWS)
        out = ((img.float() * std + mean) / 255).clamp(0, 1)
        out = self._each(out, draws, 0, self.probability, self._jittered)
        out = self._each(out, draws, 9, self.gray_probability, lambda some, _: to_gray(some).expand_as(some))
        out = self._each(out, draws, 10, self.blur_probability, self._blurred)
        return (out * 255 - mean) / std

    @staticmethod
    def _each(img: Tensor, draws: Tensor, column: int, probability: float, change: Change) -> Tensor:
        """``img`` with some images changed; the choice is made on the host, so nothing waits for the device."""
        rows = [i for i, draw in enumerate(draws[:, column].tolist()) if draw < probability]
        if not rows:
            return img
        img = img.clone()
        img[rows] = change(img[rows], draws[rows])
        return img

    def _jittered(self, img: Tensor, draws: Tensor) -> Tensor:
        factors = self.low + (self.high - self.low) * draws[:, 1:5]
        orders = draws[:, 5:9].argsort(1).tolist()
        return torchvision_jitter(img, factors.to(img.device, non_blocking=True), orders)

    def _blurred(self, img: Tensor, draws: Tensor) -> Tensor:
        low, high = self.sigma
        return gaussian_blur(img, (low + (high - low) * draws[:, 11]).to(img.device, non_blocking=True), high)

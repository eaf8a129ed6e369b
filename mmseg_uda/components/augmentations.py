"""Strong photometric augmentation of normalised images on the device."""

from __future__ import annotations

from typing import Any, Mapping, NamedTuple, Optional, Sequence

import torch
from torch import Tensor

from ..ops.blur import gaussian_blur
from ..ops.color import color_jitter, value_limits
from ..registry import AUGMENTATIONS
from ..utils.rng import StepRng, torch_generator

SIGMA_RANGE = (0.15, 1.15)


class JitterBlurDraws(NamedTuple):
    """Random numbers of an iteration: factors (B, 4) and B orders of the colour operations, and B sigmas; None: not
    this time."""

    factors: Optional[Tensor]
    orders: list[list[int]]
    sigmas: Optional[Tensor]


@AUGMENTATIONS.register_module()
class ColorJitterBlur:
    """Colour jitter and Gaussian blur of the DACS lineage.

    Args:
        color_jitter_strength: s; brightness, contrast and saturation factors ~ U(1 - s, 1 + s), hue ~ U(-s, s)
            turns, per image.
        color_jitter_skip_prob: probability that nobody's colours change (published as ``color_jitter_probability``,
            which means this).
        blur: whether blur is possible; it happens with probability 1/2, sigma ~ U(0.15, 1.15).
        shared_order: one order of the colour operations and one sigma for the batch (masked pass of MIC) instead of
            one per image.
        stream: names the random numbers, so that two augmentations of one method differ.

    Whether jitter and blur happen is decided once per iteration for all images and ranks.
    """

    def __init__(
        self,
        color_jitter_strength: float = 0.2,
        color_jitter_skip_prob: float = 0.2,
        blur: bool = True,
        shared_order: bool = False,
        stream: str = 'mix',
    ) -> None:
        if not 0 <= color_jitter_strength <= 1:
            raise ValueError(f'color_jitter_strength must lie in [0, 1], got {color_jitter_strength}')
        if not 0 <= color_jitter_skip_prob <= 1:
            raise ValueError(f'color_jitter_skip_prob must lie in [0, 1], got {color_jitter_skip_prob}')
        self.strength = color_jitter_strength
        self.skip_prob = color_jitter_skip_prob
        self.blur = blur
        self.shared_order = shared_order
        self.stream = stream
        self._statistics: dict[Any, tuple[Tensor, Tensor]] = {}

    @torch.no_grad()
    def __call__(self, img: Tensor, metas: Sequence[Mapping[str, Any]], rng: StepRng) -> Tensor:
        """Augment ``img`` (B, C, H, W), normalised as ``metas[0]['img_norm_cfg']`` says;

        returns a new tensor or ``img`` itself. Other than three bands get no change of saturation and hue
        (:func:`~mmseg_uda.ops.color.color_jitter`).
        """
        return self.apply(img, metas, self.draw(img.shape[0], rng))

    def draw(self, batch: int, rng: StepRng) -> JitterBlurDraws:
        """The random numbers of a batch."""
        shared = torch_generator(rng.seed, 'augmentation', self.stream, rng.iteration)
        jitter_draw, blur_draw = torch.rand(2, generator=shared).tolist()
        shared_order = torch.randperm(4, generator=shared).tolist()
        shared_sigma = torch.rand(1, generator=shared)
        orders: list[Any] = []
        factors = sigmas = None
        if jitter_draw > self.skip_prob:
            factors, orders = self._draw_jitter(batch, rng, shared_order)
        if self.blur and blur_draw > 0.5:
            low, high = SIGMA_RANGE
            draws = (
                shared_sigma.expand(batch)
                if self.shared_order
                else torch.cat([torch.rand(1, generator=rng.samples[i]) for i in range(batch)])
            )
            sigmas = low + (high - low) * draws
        return JitterBlurDraws(factors, orders, sigmas)

    def apply(self, img: Tensor, metas: Sequence[Mapping[str, Any]], draws: JitterBlurDraws) -> Tensor:
        """Augment ``img`` (B, C, H, W) by given random numbers."""
        if draws.factors is not None:
            factors = draws.factors.to(img.device, non_blocking=True)
            img = color_jitter(img, factors, draws.orders, *self._mean_std(metas, img.device))
        if draws.sigmas is not None:
            img = gaussian_blur(img, draws.sigmas.to(img.device, non_blocking=True), SIGMA_RANGE[1])
        return img

    def _mean_std(
        self, metas: Sequence[Mapping[str, Any]], device: torch.device
    ) -> tuple[Tensor, Tensor, tuple[float, float]]:
        """Mean and std of the first image, kept on the device, and the black and white of its values."""
        norm = metas[0].get('img_norm_cfg') if metas else None
        if norm is None:
            raise KeyError(
                "the colour jitter needs 'img_norm_cfg' in img_metas: put dict(type='Normalize', ...) into the "
                'pipeline, or set color_jitter_skip_prob=1'
            )
        mean, std = (tuple(float(value) for value in norm[name]) for name in ('mean', 'std'))
        key = (mean, std, device)
        if key not in self._statistics:
            self._statistics[key] = (torch.tensor(mean, device=device), torch.tensor(std, device=device))
        return (*self._statistics[key], value_limits(mean, std, norm.get('depth', 'uint8')))

    def _draw_jitter(self, batch: int, rng: StepRng, shared_order: list[int]) -> tuple[Tensor, list[list[int]]]:
        """Factors (B, 4) and B orders."""
        centre = torch.tensor([1.0, 1.0, 1.0, 0.0])
        factors, orders = [], []
        for i in range(batch):
            factors.append(centre + self.strength * (2 * torch.rand(4, generator=rng.samples[i]) - 1))
            own = torch.randperm(4, generator=rng.samples[i]).tolist()
            orders.append(shared_order if self.shared_order else own)
        return torch.stack(factors), orders

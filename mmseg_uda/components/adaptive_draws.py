"""The random decisions of one STAL iteration in one place, so that a test can replay recorded ones."""

from __future__ import annotations

from typing import Sequence

import torch
from torch import Tensor

from ..ops.ael import draw_classes
from ..ops.u2pl import uniform_ranks
from ..utils.rng import StepRng


class AdaptiveDraws:
    """Draws from the counter-based generators of an iteration; nothing waits for the device.

    Decisions about one image come from its own generator, decisions about the batch from the shared one.

    Args:
        rng: generators of the iteration.
        device: of the results.
    """

    def __init__(self, rng: StepRng, device: torch.device) -> None:
        self.rng = rng
        self.device = device

    def _shared(self, *shape: int) -> Tensor:
        return torch.rand(shape, generator=self.rng.shared).to(self.device, non_blocking=True)

    def uniform(self, sample: int, count: int = 1) -> list[float]:
        """Uniform numbers about one image, on the host."""
        return torch.rand(count, generator=self.rng.samples[sample], dtype=torch.float64).tolist()

    def paste_classes(self, classes: Tensor, probability: Tensor, count: int) -> Tensor:
        """Classes to paste in the whole batch, with replacement; (count,) int64."""
        return classes[draw_classes(probability, self._shared(count))]

    def base_images(self, available: int, wanted: int) -> list[int]:
        """Which target images are mixed: of one that is wanted, the first for a draw above 1/2, else the second."""
        if wanted >= available:
            return list(range(available))
        if wanted == 1:
            return [0 if self.uniform(0)[0] > 0.5 else 1]
        return sorted(torch.randperm(available, generator=self.rng.samples[0])[:wanted].tolist())

    def guide_classes(self, probability: Tensor, samples: Sequence[int]) -> Tensor:
        """The class that guides the box mask of each mixed image; (M,) int64."""
        draws = torch.tensor([self.uniform(sample)[0] for sample in samples], device=self.device)
        return draw_classes(probability, draws)

    def partners(self, weights: Tensor, samples: Sequence[int]) -> Tensor:
        """The slot of each image's partner, with weights (M, K); (M,) int64."""
        draws = [torch.tensor(self.uniform(sample), device=self.device) for sample in samples]
        return torch.cat([draw_classes(row, draw) for row, draw in zip(weights, draws)])

    def component_order(self, count: int, sample: int) -> list[int]:
        """The order in which the components 1..count are tried."""
        return (torch.randperm(count, generator=self.rng.samples[sample]) + 1).tolist()

    def box(self, sample: int) -> tuple[float, tuple[float, float]]:
        """Draws of a random box: aspect, and position in (y, x)."""
        u_y, y, x = self.uniform(sample, 3)
        return u_y, (y, x)

    def seed_of_maps(self) -> int:
        """The draw of the next maps. An iteration without maps makes it too, so that its later draws stay the same."""
        return int(torch.randint(2**62, (), generator=self.rng.shared))

    def class_maps(self, classes: int, size: tuple[int, int]) -> Tensor:
        """One uniform map per class for the whole batch, drawn on the device: (C, H, W)."""
        seed = self.seed_of_maps()
        if self.device.type == 'meta':  # without data there is nothing to draw
            return torch.empty((classes, *size), device=self.device)
        generator = torch.Generator(device=self.device).manual_seed(seed)
        return torch.rand((classes, *size), generator=generator, device=self.device)

    def ranks(self, counts: Tensor, number: int) -> Tensor:
        """Uniform ranks below ``counts`` (C,), with replacement; (C, number) int64."""
        return uniform_ranks(self._shared(len(counts), number), counts)

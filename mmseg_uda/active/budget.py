"""What may be bought in each round, in whole images or in pixels of every image. The two units are never mixed."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Mapping, Optional, Sequence, Union

from ..ops.acquisition import picks_per_round
from ..utils.config import check_options


@dataclass(frozen=True)
class ImageBudget:
    """So many images in each round."""

    per_round: tuple[int, ...]

    @property
    def rounds(self) -> int:
        """Number of rounds."""
        return len(self.per_round)


@dataclass(frozen=True)
class RegionBudget:
    """A share of the pixels, or a number of pixels, of every image, spread evenly over the rounds.

    Attributes:
        rounds: number of rounds.
        share: of each image's pixels (RIPU-RA: 0.022), or None.
        pixels: per image at ``reference_size`` (RIPU-PA: 40 at 640 x 1280), or None.
        reference_size: (height, width) for which ``pixels`` is meant; None: the image's own.
    """

    rounds: int
    share: Optional[float] = None
    pixels: Optional[float] = None
    reference_size: Optional[tuple[int, int]] = None

    def picks(self, height: int, width: int, label_radius: int) -> int:
        """Regions of (2 label_radius + 1)^2 pixels to buy in one image and round; rounded up."""
        if self.share is not None:
            return picks_per_round(height * width, self.share, self.rounds, label_radius)
        reference = self.reference_size or (height, width)
        wanted = float(self.pixels or 0) / self.rounds / (reference[0] * reference[1]) * (height * width)
        return math.ceil(wanted / (2 * label_radius + 1) ** 2)


Budget = Union[ImageBudget, RegionBudget]


def build_budget(cfg: Mapping[str, Any]) -> Budget:
    """Read ``active.budget``: ``dict(images=[35, 85])``, ``dict(share=0.022, rounds=5)`` or ``dict(pixels=40,
    rounds=5, reference_size=...)``.

    Raises:
        ValueError, KeyError: nothing to buy, two units at once, or a misspelt key.
    """
    check_options(cfg, ('images', 'share', 'pixels', 'rounds', 'reference_size'), 'active.budget')
    units = [unit for unit in ('images', 'share', 'pixels') if cfg.get(unit) is not None]
    if len(units) != 1:
        raise ValueError(f'active.budget needs exactly one of images, share and pixels, got {units or "none"}')
    if units == ['images']:
        per_round = (
            cfg['images'] if isinstance(cfg['images'], Sequence) else [cfg['images']] * int(cfg.get('rounds', 1))
        )
        if any(count < 1 for count in per_round):
            raise ValueError(
                'active.budget.images must list positive numbers ([] buys nothing after the initial set), got '
                f'{list(per_round)}'
            )
        return ImageBudget(tuple(int(n) for n in per_round))
    rounds, amount = int(cfg.get('rounds', 1)), float(cfg[units[0]])
    if rounds < 1 or amount <= 0 or (units == ['share'] and amount > 1):
        raise ValueError(f'active.budget: rounds must be positive and {units[0]} in its range, got {dict(cfg)}')
    reference = cfg.get('reference_size')
    return RegionBudget(rounds, reference_size=tuple(reference) if reference else None, **{units[0]: amount})

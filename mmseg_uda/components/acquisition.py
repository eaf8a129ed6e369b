"""Acquisition functions: which images, regions or pixels to annotate next.

To add one, subclass :class:`ImageAcquisition` (one number per image) or :class:`RegionAcquisition` (one number per
pixel), register it in ``ACQUISITIONS`` and name it in the config: ``active = dict(acquisition=dict(type='MyScore',
...))``. Larger numbers are bought first.
"""

from __future__ import annotations

from typing import Optional

import torch
from torch import Tensor

from ..ops.acquisition import entropy_map, margin_map, mean_entropy_score, pixel_score, region_score, window_sum
from ..registry import ACQUISITIONS
from ..utils.rng import stable_seed, torch_generator


class ImageAcquisition:
    """Scores whole images.

    Attributes:
        needs_model: False: the network is not run, and ``scores`` is None.
    """

    level = 'image'
    needs_model = True

    def score(self, scores: Optional[Tensor], name: str, round_number: int) -> float:
        """How much an image is worth.

        Args:
            scores: class scores (C, H, W) of the network.
            name: of the image.
            round_number: of the purchase, from 1.
        """
        raise TypeError(f'{type(self).__name__} must define score()')


class RegionAcquisition:
    """Scores pixels; each pick buys the window of ``label_radius`` around a pixel and blocks the one of
    ``block_radius``.

    Args:
        radius: k: windows are (2k + 1)^2 pixels.
    """

    level = 'region'
    needs_model = True

    def __init__(self, radius: int = 1) -> None:
        if radius < 0:
            raise ValueError(f'acquisition.radius must not be negative, got {radius}')
        self.radius = radius

    @property
    def label_radius(self) -> int:
        """A pick labels (2 label_radius + 1)^2 pixels."""
        return self.radius

    @property
    def block_radius(self) -> int:
        """Later picks keep this distance; twice the radius, so that regions never overlap."""
        return 2 * self.radius

    def score_map(self, scores: Optional[Tensor], name: str, round_number: int, size: tuple[int, int]) -> Tensor:
        """Worth of every pixel as a region's centre, float (H, W).

        Args:
            scores: class scores (C, H, W), or None without a model.
            size: (H, W).
        """
        raise TypeError(f'{type(self).__name__} must define score_map()')


@ACQUISITIONS.register_module()
class RandomImages(ImageAcquisition):
    """Uniform numbers that depend on the seed, the round and the image's name only.

    Args:
        seed: of the numbers.
    """

    needs_model = False

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed

    def score(self, scores: Optional[Tensor], name: str, round_number: int) -> float:
        return stable_seed(self.seed, 'random image', round_number, name) / 2**63


@ACQUISITIONS.register_module()
class MeanEntropy(ImageAcquisition):
    """Mean pixel entropy (STAL).

    Args:
        norm_classes: entropies are divided by its logarithm (None: the number of classes; it does not change the
            order).
    """

    def __init__(self, norm_classes: Optional[int] = None) -> None:
        self.norm_classes = norm_classes

    def score(self, scores: Optional[Tensor], name: str, round_number: int) -> float:
        assert scores is not None
        return float(mean_entropy_score(scores[None], self.norm_classes))


@ACQUISITIONS.register_module()
class MeanMargin(ImageAcquisition):
    """Mean of 1 - (largest - second largest probability)."""

    def score(self, scores: Optional[Tensor], name: str, round_number: int) -> float:
        assert scores is not None
        return float(margin_map(scores[None]).mean())


@ACQUISITIONS.register_module()
class RegionImpurity(RegionAcquisition):
    """RIPU-RA: region impurity x region uncertainty.

    Args:
        norm_classes: logarithms are divided by log(norm_classes); None means the number of classes, the released code
            says 19 always.
    """

    def __init__(self, radius: int = 1, norm_classes: Optional[int] = None) -> None:
        super().__init__(radius)
        self.norm_classes = norm_classes

    def score_map(self, scores: Optional[Tensor], name: str, round_number: int, size: tuple[int, int]) -> Tensor:
        assert scores is not None
        return region_score(scores, self.radius, self.norm_classes)[0]


@ACQUISITIONS.register_module()
class PixelImpurity(RegionAcquisition):
    """RIPU-PA: pixel entropy x impurity of a wide window; a pick labels one pixel and blocks the window."""

    def __init__(self, radius: int = 32) -> None:
        super().__init__(radius)

    @property
    def label_radius(self) -> int:
        return 0

    @property
    def block_radius(self) -> int:
        return self.radius

    def score_map(self, scores: Optional[Tensor], name: str, round_number: int, size: tuple[int, int]) -> Tensor:
        assert scores is not None
        return pixel_score(scores, self.radius)


@ACQUISITIONS.register_module()
class RegionUncertainty(RegionAcquisition):
    """Mean uncertainty of a window, without impurity.

    Args:
        measure: ``entropy`` or ``margin``.
    """

    def __init__(self, radius: int = 1, measure: str = 'entropy') -> None:
        super().__init__(radius)
        if measure not in ('entropy', 'margin'):
            raise ValueError(f"measure must be 'entropy' or 'margin', got '{measure}'")
        self.measure = measure

    def score_map(self, scores: Optional[Tensor], name: str, round_number: int, size: tuple[int, int]) -> Tensor:
        assert scores is not None
        uncertainty = (entropy_map if self.measure == 'entropy' else margin_map)(scores[None])[0]
        count = window_sum(torch.ones_like(uncertainty), self.radius)
        return (window_sum(uncertainty, self.radius) / count).float()


@ACQUISITIONS.register_module()
class RandomRegions(RegionAcquisition):
    """Uniformly random regions that depend on the seed, the round and the image's name only.

    Args:
        radius: of the regions, in pixels.
        seed: of the numbers.
    """

    needs_model = False

    def __init__(self, radius: int = 1, seed: int = 0) -> None:
        super().__init__(radius)
        self.seed = seed

    def score_map(self, scores: Optional[Tensor], name: str, round_number: int, size: tuple[int, int]) -> Tensor:
        return torch.rand(size, generator=torch_generator(self.seed, 'random regions', round_number, name))

"""Keeping ImageNet features alive."""

from __future__ import annotations

from typing import TYPE_CHECKING, Optional, Sequence

from torch import Tensor

from ..ops.feature_distance import cell_labels, class_cells, feature_distance
from ..registry import FEATURE_DISTANCES
from ..utils.world import current_world

if TYPE_CHECKING:
    from ..models.training_interface import FeatureView


@FEATURE_DISTANCES.register_module()
class ThingClassDistance:
    """L2 distance of the last backbone features to those of a frozen ImageNet network (DAFormer, arXiv 2111.14887, eq.
    7-10).

    Args:
        weight: lambda, for the method's loss term; the distance itself is not scaled.
        classes: train ids whose cells count; None = every cell.
        min_ratio: share of a cell that its majority class needs.
        num_classes: classes of the label.
    """

    def __init__(
        self,
        weight: float = 0.005,
        classes: Optional[Sequence[int]] = (6, 7, 11, 12, 13, 14, 15, 16, 17, 18),
        min_ratio: float = 0.75,
        num_classes: int = 19,
    ) -> None:
        if weight < 0:
            raise ValueError(f'the feature distance weight must not be negative, got {weight}')
        wrong = [c for c in classes or () if not 0 <= c < num_classes]
        if wrong:
            raise ValueError(f'feature distance classes {wrong} are outside the {num_classes} classes of the model')
        self.weight = weight
        self.classes = None if classes is None else tuple(classes)
        self.min_ratio = min_ratio
        self.num_classes = num_classes

    def __call__(self, views: Sequence[FeatureView], references: Sequence[FeatureView], label: Tensor) -> Tensor:
        """Sum over the views of the distance.

        Args:
            views, references: features of the student and of the frozen network for the same windows.
            label: int64 (B, 1, H, W) of the whole input.
        """
        return sum(
            (self._distance(view, reference, label) for view, reference in zip(views, references)),
            start=views[0].maps[-1].new_zeros(()),
        )

    def _distance(self, view: FeatureView, reference: FeatureView, label: Tensor) -> Tensor:
        features = view.maps[-1]
        if view.box is not None:
            top, bottom, left, right = view.box
            label = label[:, :, top:bottom, left:right]
        cells = None
        if self.classes is not None:
            small = cell_labels(label, features.shape[-2:], self.min_ratio, self.num_classes)
            cells = class_cells(small, self.classes)
        return feature_distance(features, reference.maps[-1], cells, current_world())

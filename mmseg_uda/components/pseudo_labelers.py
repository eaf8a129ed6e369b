"""From a teacher's logits to training labels and weights."""

from __future__ import annotations

from typing import Optional

from torch import Tensor

from ..ops.pseudo_labels import SCOPES, filter_pseudo_weight, pseudo_label
from ..registry import PSEUDO_LABELERS
from ..utils.world import current_world


@PSEUDO_LABELERS.register_module()
class ConfidenceShare:
    """Every pixel keeps its most probable class; all weigh as much as the share of confident pixels (DACS, DAFormer).

    Args:
        threshold: probability from which a pixel is confident; None = weight 1.
        weight_scope: share over the ``batch`` of all ranks (released code) or per ``image`` (papers).
        ignore_top, ignore_bottom: rows of the crop without weight (margins of DAFormer). HRDA and MIC use a mask
            from the data instead.
        flip_average: the teacher also labels the mirrored image, and the probabilities are averaged (VFM-UDA); costs a
            second forward pass of the teacher.
    """

    def __init__(
        self,
        threshold: Optional[float] = 0.968,
        weight_scope: str = 'batch',
        ignore_top: int = 0,
        ignore_bottom: int = 0,
        flip_average: bool = False,
    ) -> None:
        if threshold is not None and not 0 <= threshold <= 1:
            raise ValueError(f'the pseudo-label threshold must lie in [0, 1] or be None, got {threshold}')
        if weight_scope not in SCOPES:
            raise ValueError(f"weight_scope must be one of {SCOPES}, got '{weight_scope}'")
        if ignore_top < 0 or ignore_bottom < 0:
            raise ValueError(f'ignore_top and ignore_bottom must not be negative, got {ignore_top} and {ignore_bottom}')
        self.threshold = threshold
        self.weight_scope = weight_scope
        self.ignore_top = ignore_top
        self.ignore_bottom = ignore_bottom
        self.flip_average = flip_average

    def __call__(
        self, logits: Tensor, valid: Optional[Tensor] = None, mirrored: Optional[Tensor] = None
    ) -> tuple[Tensor, Tensor]:
        """Labels int64 (B, H, W) and weights float32 (B, H, W) from logits (B, C, H, W).

        Args:
            valid: (B, 1, H, W) in {0, 1}, multiplied into the weights.
            mirrored: logits of the mirrored images, with ``flip_average``.
        """
        label, weight = pseudo_label(logits, self.threshold, self.weight_scope, current_world(), mirrored)
        return label, filter_pseudo_weight(weight, self.ignore_top, self.ignore_bottom, valid)

"""Cross entropy over valid pixels, as the ADVENT lineage and its descendants take it."""

from __future__ import annotations

from typing import Any, Optional

from mmseg.models.builder import LOSSES
from torch import Tensor, nn
from torch.nn import functional as F

from ...ops.adversarial import valid_cross_entropy
from ...utils.world import current_world


@LOSSES.register_module()
class ValidPixelCrossEntropy(nn.Module):
    """Mean over the valid pixels of the whole batch, on all ranks together; 0 when there is none.

    MMSeg's cross entropy divides by all pixels, which halves the loss of a pseudo-label map that is half ignored; with
    ``avg_non_ignore`` it divides by this rank's valid pixels, so that the result depends on the number of ranks.

    Args:
        loss_weight: factor of the loss.
        loss_name: name in the log.
        all_pixels_when_weighted: with pixel weights divide by all pixels, ignored ones included, as the mixed loss of
            the DACS release of 2020 does.
    """

    def __init__(
        self, loss_weight: float = 1.0, loss_name: str = 'loss_ce', all_pixels_when_weighted: bool = False
    ) -> None:
        super().__init__()
        self.loss_weight = loss_weight
        self.loss_name = loss_name
        self.all_pixels_when_weighted = all_pixels_when_weighted

    def forward(
        self, cls_score: Tensor, label: Tensor, weight: Optional[Tensor] = None, ignore_index: int = 255, **_: Any
    ) -> Tensor:
        """Scores (B, C, H, W) and labels (B, H, W) to a scalar; ``weight`` (B, H, W) scales pixels, not the divisor."""
        if ignore_index is not None and ignore_index != 255:
            label = label.masked_fill(label == ignore_index, 255)
        if weight is not None and self.all_pixels_when_weighted:
            return (
                self.loss_weight
                * (F.cross_entropy(cls_score, label, reduction='none', ignore_index=255) * weight).mean()
            )
        return self.loss_weight * valid_cross_entropy(cls_score, label, weight, current_world())

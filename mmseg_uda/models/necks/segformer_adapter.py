"""A neck that upsamples single levels."""

from __future__ import annotations

from typing import Sequence

from mmseg.models.builder import NECKS
from mmseg.ops import resize
from torch import Tensor, nn


@NECKS.register_module()
class SegFormerAdapter(nn.Module):
    """Bilinearly upsamples chosen levels and passes the others on.

    Args:
        in_channels: channels of the levels; accepted from published configs, no effect.
        out_layers: indices of the levels to upsample.
        scales: factor of each of them.
    """

    def __init__(
        self,
        in_channels: Sequence[int] = (64, 128, 320, 512),
        out_layers: Sequence[int] = (3,),
        scales: Sequence[float] = (8,),
    ) -> None:
        super().__init__()
        self.factors = dict(zip(out_layers, scales))

    def forward(self, x: Sequence[Tensor]) -> list[Tensor]:
        return [
            resize(level, scale_factor=self.factors[i], mode='bilinear', align_corners=False)
            if self.factors.get(i, 1) != 1
            else level
            for i, level in enumerate(x)
        ]

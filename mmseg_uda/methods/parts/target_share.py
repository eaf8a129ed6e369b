"""How much of the target a method trains on, for the log."""

from __future__ import annotations

from typing import Optional

import torch
from torch import Tensor

from ...ops.labels import IGNORE

#: share of target pixels that have a label and a weight above 0; docs/reference/checks.md says what it means
TARGET_SHARE = 'target.share'


@torch.no_grad()
def target_share(label: Tensor, weight: Optional[Tensor] = None) -> dict[str, Tensor]:
    """The log entry :data:`TARGET_SHARE` of a batch of target images; it stays on the device.

    Args:
        label: class ids, pixels without a class marked with 255, of any shape.
        weight: of every pixel, of the same shape; None = all count.
    """
    counted = label != IGNORE
    if weight is not None:
        counted = counted & (weight > 0)
    return {TARGET_SHARE: counted.float().mean()}

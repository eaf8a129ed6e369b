"""Pseudo-labels of a teacher for a target stream."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..components.ema import EMATeacher
from ..models.training_interface import logits
from .streams import Stream


def label_with(teacher: EMATeacher, labeler: Any, target: Stream) -> tuple[Tensor, Tensor]:
    """Labels int64 (B, H, W) and weights float32 (B, H, W) of the clean target images.

    The forward pass runs in inference mode; the results are ordinary tensors that later losses may save.
    """
    with torch.inference_mode():
        label, weight = labeler(logits(teacher.model, target.img, target.metas or None), target.valid)
    return label.clone(), weight.clone()

"""Pseudo-labels of a teacher for a target stream."""

from __future__ import annotations

from typing import Any, NamedTuple, Optional

import torch
from torch import Tensor

from ...components.ema import EMATeacher
from ...models.training_interface import logits
from ...ops.known_labels import override_labels
from ...ops.pseudo_labels import class_probabilities, confidence_mask
from ...streams import Stream


class PseudoLabels(NamedTuple):
    """Labels int64 (B, H, W), pixel weights float32 (B, H, W) and, where a method asks for it, which pixels are
    confident, bool (B, H, W), and the teacher's probability of the label, float32 (B, H, W)."""

    label: Tensor
    weight: Tensor
    confident: Optional[Tensor] = None
    probability: Optional[Tensor] = None


def label_with(
    teacher: EMATeacher,
    labeler: Any,
    target: Stream,
    confidence: Optional[float] = None,
    probability: bool = False,
) -> PseudoLabels:
    """Pseudo-labels of the clean target images; where the ground truth of the target is known, that. A labeler with
    ``flip_average`` sees the mirrored images too.

    The forward pass runs in inference mode; the results are ordinary tensors that later losses may save.

    Args:
        confidence: probability from which a pixel is confident, whatever the labeler weighs; None = do not ask.
        probability: also return the highest probability, for pictures.
    """
    with torch.inference_mode():
        scores = logits(teacher.model, target.img, target.metas or None)
        given: dict[str, Any] = {}
        if getattr(labeler, 'flip_average', False):
            given['mirrored'] = logits(teacher.model, target.img.flip(-1), target.metas or None)
        label, weight = labeler(scores, target.valid, **given)
        confident = None if confidence is None else confidence_mask(scores, confidence, **given)
        highest = class_probabilities(scores, **given).amax(1) if probability else None
    pseudo = PseudoLabels(label.clone(), weight.clone(), _cloned(confident), _cloned(highest))
    return _with_truth(pseudo, target.truth)


def _cloned(values: Optional[Tensor]) -> Optional[Tensor]:
    return None if values is None else values.clone()


def _with_truth(pseudo: PseudoLabels, truth: Optional[Tensor]) -> PseudoLabels:
    """Ground truth wins over pseudo-labels where it is known; such a pixel is confident and counts fully."""
    if truth is None:
        return pseudo
    label, weight = override_labels(pseudo.label, pseudo.weight, truth[:, 0])
    confident = None if pseudo.confident is None else pseudo.confident | (truth[:, 0] != 255)
    return pseudo._replace(label=label, weight=weight, confident=confident)

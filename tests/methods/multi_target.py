"""Segmentors whose classifiers return recorded scores, to run whole iterations of multi-target methods on them."""

from __future__ import annotations

from typing import Any, Mapping

import torch
from mmseg.models.builder import HEADS
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from torch import Tensor, nn

from mmseg_uda.methods.base import LossTerm, UDASegmentor

#: (stream, classifier) -> scores
Leaves = dict[tuple[str, str], Tensor]


@HEADS.register_module()
class RecordedHead(BaseDecodeHead):
    """Returns the scores recorded for (stream, its own name)."""

    def __init__(self, num_classes: int, loss_weight: float = 1.0) -> None:
        super().__init__(
            1,
            1,
            num_classes=num_classes,
            align_corners=True,
            loss_decode=dict(type='ValidPixelCrossEntropy', loss_weight=loss_weight),
        )
        self.name = ''
        self.leaves: Leaves = {}

    def forward(self, stream: str) -> Tensor:
        return self.leaves[stream, self.name]


class RecordedSegmentor(nn.Module):
    """``extract_feat`` names the stream: images are constant, 0 for the source and 1 + i for target i."""

    def __init__(self, num_classes: int, auxiliary_weight: float = 0.0, main_weight: float = 1.0) -> None:
        super().__init__()
        self.backbone = nn.Identity()
        self.decode_head = RecordedHead(num_classes, main_weight)
        if auxiliary_weight:
            self.auxiliary_head = RecordedHead(num_classes, auxiliary_weight)

    def extract_feat(self, img: Tensor) -> str:
        number = int(img.flatten()[0])
        return f't{number - 1}' if number else 'src'


def recorded_batch(label: Tensor, num_targets: int) -> dict[str, Any]:
    """A batch for :class:`RecordedSegmentor`; ``label`` (B, H, W)."""
    shape = (label.shape[0], 3, *label.shape[1:])
    batch: dict[str, Any] = dict(img=torch.zeros(shape), img_metas=[], gt_semantic_seg=label[:, None])
    for i in range(num_targets):
        batch[f'target{i + 1 if i else ""}_img'] = torch.full(shape, float(1 + i))
    return batch


def name_heads(heads: Mapping[str, Any], leaves: Leaves) -> None:
    """Tell every head its name and the recorded scores."""
    for name, head in heads.items():
        head.name, head.leaves = name, leaves


def run_iteration(method: UDASegmentor, batch: Mapping[str, Any], leaves: Leaves) -> list[LossTerm]:
    """All terms of an iteration; gradients of the segmentor's go to ``leaves``, the others' to the discriminators."""
    terms = []
    for term in method.training_losses(batch):
        network = (term.updates or ('segmentor',))[0]
        inputs = list(leaves.values()) if network == 'segmentor' else list(method.networks()[network].parameters())
        torch.autograd.backward(term.weight * term.loss, inputs=inputs)
        terms.append(term)
    return terms

"""RIPU: training on a target of which few pixels are labelled (arXiv 2111.12940)."""

from __future__ import annotations

from typing import Any, Iterator, Mapping

import torch
from torch import Tensor

from ..models.heads import require_plain, scores_of
from ..ops import partial_label as ops
from ..ops.world import World
from ..registry import UDA
from ..streams import Stream, split_streams
from ..utils.world import current_world
from .base import LossTerm, UDASegmentor


@UDA.register_module()
class RIPU(UDASegmentor):
    """Cross entropy on the source and on the bought target pixels, local consistency, negative learning.

    The stream ``labeled_target`` holds all target images with the masks of what has been bought so far (255 elsewhere);
    without a ``source`` stream this is the source-free variant.

    Args:
        consistency_weight: of the local consistency loss on the source.
        consistency_kind: ``l1`` or ``kl``.
        negative_weight: of the negative learning loss on the target.
        negative_threshold: a class with a smaller probability is a negative.
        aux_weight: of the cross entropy of each auxiliary head.
    """

    required_streams = ('labeled_target',)

    def __init__(
        self,
        model: Any,
        consistency_weight: float = 0.1,
        consistency_kind: str = 'l1',
        negative_weight: float = 1.0,
        negative_threshold: float = 0.05,
        aux_weight: float = 0.4,
        **kwargs: Any,
    ) -> None:
        super().__init__(model, **kwargs)
        if consistency_kind not in ('l1', 'kl'):
            raise ValueError(f"consistency_kind must be 'l1' or 'kl', got '{consistency_kind}'")
        weights = dict(consistency_weight=consistency_weight, negative_weight=negative_weight, aux_weight=aux_weight)
        for name, value in weights.items():
            if value < 0:
                raise ValueError(f'uda.{name} must not be negative, got {value}')
        require_plain(self.student, 'RIPU')
        self.consistency_weight, self.consistency_kind = consistency_weight, consistency_kind
        self.negative_weight, self.negative_threshold = negative_weight, negative_threshold
        self.aux_weight = aux_weight

    def training_losses(self, batch: Mapping[str, Any]) -> Iterator[LossTerm]:
        """The iteration in order: ``source`` and ``consistency`` on one pass of the source, then ``target`` (the bought
        pixels) and ``negative`` on one pass of the target."""
        streams = split_streams(batch)
        world = current_world()
        if 'source' in streams:
            source = streams['source']
            scores, supervised = self._supervised(source, world)
            self.record_view('source', img=source.img, label=source.label)
            yield LossTerm('source', supervised, keep_graph=self.consistency_weight > 0)
            if self.consistency_weight > 0:
                consistency = ops.local_consistency_loss(
                    torch.softmax(scores, dim=1), source.require_label()[:, 0], self.consistency_kind, world
                )
                yield LossTerm('consistency', consistency, weight=self.consistency_weight)
        target = streams['labeled_target']
        scores, supervised = self._supervised(target, world)
        self.record_view('target', img=target.img, label=target.label)
        yield LossTerm('target', supervised, keep_graph=self.negative_weight > 0)
        if self.negative_weight > 0:
            negative = ops.negative_learning_loss(torch.softmax(scores, dim=1), self.negative_threshold, world=world)
            yield LossTerm('negative', negative, weight=self.negative_weight)

    def _supervised(self, stream: Stream, world: World) -> tuple[Tensor, Tensor]:
        """Class scores at image size, and the cross entropy over its labelled pixels."""
        heads = None if self.aux_weight > 0 else ['decode']
        scores = scores_of(self.student, self.student.extract_feat(stream.img), stream.img.shape[2:], heads)
        label = stream.require_label()[:, 0]
        main = scores.pop('decode')
        loss = ops.labeled_cross_entropy(main, label, world)
        for auxiliary in scores.values():
            loss = loss + self.aux_weight * ops.labeled_cross_entropy(auxiliary, label, world)
        return main, loss

"""Supervised training without adaptation: the baseline (source labels) and the oracle (target labels)."""

from __future__ import annotations

from typing import Any, Iterator, Mapping

from ..models.training_interface import segmentation_losses, training_features
from ..registry import UDA
from .base import LossTerm, TrainingEvent, UDASegmentor
from .streams import PASTE, Stream, split_streams


def supervised_terms(method: UDASegmentor, stream: Stream, prefix: str = '') -> Iterator[LossTerm]:
    """The segmentor's own losses on one labelled stream, logged with ``prefix``."""
    method.record_view(stream.name, img=stream.img, label=stream.label)
    losses = segmentation_losses(
        method.student, training_features(method.student, stream.img, method.rng), stream.label
    )
    yield LossTerm.from_losses(stream.name, losses, prefix)


@UDA.register_module()
class SourceOnly(UDASegmentor):
    """Minimises the segmentor's own losses on every labelled stream (source, labelled target); unlabelled streams are
    not looked at.

    This is also what a config without a ``uda`` block trains.
    """

    required_streams = ()

    def training_losses(self, batch: Mapping[str, Any]) -> Iterator[TrainingEvent]:
        """One term per labelled stream, logged as MMSeg logs them (the source without a prefix)."""
        for name, stream in split_streams(batch).items():
            if stream.label is not None and name != PASTE:
                yield from supervised_terms(self, stream, '' if name == 'source' else f'{name}.')

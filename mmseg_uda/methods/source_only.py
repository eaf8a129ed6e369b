"""Supervised training without adaptation: the baseline (source labels) and the oracle (target labels)."""
from __future__ import annotations

from typing import Any, Iterator, Mapping

from ..models.training_interface import segmentation_losses, training_features
from ..registry import UDA
from .base import LossTerm, TrainingEvent, UDASegmentor
from .streams import split_streams


@UDA.register_module()
class SourceOnly(UDASegmentor):
    """Minimises the segmentor's own losses on every labelled stream (source, labelled target); unlabelled streams are not looked at.

    This is also what a config without a ``uda`` block trains.
    """
    required_streams = ()

    def training_losses(self, batch: Mapping[str, Any]) -> Iterator[TrainingEvent]:
        """One term per labelled stream, logged as MMSeg logs them (the source without a prefix)."""
        for name, stream in split_streams(batch).items():
            if stream.label is None:
                continue
            self.record_view(name, img=stream.img, label=stream.label)
            losses = segmentation_losses(self.student, training_features(self.student, stream.img, self.rng), stream.label)
            yield LossTerm.from_losses(name, losses, '' if name == 'source' else f'{name}.')

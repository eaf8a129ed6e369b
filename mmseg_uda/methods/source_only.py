"""Supervised training without adaptation: the baseline (source labels) and the oracle (target labels)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Iterator, Mapping, Optional

import torch

from ..registry import MIXERS, UDA
from ..streams import LABELED_TARGET, PASTE, SOURCE, Stream, split_streams
from ..utils.config import build_from_config
from .base import LossTerm, TrainingEvent, UDASegmentor
from .parts.frames import with_key_frame
from .parts.labeled_target import LabeledTarget
from .parts.supervised import Weighted, supervised_terms


@UDA.register_module()
class SourceOnly(UDASegmentor):
    """Minimises the segmentor's own losses on every labelled stream (source, labelled target); unlabelled streams are
    not looked at.

    This is also what a config without a ``uda`` block trains.

    Args:
        labeled_target: options of :class:`~mmseg_uda.methods.parts.labeled_target.LabeledTarget`: ``supervise``,
            ``joint``.
        mixer: config in MIXERS: source pixels are pasted on labelled target images, and the network sees the result
            alone (``BoxMixer``: CutMix between the labelled domains), or None.
        kwargs: options of :class:`~mmseg_uda.methods.base.UDASegmentor`.
    """

    calls_forward_train = True

    def __init__(
        self,
        model: Any,
        labeled_target: Optional[Mapping[str, Any]] = None,
        mixer: Optional[Mapping[str, Any]] = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(model, **kwargs)
        if mixer is not None and labeled_target is not None:
            raise ValueError(
                'uda.labeled_target says what happens to unmixed images, with uda.mixer there are none: leave '
                'one of them out'
            )
        self.labeled_target = LabeledTarget(labeled_target, ('supervise', 'joint'), self.title)
        self.mixer = None if mixer is None else build_from_config(mixer, MIXERS)

    @property
    def required_streams(self) -> tuple[str, ...]:
        if self.mixer is not None:
            return (SOURCE, LABELED_TARGET)
        return (LABELED_TARGET,) if self.labeled_target.required else ()

    def training_losses(self, batch: Mapping[str, Any]) -> Iterator[TrainingEvent]:
        """One term per labelled stream, logged as MMSeg logs them (the source without a prefix); with a mixer
        ``mixed_labeled``."""
        streams = {name: with_key_frame(self.student, stream) for name, stream in split_streams(batch).items()}
        if self.mixer is not None:
            yield from self._mixed_terms(streams[SOURCE], streams[LABELED_TARGET])
            return
        labelled = [stream for name, stream in streams.items() if stream.label is not None and name != PASTE]
        for group in self.labeled_target.passes(labelled, unnamed=SOURCE):
            yield from supervised_terms(self, group)

    def _mixed_terms(self, source: Stream, labeled: Stream) -> Iterator[LossTerm]:
        assert self.mixer is not None and labeled.label is not None
        weight = torch.ones_like(labeled.label[:, 0], dtype=torch.float32)
        mixed = self.mixer(source.img, source.label, labeled.img, labeled.label[:, 0], weight, self.rng)
        yield from supervised_terms(
            self, [Weighted(replace(labeled, name='mixed_labeled', img=mixed.img, label=mixed.label))]
        )

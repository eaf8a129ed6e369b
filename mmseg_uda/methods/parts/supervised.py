"""The segmentor's own losses on labelled streams."""

from __future__ import annotations

from typing import Any, Iterator, NamedTuple, Sequence

import torch
from torch import Tensor

from ...models.own_training import own_training_steps
from ...models.training_interface import (
    Features,
    own_forward_losses,
    rows_of,
    segmentation_losses_of_parts,
    training_features,
)
from ...streams import Stream
from ..base import LossTerm, UDASegmentor


class Weighted(NamedTuple):
    """A labelled stream, the weight of its loss and the prefix of its log entries."""

    stream: Stream
    weight: float = 1.0
    prefix: str = ''


def joint_images(streams: Sequence[Stream]) -> Tensor:
    """The images of streams that pass the network as one batch.

    Raises:
        ValueError: images of different sizes.
    """
    if len({stream.img.shape[2:] for stream in streams}) > 1:
        sizes = ' and '.join(f'{tuple(stream.img.shape[2:])} ({stream.name})' for stream in streams)
        raise ValueError(
            f'labeled_target.joint makes one batch of both streams, got images of {sizes}: give both pipelines '
            'the same crop_size'
        )
    return streams[0].img if len(streams) == 1 else torch.cat([stream.img for stream in streams])


def supervised_pass(method: UDASegmentor, streams: Sequence[Stream]) -> tuple[Features, list[dict[str, Tensor]]]:
    """One training pass of labelled streams as one batch: the features of the first stream, and the losses of each."""
    for stream in streams:
        method.record_view(stream.name, img=stream.img, label=stream.label)
    if own_training_steps(method.student):
        return _own_passes(method, streams)
    features = training_features(method.student, joint_images(streams), method.rng)
    labels: list[Any] = [stream.label for stream in streams]
    losses = segmentation_losses_of_parts(method.student, features, labels)
    return rows_of(features, slice(streams[0].batch_size)), losses


def _own_passes(method: UDASegmentor, streams: Sequence[Stream]) -> tuple[Features, list[dict[str, Tensor]]]:
    """As :func:`supervised_pass` through the segmentor's own ``forward_train``, which takes one batch with one label.

    Raises:
        ValueError: several streams that should pass as one.
    """
    if len(streams) > 1:
        raise ValueError(
            f'{own_training_steps(method.student)[0]} gives one loss for a batch: labeled_target.joint, which needs '
            'one for each stream, cannot go through it'
        )
    (stream,) = streams
    assert stream.label is not None
    features, losses = own_forward_losses(method.student, stream.img, stream.metas, stream.label)
    return features, [losses]


def supervised_terms(method: UDASegmentor, group: Sequence[Weighted]) -> Iterator[LossTerm]:
    """The losses of streams that pass the network as one batch, a term each."""
    yield from terms_of(group, supervised_pass(method, [part.stream for part in group])[1])


def terms_of(
    group: Sequence[Weighted], losses: Sequence[dict[str, Tensor]], keep_graph: bool = False, **options: Any
) -> Iterator[LossTerm]:
    """One term per stream, all of one graph; ``keep_graph`` says that more terms of it follow."""
    for i, (part, values) in enumerate(zip(group, losses)):
        yield LossTerm.from_losses(
            part.stream.name,
            values,
            part.prefix,
            weight=part.weight,
            keep_graph=keep_graph or i + 1 < len(group),
            **options,
        )

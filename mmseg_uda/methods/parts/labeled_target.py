"""Labelled target images in any method: what is learnt from them, and who takes part as source and as target
(semi-supervised domain adaptation)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Mapping, NamedTuple, Optional, Sequence

import torch
from torch import Tensor

from ...ops.known_labels import exchange_images
from ...streams import LABELED_TARGET, SOURCE, TARGET, Stream, concat_streams, split_streams, target_names
from ...utils.config import check_options
from ...utils.rng import StepRng, rand_per_sample
from .supervised import Weighted

#: option -> its default; a batch without labelled target images never asks for them
DEFAULTS: dict[str, Any] = dict(supervise=1.0, joint=False, override=True, paste=0.0, mask=0.0, as_target=False)


class Roles(NamedTuple):
    """Who is who in a batch.

    Attributes:
        source: images with labels that take the source's part: the source, or without one the labelled target images.
        labeled: labelled target images beside the source, or None.
        target: target images without labels, all targets as one; None in a batch without them.
    """

    source: Stream
    labeled: Optional[Stream]
    target: Optional[Stream]

    @property
    def supervised(self) -> list[Stream]:
        """The streams with labels, the one in the source's part first."""
        return [self.source] if self.labeled is None else [self.source, self.labeled]


class LabeledTarget:
    """How a method uses the stream ``labeled_target``.

    The options stand in the config as ``uda=dict(labeled_target=dict(...))``. Giving them, even an empty dict, says
    that the run is one with labelled target images: the stream must be there, and the source may be left out. Then
    the labelled target images take the source's part in everything that the method does (semi-supervised training
    inside the target). Without the options a labelled stream that happens to be there is used with the defaults.

    Args:
        options: ``supervise`` [1.0], weight of the supervised loss on the labelled images;
            ``joint`` [False], they pass the network in one batch with the source, whose statistics batch norm then
            takes, instead of in a forward pass of their own; each loss stays the mean over its own images;
            ``override`` [True], in images of the unlabelled stream whose ground truth is known
            (``data.train.known_labels``), it replaces the pseudo-label and counts fully; ``paste`` [0.0], probability
            for each image that the pasted classes come from a labelled target image instead of the source; ``mask``
            [0.0], weight of the loss on masked labelled images, with their labels (MIC); ``as_target`` [False],
            labelled images also count as target images in adversarial and entropy losses.
        usable: the options that the method can make use of.
        method: its name, for messages.

    Raises:
        KeyError: an option that the method does not have. ValueError: a value out of range.
    """

    def __init__(self, options: Optional[Mapping[str, Any]], usable: Sequence[str], method: str) -> None:
        self.required = options is not None
        check_options(options or {}, usable, f'uda.labeled_target ({method})')
        values = {**DEFAULTS, **(options or {})}
        for key in ('supervise', 'mask'):
            if values[key] < 0:
                raise ValueError(f'labeled_target.{key} must not be negative, got {values[key]}')
        if not 0 <= values['paste'] <= 1:
            raise ValueError(f'labeled_target.paste is a probability in [0, 1], got {values["paste"]}')
        self.supervise, self.mask, self.paste = (
            float(values['supervise']),
            float(values['mask']),
            float(values['paste']),
        )
        self.override, self.as_target, self.joint = (
            bool(values['override']),
            bool(values['as_target']),
            bool(values['joint']),
        )

    @property
    def labeled_streams(self) -> tuple[str, ...]:
        """The streams with labels that the method needs."""
        return (LABELED_TARGET,) if self.required else (SOURCE,)

    def roles(self, batch: Mapping[str, Any]) -> Roles:
        """Give the streams of a batch their parts."""
        streams = split_streams(batch)
        labeled = streams.get(LABELED_TARGET)
        source = streams.get(SOURCE)
        if source is None:
            if labeled is None:
                raise KeyError(f"a batch needs a 'source' or a 'labeled_target' stream, it has {sorted(streams)}")
            source, labeled = labeled, None
        targets = [streams[name] for name in target_names(list(streams))]
        if targets and self.as_target and LABELED_TARGET in streams:
            targets.append(replace(streams[LABELED_TARGET], name=TARGET, label=None, valid=None))
        target = concat_streams(targets) if targets else None
        if target is not None and not self.override:
            target = replace(target, truth=None)
        return Roles(source, labeled, target)

    def passes(self, labelled: Sequence[Stream], unnamed: str) -> list[list[Weighted]]:
        """Streams with labels in the groups that pass the network as one batch.

        Args:
            labelled: the streams; without a source among them the labelled target images count fully, whatever
                ``supervise`` says.
            unnamed: the stream that is logged without a prefix.
        """
        adapts = any(stream.name == SOURCE for stream in labelled)
        groups: list[list[Weighted]] = []
        for stream in labelled:
            extra = adapts and stream.name == LABELED_TARGET
            part = Weighted(
                stream, self.supervise if extra else 1.0, '' if stream.name == unnamed else f'{stream.name}.'
            )
            if part.weight == 0:
                continue
            if extra and self.joint:
                next(group for group in groups if group[0].stream.name == SOURCE).append(part)
            else:
                groups.append([part])
        return groups

    def pasted(self, roles: Roles, rng: StepRng) -> Stream:
        """The source with some of its images exchanged for labelled target images; classes are pasted from the result.

        Raises:
            ValueError: the two streams differ in image or batch size.
        """
        source, labeled = roles.source, roles.labeled
        if labeled is None or self.paste == 0:
            return source
        if source.img.shape != labeled.img.shape:
            raise ValueError(
                'labeled_target.paste exchanges source images for labelled target images of one size, got '
                f'{tuple(source.img.shape)} and '
                f'{tuple(labeled.img.shape)}: give both pipelines the same crop_size'
            )
        chosen = self._chosen(source, rng)
        assert source.label is not None and labeled.label is not None
        return replace(
            source,
            img=exchange_images(chosen, source.img, labeled.img),
            label=exchange_images(chosen, source.label, labeled.label),
        )

    def _chosen(self, source: Stream, rng: StepRng) -> Tensor:
        """Which images come from the labelled target: bool (B,) on the device."""
        if self.paste == 1:
            return torch.ones(source.batch_size, dtype=torch.bool, device=source.img.device)
        draws = rand_per_sample(rng.samples, source.batch_size)
        return (draws < self.paste).to(source.img.device, non_blocking=True)

"""Several targets that stay apart, and a classifier per target."""

from __future__ import annotations

import copy
from abc import abstractmethod
from typing import Any, ClassVar, Iterator, Mapping, Optional, Sequence

import torch
from mmcv.runner import ModuleList
from torch import Tensor, nn

from ...models.heads import class_scores, has_one_channel, heads_of, require_plain_losses, scores_of
from ...models.losses.segmentation import head_losses
from ...ops.binary import one_plane
from ...streams import LABELED_TARGET, SOURCE, TARGET, Stream, split_streams, target_names
from ..base import LossTerm, UDASegmentor
from .labeled_target import LabeledTarget


class MultiTarget(UDASegmentor):
    """Base of the methods that treat every target in its own way.

    Args:
        num_targets: number of target streams; a config need not give it, it is that of ``data.train.target``.
        labeled_target: options of :class:`~mmseg_uda.methods.parts.labeled_target.LabeledTarget`: ``supervise``.
            Labelled images of any target add the supervised loss of every classifier; the source stays.
        kwargs: options of :class:`~mmseg_uda.methods.base.UDASegmentor`.
    """

    def __init__(self, num_targets: int = 2, labeled_target: Optional[Mapping[str, Any]] = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        require_plain_losses(self.student, self.title)
        self.labeled_target = LabeledTarget(labeled_target, ('supervise',), self.title)
        if num_targets < 1:
            raise ValueError(f'num_targets must be at least 1, got {num_targets}')
        self.num_targets = num_targets

    @property
    def required_streams(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((SOURCE, *self.labeled_target.labeled_streams, TARGET)))

    def training_losses(self, batch: Mapping[str, Any]) -> Iterator[LossTerm]:
        """The method's :meth:`domain_terms`, then the supervised loss of all classifiers on labelled target images."""
        streams = split_streams(batch)
        names = target_names(list(streams))
        if len(names) != self.num_targets:
            raise ValueError(
                f'{self.title} was built for num_targets={self.num_targets}, but the batch holds {names}: '
                'give data.train.target a list of that many data sets'
            )
        for name in (SOURCE, *names):
            self.record_view(name, img=streams[name].img, label=streams[name].label)
        yield from self.domain_terms(streams[SOURCE], [streams[name] for name in names])
        if LABELED_TARGET in streams and self.labeled_target.supervise > 0:
            yield self._labeled_term(streams[LABELED_TARGET])

    def classifiers(self) -> dict[str, Any]:
        """The classifiers on the last features that learn from labelled target images, by name."""
        return {'agnostic': self.student.decode_head}

    def _labeled_term(self, labeled: Stream) -> LossTerm:
        self.record_view(labeled.name, img=labeled.img, label=labeled.label)
        features = self.student.extract_feat(labeled.img)
        scores = scores_of(self.student, features, labeled.img.shape[2:], self.classifiers())
        losses = self.source_losses('decode', scores, labeled)
        return LossTerm.from_losses(
            labeled.name, losses, f'{labeled.name}.', weight=self.labeled_target.supervise, updates=('segmentor',)
        )

    @abstractmethod
    def domain_terms(self, source: Stream, targets: list[Stream]) -> Iterator[LossTerm]:
        """Yield the loss terms of one iteration."""

    def source_losses(self, level: str, scores: Mapping[str, Tensor], source: Stream) -> dict[str, Tensor]:
        """The losses of a level's head (``loss_decode``) on the source label, for every classifier in ``scores``."""
        assert source.label is not None
        head = heads_of(self.student)[level]
        return {
            f'{name}.{key}': value
            for name, logits in scores.items()
            for key, value in head_losses(head, logits, source.label).items()
        }


class DomainHeads(MultiTarget):
    """Base of the methods with a classifier per target besides the decode head, which is target-agnostic and answers
    at test time.

    The domain heads are clones of the decode head's architecture, whatever it is. They are part of the student
    (``domain_heads.<i>.*`` in checkpoints, those of auxiliary levels under ``domain_auxiliary_heads.<level>.<i>.*``),
    so that its optimiser trains them. ``test_with`` also takes ``domain0``, ``domain1`` ... and ``average`` (mean of
    the domain heads' probabilities).
    """

    #: whether auxiliary heads are cloned as well
    clones_auxiliary: ClassVar[bool] = False

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        levels = heads_of(self.student)
        self.levels = list(levels) if self.clones_auxiliary else ['decode']
        clones = {
            level: ModuleList([copy.deepcopy(levels[level]) for _ in range(self.num_targets)]) for level in self.levels
        }
        self.student.domain_heads = clones.pop('decode')
        if clones:
            self.student.domain_auxiliary_heads = _Levels(clones)

    def classifiers(self) -> dict[str, Any]:
        return {**super().classifiers(), **{f'domain{i}': head for i, head in enumerate(self.heads())}}

    def heads(self, level: str = 'decode') -> Sequence[Any]:
        """The domain heads of a level, in the order of the targets."""
        return self.student.domain_heads if level == 'decode' else self.student.domain_auxiliary_heads[level]

    def test_networks(self) -> dict[str, nn.Module]:
        """The student with its agnostic head, with each domain head in its place, and with the average of all."""
        found = super().test_networks()
        heads = getattr(self.student, 'domain_heads', None)
        if heads is not None:
            found.update({f'domain{i}': _with_head(self.student, head) for i, head in enumerate(heads)})
            found['average'] = _with_head(self.student, HeadAverage(heads))
        return found


class _Levels(nn.ModuleDict):
    """Heads by level whose weights are initialised with the rest of the segmentor."""

    def init_weights(self) -> None:
        heads: Any
        for heads in self.values():
            heads.init_weights()


class HeadAverage(nn.Module):
    """Several heads as one: the logarithm of their mean class probabilities."""

    def __init__(self, heads: Sequence[nn.Module]) -> None:
        super().__init__()
        self.members: Sequence[Any] = heads
        self.align_corners = heads[0].align_corners
        self.num_classes, self.out_channels = heads[0].num_classes, getattr(heads[0], 'out_channels', None)
        self.threshold = getattr(heads[0], 'threshold', None)

    def forward_test(self, inputs: Any, img_metas: Any, test_cfg: Any) -> Tensor:
        """Features to (B, C, h, w), as every decode head of MMSegmentation gives them (C = 1 of one-channel heads)."""
        outputs = [head.forward_test(inputs, img_metas, test_cfg) for head in self.members]
        probabilities = [class_scores(head, out, None).softmax(1) for head, out in zip(self.members, outputs)]
        mean = torch.stack(probabilities).mean(dim=0).clamp(min=1e-30).log()
        return one_plane(mean) if has_one_channel(self) else mean


def _with_head(segmentor: nn.Module, head: nn.Module) -> nn.Module:
    """A view of ``segmentor`` that shares everything with it but its decode head."""
    view = copy.copy(segmentor)
    view._modules = {**segmentor._modules, 'decode_head': head}
    return view

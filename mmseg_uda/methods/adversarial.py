"""Adversarial and entropy-based adaptation: AdaptSegNet (arXiv 1802.10349), AdvEnt and MinEnt (arXiv 1811.12833), ESL
(arXiv 2006.08658)."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import replace
from typing import Any, Callable, Iterator, Mapping, Optional, Sequence

import torch
from torch import Tensor, nn

from ..models.heads import ByHead, heads_of, positive, require_plain_losses, scores_of, weight_per_head
from ..models.losses.segmentation import head_losses, trained_heads
from ..models.modes import set_teacher_mode
from ..models.training_interface import consecutive, rows_of
from ..ops.adversarial import DOMAIN_LOSSES, SOURCE_DOMAIN, TARGET_DOMAIN, domain_accuracy
from ..ops.entropy import class_prior_loss, entropy_loss, self_information
from ..ops.esl import class_histogram
from ..ops.known_labels import override_labels
from ..ops.memory_format import stored_for
from ..registry import DISCRIMINATORS, PSEUDO_LABELERS, UDA
from ..streams import TARGET, Stream
from ..utils.config import build_from_config, check_options, signature_names
from ..utils.rng import StepRng
from ..utils.world import current_world
from .base import LossTerm, UDASegmentor
from .parts.labeled_target import LabeledTarget
from .parts.masked_consistency import MaskedConsistency
from .parts.supervised import joint_images, terms_of
from .parts.target_share import TARGET_SHARE, target_share

Scores = Mapping[str, Tensor]

TRANSFORMS: dict[str, Callable[[Tensor], Tensor]] = {
    'self_information': self_information,
    'prob': lambda scores: scores.softmax(dim=1),
}
SEGMENTOR = ('segmentor',)
_MASKING_OPTIONS = (signature_names(MaskedConsistency) or set()) - {'student', 'teacher_options'}


class OutputAdaptation(UDASegmentor):
    """Base of the methods that adapt the class scores of one or several classifiers: source loss, then target loss.

    The losses on labels are those of the segmentor's heads (``loss_decode`` and its ``loss_weight``). Target images
    pass the network in training mode, so that batch-norm statistics follow both domains.

    Args:
        target_ce: weight of the heads' losses on the pseudo-labels that the target stream brings (third stage of ESL
            and BDL: ``target=dict(type='PseudoLabelDataset', ...)``), or None or 0.
        labeled_target: options of :class:`~mmseg_uda.methods.parts.labeled_target.LabeledTarget`: ``supervise``,
            ``joint``, ``override``, ``as_target``. Labelled target images add their supervised loss; without a source
            they take its part, in the discriminators too.
        masking: options of :class:`~mmseg_uda.methods.parts.masked_consistency.MaskedConsistency` (MIC, arXiv
            2212.01322, which adds it to AdaptSegNet and MinEnt), with ``alpha`` (default 0.999) of the teacher it
            keeps and the ``pseudo_labeler``; None = off.
        kwargs: options of :class:`~mmseg_uda.methods.base.UDASegmentor`.
    """

    def __init__(
        self,
        target_ce: Optional[float] = None,
        labeled_target: Optional[Mapping[str, Any]] = None,
        masking: Optional[Mapping[str, Any]] = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.labeled_target = LabeledTarget(labeled_target, ('supervise', 'joint', 'override', 'as_target'), self.title)
        if target_ce is not None and target_ce < 0:
            raise ValueError(f'target_ce must not be negative, got {target_ce}')
        self.target_ce = target_ce
        require_plain_losses(self.student, self.title)
        self.masking = None if masking is None else self._build_masking(dict(masking))

    @property
    def required_streams(self) -> tuple[str, ...]:
        return (*self.labeled_target.labeled_streams, TARGET)

    def _build_masking(self, options: dict[str, Any]) -> MaskedConsistency:
        check_options(options, _MASKING_OPTIONS, 'uda.masking')
        num_classes = self.student.decode_head.num_classes
        labeler = build_from_config(
            options.pop('pseudo_labeler', dict(type='ConfidenceShare')), PSEUDO_LABELERS, num_classes=num_classes
        )
        if options.setdefault('alpha', 0.999) == 'same':
            raise ValueError("uda.masking.alpha='same': this method has no teacher of its own to share; give a number")
        return MaskedConsistency(self.student, {}, labeler, **options)

    def train(self, mode: bool = True) -> OutputAdaptation:
        """Train mode, but no drop-out in the teacher of the masked images."""
        super().train(mode)
        if self.masking is not None and self.masking.teacher is not None:
            set_teacher_mode(self.masking.teacher.model, mode)
        return self

    def begin_iteration(self, iteration: int, rng: StepRng) -> None:
        super().begin_iteration(iteration, rng)
        if self.masking is not None:
            self.masking.update_teacher(self.student, iteration)

    def training_losses(self, batch: Mapping[str, Any]) -> Iterator[LossTerm]:
        """The iteration in order: losses of all heads on the source (and labelled target) images; ``target``: the
        method's losses on the target's scores, and those on its pseudo-labels; ``masked``; then the discriminators, on
        scores without graph. Only the latter update ``discriminator``. What has weight 0 is not computed."""
        roles = self.labeled_target.roles(batch)
        source, target = roles.source, roles.target
        assert target is not None
        source_maps: Scores = {}
        for group in self.labeled_target.passes(roles.supervised, unnamed=''):
            streams = [part.stream for part in group]
            parts = self._scores_of(streams)
            losses_on_labels = [self.label_losses(scores, stream) for scores, stream in zip(parts, streams)]
            if streams[0] is source:
                source_maps = self.maps(_detached(parts[0]))
            del parts
            yield from terms_of(group, losses_on_labels, updates=SEGMENTOR)
        self.record_view(source.name, img=source.img, label=source.label)
        self.record_view('target', img=target.img, label=target.label)
        scores = self._target_scores(target.img)
        share: dict[str, Tensor] = {}
        target_maps: Scores = {}
        if scores:
            maps = self.maps(scores)
            target_maps = _detached(maps)
            term, share = self._target_term(scores, maps, source, target)
            del scores, maps
            yield term
            del term
        if self.masking is not None and self.masking.weight > 0:
            term = replace(self.masking.loss(self, source, (target, None, None)), updates=SEGMENTOR)
            if share:
                term.log.pop(TARGET_SHARE, None)  # logged above
            yield term
        yield from self.discriminator_terms(source_maps, target_maps)

    @property
    def adapted_heads(self) -> list[str]:
        """The heads on whose scores of target images the method's losses act; all unless a method knows better."""
        return list(heads_of(self.student))

    @property
    def source_heads(self) -> list[str]:
        """The heads whose scores of labelled images are needed: those with losses."""
        return trained_heads(self.student)

    def _target_scores(self, img: Tensor) -> dict[str, Tensor]:
        """The scores of the heads that have losses on target images. Without any, the images pass the encoder alone,
        whose batch norm follows both domains."""
        wanted = {*self.adapted_heads, *(trained_heads(self.student) if self.target_ce else ())}
        if not wanted:
            with torch.no_grad():
                self.student.extract_feat(img)
            return {}
        heads = [name for name in heads_of(self.student) if name in wanted]
        return scores_of(self.student, self.student.extract_feat(img), img.shape[2:], heads)

    def _target_term(
        self, scores: Scores, maps: Scores, source: Stream, target: Stream
    ) -> tuple[LossTerm, dict[str, Tensor]]:
        """The method's losses on target images, those on pseudo-labels, and what is logged about the labels."""
        losses, weights = self.target_losses(maps, source), dict(self.target_weights)
        share: dict[str, Tensor] = {}
        if self.target_ce:
            labelled = self.with_pseudo_labels(target)
            assert labelled.label is not None
            share = target_share(labelled.label, labelled.valid)
            for key, value in self.label_losses(scores, labelled).items():
                losses[f'target.{key}'], weights[f'target.{key}'] = value, self.target_ce
        term = LossTerm.from_losses('target', losses, weights=weights, updates=SEGMENTOR)
        term.log.update(share)
        return term, share

    def _scores_of(self, streams: Sequence[Stream]) -> list[dict[str, Tensor]]:
        """The scores of streams that pass the network as one batch, stream by stream."""
        img = joint_images(streams)
        scores = scores_of(self.student, self.student.extract_feat(img), img.shape[2:], self.source_heads)
        rows = consecutive([stream.batch_size for stream in streams])
        return [{level: rows_of(value, images) for level, value in scores.items()} for images in rows]

    def label_losses(self, scores: Scores, stream: Stream) -> dict[str, Tensor]:
        """The heads' own losses on a stream's labels."""
        heads = heads_of(self.student)
        trained = trained_heads(self.student)
        assert stream.label is not None
        weight = None if stream.valid is None else stream.valid[:, 0].float()
        return {
            f'{level}.{key}': loss
            for level, value in scores.items()
            if level in trained
            for key, loss in head_losses(heads[level], value, stream.label, weight).items()
        }

    def maps(self, scores: Scores) -> Scores:
        """What the method's losses on target images and its discriminators see of the scores; made once for all."""
        return scores

    @abstractmethod
    def target_losses(self, maps: Scores, source: Stream) -> dict[str, Tensor]:
        """Losses on the :meth:`maps` of the target images; their keys contain ``loss``."""

    @property
    @abstractmethod
    def target_weights(self) -> dict[str, float]:
        """The weights of these losses by key."""

    def discriminator_terms(self, source: Scores, target: Scores) -> Iterator[LossTerm]:
        """Terms that train discriminators, on :meth:`maps` without graph."""
        return iter(())

    def with_pseudo_labels(self, target: Stream) -> Stream:
        """The target with the labels that ``target_ce`` counts: its pseudo-labels, and ground truth where that is
        known."""
        if target.label is None:
            raise ValueError(
                f'{self.title} with target_ce needs pseudo-labels: set data.train.target = '
                "dict(type='PseudoLabelDataset', dataset=..., folder=...) (tools/pseudo_labels.py writes the folder)"
            )
        if target.truth is None:
            return target
        valid = torch.ones_like(target.truth, dtype=torch.uint8) if target.valid is None else target.valid
        label, weight = override_labels(target.label, valid, target.truth)
        return replace(target, label=label, valid=weight)


def _detached(scores: Scores) -> dict[str, Tensor]:
    return {level: value.detach() for level, value in scores.items()}


@UDA.register_module()
class AdvEnt(OutputAdaptation):
    """A discriminator per level tells source from target by self-information maps, and the segmentor learns to fool it.

    Trained networks: ``segmentor`` and ``discriminator`` (all levels in one optimiser; Adam treats parameters one by
    one, so that this equals one optimiser each).

    Args:
        lambda_adv: weight of the adversarial loss per level; default ``dict(decode=0.001, aux=0.0002)`` where the level
            exists. The discriminator of a level of weight 0 is not trained.
        discriminator: config of one level's discriminator; ``num_classes`` is filled in.
        input_transform: what discriminators see: ``self_information`` (AdvEnt) or ``prob`` (AdaptSegNet).
        domain_loss: ``bce`` or ``mse`` (least squares).
        target_ce: see :class:`OutputAdaptation`; 1 in ESL.
        kwargs: options of :class:`~mmseg_uda.methods.base.UDASegmentor`.
    """

    def __init__(
        self,
        lambda_adv: Optional[Mapping[str, float]] = None,
        discriminator: Optional[Mapping[str, Any]] = None,
        input_transform: str = 'self_information',
        domain_loss: str = 'bce',
        target_ce: Optional[float] = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(target_ce=target_ce, **kwargs)
        for option, value, valid in (
            ('input_transform', input_transform, TRANSFORMS),
            ('domain_loss', domain_loss, DOMAIN_LOSSES),
        ):
            if value not in valid:
                raise ValueError(f"{option} must be one of {', '.join(valid)}, got '{value}'")
        self.transform = TRANSFORMS[input_transform]
        self.domain_loss = DOMAIN_LOSSES[domain_loss]
        heads = heads_of(self.student)
        self.lambda_adv = weight_per_head(lambda_adv, dict(decode=0.001, aux=0.0002), heads, 'lambda_adv')
        self.discriminators = ByHead(
            {
                level: build_from_config(
                    dict(discriminator or dict(type='FCDiscriminator')),
                    DISCRIMINATORS,
                    num_classes=heads[level].num_classes,
                )
                for level in self.lambda_adv
            }
        )

    def networks(self) -> dict[str, nn.Module]:
        return {'segmentor': self.student, 'discriminator': self.discriminators}

    @property
    def adapted_heads(self) -> list[str]:
        return positive(self.lambda_adv)

    @property
    def source_heads(self) -> list[str]:
        """Those with losses, and those whose discriminators are trained."""
        wanted = {*super().source_heads, *self.adapted_heads}
        return [name for name in heads_of(self.student) if name in wanted]

    def maps(self, scores: Scores) -> Scores:
        """``input_transform`` of the scores that are adapted."""
        return {
            level: stored_for(self.discriminators[level], self.transform(scores[level])) for level in self.adapted_heads
        }

    def target_losses(self, maps: Scores, source: Stream) -> dict[str, Tensor]:
        """The target's maps should be taken for the source's."""
        return {
            f'adv.{level}.loss': self.domain_loss(self.discriminators[level](maps[level]), SOURCE_DOMAIN)
            for level in self.adapted_heads
        }

    @property
    def target_weights(self) -> dict[str, float]:
        return {f'adv.{level}.loss': weight for level, weight in self.lambda_adv.items()}

    def discriminator_terms(self, source: Scores, target: Scores) -> Iterator[LossTerm]:
        """Half of each domain's loss; every (level, domain) has its own graph."""
        for level in self.adapted_heads:
            for name, domain, maps in (('source', SOURCE_DOMAIN, source), ('target', TARGET_DOMAIN, target)):
                judged = self.discriminators[level](maps[level])
                loss = self.domain_loss(judged, domain)
                key = f'disc.{level}.{name}'
                yield LossTerm(
                    key,
                    loss,
                    0.5,
                    {f'{key}.loss': loss, f'{key}.acc': domain_accuracy(judged, domain)},
                    updates=('discriminator',),
                )


@UDA.register_module()
class AdaptSegNet(AdvEnt):
    """Output-space adversarial adaptation: :class:`AdvEnt` with discriminators that see plain probabilities."""

    def __init__(self, input_transform: str = 'prob', **kwargs: Any) -> None:
        super().__init__(input_transform=input_transform, **kwargs)


@UDA.register_module()
class MinEnt(OutputAdaptation):
    """Direct entropy minimisation on the target.

    Args:
        lambda_ent: weight of the entropy per level; default ``dict(decode=0.001, aux=0.0002)`` where the level exists.
        hardest: share of each image's pixels that count, those of highest entropy; None = all.
        lambda_prior: weight per level of the penalty for classes that vanish from the target prediction, or None. The
            source's class shares are counted during training.
        prior_slack: relaxation of that penalty.
        target_ce: see :class:`OutputAdaptation`.
        kwargs: options of :class:`~mmseg_uda.methods.base.UDASegmentor`.
    """

    class_counts: Tensor

    def __init__(
        self,
        lambda_ent: Optional[Mapping[str, float]] = None,
        hardest: Optional[float] = None,
        lambda_prior: Optional[Mapping[str, float]] = None,
        prior_slack: float = 0.5,
        target_ce: Optional[float] = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(target_ce=target_ce, **kwargs)
        if hardest is not None and not 0 < hardest <= 1:
            raise ValueError(f'hardest must lie in (0, 1], got {hardest}')
        heads = heads_of(self.student)
        self.lambda_ent = weight_per_head(lambda_ent, dict(decode=0.001, aux=0.0002), heads, 'lambda_ent')
        self.lambda_prior = weight_per_head(lambda_prior or {}, {}, heads, 'lambda_prior')
        self.hardest = hardest
        self.prior_slack = prior_slack
        self.register_buffer('class_counts', torch.zeros(heads['decode'].num_classes, dtype=torch.float64))

    @property
    def adapted_heads(self) -> list[str]:
        return list(dict.fromkeys([*positive(self.lambda_ent), *positive(self.lambda_prior)]))

    def target_losses(self, scores: Scores, source: Stream) -> dict[str, Tensor]:
        """Entropy of the target scores and, when asked for, the class prior."""
        losses = {f'ent.{level}.loss': entropy_loss(scores[level], self.hardest) for level in positive(self.lambda_ent)}
        if positive(self.lambda_prior):
            prior = self._source_prior(source)
            for level in positive(self.lambda_prior):
                losses[f'prior.{level}.loss'] = class_prior_loss(scores[level], prior, self.prior_slack)
        return losses

    @property
    def target_weights(self) -> dict[str, float]:
        parts = (('ent', self.lambda_ent), ('prior', self.lambda_prior))
        return {f'{name}.{level}.loss': weight for name, weights in parts for level, weight in weights.items()}

    def _source_prior(self, source: Stream) -> Tensor:
        """Class shares among all source pixels so far."""
        assert source.label is not None
        counts = class_histogram(source.label, torch.zeros_like(source.label), len(self.class_counts), 1)[:, 0]
        self.class_counts += current_world().total(counts.double())
        return (self.class_counts / self.class_counts.sum().clamp(min=1)).float()

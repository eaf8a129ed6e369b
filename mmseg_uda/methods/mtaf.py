"""Adversarial adaptation to several targets: MTAF (arXiv 2108.06962), with its baseline and its two methods."""

from __future__ import annotations

from typing import Any, Iterator, Mapping, Optional, Sequence

import torch
from torch import Tensor, nn

from ..components.adversary import Adversary
from ..models.heads import heads_of, positive, scores_of, weight_per_head
from ..models.losses.segmentation import trained_heads
from ..ops.cooperative import distillation_loss
from ..ops.domain_game import SOURCE_MAPS
from ..registry import UDA
from ..streams import Stream
from .base import LossTerm
from .parts.multi_target import DomainHeads, MultiTarget

SEGMENTOR = ('segmentor',)
MDIS_GAMES = ('shared', 'multi')
#: level -> scores
Scores = Mapping[str, Tensor]


def detached(values: Scores) -> dict[str, Tensor]:
    """``values`` without graph."""
    return {level: value.detach() for level, value in values.items()}


def discriminator_terms(adversary: Adversary, shown: Mapping[str, Mapping[int, Tensor]]) -> Iterator[LossTerm]:
    """Terms that train the discriminators."""
    for name, loss, weight in adversary.training_losses(shown):
        yield LossTerm(name, loss, weight, {f'{name}.loss': loss.detach()}, updates=('discriminator',))


@UDA.register_module()
class MDis(MultiTarget):
    """One network for all targets against several discriminators: source and each target, and targets among each other.

    Trained networks: ``segmentor`` and ``discriminator`` (all of them; Adam treats parameters one by one).

    Args:
        game: ``multi`` (MDis), or ``shared``: the baseline of MTAF with one discriminator for all targets.
        lambda_adv: weight of every verdict per level; default ``dict(decode=0.001, aux=0.0002)`` where the level
            exists. Discriminators of a level of weight 0 are not trained.
        discriminator: config of one discriminator; ``num_classes`` is filled in.
        domain_loss: ``bce`` or ``mse``.
        official: as the released code: auxiliary discriminators weight the source with 1 / (1 + number of targets)
            instead of one half, and with more than two targets only the last one of those that tell targets apart
            learns.
        kwargs: options of :class:`~mmseg_uda.methods.parts.multi_target.MultiTarget`.
    """

    def __init__(
        self,
        game: str = 'multi',
        lambda_adv: Optional[Mapping[str, float]] = None,
        discriminator: Optional[Mapping[str, Any]] = None,
        domain_loss: str = 'bce',
        official: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if game not in MDIS_GAMES:
            raise ValueError(f"game must be one of {', '.join(MDIS_GAMES)}, got '{game}'")
        heads = heads_of(self.student)
        self.lambda_adv = weight_per_head(lambda_adv, dict(decode=0.001, aux=0.0002), heads, 'lambda_adv')
        weights = {
            level: (1 / (1 + self.num_targets), 0.5) for level in self.lambda_adv if official and level != 'decode'
        }
        self.adversary = Adversary(
            {level: heads[level].num_classes for level in self.lambda_adv},
            self.num_targets,
            game,
            discriminator,
            domain_loss,
            weights,
            stale=official,
        )

    def networks(self) -> dict[str, nn.Module]:
        return {'segmentor': self.student, 'discriminator': self.adversary}

    def domain_terms(self, source: Stream, targets: list[Stream]) -> Iterator[LossTerm]:
        """The iteration in order: ``source``; ``target0`` ...: each target's maps should fool every discriminator that
        sees them; ``disc.*``: the discriminators, on the scores of before without graph."""
        adapted, trained = positive(self.lambda_adv), trained_heads(self.student)
        heads = [level for level in heads_of(self.student) if level in {*adapted, *trained}]
        scores = scores_of(self.student, self.student.extract_feat(source.img), source.img.shape[2:], heads)
        losses = {
            key: value
            for level in trained
            for key, value in self.source_losses(level, {level: scores[level]}, source).items()
        }
        shown = {level: {SOURCE_MAPS: self.adversary.maps(level, scores[level].detach())} for level in adapted}
        del scores
        yield LossTerm.from_losses('source', losses, prefix='source.', updates=SEGMENTOR)
        for i, target in enumerate(targets):
            if not adapted:  # batch norm follows all domains
                with torch.no_grad():
                    self.student.extract_feat(target.img)
                continue
            scores = scores_of(self.student, self.student.extract_feat(target.img), target.img.shape[2:], adapted)
            maps = {level: self.adversary.maps(level, scores[level]) for level in adapted}
            del scores
            losses = {f'adv.{level}.loss': self.adversary.fooling_loss(level, i, maps[level]) for level in adapted}
            weights = {f'adv.{level}.loss': weight for level, weight in self.lambda_adv.items()}
            for level, value in detached(maps).items():
                shown[level][i] = value
            del maps
            yield LossTerm.from_losses(f'target{i}', losses, f'target{i}.', weights, updates=SEGMENTOR)
        yield from discriminator_terms(self.adversary, shown)


@UDA.register_module()
class MTKT(DomainHeads):
    """A discriminator and a classifier per target; the agnostic classifier learns from the target classifiers.

    Args:
        lambda_adv: weight of every target's adversarial loss per level; default ``dict(decode=0.0005, aux=0.0001)``.
            Discriminators of a level of weight 0 are not trained.
        lambda_kd: weight of the distillation per level; default ``dict(decode=1, aux=0.1 / num_targets)``; an empty
            dict for none.
        teacher_start: first iteration with distillation.
        discriminator: config of one discriminator; ``num_classes`` is filled in.
        discriminator_weight: factor of each domain's discriminator loss.
        domain_loss: ``bce`` or ``mse``.
        official: as the released code, whose auxiliary discriminator of the last target judges every target.
        kwargs: options of :class:`~mmseg_uda.methods.parts.multi_target.DomainHeads`.
    """

    clones_auxiliary = True

    def __init__(
        self,
        lambda_adv: Optional[Mapping[str, float]] = None,
        lambda_kd: Optional[Mapping[str, float]] = None,
        teacher_start: int = 0,
        discriminator: Optional[Mapping[str, Any]] = None,
        discriminator_weight: float = 0.5,
        domain_loss: str = 'bce',
        official: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        heads = {level: head for level, head in heads_of(self.student).items() if level in self.levels}
        self.lambda_adv = weight_per_head(lambda_adv, dict(decode=0.0005, aux=0.0001), heads, 'lambda_adv')
        self.lambda_kd = weight_per_head(lambda_kd, dict(decode=1.0, aux=0.1 / self.num_targets), heads, 'lambda_kd')
        for option, value in (('teacher_start', teacher_start), ('discriminator_weight', discriminator_weight)):
            if value < 0:
                raise ValueError(f'uda.{option} must not be negative, got {value}')
        self.teacher_start = teacher_start
        weights = {level: (discriminator_weight, discriminator_weight) for level in self.lambda_adv}
        self.adversary = Adversary(
            {level: heads[level].num_classes for level in self.lambda_adv},
            self.num_targets,
            'own',
            discriminator,
            domain_loss,
            weights,
            stale=official,
        )

    def networks(self) -> dict[str, nn.Module]:
        return {'segmentor': self.student, 'discriminator': self.adversary}

    def domain_terms(self, source: Stream, targets: list[Stream]) -> Iterator[LossTerm]:
        """The iteration in order: ``source``: every target's classifier; ``target0`` ...: its classifier fools its
        discriminator and teaches the agnostic one; ``disc.*``: the discriminators, on scores without graph."""
        features = self.student.extract_feat(source.img)
        size = source.img.shape[2:]
        losses: dict[str, Tensor] = {}
        shown: dict[str, dict[int, Tensor]] = {}
        adapted = positive(self.lambda_adv)
        for level in (level for level in self.levels if level in {*adapted, *trained_heads(self.student)}):
            heads = {f'domain{i}': head for i, head in enumerate(self.heads(level))}
            scores = scores_of(self.student, features, size, heads)
            prefix = '' if level == 'decode' else f'{level}.'
            losses.update({f'{prefix}{key}': value for key, value in self.source_losses(level, scores, source).items()})
            if level in adapted:
                shown[level] = {
                    SOURCE_MAPS - j: self.adversary.maps(level, value.detach())
                    for j, value in enumerate(scores.values())
                }
        del scores, features
        yield LossTerm.from_losses('source', losses, prefix='source.', updates=SEGMENTOR)
        distilled = positive(self.lambda_kd) if self.iteration >= self.teacher_start else []
        for i, target in enumerate(targets):
            if not adapted and not distilled:  # batch norm follows all domains
                with torch.no_grad():
                    self.student.extract_feat(target.img)
                continue
            term, maps = self._target_term(i, target, adapted, distilled)
            yield term
            del term
            for level, value in maps.items():
                shown[level][i] = value
        yield from discriminator_terms(self.adversary, shown)

    def _target_term(
        self, i: int, target: Stream, adapted: Sequence[str], distilled: Sequence[str]
    ) -> tuple[LossTerm, dict[str, Tensor]]:
        """The segmentor's term on a target, and what the discriminators see of the domain head's scores, without
        graph."""
        features, size = self.student.extract_feat(target.img), target.img.shape[2:]
        heads = {level: self.heads(level)[i] for level in self.levels if level in {*adapted, *distilled}}
        scores = scores_of(self.student, features, size, heads)
        maps = {level: self.adversary.maps(level, scores[level]) for level in adapted}
        losses = {f'adv.{level}.loss': self.adversary.fooling_loss(level, i, maps[level]) for level in adapted}
        if distilled:
            agnostic = scores_of(self.student, features, size, distilled)
            for level in distilled:
                losses[f'kd.{level}.loss'] = distillation_loss(scores[level], agnostic[level])
        parts = (('adv', self.lambda_adv), ('kd', self.lambda_kd))
        weights = {f'{name}.{level}.loss': weight for name, part in parts for level, weight in part.items()}
        return LossTerm.from_losses(f'target{i}', losses, f'target{i}.', weights, updates=SEGMENTOR), detached(maps)

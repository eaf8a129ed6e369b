"""Cooperative self-training for several targets: CoaST (arXiv 2210.01578, fig. 2)."""

from __future__ import annotations

import contextlib
from typing import Any, Iterator, Mapping, Optional, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ..models.heads import scores_of
from ..models.modes import kept_running_statistics, reference_mode
from ..ops.cooperative import KD_REDUCTIONS, LOSS_MODES, cooperative_losses, distillation_loss
from ..ops.label_warp import harden
from ..ops.labels import IGNORE
from ..registry import STYLISERS, UDA
from ..streams import Stream
from ..utils.config import build_from_config
from ..utils.world import current_world
from .base import LossTerm
from .mtaf import MTKT
from .parts.multi_target import DomainHeads
from .parts.target_share import target_share

#: image size divided by the size at which target losses are computed
LOSS_STRIDE = 4


def _loss_size(maps: Tensor) -> list[int]:
    """(h, w) of the target losses of images or maps (B, C, H, W)."""
    return [max(1, side // LOSS_STRIDE) for side in maps.shape[2:]]


def _reduced(maps: Tensor) -> Tensor:
    """Integer maps (B, 1, H, W) at the size of the target losses: (B, h, w) int64, nearest pixel."""
    return F.interpolate(maps.float(), size=_loss_size(maps), mode='nearest')[:, 0].long()


@UDA.register_module()
class CoaSTWarmUp(MTKT):
    """First stage of CoaST: :class:`~mmseg_uda.methods.mtaf.MTKT` on the decode head's level, without an agnostic
    classifier.

    The decode head is not trained; the average of the domain heads answers at test time.
    """

    clones_auxiliary = False
    default_test_with = 'average'

    def __init__(
        self,
        lambda_adv: Optional[Mapping[str, float]] = None,
        discriminator: Optional[Mapping[str, Any]] = None,
        discriminator_weight: float = 1.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            lambda_adv=dict(decode=0.001) if lambda_adv is None else lambda_adv,
            lambda_kd={},
            discriminator=discriminator or dict(type='StridedDiscriminator'),
            discriminator_weight=discriminator_weight,
            **kwargs,
        )


@UDA.register_module()
class CoaST(DomainHeads):
    """Pseudo-labels of a target train its head on its images and the other heads on views in the other targets' style.

    The divergence of the two predictions is minimised and weights the pseudo-labels; the agnostic head is distilled
    from all. Pseudo-labels come with the target stream (``gt_semantic_seg``); without them, a target's head labels
    its images on the fly.

    Args:
        gamma: sharpness of the rectification, or None for none.
        loss_mode: ``paper`` (rectification per pixel) or ``official`` (the released code; 4 images per iteration are
            part of it).
        loss_weight_pl, loss_weight_sty, loss_weight_kd: weights of the three target losses; what only a loss of weight
            0 needs is not computed.
        kd_reduction: mean of the distillation over ``element`` (pixels and classes, as released) or ``pixel``.
        threshold: confidence below which a pseudo-label made on the fly is ignored; negative keeps all.
        styliser: config of the component that keeps the targets' statistics; ``num_domains`` is filled in.
        head_by_head: the source's losses of each classifier are a term of their own. With
            ``optimizer_config.backward='sequential'`` only one classifier's graph is alive at a time, and the
            encoder's backward pass runs once for each.
        stylised_statistics: stylised views renew the running statistics of batch norm too, as released; False: only
            images as they are do.
        kwargs: options of :class:`~mmseg_uda.methods.parts.multi_target.DomainHeads`.
    """

    def __init__(
        self,
        gamma: Optional[float] = 1.0,
        loss_mode: str = 'paper',
        loss_weight_pl: float = 1.0,
        loss_weight_sty: float = 1.0,
        loss_weight_kd: float = 1.0,
        kd_reduction: str = 'element',
        threshold: float = -1.0,
        styliser: Optional[Mapping[str, Any]] = None,
        stylised_statistics: bool = True,
        head_by_head: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        for option, value, valid in (
            ('loss_mode', loss_mode, LOSS_MODES),
            ('kd_reduction', kd_reduction, KD_REDUCTIONS),
        ):
            if value not in valid:
                raise ValueError(f"{option} must be one of {', '.join(valid)}, got '{value}'")
        weights = dict(
            gamma=gamma, loss_weight_pl=loss_weight_pl, loss_weight_sty=loss_weight_sty, loss_weight_kd=loss_weight_kd
        )
        for option, number in weights.items():
            if number is not None and number < 0:
                raise ValueError(f'uda.{option} must not be negative, got {number}')
        if not loss_weight_pl + loss_weight_sty + loss_weight_kd:
            raise ValueError(
                'uda.loss_weight_pl, loss_weight_sty and loss_weight_kd are all 0: no loss is left on the targets; '
                "take type='SourceOnly'"
            )
        self.gamma = gamma
        self.loss_mode = loss_mode
        self.loss_weights = {'pl.loss': loss_weight_pl, 'sty.loss': loss_weight_sty, 'kd.loss': loss_weight_kd}
        self.kd_reduction = kd_reduction
        self.threshold = threshold
        self.stylised_statistics = stylised_statistics
        self.head_by_head = head_by_head
        self.styliser = build_from_config(
            dict(styliser or dict(type='ChannelStatistics')), STYLISERS, num_domains=self.num_targets
        )
        self.styliser.attach(self.student.backbone)

    def domain_terms(self, source: Stream, targets: list[Stream]) -> Iterator[LossTerm]:
        """The iteration in order: pseudo-labels of all targets, before anything is trained on; ``source``: every
        classifier on the same features; ``target0`` ...: the target's own head on its images, the other heads on
        views in their targets' style, and the agnostic head distilled."""
        labels: list[Optional[Tensor]] = [None] * len(targets)
        share: dict[str, Tensor] = {}
        if self.loss_weights['pl.loss'] + self.loss_weights['sty.loss'] > 0:
            found = [self._pseudo_label(i, target) for i, target in enumerate(targets)]
            share = target_share(torch.cat([label.flatten() for label in found]))
            labels = [*found]
        yield from self._source_terms(source)
        for i, (target, label) in enumerate(zip(targets, labels)):
            losses = self._target_losses(i, target.img, label)
            term = LossTerm.from_losses(f'target{i}', losses, f'target{i}.', self.loss_weights)
            term.log.update(share)
            share = {}
            yield term

    def _source_terms(self, source: Stream) -> Iterator[LossTerm]:
        """The source's losses of all classifiers on the same features."""
        with self.styliser.source_pass():
            features = self.student.extract_feat(source.img)
        heads = self.classifiers()
        groups = [[name] for name in heads] if self.head_by_head else [list(heads)]
        for number, names in enumerate(groups, start=1):
            scores = scores_of(self.student, features, source.img.shape[2:], {name: heads[name] for name in names})
            losses = self.source_losses('decode', scores, source)
            del scores
            title = f'source.{names[0]}' if self.head_by_head else 'source'
            yield LossTerm.from_losses(title, losses, prefix='source.', keep_graph=number < len(groups))
            del losses

    def end_iteration(self) -> None:
        self.styliser.synchronise(current_world())

    @torch.no_grad()
    def _pseudo_label(self, i: int, target: Stream) -> Tensor:
        """Hard labels (B, h, w) at the resolution of the target losses."""
        if target.label is not None:
            label = _reduced(target.label)
        else:
            with reference_mode(self.student, 'eval'):
                scores = self._own_scores(i, target.img, target.img.shape[2:])
            label = harden(scores.softmax(dim=1), self.threshold, 1 / LOSS_STRIDE)[:, 0]
        return label if target.valid is None else label.masked_fill(_reduced(target.valid) == 0, IGNORE)

    def _own_scores(self, i: int, img: Tensor, size: Sequence[int]) -> Tensor:
        """Class scores of a target's own head at ``size``."""
        features, heads = self.student.extract_feat(img), {'own': self.student.domain_heads[i]}
        return scores_of(self.student, features, size, heads)['own']

    def _target_losses(self, i: int, img: Tensor, label: Optional[Tensor]) -> dict[str, Tensor]:
        student, size = self.student, _loss_size(img)
        self.styliser.image.write(img, i)
        with self.styliser.natural_pass(i):
            features = student.extract_feat(img)
        distilled = self.loss_weights['kd.loss'] > 0
        heads = dict(own=student.domain_heads[i], **(dict(agnostic=student.decode_head) if distilled else {}))
        scores = scores_of(student, features, size, heads)
        losses = {} if label is None else self._cooperative_losses(i, img, scores['own'], label)
        if distilled:
            loss = distillation_loss(scores['own'], scores['agnostic'], self.kd_reduction)
            losses['kd.loss'] = loss / self.num_targets
        return losses

    def _cooperative_losses(self, i: int, img: Tensor, own: Tensor, label: Tensor) -> dict[str, Tensor]:
        """The losses on pseudo-labels; without stylised views where they neither teach nor weight the labels."""
        weights = self.loss_weights
        needs_views = weights['sty.loss'] > 0 or self.gamma is not None
        others = [j for j in range(self.num_targets) if j != i and needs_views]
        styled = [self._styled_scores(i, j, img, label.shape[1:]) for j in others]
        losses = cooperative_losses(own, styled, label, self.gamma, self.loss_mode, current_world())
        if self.views is not None:
            maps = F.interpolate(torch.stack([losses.weight, label.float()], dim=1), size=img.shape[2:], mode='nearest')
            self.record_view(f'rectification{i}', img=img, weight=maps[:, 0], pseudo_label=maps[:, 1].long())
        return {'pl.loss': losses.pseudo, 'sty.loss': losses.style}

    def _styled_scores(self, i: int, j: int, img: Tensor, size: Sequence[int]) -> Tensor:
        """Class scores by the head of target j of target i's images in the style of target j."""
        kept = contextlib.nullcontext() if self.stylised_statistics else kept_running_statistics(self.student)
        with self.styliser.stylised_pass(i, j), kept:
            view = self.styliser.image.apply_style(img, j)
            scores = self._own_scores(j, view, size)
        self.record_view(f'target{i}_as_{j}', img=view)
        return scores

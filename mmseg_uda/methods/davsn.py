"""Domain adaptive video segmentation by temporal consistency: DA-VSN (arXiv 2107.11052)."""

from __future__ import annotations

import contextlib
from typing import Any, Iterator, Mapping, Optional

import torch
from torch import Tensor, nn

from ..models.heads import ByHead, heads_of, positive, weight_per_head
from ..models.segmentors.flow_fused import ClipScores
from ..ops.adversarial import SOURCE_DOMAIN, TARGET_DOMAIN, domain_accuracy, domain_bce
from ..ops.flow import resize_flow
from ..ops.memory_format import stored_for
from ..ops.video import temporal_consistency_loss, weight_discrepancy
from ..registry import DISCRIMINATORS, UDA
from ..utils.config import build_from_config
from .base import LossTerm
from .parts.frames import Frames
from .video import VideoAdaptation

SEGMENTOR, DISCRIMINATOR = ('segmentor',), ('discriminator',)
#: what a discriminator sees: ``sta`` the scores of both frames, ``sa`` those of the current frame twice
GAMES = ('sta', 'sa')


@UDA.register_module()
class DAVSN(VideoAdaptation):
    """Cross-domain alignment of frame pairs by discriminators, and intra-domain consistency with the propagated
    prediction.

    Trained networks: ``segmentor`` and ``discriminator`` (all in one optimiser).

    Args:
        lambda_u: weight per head of the losses on target clips; default ``dict(decode=0.001, aux=0.0002)``. The
            discriminators of a head of weight 0 are not trained.
        lambda_sa: factor of the spatial game; with 0 its discriminators are trained for the weight discrepancy alone.
        lambda_wd: factor of the weight discrepancy that drives the discriminators of both games apart.
        consistency: weight per head of the temporal consistency; default ``lambda_u`` of ``decode`` for all, as
            released.
        discriminator: config of one discriminator; it takes 2C channels.
        match_frames, kwargs: see :class:`~mmseg_uda.methods.video.VideoAdaptation`; released without matching.
    """

    needs_far = False

    def __init__(
        self,
        lambda_u: Optional[Mapping[str, float]] = None,
        lambda_sa: float = 1.0,
        lambda_wd: float = 1.0,
        consistency: Optional[Mapping[str, float]] = None,
        discriminator: Optional[Mapping[str, Any]] = None,
        match_frames: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(match_frames=match_frames, **kwargs)
        if lambda_sa < 0 or lambda_wd < 0:
            raise ValueError(f'lambda_sa and lambda_wd must not be negative, got {lambda_sa} and {lambda_wd}')
        heads = heads_of(self.student)
        self.lambda_u = weight_per_head(lambda_u, dict(decode=0.001, aux=0.0002), heads, 'lambda_u')
        main = self.lambda_u.get('decode', 0.001)
        self.consistency = weight_per_head(consistency, dict(decode=main, aux=main), heads, 'consistency')
        self.lambda_sa, self.lambda_wd = float(lambda_sa), float(lambda_wd)
        config = dict(discriminator or dict(type='FCDiscriminator'))
        self.discriminators: Any = nn.ModuleDict(
            {
                game: ByHead(
                    {
                        name: build_from_config(config, DISCRIMINATORS, num_classes=2 * heads[name].num_classes)
                        for name in self.lambda_u
                    }
                )
                for game in GAMES
            }
        )

    def networks(self) -> dict[str, nn.Module]:
        """See the base class."""
        return {'segmentor': self.student, 'discriminator': self.discriminators}

    def training_losses(self, batch: Mapping[str, Any]) -> Iterator[LossTerm]:
        """Terms ``source``, ``target``, one for every discriminator and domain, and ``weight_discrepancy``."""
        source, target = self.clips_of(batch)
        scores, losses = self.source_losses(source)
        source_shown = self._shown(scores, source)
        del scores
        yield LossTerm.from_losses('source', losses, updates=SEGMENTOR)
        scores = self._target_scores(target)
        losses = {**self._consistency_losses(scores, target), **self._fooling_losses(scores, target)}
        target_shown = self._shown(scores, target)
        del scores
        if losses:
            yield LossTerm.from_losses('target', losses, weights=self.target_weights, updates=SEGMENTOR)
        yield from self._discriminator_terms(source_shown, target_shown)

    @property
    def source_heads(self) -> list[str]:
        """Those with losses, and those whose discriminators are trained."""
        wanted = {*super().source_heads, *positive(self.lambda_u)}
        return [name for name in heads_of(self.student) if name in wanted]

    @property
    def games(self) -> tuple[str, ...]:
        """The games that are played."""
        return GAMES if self.lambda_sa > 0 or self.lambda_wd > 0 else GAMES[:1]

    def _target_scores(self, target: Frames) -> ClipScores:
        """Scores of both frames by the heads that have losses on target clips. Without any, the frames pass the encoder
        alone, whose batch norm follows both domains."""
        wanted = {*positive(self.lambda_u), *positive(self.consistency)}
        with contextlib.nullcontext() if wanted else torch.no_grad():
            features = self.student.extract_clip(target.clip())
        if not wanted:
            return ClipScores({}, {}, {})
        heads = [name for name in heads_of(self.student) if name in wanted]
        return self.student.scores_of_features(features, heads, fuse=False)

    @property
    def target_weights(self) -> dict[str, float]:
        """The weights of the target's losses by key."""
        weights = {f'consistency.{name}.loss': weight for name, weight in self.consistency.items()}
        for game, factor in zip(GAMES, (1.0, self.lambda_sa)):
            weights.update({f'{game}.{name}.loss': factor * weight for name, weight in self.lambda_u.items()})
        return weights

    def _consistency_losses(self, scores: ClipScores, target: Frames) -> dict[str, Tensor]:
        """The current frame's own prediction should follow the propagated one where that is surer."""
        losses = {}
        for name in positive(self.consistency):
            current, key = scores.current[name], scores.key[name]
            flow = resize_flow(target.flow, (current.shape[2], current.shape[3]), self.student.fusion.flow_scale)
            losses[f'consistency.{name}.loss'] = temporal_consistency_loss(current, key, flow)
        return losses

    def _seen(self, game: str, name: str, scores: ClipScores, size: tuple[int, int]) -> Tensor:
        """What a discriminator sees: one softmax over the channels of both frames (B, 2C, H, W)."""
        current = scores.current[name]
        pair = torch.cat([current, scores.key[name] if game == 'sta' else current], 1)
        return stored_for(self.discriminators[game][name], self.student.resized(pair.float(), size).softmax(1))

    def _fooling_losses(self, scores: ClipScores, target: Frames) -> dict[str, Tensor]:
        losses = {}
        for game in GAMES if self.lambda_sa > 0 else GAMES[:1]:
            for name in positive(self.lambda_u):
                judged = self.discriminators[game][name](self._seen(game, name, scores, target.size))
                losses[f'{game}.{name}.loss'] = domain_bce(judged, SOURCE_DOMAIN)
        return losses

    def _shown(self, scores: ClipScores, frames: Frames) -> dict[tuple[str, str], Tensor]:
        """Inputs of all discriminators, without graph."""
        with torch.no_grad():
            return {
                (game, name): self._seen(game, name, scores, frames.size)
                for game in self.games
                for name in positive(self.lambda_u)
            }

    def _discriminator_terms(
        self, source: Mapping[tuple[str, str], Tensor], target: Mapping[tuple[str, str], Tensor]
    ) -> Iterator[LossTerm]:
        for (game, name), seen in source.items():
            for domain_name, domain, maps in (
                ('source', SOURCE_DOMAIN, seen),
                ('target', TARGET_DOMAIN, target[game, name]),
            ):
                judged = self.discriminators[game][name](maps)
                loss, key = domain_bce(judged, domain), f'disc.{game}.{name}.{domain_name}'
                log = {f'{key}.loss': loss, f'{key}.acc': domain_accuracy(judged, domain)}
                yield LossTerm(key, loss, 0.5, log, updates=DISCRIMINATOR)
        if self.lambda_wd == 0:
            return
        for name in positive(self.lambda_u):
            first, second = (list(self.discriminators[game][name].parameters()) for game in GAMES)
            loss = weight_discrepancy(first, second)
            key = f'discrepancy.{name}'
            weight = self.lambda_wd * self.lambda_u.get('decode', 0.001)
            yield LossTerm(key, loss, weight, {f'{key}.loss': loss}, updates=DISCRIMINATOR)

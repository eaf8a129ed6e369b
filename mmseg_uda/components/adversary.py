"""Discriminators of several targets at several classifier levels, and the losses of the game they play."""

from __future__ import annotations

from typing import Any, Iterator, Mapping, Optional, Sequence

import torch
from torch import Tensor, nn

from ..models.heads import ByHead
from ..ops.adversarial import DOMAIN_LOSSES
from ..ops.domain_game import GAMES, Verdict, fooling, judges, training
from ..ops.entropy import self_information
from ..ops.memory_format import stored_for
from ..registry import DISCRIMINATORS
from ..utils.config import build_from_config

#: level -> domain (see :class:`~mmseg_uda.ops.domain_game.Verdict`) -> maps (B, C, H, W)
Shown = Mapping[str, Mapping[int, Tensor]]


class Adversary(nn.Module):
    """The discriminators of one game; they see the self-information maps of :meth:`maps`.

    Args:
        num_classes: classes of each level that takes part.
        num_targets: number of targets.
        game: see :func:`~mmseg_uda.ops.domain_game.judges`.
        discriminator: config of one discriminator; ``num_classes`` is filled in. Default: ``FCDiscriminator``.
        domain_loss: ``bce`` or ``mse`` (least squares).
        weights: per level the factors (source, target) of the discriminators' losses; default one half each.
        stale: the released code's mistakes at the levels other than ``decode``, see :mod:`~mmseg_uda.ops.domain_game`.
    """

    def __init__(
        self,
        num_classes: Mapping[str, int],
        num_targets: int,
        game: str,
        discriminator: Optional[Mapping[str, Any]] = None,
        domain_loss: str = 'bce',
        weights: Optional[Mapping[str, tuple[float, float]]] = None,
        stale: bool = False,
    ) -> None:
        super().__init__()
        for option, value, valid in (('game', game, GAMES), ('domain_loss', domain_loss, DOMAIN_LOSSES)):
            if value not in valid:
                raise ValueError(f"{option} must be one of {', '.join(valid)}, got '{value}'")
        self.game = game
        self.num_targets = num_targets
        self.domain_loss = DOMAIN_LOSSES[domain_loss]
        self.weights = dict(weights or {})
        self.stale = stale
        self.levels = ByHead(
            {
                level: nn.ModuleDict(
                    {
                        name: build_from_config(
                            dict(discriminator or dict(type='FCDiscriminator')), DISCRIMINATORS, num_classes=classes
                        )
                        for name in judges(game, num_targets)
                    }
                )
                for level, classes in num_classes.items()
            }
        )

    def maps(self, level: str, scores: Tensor) -> Tensor:
        """What all discriminators of a level see of class scores (B, C, H, W); made once for all."""
        return stored_for(self.levels[level], self_information(scores))

    def fooling_loss(self, level: str, target: int, maps: Tensor) -> Tensor:
        """The segmentor's loss on a target's maps (B, C, H, W) at one level."""
        verdicts = fooling(self.game, self.num_targets, target, self.stale and level != 'decode')
        losses = [
            verdict.weight * self.domain_loss(self._judge(level, verdict.judge, maps), verdict.domain)
            for verdict in verdicts
        ]
        return sum(losses[1:], losses[0])

    def training_losses(self, shown: Shown) -> Iterator[tuple[str, Tensor, float]]:
        """Name, loss and weight of every look that trains a discriminator; each has its own graph. A discriminator that
        learns several labels for the same maps (``stale``) looks once.

        Args:
            shown: maps without graph.
        """
        for level, maps in shown.items():
            source, target = self.weights.get(level, (0.5, 0.5))
            looks: dict[tuple[str, int], list[Verdict]] = {}
            for verdict in training(self.game, self.num_targets, source, target, self.stale and level != 'decode'):
                looks.setdefault((verdict.judge, verdict.shown), []).append(verdict)
            for (name, number), verdicts in looks.items():
                seen = 'source' if number < 0 else f'target{number}'
                loss, weight = self._weighted(self._judge(level, name, maps[number]), verdicts)
                yield f'disc.{level}.{name}.{seen}', loss, weight

    def _weighted(self, judged: Tensor, verdicts: Sequence[Verdict]) -> tuple[Tensor, float]:
        """The mean of the losses, by their weights, and the sum of these weights."""
        first, *others = verdicts
        if not others:
            return self.domain_loss(judged, first.domain), first.weight
        total = sum(verdict.weight for verdict in verdicts)
        losses = [verdict.weight / total * self.domain_loss(judged, verdict.domain) for verdict in verdicts]
        return torch.stack(losses).sum(), total

    def _judge(self, level: str, name: str, maps: Tensor) -> Tensor:
        return self.levels[level][name](maps)  # type: ignore[index]

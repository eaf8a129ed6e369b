"""Who judges whom in adversarial adaptation to several targets: MTAF (arXiv 2108.06962), the warm-up of CoaST (arXiv
2210.01578).

A discriminator compares the source with a target, or targets with each other. A :class:`Verdict` is one look of a
discriminator at the maps of one domain: the label that it should give there, and the weight of that loss. The
segmentor wants other labels than the discriminators do.
"""

from __future__ import annotations

from typing import NamedTuple

from .adversarial import SOURCE_DOMAIN, TARGET_DOMAIN

#: number of the source among the domains that a verdict names; the source maps of classifier i are SOURCE_MAPS - i
SOURCE_MAPS = -1
GAMES = ('shared', 'multi', 'own')


class Verdict(NamedTuple):
    """One look of a discriminator.

    Attributes:
        judge: name of the discriminator.
        shown: number of the target whose maps it sees, or, if negative, the source (see :data:`SOURCE_MAPS`).
        domain: label 0 or 1 of the logistic loss.
        weight: factor of that loss.
    """

    judge: str
    shown: int
    domain: int
    weight: float


def judges(game: str, num_targets: int) -> list[str]:
    """Names of the discriminators of one level.

    Args:
        game: ``shared``: one discriminator tells the source from all targets. ``multi`` (MDis): one per target tells
            it from the source, and others tell the targets apart: one for two targets, one per target (against the
            rest) for more. ``own``: one per target, whose source maps come from the same classifier as the target's
            (MTKT, CoaST).
        num_targets: number of targets.
    """
    if game == 'shared':
        return ['all']
    names = [f'source{i}' for i in range(num_targets)]
    if game == 'multi' and num_targets == 2:
        names.append('targets')
    elif game == 'multi' and num_targets > 2:
        names += [f'targets{i}' for i in range(num_targets)]
    return names


def fooling(game: str, num_targets: int, target: int, stale: bool = False) -> list[Verdict]:
    """What the segmentor wants the discriminators to say about a target's maps.

    Args:
        game, num_targets: see :func:`judges`.
        target: number of the target.
        stale: as the released code of MTKT does at the auxiliary level: the last target's discriminator judges every
            target.
    """
    judge = 'all' if game == 'shared' else f'source{num_targets - 1 if stale and game == "own" else target}'
    verdicts = [Verdict(judge, target, SOURCE_DOMAIN, 1.0)]
    if game == 'multi' and num_targets == 2:
        verdicts.append(Verdict('targets', target, 1 - target, 1.0))
    elif game == 'multi' and num_targets > 2:
        others = [j for j in range(num_targets) if j != target]
        verdicts += [Verdict(f'targets{j}', target, 0, 1 / len(others)) for j in others]
    return verdicts


def training(
    game: str, num_targets: int, source_weight: float = 0.5, target_weight: float = 0.5, stale: bool = False
) -> list[Verdict]:
    """What the discriminators learn in one iteration.

    Args:
        game, num_targets: see :func:`judges`.
        source_weight: factor of the losses on source maps, one per target.
        target_weight: factor of the losses on target maps.
        stale: as the released code of MDis does at the auxiliary level: with more than two targets, the last
            discriminator learns what all those should learn that tell targets apart.
    """
    targets = range(num_targets)
    if game == 'shared':  # the source's loss counts once per target
        return [
            Verdict('all', SOURCE_MAPS, SOURCE_DOMAIN, num_targets * source_weight),
            *(Verdict('all', i, TARGET_DOMAIN, target_weight) for i in targets),
        ]
    verdicts = [
        Verdict(f'source{i}', SOURCE_MAPS - i if game == 'own' else SOURCE_MAPS, SOURCE_DOMAIN, source_weight)
        for i in targets
    ]
    verdicts += [Verdict(f'source{i}', i, TARGET_DOMAIN, target_weight) for i in targets]
    if game == 'multi' and num_targets == 2:
        verdicts += [Verdict('targets', i, i, target_weight) for i in targets]
    elif game == 'multi' and num_targets > 2:
        verdicts += [
            Verdict(
                f'targets{num_targets - 1 if stale else j}',
                i,
                int(i != j),
                target_weight if i == j else target_weight / (num_targets - 1),
            )
            for j in targets
            for i in targets
        ]
    return verdicts

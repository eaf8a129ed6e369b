"""An active-learning run as its config describes it: pool, budget, acquisition, label set."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any, Callable, Mapping, Optional

import torch
from mmcv.runner import get_dist_info

from ..components.acquisition import ImageAcquisition, RegionAcquisition
from ..registry import ACQUISITIONS
from ..utils.config import build_from_config, check_options, option_names
from .budget import Budget, ImageBudget, RegionBudget, build_budget
from .label_set import LabelSet, LabelSetError, Purchase
from .pool import Pool, find_step
from .region_selection import buy_regions
from .scoring import Predict, ScoringView
from .selection import (
    Scorer,
    choose_images,
    enter,
    fingerprint,
    image_purchase,
    images_of_round,
    initial_images,
    score_images,
)

OPTIONS = ('pool', 'budget', 'acquisition', 'folder', 'group_by', 'initial', 'view', 'img_norm_cfg')
REQUIRED = ('pool', 'budget', 'acquisition', 'folder')


class ActiveSession:
    """Builds everything from ``cfg.active``.

    ``active`` holds

    * ``pool``: config of the data set of target images; with ``ann_dir`` the labels are revealed from files
      (simulation);
    * ``folder``: where the label set lies (runs that buy by themselves have a folder of their own);
    * ``budget``: see :func:`~mmseg_uda.active.budget.build_budget`;
    * ``acquisition``: a component of the registry ``ACQUISITIONS``;
    * ``initial`` (image level): images of round 0, ``dict(list='file')`` or ``dict(count=30, seed=0)``;
    * ``group_by``: ``folder`` for a quota per city, None for none;
    * ``view``: options of :class:`~mmseg_uda.active.scoring.ScoringView`;
    * ``img_norm_cfg``: default: that of the config's test pipeline.

    Args:
        cfg: a whole config.
        folder: instead of ``active.folder``.

    Raises:
        KeyError, ValueError: missing or misspelt keys; a budget whose unit is not that of the acquisition.
    """

    def __init__(self, cfg: Mapping[str, Any], folder: Optional[str] = None) -> None:
        active = dict(cfg.get('active') or {})
        check_options(active, OPTIONS, 'active')
        missing = [key for key in REQUIRED if active.get(key) is None and not (key == 'folder' and folder)]
        if missing:
            raise KeyError(
                f'active.{missing[0]} is missing; an active config needs {", ".join(REQUIRED)} '
                '(docs/guides/active.md); '
                'the folder may also be given as --folder, and is that of the run where a hook buys'
            )
        test = (cfg.get('data') or {}).get('test')
        norm = active.get('img_norm_cfg') or find_step(test, 'Normalize')
        if norm is None:
            raise KeyError('active.img_norm_cfg is missing, and data.test has no Normalize step to take it from')
        #: asked before every image that is scored (a run that may be told to stop)
        self.stop: Optional[Callable[[], bool]] = None
        self.pool = Pool(active['pool'], norm, active.get('group_by'), find_step(test, 'LoadImageFromFile'))
        self.budget: Budget = build_budget(active['budget'])
        self.acquisition: Any = build_from_config(active['acquisition'], ACQUISITIONS)
        view = active.get('view') or {}
        check_options(view, option_names(ScoringView) or (), 'active.view')
        self.view = ScoringView(**view)
        self.initial = dict(active.get('initial') or {})
        check_options(self.initial, ('list', 'count', 'seed'), 'active.initial')
        self._check_units()
        self.label_set = LabelSet(
            folder or active['folder'], self.acquisition.level, self.pool.names, self.pool.digest()
        )

    def _check_units(self) -> None:
        buys_images = isinstance(self.budget, ImageBudget)
        if buys_images != (self.acquisition.level == 'image'):
            unit = 'images' if buys_images else 'pixels'
            raise ValueError(
                f'active.budget is given in {unit}, but {type(self.acquisition).__name__} selects '
                f'{self.acquisition.level}s: '
                'the two budgets are different annotations'
            )
        if buys_images and not self.initial and self.acquisition.needs_model:
            raise ValueError('active.initial is missing: the first network needs labelled images to rank the others')

    @property
    def rounds(self) -> int:
        """Number of rounds after the initial set."""
        return self.budget.rounds

    @property
    def next_round(self) -> int:
        """The round that is bought next; ``rounds + 1`` when the budget is spent."""
        return self.label_set.finished + 1

    def scorer(self, predict: Optional[Predict], device: torch.device) -> Scorer:
        """The scorer of this session's view."""
        if predict is None and self.acquisition.needs_model:
            raise ValueError(f'{type(self.acquisition).__name__} ranks by the network: give its checkpoint')
        return Scorer(self.pool, predict if self.acquisition.needs_model else None, self.view, device, self.stop)

    def start(self) -> None:
        """Enter the initial set, unless it is there; region level starts with nothing."""
        if self.label_set.finished >= 0:
            self.label_set.write_lists()
            return
        self.label_set.commit(image_purchase(self.pool, self.initial_images(), 'initial', 0))

    def initial_images(self) -> list[str]:
        """The images of round 0; none at region level."""
        return initial_images(self.pool, self.initial) if self.initial and self.acquisition.level == 'image' else []

    def reload(self) -> None:
        """Read the label set again, after another rank has changed it."""
        old = self.label_set
        self.label_set = LabelSet(old.folder, old.level, old.names, old.digest)

    def rank(
        self, predict: Optional[Predict], device: torch.device, checkpoint: Optional[Path] = None, show: bool = True
    ) -> dict[str, float]:
        """Score the images that are not labelled for the next round (image level).

        Raises:
            LabelSetError: the config buys regions, whose scores are maps and are not stored.
        """
        if not isinstance(self.acquisition, ImageAcquisition):
            raise LabelSetError(
                f'{type(self.acquisition).__name__} selects regions inside every image: there is no ranking of '
                'images, buy directly'
            )
        images_of_round(self.budget, self.next_round)  # type: ignore[arg-type]
        scorer = self.scorer(predict, device)
        mark = fingerprint(self.acquisition, self.view, checkpoint)
        return score_images(self.label_set, self.acquisition, scorer, self.next_round, mark, show)

    def choose(self, scores: Mapping[str, float]) -> list[str]:
        """The images of the next round (image level)."""
        return choose_images(self.pool, self.label_set, scores, images_of_round(self.budget, self.next_round))  # type: ignore[arg-type]

    def select(
        self,
        round_number: int,
        predict: Optional[Predict],
        device: torch.device,
        checkpoint: Optional[Path] = None,
        show: bool = True,
        network: Optional[str] = None,
    ) -> Optional[Purchase]:
        """Rank and buy one round of a simulation; None when it is bought already. Can be repeated after a kill at any
        point.

        Args:
            checkpoint: file of the network that scores.
            network: what names the network where there is no file.

        Raises:
            LabelSetError: earlier rounds are missing, the budget is spent, another process is buying, or another
                network began the round.
        """
        if round_number <= self.label_set.finished:
            return None
        if round_number != self.next_round or round_number > self.rounds:
            raise LabelSetError(
                f'{self.label_set.folder}: round {round_number} is not the next one ({self.next_round} of '
                f'{self.rounds})'
            )
        with self.label_set.lock() if get_dist_info()[0] == 0 else nullcontext():
            return self._select(round_number, predict, device, checkpoint, show, network)

    def _select(
        self,
        round_number: int,
        predict: Optional[Predict],
        device: torch.device,
        checkpoint: Optional[Path],
        show: bool,
        network: Optional[str],
    ) -> Purchase:
        where = str(checkpoint) if checkpoint is not None else network
        if isinstance(self.acquisition, RegionAcquisition) and isinstance(self.budget, RegionBudget):
            scorer = self.scorer(predict, device)
            mark = fingerprint(self.acquisition, self.view, checkpoint or network)
            return buy_regions(
                self.pool, self.label_set, self.acquisition, self.budget, scorer, round_number, where, show, mark
            )
        names = self.choose(self.rank(predict, device, checkpoint, show))
        return enter(
            self.label_set, image_purchase(self.pool, names, type(self.acquisition).__name__, round_number, where)
        )

"""Buying regions of every image, one image after another, so that it can be stopped anywhere and go on."""

from __future__ import annotations

from pathlib import Path
from typing import Iterator, Optional

import numpy as np
from mmcv.runner import get_dist_info

from ..components.acquisition import RegionAcquisition
from ..engine.distributed import barrier
from .budget import RegionBudget
from .label_set import LabelSet, LabelSetError, Purchase, write_text
from .pool import Pool
from .regions import RegionLabels, region_path
from .selection import DIVERGED, Scorer, enter, progress


def buy_regions(
    pool: Pool,
    label_set: LabelSet,
    acquisition: RegionAcquisition,
    budget: RegionBudget,
    scorer: Scorer,
    round_number: int,
    checkpoint: Optional[str] = None,
    show: bool = True,
    mark: str = '',
) -> Purchase:
    """Score every image, pick its regions, reveal their labels, and record the round; each rank takes its share of
    the images.

    An image's file is replaced once; images that are through this round are skipped, so that nothing is bought twice.

    Args:
        mark: fingerprint of the network and the acquisition.

    Raises:
        LabelSetError: the round was begun with another network.
    """
    rank, world_size = get_dist_info()
    begin(label_set.round_folder(round_number) / 'begun.json', mark, f'round {round_number} in {label_set.folder}')
    for name in progress(label_set.names[rank::world_size], f'buying regions, round {round_number}', show):
        regions = _open_regions(label_set, name, round_number)
        if regions is None:
            continue
        truth = pool.read_label(name)
        if not regions.label.size:
            regions = RegionLabels.empty(*truth.shape)
        selected = propose(regions, acquisition, budget, scorer, name, round_number)
        regions.buy(selected, truth, round_number)
        regions.save(region_path(label_set.folder, name))
    barrier()
    return enter(label_set, region_totals(label_set, acquisition, round_number, checkpoint))


def begin(path: Path, mark: str, what: str) -> None:
    """Note which network chooses, or see that it is the one that began; a round must not be chosen by two networks.

    Raises:
        LabelSetError: another one began.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    begun = path.read_text(encoding='utf-8') if path.is_file() else None
    barrier()  # no rank may write before every rank has looked
    if begun is None:
        if get_dist_info()[0] == 0:
            write_text(path, mark + '\n')
    elif begun.strip() != mark:
        raise LabelSetError(
            f'{what} was begun with another network or acquisition ({begun.strip()}) and is half done: go on with '
            'that one, or use a new folder'
        )


def _open_regions(label_set: LabelSet, name: str, round_number: int) -> Optional[RegionLabels]:
    """The regions of an image that this round has still to extend; None when it is through."""
    regions = RegionLabels.load(region_path(label_set.folder, name))
    if regions is None:
        return RegionLabels.empty(0, 0)
    return None if regions.round >= round_number else regions


def propose(
    regions: RegionLabels,
    acquisition: RegionAcquisition,
    budget: RegionBudget,
    scorer: Scorer,
    name: str,
    round_number: int,
) -> np.ndarray:
    """The pixels of an image that a round buys, bool (H, W); blocks them in ``regions``."""
    height, width = regions.label.shape
    scores = scorer(name)
    if scores is not None and tuple(scores.shape[1:]) != (height, width):
        raise ValueError(
            f'{name}: the label map is {width}x{height}, the image {scores.shape[2]}x{scores.shape[1]}: they must '
            'be equally large'
        )
    score = acquisition.score_map(scores, name, round_number, (height, width)).cpu().numpy()
    if np.isnan(score).any():
        raise LabelSetError(f'{type(acquisition).__name__} scores pixels of {name} as NaN: {DIVERGED}')
    picks = budget.picks(height, width, acquisition.label_radius)
    return regions.select(score, picks, acquisition.label_radius, acquisition.block_radius)


def region_totals(
    label_set: LabelSet,
    acquisition: RegionAcquisition,
    round_number: int,
    checkpoint: Optional[str] = None,
) -> Purchase:
    """Count what a round bought, from the files, and the pixels of the pool."""
    purchase = Purchase(round_number, type(acquisition).__name__, checkpoint=checkpoint)
    label_set.pool_pixels = 0
    for regions in each_region_file(label_set):
        count, pixels, ignored = regions.counts(round_number)
        purchase.regions += count
        purchase.pixels += pixels
        purchase.ignored_pixels += ignored
        label_set.pool_pixels += regions.label.size
    return purchase


def each_region_file(label_set: LabelSet) -> Iterator[RegionLabels]:
    """The region files of all images."""
    for name in label_set.names:
        regions = RegionLabels.load(region_path(label_set.folder, name))
        if regions is not None:
            yield regions

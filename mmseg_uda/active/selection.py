"""Ranking and buying, image after image, so that both can be stopped anywhere and go on."""

from __future__ import annotations

import csv
import hashlib
import json
from pathlib import Path
from typing import Any, Iterable, Iterator, Mapping, Optional, Sequence

import mmcv
import numpy as np
import torch
from mmcv.runner import get_dist_info
from torch import Tensor

from ..components.acquisition import ImageAcquisition, RegionAcquisition
from ..engine.distributed import barrier
from ..ops.acquisition import group_quota, rank_names, select_images
from .budget import ImageBudget, RegionBudget
from .label_set import LabelSet, LabelSetError, Purchase, write_text
from .pool import Pool, strip_suffix
from .regions import RegionLabels, region_path
from .scoring import Predict, ScoringView


class Scorer:
    """Class scores of pool images, or None for acquisitions that need no network.

    Args:
        predict: from :func:`~mmseg_uda.active.scoring.segmentor_predict`; the network must be in eval mode.
        view: how an image is shown.
        device: of the network.
    """

    def __init__(self, pool: Pool, predict: Optional[Predict], view: ScoringView, device: torch.device) -> None:
        self.pool = pool
        self.predict = predict
        self.view = view
        self.device = device

    def __call__(self, name: str) -> Optional[Tensor]:
        """Scores (C, H, W) at the image's size."""
        if self.predict is None:
            return None
        return self.view(self.predict, self.pool.network_input(name, self.device))


def _progress(names: Sequence[str], label: str, show: bool) -> Iterable[str]:
    if not show or get_dist_info()[0] != 0:
        return names
    print(f'{label}: {len(names)} images', flush=True)
    return mmcv.track_iter_progress(list(names)) if names else names


# ---- image level ------------------------------------------------------------------------------------------------------------------
def score_images(
    label_set: LabelSet,
    acquisition: ImageAcquisition,
    scorer: Scorer,
    round_number: int,
    fingerprint: str,
    show: bool = True,
) -> dict[str, float]:
    """Score every image of the pool that is not labelled; each rank takes its share.

    Finished scores lie in ``scores_<rank>.csv`` of the round's folder and are not computed again.

    Args:
        fingerprint: of the network and the acquisition; scores of another one are refused.

    Returns:
        Scores by name, of all ranks.

    Raises:
        LabelSetError: the round's folder holds scores of another network.
    """
    rank, world_size = get_dist_info()
    folder = label_set.round_folder(round_number)
    known = set(label_set.labeled)
    done = read_scores(folder, fingerprint)
    todo = [name for name in label_set.names if name not in known and name not in done][rank::world_size]
    barrier()  # no rank may write before every rank has counted what is left
    with _score_file(folder / f'scores_{rank}.csv', fingerprint) as writer:
        for name in _progress(todo, f'scoring round {round_number}', show):
            writer.add(name, acquisition.score(scorer(name), name, round_number))
    barrier()
    return {name: score for name, score in read_scores(folder, fingerprint).items() if name not in known}


class _score_file:
    """Appends rows to a score file, each flushed when it is complete."""

    def __init__(self, path: Path, fingerprint: str) -> None:
        complete = [f'{name},{score!r}' for name, score in _rows(path, fingerprint).items()]
        write_text(path, '\n'.join([f'# {fingerprint}', 'name,score', *complete]) + '\n')
        self.path = path

    def __enter__(self) -> _score_file:
        self.file = open(self.path, 'a', encoding='utf-8')
        return self

    def add(self, name: str, score: float) -> None:
        """One row."""
        self.file.write(f'{name},{score!r}\n')
        self.file.flush()

    def __exit__(self, *_: Any) -> None:
        self.file.close()


def _rows(path: Path, fingerprint: str) -> dict[str, float]:
    """Complete rows of a score file; a last line without its end (the process was killed) does not count."""
    if not path.is_file():
        return {}
    text = path.read_text(encoding='utf-8')
    lines = text[: text.rfind('\n') + 1].splitlines()
    if lines and lines[0] != f'# {fingerprint}':
        raise LabelSetError(
            f'{path} holds scores of another network or acquisition ({lines[0][2:]}): delete the file to score again'
        )
    return {name: float(score) for name, score in csv.reader(lines[2:])}


def read_scores(folder: Path, fingerprint: str) -> dict[str, float]:
    """Scores of a round so far, from all ranks."""
    merged: dict[str, float] = {}
    for path in sorted(folder.glob('scores_*.csv')):
        merged.update(_rows(path, fingerprint))
    return merged


def choose_images(pool: Pool, label_set: LabelSet, scores: Mapping[str, float], budget: int) -> list[str]:
    """The images that a budget buys: the best of each group by its quota, or the best of all for a single group."""
    labeled = label_set.labeled
    known = set(labeled)
    groups = pool.groups()
    rankings = []
    for names in groups.values():
        open_names = [name for name in names if name not in known]
        rankings.append(rank_names(open_names, [scores[name] for name in open_names]))
    counts = [sum(name in known for name in names) for names in groups.values()]
    quota = group_quota([len(names) for names in groups.values()], counts, budget)
    chosen = select_images(rankings, quota, labeled)
    return sorted(chosen, key=lambda name: (-scores[name], name))


def pixel_counts(pool: Pool, names: Sequence[str]) -> tuple[int, int]:
    """Pixels of the true labels of some images, and how many have no class; (0, 0) when there are no label files."""
    if not pool.simulated:
        return 0, 0
    labels = [pool.read_label(name) for name in names]
    return sum(label.size for label in labels), sum(int((label == 255).sum()) for label in labels)


def image_purchase(
    pool: Pool,
    names: Sequence[str],
    acquisition: str,
    round_number: int,
    checkpoint: Optional[str] = None,
) -> Purchase:
    """A round that buys whole images."""
    pixels, ignored = pixel_counts(pool, names)
    return Purchase(round_number, acquisition, list(names), pixels, ignored, checkpoint=checkpoint)


def enter(label_set: LabelSet, purchase: Purchase) -> Purchase:
    """Make a purchase count on all ranks; rank 0 writes it."""
    if get_dist_info()[0] == 0:
        label_set.commit(purchase)
    else:
        label_set.purchases.append(purchase)
    barrier()
    return purchase


# ---- region level -----------------------------------------------------------------------------------------------------------------
def buy_regions(
    pool: Pool,
    label_set: LabelSet,
    acquisition: RegionAcquisition,
    budget: RegionBudget,
    scorer: Scorer,
    round_number: int,
    checkpoint: Optional[str] = None,
    show: bool = True,
) -> Purchase:
    """Score every image, pick its regions, reveal their labels, and record the round; each rank takes its share of the images.

    An image's file is replaced once; images that are through this round are skipped, so that nothing is bought twice.
    """
    rank, world_size = get_dist_info()
    for name in _progress(label_set.names[rank::world_size], f'buying regions, round {round_number}', show):
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
    purchase = region_totals(label_set, acquisition, budget, round_number, checkpoint)
    return enter(label_set, purchase)


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
            f'{name}: the label map is {width}x{height}, the image {scores.shape[2]}x{scores.shape[1]}: they must be equally large'
        )
    score = acquisition.score_map(scores, name, round_number, (height, width)).cpu().numpy()
    picks = budget.picks(height, width, acquisition.label_radius)
    return regions.select(score, picks, acquisition.label_radius, acquisition.block_radius)


def region_totals(
    label_set: LabelSet,
    acquisition: RegionAcquisition,
    budget: RegionBudget,
    round_number: int,
    checkpoint: Optional[str] = None,
) -> Purchase:
    """Count what a round bought, from the files."""
    purchase = Purchase(round_number, type(acquisition).__name__, checkpoint=checkpoint)
    for regions in each_region_file(label_set):
        pixels, ignored = regions.counts(round_number)
        purchase.pixels += pixels
        purchase.ignored_pixels += ignored
        height, width = regions.label.shape
        purchase.regions += min(budget.picks(height, width, acquisition.label_radius), pixels)
    return purchase


def each_region_file(label_set: LabelSet) -> Iterator[RegionLabels]:
    """The region files of all images."""
    for name in label_set.names:
        regions = RegionLabels.load(region_path(label_set.folder, name))
        if regions is not None:
            yield regions


# ---- what a round is made with ----------------------------------------------------------------------------------------------------
def initial_images(pool: Pool, cfg: Mapping[str, Any]) -> list[str]:
    """The images of round 0: ``dict(list='file')`` (one name a line, with or without suffix) or ``dict(count=30, seed=0)``.

    Raises:
        FileNotFoundError, ValueError: a missing list or unknown names.
    """
    if cfg.get('list'):
        path = Path(cfg['list'])
        if not path.is_file():
            raise FileNotFoundError(f"active.initial.list '{path}' does not exist")
        wanted = [line.strip() for line in path.read_text(encoding='utf-8').splitlines() if line.strip()]
        by_end = {name.rsplit('/', 1)[-1]: name for name in pool.names}
        found = [name if name in pool.index else by_end.get(_bare(name, pool)) for name in wanted]
        unknown = [name for name, match in zip(wanted, found) if match is None]
        if unknown:
            raise ValueError(f"{path}: {len(unknown)} names are not in the pool, first '{unknown[0]}'")
        return [name for name in found if name is not None]
    count, seed = int(cfg.get('count', 0)), int(cfg.get('seed', 0))
    if not 0 < count <= len(pool):
        raise ValueError(f'active.initial needs a list, or a count between 1 and {len(pool)}, got {dict(cfg)}')
    order = np.random.Generator(np.random.PCG64(seed)).permutation(len(pool))[:count]
    return [pool.names[i] for i in sorted(order)]


def _bare(name: str, pool: Pool) -> str:
    return strip_suffix(name.rsplit('/', 1)[-1], getattr(pool.dataset, 'img_suffixes', (pool.dataset.img_suffix,)))


def fingerprint(acquisition: Any, view: ScoringView, checkpoint: Optional[Path]) -> str:
    """Text that tells scores of different networks, views or acquisitions apart."""
    options = {
        key: value for key, value in vars(acquisition).items() if isinstance(value, (int, float, str, bool, type(None)))
    }
    described = {'acquisition': type(acquisition).__name__, **options, 'view': view.mode, 'size': list(view.size)}
    if checkpoint is not None:
        with open(checkpoint, 'rb') as file:
            digest = hashlib.sha256()
            for block in iter(lambda: file.read(1 << 20), b''):
                digest.update(block)
        described['checkpoint'] = digest.hexdigest()[:16]
    return json.dumps(described, sort_keys=True)


def images_of_round(budget: ImageBudget, round_number: int) -> int:
    """How many images a round buys.

    Raises:
        LabelSetError: the budget is spent.
    """
    if round_number > budget.rounds:
        raise LabelSetError(f'round {round_number}: the budget has {budget.rounds} rounds, all are bought')
    return budget.per_round[round_number - 1]

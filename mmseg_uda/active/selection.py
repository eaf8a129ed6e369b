"""Ranking and buying whole images, one after another, so that both can be stopped anywhere and go on."""

from __future__ import annotations

import hashlib
import json
import math
import warnings
from pathlib import Path
from typing import Any, Callable, Iterable, Mapping, Optional, Sequence, Union

import mmcv
import numpy as np
import torch
from mmcv.runner import get_dist_info
from torch import Tensor

from ..components.acquisition import ImageAcquisition
from ..engine.distributed import barrier
from ..engine.signals import Stopped
from ..ops.acquisition import group_quota, rank_names, select_images
from .budget import ImageBudget
from .label_set import LabelSet, LabelSetError, Purchase, write_text
from .pool import Pool, strip_suffix
from .scoring import Predict, ScoringView

DIVERGED = 'has the training of the network diverged? Nothing was bought; score with another checkpoint'


class Scorer:
    """Class scores of pool images, or None for acquisitions that need no network.

    Args:
        predict: from :func:`~mmseg_uda.active.scoring.segmentor_predict`; the network must be in eval mode.
        view: how an image is shown.
        device: of the network.
        stop: asked before every image; when it says so, scoring raises ``Stopped``. What is scored stays.
    """

    def __init__(
        self,
        pool: Pool,
        predict: Optional[Predict],
        view: ScoringView,
        device: torch.device,
        stop: Optional[Callable[[], bool]] = None,
    ) -> None:
        self.pool = pool
        self.predict = predict
        self.view = view
        self.device = device
        self.stop = stop

    def __call__(self, name: str) -> Optional[Tensor]:
        """Scores (C, H, W) at the image's size."""
        if self.stop is not None and self.stop():
            raise Stopped(f'stopped before {name} was scored')
        if self.predict is None:
            return None
        return self.view(self.predict, self.pool.network_input(name, self.device))


def progress(names: Sequence[str], label: str, show: bool) -> Iterable[str]:
    """``names`` with a progress bar and the time left, on rank 0."""
    if not show or get_dist_info()[0] != 0:
        return names
    print(f'{label}: {len(names)} images', flush=True)
    return mmcv.track_iter_progress(list(names)) if names else names


# ---- image level
# ------------------------------------------------------------------------------------------------------------------
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
        for name in progress(todo, f'scoring round {round_number}', show):
            score = acquisition.score(scorer(name), name, round_number)
            if math.isnan(score):
                raise LabelSetError(f'{type(acquisition).__name__} scores {name} as NaN: {DIVERGED}')
            writer.add(name, score)
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
    rows = (line.rpartition(',') for line in lines[2:])  # a name may hold commas, a score does not
    return {name: float(score) for name, _, score in rows}


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
    if len(chosen) < budget:
        left = (
            f'the budget pays for {budget} images, but only {len(chosen)} of the pool are without labels: '
            'all of them are bought'
        )
        warnings.warn(left, stacklevel=2)
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


# ---- what a round is made with
# ----------------------------------------------------------------------------------------------------
def initial_images(pool: Pool, cfg: Mapping[str, Any]) -> list[str]:
    """The images of round 0: ``dict(list='file')`` (one name a line, with or without suffix) or ``dict(count=30,
    seed=0)``.

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


def fingerprint(acquisition: Any, view: ScoringView, network: Union[None, str, Path]) -> str:
    """Text that tells scores of different networks, views or acquisitions apart.

    Args:
        network: its checkpoint, or a text that names it.
    """
    options = {
        key: value for key, value in vars(acquisition).items() if isinstance(value, (int, float, str, bool, type(None)))
    }
    described = {'acquisition': type(acquisition).__name__, **options, 'view': view.mode, 'size': list(view.size)}
    if isinstance(network, str):
        described['network'] = network
    elif network is not None:
        with open(network, 'rb') as file:
            digest = hashlib.sha256()
            for block in iter(lambda: file.read(1 << 20), b''):
                digest.update(block)
        described['checkpoint'] = digest.hexdigest()[:16]
    return json.dumps(described, sort_keys=True)


def images_of_round(budget: ImageBudget, round_number: int) -> int:
    """How many images a round buys.

    Raises:
        LabelSetError: the budget is spent, or the initial images are missing.
    """
    if round_number < 1:
        raise LabelSetError(
            'the initial images are not labelled yet: run "tools/select_active.py buy" and "import" for them first'
        )
    if round_number > budget.rounds:
        raise LabelSetError(f'round {round_number}: the budget has {budget.rounds} rounds, all are bought')
    return budget.per_round[round_number - 1]

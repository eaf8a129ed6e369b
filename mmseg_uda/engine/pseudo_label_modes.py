"""Extracting pseudo-labels without predictions on disk: two passes over the images, or one with thresholds of the
images so far.

Both keep only a histogram of quantised scores per class (:mod:`mmseg_uda.ops.esl`), and both can be stopped anywhere
and go on: the histogram is stored together with the names of the images in it, so that none counts twice.
"""

from __future__ import annotations

import io
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Callable, Iterable, Sequence

import numpy as np
import torch
from mmcv.runner import get_dist_info
from torch import Tensor

from ..datasets.pseudo_label_files import DEFERRED, PseudoLabelError, read_label, write_file, write_png
from ..datasets.pseudo_label_store import ClassCounts, PseudoLabelStore
from ..ops import esl
from .distributed import barrier

MODES = (DEFERRED, 'two_pass', 'prequential')
#: predicts the images with these numbers, in order: (numbers, title of the progress bar) -> (key, label, score) of each
Predict = Callable[[Sequence[int], str], Iterable[tuple[str, Tensor, Tensor]]]
_SAVE_EVERY = 50


@dataclass(frozen=True)
class Prequential:
    """Options of the mode ``prequential``.

    Attributes:
        warmup: images that are counted first and labelled last.
        min_images: a class gets no labels before it was seen in so many effective images ((sum n)^2 / sum n^2, n =
            its pixels per image).
        seed: of the order in which the images are visited.
    """

    warmup: int = 50
    min_images: float = 50.0
    seed: int = 0


@dataclass
class StreamCounts:
    """Scores of a set of images.

    Attributes:
        histogram: int64 (C, levels + 1).
        squares: float64 (C,), sum over images of the squared pixel count.
        done: keys of the images.
    """

    histogram: Tensor
    squares: Tensor
    done: set[str]

    @classmethod
    def empty(cls, store: PseudoLabelStore) -> StreamCounts:
        """No image yet."""
        classes = len(store.origin.classes)
        return cls(
            torch.zeros(classes, store.origin.levels + 1, dtype=torch.int64),
            torch.zeros(classes, dtype=torch.float64),
            set(),
        )

    @classmethod
    def load(cls, path: Path, store: PseudoLabelStore) -> StreamCounts:
        """Stored counts, or none."""
        if not path.is_file():
            return cls.empty(store)
        with np.load(path) as stored:
            return cls(
                torch.from_numpy(stored['histogram']), torch.from_numpy(stored['squares']), set(stored['done'].tolist())
            )

    def save(self, path: Path) -> None:
        """Replace the file."""
        buffer = io.BytesIO()
        np.savez(
            buffer, histogram=self.histogram.numpy(), squares=self.squares.numpy(), done=np.array(sorted(self.done))
        )
        write_file(path, buffer.getvalue())

    def add(self, key: str, label: Tensor, code: Tensor) -> None:
        """Count one image."""
        found = esl.class_histogram(label, code, *self.histogram.shape)
        self.histogram += found
        self.squares += found.sum(1).double().square()
        self.done.add(key)

    def merge(self, other: StreamCounts) -> None:
        """Count the images of another set as well."""
        self.histogram += other.histogram
        self.squares += other.squares
        self.done |= other.done

    def limits(self, criterion: esl.Criterion, min_images: float = 0.0) -> Tensor:
        """Thresholds on codes (C,) float64; classes seen in fewer than ``min_images`` effective images keep nothing."""
        levels = self.histogram.shape[1] - 1
        limit = esl.code_thresholds(esl.rank_bins(self.histogram, criterion)[0], levels, criterion).double()
        few = self.histogram.sum(1).double().square() < min_images * self.squares
        return torch.where(few, torch.full_like(limit, levels + 1.0 if criterion.higher_is_better else -1.0), limit)


def check_mode(mode: str, levels: int, chunk: Any, soft: bool) -> None:
    """Refuse options that a mode cannot take.

    Raises:
        ValueError: names the option.
    """
    if mode not in MODES:
        raise ValueError(f"mode must be one of {', '.join(MODES)}, got '{mode}'")
    wrong = [
        name for name, given in (('levels exact', not levels), ('chunk', chunk is not None), ('soft', soft)) if given
    ]
    if mode != DEFERRED and wrong:
        raise ValueError(
            f"mode='{mode}' keeps a histogram of quantised scores and nothing else: {wrong[0]} needs mode='{DEFERRED}'"
        )


def check_criterion(store: PseudoLabelStore, criterion: esl.Criterion) -> None:
    """Label maps cannot be changed later in these modes: all must come from one criterion.

    Raises:
        PseudoLabelError: the folder was begun with another one.
    """
    begun = store.info.get('criterion')
    if begun != asdict(criterion):
        raise PseudoLabelError(
            f"'{store.folder}' was begun with the criterion {begun}: choose another folder, or delete this one"
        )


def two_pass(
    store: PseudoLabelStore, criterion: esl.Criterion, predict: Predict, shard: tuple[int, int] = (0, 1)
) -> None:
    """Count the scores of all images, then predict them again and write label maps.

    Ranks and jobs (``shard``) count their parts; the job that finds all counted writes the labels. Predictions must
    repeat: a pixel at the threshold may change sides when they differ by rounding.
    """
    check_criterion(store, criterion)
    rank, world_size = get_dist_info()
    part, parts = shard[0] * world_size + rank, shard[1] * world_size
    path = store.folder / f'counts_{part}_of_{parts}.npz'
    counts = StreamCounts.load(path, store)
    mine = [i for i in range(part, len(store.keys), parts) if store.keys[i] not in counts.done]
    for number, (key, label, score) in enumerate(predict(mine, 'counting scores'), start=1):
        counts.add(key, label, _codes(store, score))
        if number % _SAVE_EVERY == 0:
            counts.save(path)
    counts.save(path)
    barrier()
    total = StreamCounts.empty(store)
    for other in range(parts):
        total.merge(StreamCounts.load(store.folder / f'counts_{other}_of_{parts}.npz', store))
    if len(total.done) < len(store.keys):
        return
    limit = total.limits(criterion)
    left = set(store.missing())
    barrier()  # before any file appears, all ranks have listed what is missing
    for key, label, score in predict(
        [i for i, key in enumerate(store.keys) if key in left][rank::world_size], 'writing labels'
    ):
        _write(store, key, label, _codes(store, score), limit, criterion)
    barrier()
    if rank == 0:
        _record(store, criterion, total, limit)
    barrier()


def prequential(store: PseudoLabelStore, criterion: esl.Criterion, predict: Predict, options: Prequential) -> None:
    """Label every image at once, with the thresholds of the images up to it, in random order; one process.

    With n effective images of a class the rank of its threshold is off by at most sqrt(ln(2 / delta) / (2 n)) with
    probability 1 - delta.
    """
    if get_dist_info()[1] > 1:
        raise ValueError("mode='prequential' visits the images one after another: run it with one process")
    check_criterion(store, criterion)
    path = store.folder / 'counts.npz'
    counts = StreamCounts.load(path, store)
    order = np.random.Generator(np.random.PCG64(options.seed)).permutation(len(store.keys)).tolist()
    for key, label, score in predict([i for i in order if store.keys[i] not in counts.done], 'pseudo-labels'):
        code = _codes(store, score)
        counts.add(key, label, code)
        if len(counts.done) > options.warmup:
            _write(store, key, label, code, counts.limits(criterion, options.min_images), criterion)
        if len(counts.done) % _SAVE_EVERY == 0:
            counts.save(path)
    counts.save(path)
    limit = counts.limits(criterion, options.min_images)
    left = set(store.missing())
    for key, label, score in predict([i for i in order if store.keys[i] in left], 'labels of the warm-up'):
        _write(store, key, label, _codes(store, score), limit, criterion)
    _record(store, criterion, counts, limit)


def _codes(store: PseudoLabelStore, score: Tensor) -> Tensor:
    return esl.quantize(score, store.origin.levels, esl.SCORES[store.origin.score])


def _write(
    store: PseudoLabelStore, key: str, label: Tensor, code: Tensor, limit: Tensor, criterion: esl.Criterion
) -> None:
    write_png(store.path('labels', key), esl.apply_thresholds(label, code, limit, criterion).numpy())


def _record(store: PseudoLabelStore, criterion: esl.Criterion, counts: StreamCounts, limit: Tensor) -> None:
    """Write thresholds and counts into the manifest."""
    bins, surplus = esl.rank_bins(counts.histogram, criterion)
    results = ClassCounts.zeros(len(limit))
    results.count, results.squares = counts.histogram.sum(1), counts.squares
    results.surplus = torch.where(limit == bins, surplus, torch.zeros_like(surplus))
    for key in store.keys:
        label = read_label(store.path('labels', key))
        results.kept += esl.class_histogram(label, torch.zeros_like(label), len(limit), 1)[:, 0]
    store.record_labels(criterion, None, [(limit / store.origin.levels).tolist()], results)

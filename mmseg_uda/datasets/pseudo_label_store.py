"""Pseudo-labels on disk: predictions with scores, thresholds that can be changed later, and one label map per image.

A folder holds

* ``manifest.json``: what made it (:class:`Origin`), and the thresholds and per-class counts of the label maps;
* ``images.txt``: the keys of all images, one a line;
* ``predictions/<key>.png``: predicted class ids, 8 bits;
* ``scores/<key>.png``: quantised scores (8 or 16 bits), or float32 scores as four channels (``levels=0``, exact);
* ``soft/<key>.npy``: float16 class probabilities (C, h, w) at the network's resolution, if wanted;
* ``labels/<key>.png``: predictions with 255 where the score fails its class's threshold.

The key of an image is its path below the image folder without suffix. Nothing is kept in memory but per-class counters.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Iterator, Mapping, Optional, Sequence

import cv2
import numpy as np
import torch
from torch import Tensor

from ..ops import esl
from ..utils.checkpoint_io import plain, replacing
from ..utils.locks import folder_lock
from .labels import decode_image, read_bytes
from .pseudo_label_files import (
    DEFERRED,
    MANIFEST,
    PARTS,
    REMEDY,
    Origin,
    PseudoLabelError,
    check_keys,
    check_links,
    read_keys,
    read_label,
    read_manifest,
    write_file,
    write_png,
)

_THREADS = 2


@dataclass
class ClassCounts:
    """Per-class results of thresholding: lists of length C.

    Attributes:
        count: pixels with that prediction; kept: those whose label stays.
        surplus: upper bound of the kept pixels that exact thresholds would reject.
        squares: sum over images of the squared pixel count.
    """

    count: Tensor
    kept: Tensor
    surplus: Tensor
    squares: Tensor

    @classmethod
    def zeros(cls, classes: int) -> ClassCounts:
        return cls(
            torch.zeros(classes, dtype=torch.int64),
            torch.zeros(classes, dtype=torch.int64),
            torch.zeros(classes, dtype=torch.int64),
            torch.zeros(classes, dtype=torch.float64),
        )

    def effective_images(self) -> Tensor:
        """(sum n)^2 / sum n^2 per class: how many images of equal share would carry as much evidence."""
        return self.count.double().square() / self.squares.clamp(min=1)


@dataclass
class PseudoLabelStore:
    """One folder of pseudo-labels.

    Attributes:
        folder: its path.
        origin: what made the predictions.
        keys: all images.
        labels: thresholds and counts of the label maps, or None before :meth:`write_labels`.
    """

    folder: Path
    origin: Origin
    keys: list[str]
    labels: Optional[dict[str, Any]] = None
    info: dict[str, Any] = field(default_factory=dict)

    # ---- opening
    # --------------------------------------------------------------------------------------------------------------
    @classmethod
    def create(cls, folder: Path, origin: Origin, keys: Sequence[str], **info: Any) -> PseudoLabelStore:
        """Start a folder, or go on in one of equal origin.

        Raises:
            PseudoLabelError: the folder holds pseudo-labels of another or an unknown origin, or two images share a key.
            OSError: the folder cannot be written (found out before any inference).
        """
        if len(set(keys)) != len(keys):
            twice = sorted(key for key in set(keys) if list(keys).count(key) > 1)
            raise PseudoLabelError(f'two images share the name {twice[0]} (without suffix): rename one of them')
        if (folder / MANIFEST).is_file():
            store = cls.open(folder)
            differing = [name for name, value in asdict(origin).items() if value != asdict(store.origin)[name]]
            if differing:
                old, new = asdict(store.origin), asdict(origin)
                text = ', '.join(f'{name} {_short(old[name])} instead of {_short(new[name])}' for name in differing)
                raise PseudoLabelError(
                    f"'{folder}' holds pseudo-labels of another origin ({text}): choose another folder, or delete "
                    'this one'
                )
            return store
        check_keys(keys, folder)
        for part in PARTS:
            if (folder / part).is_dir() and any((folder / part).iterdir()):
                raise PseudoLabelError(
                    f"'{folder}' has {part} but no {MANIFEST} that says what made them: choose another folder, or "
                    'delete this one'
                )
        folder.mkdir(parents=True, exist_ok=True)
        store = cls(folder, origin, list(keys), info=info)
        with replacing(folder / 'images.txt') as temporary:
            temporary.write_text('\n'.join(keys) + '\n', encoding='utf-8')
        store._save_manifest()
        return store

    @classmethod
    def open(cls, folder: Path) -> PseudoLabelStore:
        """Open an existing folder.

        Raises:
            PseudoLabelError: no manifest in it, a damaged one or one of a newer format, or names and links that leave
                the folder.
        """
        folder = Path(folder)
        path = folder / MANIFEST
        if not path.is_file():
            raise PseudoLabelError(
                f"'{folder}' is no pseudo-label folder (it has no {MANIFEST}): tools/pseudo_labels.py extract "
                'writes one'
            )
        manifest, origin = read_manifest(path)
        store = cls(
            folder, origin, read_keys(folder / 'images.txt', origin), manifest.get('labels'), manifest.get('info', {})
        )
        check_links(folder)
        return store

    def _save_manifest(self) -> None:
        manifest = dict(origin=asdict(self.origin), info=self.info, labels=self.labels)
        with replacing(self.folder / MANIFEST) as temporary:
            temporary.write_text(json.dumps(plain(manifest), indent=1), encoding='utf-8')

    def path(self, part: str, key: str) -> Path:
        """File of an image; ``part`` is ``predictions``, ``scores``, ``labels`` or ``soft``."""
        return self.folder / part / f'{key}.{"npy" if part == "soft" else "png"}'

    # ---- predictions
    # ----------------------------------------------------------------------------------------------------------
    def missing(self) -> list[str]:
        """Keys without a prediction (or label map, when predictions are not kept), in order."""
        part = 'predictions' if self.origin.mode == DEFERRED else 'labels'
        return [key for key in self.keys if not self.path(part, key).is_file()]

    def _need_predictions(self) -> None:
        if self.origin.mode != DEFERRED:
            raise PseudoLabelError(
                f"'{self.folder}' holds label maps and no predictions (mode '{self.origin.mode}'): extract with "
                f"mode '{DEFERRED}'"
            )

    def write(self, key: str, label: Tensor, score: Tensor, soft: Optional[Tensor] = None) -> None:
        """Store one image.

        Args:
            label: integer (H, W), 255 = invalid (padding).
            score: float32 (H, W) in [0, 1].
            soft: class probabilities (C, h, w), in a folder that keeps them.
        """
        levels = self.origin.levels
        if soft is not None:
            buffer = io.BytesIO()
            np.save(buffer, soft.cpu().numpy().astype(np.float16))
            write_file(self.path('soft', key), buffer.getvalue())
        if levels == 0:
            codes = np.ascontiguousarray(score.float().cpu().numpy()).view(np.uint8).reshape(*score.shape, 4)
        else:
            code = esl.quantize(score, levels, esl.SCORES[self.origin.score])
            code = code.masked_fill(label == esl.IGNORE, esl.invalid_code(levels))
            codes = code.cpu().numpy().astype(np.uint8 if levels <= esl.COMPACT_LEVELS else np.uint16)
        write_png(self.path('scores', key), codes)
        write_png(
            self.path('predictions', key), label.cpu().numpy().astype(np.uint8)
        )  # last: it marks the image as done

    def read(self, key: str) -> tuple[Tensor, Tensor]:
        """Prediction (H, W) uint8 and codes (H, W) int32, or float32 scores when they are stored exactly."""
        label = read_label(self.path('predictions', key))
        path = self.path('scores', key)
        codes = decode_image(read_bytes(path, 'score map', REMEDY), path, cv2.IMREAD_UNCHANGED)
        if self.origin.levels == 0:
            return label, torch.from_numpy(np.ascontiguousarray(codes).view(np.float32)[..., 0])
        return label, torch.from_numpy(codes.astype(np.int32))

    def stream(self, keys: Optional[Sequence[str]] = None) -> Iterator[tuple[str, Tensor, Tensor]]:
        """(key, prediction, codes) of every image, decoded in threads, a few at a time."""
        self._need_predictions()
        keys = self.keys if keys is None else keys
        with ThreadPoolExecutor(_THREADS) as pool:
            for start in range(0, len(keys), 4 * _THREADS):
                part = keys[start : start + 4 * _THREADS]
                for key, pair in zip(part, pool.map(self.read, part)):
                    yield (key, *pair)

    # ---- thresholds
    # -----------------------------------------------------------------------------------------------------------
    def write_labels(self, criterion: esl.Criterion, chunk: Optional[int] = None) -> dict[str, Any]:
        """Compute thresholds from all stored scores, write the label maps and record both in the manifest.

        Args:
            criterion: its score is that of the store.
            chunk: images that share thresholds; None = all (1 = each image its own, 3000 = the released memory limit).

        Returns:
            the ``labels`` part of the manifest.

        Raises:
            PseudoLabelError: predictions are missing, or the criterion uses another score.
        """
        self._need_predictions()
        missing = self.missing()
        if missing:
            raise PseudoLabelError(
                f"'{self.folder}' lacks {len(missing)} of {len(self.keys)} predictions (first: {missing[0]}). {REMEDY}"
            )
        if criterion.score != self.origin.score:
            raise PseudoLabelError(
                f"'{self.folder}' stores the score '{self.origin.score}', not '{criterion.score}': extract into "
                'another folder'
            )
        size = chunk or len(self.keys)
        if size < 1:
            raise ValueError(f'chunk must be positive, got {chunk}')
        counts, thresholds = ClassCounts.zeros(len(self.origin.classes)), []
        with self._new_labels() as folder:
            for start in range(0, len(self.keys), size):
                keys = self.keys[start : start + size]
                limit, surplus = self._thresholds(keys, criterion)
                counts.surplus += surplus
                self._apply(keys, limit, criterion, counts, folder)
                thresholds.append((limit / (self.origin.levels or 1)).tolist())
        return self.record_labels(criterion, chunk, thresholds, counts)

    @contextmanager
    def _new_labels(self) -> Iterator[Path]:
        """A folder for new label maps, which takes the place of the old ones when all are there.

        A process that is killed before leaves the old maps with their record. In the moment of the change the folder
        has no record, so that nobody can take it for a whole one.
        """
        with folder_lock(self.folder, 'thresholds of these pseudo-labels'):
            for left in self.folder.glob('.labels.*'):
                shutil.rmtree(left)
            new = Path(tempfile.mkdtemp(prefix='.labels.', dir=self.folder))
            try:
                (new / 'new').mkdir()
                yield new / 'new'
                self.labels = None
                self._save_manifest()
                if (self.folder / 'labels').exists():
                    os.replace(self.folder / 'labels', new / 'old')
                os.replace(new / 'new', self.folder / 'labels')
            finally:
                shutil.rmtree(new, ignore_errors=True)

    def record_labels(
        self, criterion: esl.Criterion, chunk: Optional[int], thresholds: Sequence[Sequence[float]], counts: ClassCounts
    ) -> dict[str, Any]:
        """Enter finished label maps into the manifest."""
        count = counts.count.clamp(min=1)
        self.labels = dict(
            criterion=asdict(criterion),
            chunk=chunk,
            thresholds=list(thresholds),
            count=counts.count.tolist(),
            kept=counts.kept.tolist(),
            kept_share=(counts.kept / count).tolist(),
            surplus=counts.surplus.tolist(),
            effective_images=counts.effective_images().tolist(),
            total_share=float(counts.kept.sum() / counts.count.sum().clamp(min=1)),
        )
        self._save_manifest()
        return self.labels

    def _thresholds(self, keys: Sequence[str], criterion: esl.Criterion) -> tuple[Tensor, Tensor]:
        """Thresholds (C,) float64 on the stored codes, and the bound of surplus pixels."""
        classes, levels = len(self.origin.classes), self.origin.levels
        if levels == 0:
            statistic, _ = esl.order_statistics(lambda: (pair[1:] for pair in self.stream(keys)), classes, criterion)
            return criterion.thresholds(statistic), torch.zeros(classes, dtype=torch.int64)
        histogram = torch.zeros(classes, levels + 1, dtype=torch.int64)
        for _, label, code in self.stream(keys):
            histogram += esl.class_histogram(label, code, classes, levels + 1)
        bins, surplus = esl.rank_bins(histogram, criterion)
        limit = esl.code_thresholds(bins, levels, criterion)
        return limit.double(), torch.where(limit == bins, surplus, torch.zeros_like(surplus))

    def _apply(
        self, keys: Sequence[str], limit: Tensor, criterion: esl.Criterion, counts: ClassCounts, folder: Path
    ) -> None:
        classes = len(self.origin.classes)
        for key, label, code in self.stream(keys):
            kept = esl.apply_thresholds(label, code, limit, criterion)
            write_png(folder / f'{key}.png', kept.numpy())
            here = esl.class_histogram(label, torch.zeros_like(label), classes, 1)[:, 0]
            counts.count += here
            counts.squares += here.double().square()
            counts.kept += esl.class_histogram(kept, torch.zeros_like(kept), classes, 1)[:, 0]


def _short(value: Any) -> str:
    text = f'{len(value)} classes' if isinstance(value, (list, tuple)) else str(value)
    return text if len(text) < 40 else f'{text[:37]}...'


def summary_table(store: PseudoLabelStore, more: Optional[Mapping[str, Sequence[float]]] = None) -> list[str]:
    """Lines of a per-class table of a thresholded store.

    Args:
        more: further columns by title, one value per class.
    """
    if store.labels is None:
        raise PseudoLabelError(f"'{store.folder}' has no label maps yet. {REMEDY}")
    labels, more = store.labels, dict(more or {})
    lines = [
        f'{"class":16s} {"pixels":>12s} {"kept %":>7s} {"threshold":>9s} {"n_eff":>7s}'
        + ''.join(f' {title:>9s}' for title in more)
    ]
    thresholds = np.mean(labels['thresholds'], axis=0)
    for c, name in enumerate(store.origin.classes):
        lines.append(
            f'{name:16s} {labels["count"][c]:12d} {100 * labels["kept_share"][c]:7.2f} {thresholds[c]:9.4f} '
            f'{labels["effective_images"][c]:7.1f}' + ''.join(f' {values[c]:9.4f}' for values in more.values())
        )
    lines.append(f'kept altogether: {100 * labels["total_share"]:.2f} %')
    return lines

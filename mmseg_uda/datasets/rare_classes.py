"""Rare-class sampling: source images are drawn by class (DAFormer, arXiv 2111.14887, section 3.2)."""

from __future__ import annotations

import warnings
from typing import Any, Mapping, Optional

import numpy as np
from mmcv.utils import Registry

from ..ops.rcs import rcs_class_probs, samples_with_class
from ..utils.config import build_from_config
from ..utils.rng import numpy_generator
from .class_stats import dataset_stats
from .stream_source import StreamSource

Records = list[tuple[str, dict[int, int]]]
CLASS_SAMPLERS = Registry('class sampler')


def build_class_sampler(stream: StreamSource, options: Mapping[str, Any]) -> Any:
    """The sampler of a ``rare_class_sampling`` config; without ``type`` a :class:`RareClassSampler`.

    Raises:
        ValueError: shares of the stream's data sets that this sampler would ignore.
    """
    sampler = build_from_config({'type': 'RareClassSampler', **options, 'stream': stream}, CLASS_SAMPLERS)
    if stream.shares is not None and not isinstance(sampler, RareClassSampler):
        raise ValueError(
            f'{type(sampler).__name__} draws by class alone and knows no shares of the data sets of the {stream.name} '
            'stream: leave shares (or RepeatDataset) out, or take RareClassSampler'
        )
    return sampler


def stream_records(stream: StreamSource, workers: int = 4) -> Records:
    """Class statistics of all parts of a labelled stream, keyed by the index in the stream."""
    records: Records = []
    known: dict[int, list[dict[int, int]]] = {}
    for part in stream.parts:
        if id(part) not in known:
            known[id(part)] = [counts for _, counts in dataset_stats(part, workers)]
        records += [(str(len(records) + i), counts) for i, counts in enumerate(known[id(part)])]
    return records


@CLASS_SAMPLERS.register_module()
class RareClassSampler:
    """Draws a class by ``softmax((1 - f_c) / T)``, then a file that holds it, then a crop that shows enough of it.

    A stream of several data sets with shares draws the data set first, by the shares of those that hold the class.
    The file is decoded once; its crop is drawn up to ``max_crops`` times until the class has more than ``min_pixels *
    min_crop_ratio`` pixels in it (the last one is kept unchecked).

    Args:
        stream: the labelled stream; all its data sets need label files.
        min_pixels: a file is a candidate for a class when it holds more pixels of it than this, at native resolution.
        class_temp: temperature T; ``inf`` gives uniform class probabilities.
        min_crop_ratio: share of ``min_pixels`` that a crop must show (0.5 for crops of 512, 2.0 for 1024).
        max_crops: 11 as released.
        workers: processes that count the classes when no statistics are stored.

    Raises:
        ValueError: no class has any file with more than ``min_pixels`` pixels. A single class without one is left out
        with a warning.
    """

    def __init__(
        self,
        stream: StreamSource,
        min_pixels: int = 3000,
        class_temp: float = 0.01,
        min_crop_ratio: float = 0.5,
        max_crops: int = 11,
        workers: int = 4,
    ) -> None:
        if min_pixels < 0 or min_crop_ratio < 0 or max_crops < 1:
            raise ValueError(
                f'rare_class_sampling: min_pixels={min_pixels} and min_crop_ratio={min_crop_ratio} must not be '
                'negative, '
                f'max_crops={max_crops} must be at least 1'
            )
        self.stream = stream
        self.min_crop_pixels = min_pixels * min_crop_ratio
        self.max_crops = max_crops
        records = stream_records(stream, workers)
        classes, probs = rcs_class_probs([counts for _, counts in records], class_temp)
        files = samples_with_class(records, classes, min_pixels)
        kept = [i for i, cls in enumerate(classes) if files[cls]]
        self._explain_missing(records, [cls for cls in classes if not files[cls]], min_pixels, bool(kept))
        self.classes = [classes[i] for i in kept]
        self.probs = probs[kept].astype(np.float64)
        self.probs /= self.probs.sum()
        self.files = {cls: [int(index) for index in files[cls]] for cls in self.classes}
        self.parts = {} if stream.shares is None else {cls: self._by_part(self.files[cls]) for cls in self.classes}

    def _by_part(self, files: list[int]) -> tuple[list[list[int]], list[float]]:
        """Files of a class by data set, and the probability of each data set that has some."""
        groups: dict[int, list[int]] = {}
        for index in files:
            groups.setdefault(self.stream.part_of(index), []).append(index)
        assert self.stream.shares is not None
        shares = np.array([self.stream.shares[part] for part in groups], dtype=np.float64)
        return list(groups.values()), list(shares / shares.sum())

    def _explain_missing(
        self, records: list[tuple[str, dict[int, int]]], missing: list[int], min_pixels: int, some_left: bool
    ) -> None:
        names = self.stream.first.CLASSES
        largest = {names[cls]: max(counts.get(cls, 0) for _, counts in records) for cls in missing}
        text = (
            f'rare_class_sampling: no file of the {self.stream.name} stream has more than min_pixels={min_pixels} '
            'pixels of '
            f'{", ".join(f"{name} (at most {most})" for name, most in largest.items())}'
        )
        if not some_left:
            raise ValueError(f'{text}, so no class can be drawn. Lower min_pixels.')
        if missing:
            warnings.warn(
                f'{text}: left out and the other probabilities renormalised. Lower min_pixels to draw it.', stacklevel=3
            )

    def sample(self, position: int) -> dict[str, Any]:
        """The sample at ``position``: a pure function of (seed, stream, position)."""
        return self.stream.draw(position, lambda attempt: self.choose(position, attempt), self.max_crops, self._enough)

    def choose(self, position: int, attempt: int = 0) -> tuple[int, int]:
        """The (index, class) drawn for a position; further attempts replace a corrupt file."""
        rng = numpy_generator(self.stream.seed, self.stream.name, 'rare class', position, attempt)
        cls = self.classes[int(rng.choice(len(self.classes), p=self.probs))]
        files = self.files[cls]
        if self.parts:
            groups, shares = self.parts[cls]
            files = groups[int(rng.choice(len(groups), p=shares))]
        return files[int(rng.integers(len(files)))], cls

    def _enough(self, sample: dict[str, Any], cls: Optional[int]) -> bool:
        return int((sample['gt_semantic_seg'].data == cls).sum()) > self.min_crop_pixels

"""One stream of a training data set: a data set read in two stages, with redraws and replacement of corrupt files."""

from __future__ import annotations

import warnings
from bisect import bisect_right
from collections import Counter
from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Callable, Optional, Sequence, Union

from mmseg.datasets.custom import CustomDataset

from ..utils.rng import numpy_generator
from .index_stream import IndexStream, WeightedIndexStream, fixed_randomness
from .label_readers import label_reader_of
from .labels import CorruptFileError
from .pipeline_config import deterministic_prefix
from .sample_cache import CacheOptions, SampleCache

_REPLACEMENTS = 20  # draws in search of a readable file before a sample is given up


class StreamSource:
    """Reads the samples of one stream by position.

    Args:
        parts: MMSeg data sets, one after another; one that is there several times is drawn as often. Of a plain one
            (not a wrapper such as ``MultiImageMixDataset``) a file is decoded once per draw, however often its crop
            is drawn again.
        name: stream name (``source``, ``target`` ...).
        seed: seed of the run.
        max_corrupt_files: that many undecodable files (in each worker) are replaced by other draws before the run
            stops; 0 stops at the first.
        shares: share of the samples that each part gives, whatever its size; None: every image is equally likely.
        cache: keep what the first steps of a pipeline make of every image.
    """

    def __init__(
        self,
        parts: Sequence[Any],
        name: str,
        seed: int,
        max_corrupt_files: int = 0,
        shares: Optional[Sequence[float]] = None,
        cache: Optional[CacheOptions] = None,
    ) -> None:
        times = Counter(map(id, parts))
        self.parts = list({id(part): part for part in parts}.values())
        if shares is None and len(set(times.values())) > 1:  # RepeatDataset beside others: a larger share of the draws
            shares = [len(part) * times[id(part)] for part in self.parts]
        self.name = name
        self.seed = seed
        #: id of a data set -> its kept samples
        self.caches = {
            id(part): SampleCache(part, cache)
            for part in self.parts
            if cache is not None and isinstance(part, CustomDataset)
        }
        self.max_corrupt_files = max_corrupt_files
        self.corrupt_files: list[str] = []
        self._ends = list(accumulate(len(part) for part in self.parts))
        #: share of the samples of every part; None = every image is equally likely
        self.shares = None if shares is None else [float(share) for share in shares]
        self.indices: Union[IndexStream, WeightedIndexStream] = (
            IndexStream(self._ends[-1], seed, name)
            if shares is None
            else WeightedIndexStream([len(part) for part in self.parts], shares, seed, name)
        )

    def __len__(self) -> int:
        return self._ends[-1]

    @property
    def first(self) -> Any:
        """The first data set, for class names and the like."""
        return self.parts[0]

    def part_of(self, index: int) -> int:
        """The number of the data set that an index of the stream falls into."""
        return bisect_right(self._ends, index)

    @property
    def has_margins(self) -> bool:
        """Whether samples of a data set bring ``valid_pseudo_mask``; in a batch all of a stream must."""
        steps = (getattr(getattr(part, 'pipeline', None), 'transforms', ()) for part in self.parts)
        return any(hasattr(step, 'margins') for transforms in steps for step in transforms)

    def locate(self, index: int) -> tuple[Any, int]:
        """The data set that an index of the stream falls into, and the index there."""
        part = self.part_of(index)
        return self.parts[part], index - (self._ends[part - 1] if part else 0)

    def sample(self, position: int) -> dict[str, Any]:
        """The formatted sample at ``position``, a pure function of (seed, stream, position)."""
        return self.draw(position, lambda attempt: (self._index(position, attempt), None))

    def draw(
        self,
        position: int,
        choose: Callable[[int], tuple[int, Optional[int]]],
        crops: int = 1,
        accept: Optional[Callable[[dict[str, Any], Optional[int]], bool]] = None,
    ) -> dict[str, Any]:
        """Read a chosen file, drawing its crop again until it is accepted.

        Args:
            position: position in the stream; keys all random numbers.
            choose: attempt -> (index, class or None); attempt 0 is the draw, later ones replace a corrupt file.
            crops: at most so many crops of the same file; the last one is kept unchecked.
            accept: (augmented results, class) -> is the crop good enough?
        """
        with fixed_randomness(self.seed, self.name, position):
            for attempt in range(_REPLACEMENTS + 1 if self.max_corrupt_files else 1):
                index, cls = choose(attempt)
                try:
                    loaded = self._load(index)
                except CorruptFileError as error:
                    self.count_corrupt(error)
                    continue
                for _ in range(crops - 1):
                    sample = loaded.augment()
                    if accept is None or accept(sample, cls):
                        return sample
                return loaded.augment()
        raise CorruptFileError(
            f'{_REPLACEMENTS + 1} draws for one {self.name} sample met corrupt files: {self.corrupt_files}'
        )

    def _index(self, position: int, attempt: int) -> int:
        if attempt == 0:
            return self.indices[position]
        return int(numpy_generator(self.seed, self.name, 'replacement', position, attempt).integers(len(self)))

    def count_corrupt(self, error: CorruptFileError) -> None:
        """Note a corrupt file; raises when there are more of them than allowed."""
        if str(error) not in self.corrupt_files:
            self.corrupt_files.append(str(error))
        if len(self.corrupt_files) > self.max_corrupt_files:
            if self.max_corrupt_files:
                raise CorruptFileError(
                    f'more than max_corrupt_files={self.max_corrupt_files} corrupt files in the {self.name} stream:\n'
                    + '\n'.join(self.corrupt_files)
                ) from error
            raise error
        warnings.warn(
            f'{self.name} stream: replaced a corrupt file ({len(self.corrupt_files)} of at most '
            f'{self.max_corrupt_files}): {error}',
            stacklevel=2,
        )

    def results(self, index: int) -> tuple[Any, dict[str, Any]]:
        """The data set that an index of the stream falls into and what the first step of its pipeline takes.

        Of a data set that is not made of image and label files: its finished sample.
        """
        dataset, index = self.locate(index)
        if not isinstance(dataset, CustomDataset):
            return dataset, dataset[index]
        info = dataset.img_infos[index]
        results = dict(img_info=info)
        if 'ann' in info:
            results['ann_info'] = info['ann']
        dataset.pre_pipeline(results)
        if 'ann_info' in results:
            results['label_reader'] = label_reader_of(dataset)
        return dataset, results

    def _load(self, index: int) -> Loaded:
        dataset, results = self.results(index)
        if not isinstance(dataset, CustomDataset):
            return Loaded(results, [])
        steps = dataset.pipeline.transforms
        if id(dataset) in self.caches:
            results, steps = self.caches[id(dataset)](results)
        fixed = deterministic_prefix(steps)
        for step in steps[:fixed]:
            results = step(results)
        return Loaded(results, steps[fixed:])


@dataclass
class Loaded:
    """A decoded sample and the random transforms that are still to come."""

    results: dict[str, Any]
    steps: Sequence[Callable[[dict[str, Any]], dict[str, Any]]]

    def augment(self) -> dict[str, Any]:
        """One random version. Transforms replace entries and grow ``seg_fields``; they do not write into the decoded
        arrays.
        """
        results = dict(self.results)
        if 'seg_fields' in results:
            results['seg_fields'] = list(results['seg_fields'])
        for step in self.steps:
            results = step(results)
        return results

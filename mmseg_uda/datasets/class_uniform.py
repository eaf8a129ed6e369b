"""Class-uniform sampling of source images (RIPU, arXiv 2111.12940, released code)."""

from __future__ import annotations

from typing import Any, Optional

import numpy as np

from ..utils.rng import numpy_generator
from .rare_classes import CLASS_SAMPLERS, stream_records
from .stream_source import StreamSource

_FLOOR = 1.01  # keeps the logarithm of the weight of an unseen class positive


@CLASS_SAMPLERS.register_module()
class ClassUniformSampler:
    """Draws a class that was shown rarely of late, then its next file.

    Class c has the weight 1 / log(1.01 + its share of the classes shown so far); a file shows every class in it. The
    shares start anew after ``period`` files. The files of a class come in a random order, another one whenever all
    were drawn.

    The draws depend on each other, so that a position is found by drawing all before it, once.

    Args:
        stream: the labelled stream; all its data sets need label files.
        period: files after which the shares start anew; 3000 as released.
        workers: processes that count the classes when no statistics are stored.

    Raises:
        ValueError: no file holds any class, or ``period`` is not positive.
    """

    def __init__(self, stream: StreamSource, period: int = 3000, workers: int = 4) -> None:
        if period < 1:
            raise ValueError(f'rare_class_sampling: period must be at least 1, got {period}')
        self.stream = stream
        self.period = period
        present = [
            sorted(cls for cls, count in counts.items() if count) for _, counts in stream_records(stream, workers)
        ]
        self.classes = sorted({cls for found in present for cls in found})
        if not self.classes:
            raise ValueError(f'rare_class_sampling: no file of the {stream.name} stream holds any class')
        places = {cls: i for i, cls in enumerate(self.classes)}
        self._present = [np.array([places[cls] for cls in found], dtype=np.int64) for found in present]
        self._files = [np.array([i for i, found in enumerate(present) if cls in found]) for cls in self.classes]
        self._drawn = [0] * len(self.classes)
        self._orders: dict[int, np.ndarray] = {}
        self._shown = np.zeros(len(self.classes))
        self._chosen: list[tuple[int, int]] = []
        self._rng: Optional[np.random.Generator] = None

    def sample(self, position: int) -> dict[str, Any]:
        """The sample at ``position``: a pure function of (seed, stream, position)."""
        return self.stream.draw(position, lambda attempt: self.choose(position, attempt))

    def choose(self, position: int, attempt: int = 0) -> tuple[int, int]:
        """The (index, class) drawn for a position; further attempts replace a corrupt file by another one of the
        class."""
        while len(self._chosen) <= position:
            self._chosen.append(self._next())
        index, place = self._chosen[position]
        if attempt:
            rng = numpy_generator(self.stream.seed, self.stream.name, 'class uniform', 'replacement', position, attempt)
            index = int(rng.choice(self._files[place]))
        return index, self.classes[place]

    def _next(self) -> tuple[int, int]:
        number = len(self._chosen)
        if number % self.period == 0:
            self._shown[:] = 0
            self._rng = numpy_generator(self.stream.seed, self.stream.name, 'class uniform', number // self.period)
        assert self._rng is not None
        weights = 1 / np.log(_FLOOR + self._shown / max(self._shown.sum(), 1))
        place = int(self._rng.choice(len(weights), p=weights / weights.sum()))
        index = self._next_file(place)
        self._shown[self._present[index]] += 1
        return index, place

    def _next_file(self, place: int) -> int:
        files = self._files[place]
        turn, offset = divmod(self._drawn[place], len(files))
        if offset == 0:
            rng = numpy_generator(
                self.stream.seed, self.stream.name, 'class uniform', 'files', self.classes[place], turn
            )
            self._orders[place] = rng.permutation(files)
        self._drawn[place] += 1
        return int(self._orders[place][offset])

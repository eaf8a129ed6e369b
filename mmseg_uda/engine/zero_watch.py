"""Says once that a part of the training does nothing: a log value that should move has been exactly 0 for long."""

from __future__ import annotations

import logging
from typing import Mapping, NamedTuple, Sequence

from ..methods.parts.target_share import TARGET_SHARE
from ..methods.self_training import FEATURE_DISTANCE

#: log intervals in a row in which a value is 0, before it is said
LONG = 10


class Meaning(NamedTuple):
    """What zeros of a log value say, and what helps."""

    says: str
    remedy: str


WATCHED: Mapping[str, Meaning] = {
    TARGET_SHARE: Meaning(
        'no target pixel has a weight, and the network learns from labelled images alone',
        'Lower the threshold of the pseudo-labels, train the network longer on the source first, or look at the '
        'pseudo-labels with tools/browse_dataset.py',
    ),
    FEATURE_DISTANCE: Meaning(
        'no cell of the deepest features belongs to one of its classes, and nothing holds them near those of ImageNet',
        'With small crops or coarse features lower uda.imnet_feature_dist_scale_min_ratio, name other classes in '
        'uda.imnet_feature_dist_classes (None = all cells), or set uda.imnet_feature_dist_lambda=0, which saves time',
    ),
}


class ZeroWatch:
    """Reads the log values of iterations and warns once a run of each that stays 0.

    Args:
        interval: iterations between two log lines.
        logger: takes the warnings.
    """

    def __init__(self, interval: int, logger: logging.Logger) -> None:
        self._limit = LONG * interval
        self._logger = logger
        self._zeros: dict[str, int] = {}
        self._moved: set[str] = set()
        self._said: set[str] = set()

    def look(self, entries: Sequence[Mapping[str, float]]) -> None:
        """Take the log values of further iterations; those without a watched one count for nothing."""
        for entry in entries:
            for name in WATCHED:
                if name not in entry:
                    continue
                if entry[name] == 0:
                    self._zeros[name] = self._zeros.get(name, 0) + 1
                else:
                    self._zeros[name] = 0
                    self._moved.add(name)
        for name, zeros in self._zeros.items():
            if zeros >= self._limit:
                self._say(name, f'for {zeros} iterations')

    def end(self) -> None:
        """The run is over: name what never was anything else. One iteration tells nothing: it starts from ImageNet."""
        for name, zeros in self._zeros.items():
            if zeros > 1 and name not in self._moved:
                self._say(name, f'in all {zeros} iterations')

    def _say(self, name: str, when: str) -> None:
        if name not in self._said:
            self._said.add(name)
            self._logger.warning('%s has been 0 %s: %s. %s', name, when, *WATCHED[name])

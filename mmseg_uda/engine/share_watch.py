"""Says once that a run trains on its source alone: no target pixel has had a weight for long."""

from __future__ import annotations

import logging
from typing import Mapping, Sequence

from ..methods.parts.target_share import TARGET_SHARE

#: log intervals in a row in which no target pixel has a weight, before it is said
LONG = 10


class ShareWatch:
    """Reads the log values of iterations and warns once in a run.

    Args:
        interval: iterations between two log lines.
        logger: takes the warning.
    """

    def __init__(self, interval: int, logger: logging.Logger) -> None:
        self._limit = LONG * interval
        self._logger = logger
        self._zero = 0
        self._said = False
        self._ever = False

    def look(self, entries: Sequence[Mapping[str, float]]) -> None:
        """Take the log values of further iterations; those without a share count for nothing."""
        for entry in entries:
            if TARGET_SHARE in entry:
                self._zero = 0 if entry[TARGET_SHARE] > 0 else self._zero + 1
                self._ever = self._ever or self._zero == 0
        if self._zero >= self._limit:
            self._say(f'for {self._zero} iterations')

    def end(self) -> None:
        """The run is over: say so if no target pixel ever had a weight."""
        if self._zero and not self._ever:
            self._say(f'in all {self._zero} iterations')

    def _say(self, when: str) -> None:
        if not self._said:
            self._said = True
            self._logger.warning(
                '%s has been 0 %s: no target pixel has a weight, and the network learns from labelled images alone. '
                'Lower the threshold of the pseudo-labels, train the network longer on the source first, or look at '
                'the pseudo-labels with tools/browse_dataset.py',
                TARGET_SHARE,
                when,
            )

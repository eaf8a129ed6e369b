"""Signals that ask a training to stop: it writes a checkpoint first."""

from __future__ import annotations

import os
import signal
import time
from typing import Any, Optional

from .workers import STOP_SIGNALS

#: seconds in which a repeated Ctrl-C counts once: launchers pass on the one that the terminal has sent to all
SAME_PRESS = 1.0


class Stopped(Exception):
    """Work inside an iteration (an evaluation, a round of active labelling) was cut short because the run stops."""


class StopRequest:
    """Notes the first stop signal inside a ``with`` block; the handlers of before come back afterwards.

    SIGTERM (batch systems, ``timeout``, ``kill``), SIGHUP (a closed terminal) and SIGUSR1 (``sbatch --signal``) may
    come any number of times. A second SIGINT (Ctrl-C) raises ``KeyboardInterrupt`` at once. A signal that the process
    was told to ignore stays ignored (``nohup``), and outside of the main thread the host program keeps its own
    handling.
    """

    def __init__(self) -> None:
        self.signal: Optional[int] = None
        self._interrupted: Optional[float] = None
        self._previous: dict[int, Any] = {}

    def __bool__(self) -> bool:
        return self.signal is not None

    @property
    def name(self) -> str:
        """Name of the signal."""
        return signal.Signals(self.signal).name if self.signal else 'another rank'

    @property
    def status(self) -> int:
        """Exit status as a shell reports it: 128 + the signal's number."""
        return 128 + (self.signal or signal.SIGTERM)

    def __enter__(self) -> StopRequest:
        for number in STOP_SIGNALS:
            if signal.getsignal(number) in (signal.SIG_IGN, None):
                continue
            try:
                self._previous[number] = signal.signal(number, self._note)
            except ValueError:  # not in the main thread
                return self
        return self

    def __exit__(self, *_: Any) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)
        self._previous.clear()

    def _note(self, number: int, _: Any) -> None:
        now = time.monotonic()
        if number == signal.SIGINT:
            if self._interrupted is not None and now - self._interrupted > SAME_PRESS:
                raise KeyboardInterrupt
            self._interrupted = now if self._interrupted is None else self._interrupted
        if self.signal is None:
            self.signal = number
            again = ' (Ctrl-C again ends at once)' if number == signal.SIGINT else ''
            # not through a logger: the signal may have come in the middle of one's work
            os.write(2, f'{self.name}: this iteration is finished, then a checkpoint is written{again}\n'.encode())

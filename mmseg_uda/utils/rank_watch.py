"""Finding out which rank of a job hangs, and ending the job."""

from __future__ import annotations

import os
import sys
import threading
from typing import Any, Optional

#: exit status of a rank that gives up waiting (what ``timeout`` reports)
HUNG = 124
#: seconds that ranks wait for each other where ``dist_params`` gives no ``timeout``
DEFAULT_TIMEOUT = 1800.0


class RankWatch:
    """Counts the collectives that this rank has entered and compares with the other ranks in a thread.

    A rank that stands still for ``timeout`` seconds while another one has entered fewer collectives is waiting for that
    one: it names it and ends, upon which the launcher ends the job. Time in which the whole process is stopped does not
    count.

    Args:
        store: the process group's key-value store.
        rank, world_size: of this process.
        timeout: seconds.
    """

    def __init__(self, store: Any, rank: int, world_size: int, timeout: float) -> None:
        self.store = store
        self.rank = rank
        self.world_size = world_size
        self.timeout = timeout
        self.entered = 0
        self.where = 'the start'
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch, name='rank watch', daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop watching."""
        self._end.set()
        self._thread.join()

    def _watch(self) -> None:
        interval = min(self.timeout / 8, 10.0)
        before, still = -1, 0.0
        while not self._end.wait(interval):
            still = still + interval if self.entered == before else 0.0
            before = self.entered
            try:
                self.store.set(f'rank watch/{self.rank}', str(before))
                late = self._behind(before) if still >= self.timeout else []
            except Exception:  # the store is gone: so is the job
                return
            if late and self.entered == before:
                self._give_up(late)

    def _behind(self, mine: int) -> list[int]:
        """Ranks that have entered fewer collectives; of these the last ones, for which all others wait."""
        counts = {}
        for rank in range(self.world_size):
            key = f'rank watch/{rank}'
            counts[rank] = int(self.store.get(key)) if self.store.check([key]) else 0
        least = min(counts.values())
        return [rank for rank, count in counts.items() if count == least] if least < mine else []

    def _give_up(self, late: list[int]) -> None:
        names = ' and '.join(f'rank {rank}' for rank in late)
        sys.stdout.flush()
        print(
            f'RankError: {names} did not reach {self.where} within {self.timeout:g} s after rank {self.rank}: the job '
            f'ends. What {names} printed last says where it hangs; dist_params = dict(timeout=<seconds>) changes the '
            'time. Go on from the last checkpoint with --auto-resume',
            file=sys.stderr,
            flush=True,
        )
        os._exit(HUNG)


_watch: list[RankWatch] = []


def start(store: Any, rank: int, world_size: int, timeout: float) -> RankWatch:
    """Watch this job."""
    stop()
    _watch.append(RankWatch(store, rank, world_size, timeout))
    return _watch[0]


def stop() -> None:
    """Stop watching, if anybody does."""
    while _watch:
        _watch.pop().close()


def entering(where: str) -> None:
    """To be called before every collective."""
    if _watch:
        _watch[0].entered += 1
        _watch[0].where = where


def running() -> Optional[RankWatch]:
    """The watch of this process."""
    return _watch[0] if _watch else None

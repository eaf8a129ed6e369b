"""Work on many files in worker processes, with a progress bar."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, Callable, Iterator, Sequence, TypeVar

from .progress import progress

Item = TypeVar('Item')
Result = TypeVar('Result')

#: items that a worker takes at once
CHUNK = 8
_function: list[Callable[[Any], Any]] = []  # in a worker: what it applies; sent once, not with every item


class WorkerDiedError(RuntimeError):
    """A worker process ended in the middle of its work; the message names the work and the remedy."""


def _start(function: Callable[[Any], Any]) -> None:
    _function[:] = [function]
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent ends the work
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """A worker whose parent was killed would wait for work for ever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _apply(item: Any) -> Any:
    return _function[0](item)


def map_files(
    function: Callable[[Item], Result], items: Sequence[Item], what: str, workers: int = 4, quiet: bool = False
) -> Iterator[Result]:
    """Apply ``function`` to ``items`` and yield the results in their order.

    Args:
        function: picklable (a function of a module, or ``functools.partial`` of one).
        items: what to work on.
        what: description for the bar.
        workers: processes; fewer than 2, or few items, work in this one.
        quiet: no bar.

    Raises:
        WorkerDiedError: a worker was killed, as the system does when memory runs out.
    """
    if workers < 2 or len(items) < 2 * workers:
        yield from progress(map(function, items), what, len(items), quiet)
        return
    context = multiprocessing.get_context('spawn' if os.name == 'nt' else 'fork')
    pool = ProcessPoolExecutor(workers, context, _start, (function,))
    done = 0
    try:
        for result in progress(pool.map(_apply, items, chunksize=CHUNK), what, len(items), quiet):
            done += 1
            yield result
    except BrokenProcessPool:
        raise WorkerDiedError(
            f'{what}: a worker process ended while the {workers} workers were at file {done + 1} and later ones of '
            f'{len(items)} (first: {items[done]}). Mostly the system has killed it because memory ran out: use fewer '
            'workers (--nproc 1, --workers 1) or close other programs, and start again'
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)

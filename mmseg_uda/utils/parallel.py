"""Work on many files in worker processes, with a progress bar."""

from __future__ import annotations

import multiprocessing
import os
from typing import Any, Callable, Iterator, Sequence, TypeVar

from .progress import progress

Item = TypeVar('Item')
Result = TypeVar('Result')


_function: list[Callable[[Any], Any]] = []  # in a worker: what it applies; sent once, not with every item


def _start(function: Callable[[Any], Any]) -> None:
    _function[:] = [function]


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
    """
    if workers < 2 or len(items) < 2 * workers:
        yield from progress(map(function, items), what, len(items), quiet)
        return
    with multiprocessing.get_context('spawn' if os.name == 'nt' else 'fork').Pool(workers, _start, (function,)) as pool:
        yield from progress(pool.imap(_apply, items, chunksize=8), what, len(items), quiet)

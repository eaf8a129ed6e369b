"""Work of the host beside the network: files are read ahead of it and written behind it, in threads and in order."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Callable, Iterable, Iterator, TypeVar

Item = TypeVar('Item')
Result = TypeVar('Result')


def ahead(
    function: Callable[[Item], Result], items: Iterable[Item], threads: int = 2, waiting: int = 4
) -> Iterator[tuple[Item, Result]]:
    """``(item, function(item))`` in order; up to ``waiting`` results are made before they are asked for."""
    pending: deque[tuple[Item, Future[Result]]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        try:
            for item in items:
                pending.append((item, pool.submit(function, item)))
                if len(pending) > waiting:
                    first, future = pending.popleft()
                    yield first, future.result()
            while pending:
                first, future = pending.popleft()
                yield first, future.result()
        finally:
            for _, future in pending:
                future.cancel()


class Behind:
    """Calls that are made in threads while the caller goes on; their errors come out in the caller.

    Args:
        threads: one keeps the calls in order.
        waiting: calls that may be pending; the caller waits for the oldest beyond that.
    """

    def __init__(self, threads: int = 1, waiting: int = 8) -> None:
        self._pool = ThreadPoolExecutor(threads)
        self._pending: deque[Future[Any]] = deque()
        self._waiting = waiting

    def __call__(self, function: Callable[..., Result], *args: Any) -> Future[Result]:
        """Call ``function(*args)`` later.

        Raises:
            Exception: what an earlier call has raised.
        """
        future = self._pool.submit(function, *args)
        self._pending.append(future)
        while len(self._pending) > self._waiting:
            self._pending.popleft().result()
        return future

    def __enter__(self) -> Behind:
        return self

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        try:
            while self._pending and kind is None:
                self._pending.popleft().result()
        finally:
            self._pool.shutdown(cancel_futures=True)

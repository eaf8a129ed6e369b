"""Data workers that leave signals to their parent."""

from __future__ import annotations

import contextlib
import signal
from typing import Any, Iterator

import cv2
import torch
from torch.utils.data import DataLoader

#: signals that end a run in an orderly way; a system without one of them does without
STOP_SIGNALS = tuple(
    getattr(signal, name) for name in ('SIGTERM', 'SIGINT', 'SIGHUP', 'SIGUSR1') if hasattr(signal, name)
)


class WorkerLoader(DataLoader):
    """A ``DataLoader`` whose workers do not die of a signal to the whole process group.

    Batch systems, ``timeout`` and a terminal's Ctrl-C signal every process of a job. The parent then finishes its
    iteration and writes a checkpoint, for which it still needs its workers. They end with the parent: it kills those
    that do not come home, and a worker notices when its parent is gone.
    """

    def __iter__(self) -> Any:
        with _blocked(STOP_SIGNALS):  # a worker keeps the mask it is born with: there is no moment without it
            iterator = super().__iter__()
        for worker in getattr(iterator, '_workers', ()):
            process = getattr(worker, '_popen', None)
            if process is not None:  # whoever terminates it sends SIGTERM, which it does not hear
                process.terminate = process.kill
        return iterator


def quiet_worker(_: int) -> None:
    """Start of a worker: one thread each, the cores are shared by the workers already."""
    cv2.setNumThreads(0)
    torch.set_num_threads(1)


@contextlib.contextmanager
def _blocked(signals: Any) -> Iterator[None]:
    if not hasattr(signal, 'pthread_sigmask'):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)

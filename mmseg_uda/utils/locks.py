"""Locks on folders: one process at a time."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Iterator


class LockedError(RuntimeError):
    """Another process works in a folder; the message names it and the remedy."""


@contextlib.contextmanager
def folder_lock(folder: Path, what: str) -> Iterator[None]:
    """Keep other processes of this system from doing the same in ``folder``; a killed process leaves no lock behind.

    Args:
        folder: holds the lock file ``.lock``.
        what: is being written, for the message.

    Raises:
        LockedError: another process holds the lock.
    """
    with open(folder / '.lock', 'w') as file:
        try:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except ImportError:  # no such locks on this system: one process at a time is up to the user
            pass
        except OSError:
            raise LockedError(f"'{folder}': another process is writing the {what}; wait for it or end it") from None
        yield

"""A work folder belongs to one run at a time."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import shlex
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Any, Iterator, Optional

from ..utils.locks import LockedError
from .distributed import on_main

LOCK = 'run.lock'
#: seconds between two signs of life of the owner, and after how many a lock of another machine is taken for left over
BEAT, STALE = 60.0, 600.0
#: variables that name the job of a batch system: a job that is started again takes over its own lock
JOB_VARIABLES = ('SLURM_JOB_ID', 'PBS_JOBID', 'LSB_JOBID', 'JOB_ID')
_owned: dict[Path, int] = {}


@contextlib.contextmanager
def owned(folder: Path, logger: Optional[logging.Logger] = None) -> Iterator[None]:
    """Hold ``folder`` for this run; may be entered again inside. With several ranks, rank 0 holds it for all.

    The lock file says host, process, start and command. It is taken over when its process is gone, when its batch job
    is this one, or when another machine has given no sign of life for ten minutes.

    Raises:
        LockedError: on every rank, when another run holds the folder.
    """
    key = folder.resolve()
    if key in _owned:
        yield
        return
    lock = on_main(lambda: _take(folder, logger) is not None)
    _owned[key] = os.getpid()
    beat = _Beat(folder / LOCK) if lock and _is_mine(folder / LOCK) else None
    try:
        yield
    finally:
        if _owned.pop(key) == os.getpid() and beat is not None:  # not in a worker that was forked in between
            beat.stop()
            if _is_mine(folder / LOCK):
                (folder / LOCK).unlink(missing_ok=True)


def _take(folder: Path, logger: Optional[logging.Logger]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / LOCK
    mine = folder / f'.{LOCK}.{socket.gethostname()}.{os.getpid()}'
    mine.write_text(json.dumps(_describe()), encoding='utf-8')
    try:
        for _ in range(3):
            try:
                os.link(mine, path)  # fails when the lock is there; whole from the first moment, on NFS too
                _sweep(folder)
                return path
            except FileExistsError:
                holder = _read(path)
                if holder is None:
                    continue
                reason = _left_over(holder, path, mine)
                if reason is None:
                    raise LockedError(_refusal(folder, holder)) from None
                if logger is not None:
                    logger.warning('%s is left over (%s): taken over', path, reason)
                _remove(path, holder)
            except OSError:  # a file system without hard links
                with contextlib.suppress(FileExistsError), open(path, 'x', encoding='utf-8') as file:
                    file.write(mine.read_text(encoding='utf-8'))
                    return path
        raise LockedError(f"'{folder}': several runs start here at the same moment; give each its own --work-dir")
    finally:
        mine.unlink(missing_ok=True)


def _sweep(folder: Path) -> None:
    """Remove half checkpoints and configs of killed runs; only the run that holds the folder writes such files."""
    for pattern in ('.*.pth.*.tmp', '.*.py.*.tmp'):
        for path in folder.glob(pattern):
            path.unlink(missing_ok=True)


def _remove(path: Path, holder: dict[str, Any]) -> None:
    """Remove the lock of ``holder``, but not that of somebody who has taken it over in this moment."""
    moved = path.with_name(f'.{LOCK}.{os.getpid()}.old')
    try:
        os.rename(path, moved)
    except FileNotFoundError:
        return
    if _read(moved) != holder:
        with contextlib.suppress(FileExistsError):
            os.link(moved, path)
    moved.unlink()


def _describe() -> dict[str, Any]:
    return dict(
        host=socket.gethostname(),
        pid=os.getpid(),
        process=_process_start(os.getpid()),
        job=_job(),
        start=time.strftime('%Y-%m-%d %H:%M:%S'),
        command=shlex.join(sys.argv),
    )


def _job() -> Optional[str]:
    return next((f'{name}={os.environ[name]}' for name in JOB_VARIABLES if os.environ.get(name)), None)


def _read(path: Path) -> Optional[dict[str, Any]]:
    """The holder; None when the lock has gone; an empty one of a damaged file."""
    try:
        holder = json.loads(path.read_text(encoding='utf-8'))
        return holder if isinstance(holder, dict) else {}
    except FileNotFoundError:
        return None
    except ValueError:
        return {}


def _left_over(holder: dict[str, Any], path: Path, fresh: Path) -> Optional[str]:
    """Why the lock of ``holder`` does not count, or None.

    Args:
        fresh: a new file of this process: the clock of the file system is that of both.
    """
    if holder.get('host') == socket.gethostname() and isinstance(holder.get('pid'), int):
        started = _process_start(holder['pid'])
        if started is None or started != holder.get('process'):
            return f'process {holder["pid"]} has ended'
        return None
    if holder.get('job') and holder['job'] == _job():
        return f'the batch job {holder["job"]} was started again'
    try:
        silence = fresh.stat().st_mtime - path.stat().st_mtime
    except FileNotFoundError:
        return 'it has just gone'
    return f'no sign of life of {holder.get("host")} for {silence:.0f} s' if silence > STALE else None


def _process_start(pid: int) -> Optional[str]:
    """When a process has started, so that a new process of an old number is told apart; None when there is none."""
    try:
        stat = Path(f'/proc/{pid}/stat').read_text()
        fields = stat[stat.rindex(')') + 2 :].split()
        return None if fields[0] in 'ZX' else fields[19]
    except (OSError, ValueError):
        pass
    if Path('/proc/self/stat').exists():
        return None
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except OSError:
        pass
    return 'unknown'


def _is_mine(path: Path) -> bool:
    holder = _read(path) or {}
    return (holder.get('host'), holder.get('pid')) == (socket.gethostname(), os.getpid())


def _refusal(folder: Path, holder: dict[str, Any]) -> str:
    return (
        f"'{folder}' belongs to a run that is still going on: process {holder.get('pid')} on {holder.get('host')}, "
        f'started {holder.get("start")} ({holder.get("command")}). Wait for it, end it, or give another --work-dir; if '
        f'it is surely gone, delete {folder / LOCK}'
    )


class _Beat:
    """Touches the lock now and then, so that other machines see that its owner lives."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._end = threading.Event()
        threading.Thread(target=self._run, name='work folder', daemon=True).start()

    def _run(self) -> None:
        while not self._end.wait(BEAT):
            with contextlib.suppress(OSError):
                os.utime(self._path)

    def stop(self) -> None:
        """The folder is free."""
        self._end.set()

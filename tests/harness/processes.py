"""Tools as processes of their own, which a test can watch, signal and wait for.

A tool runs in a fork of the test's process, so that nothing is imported again, but as its user would start it: the file
``tools/<name>`` with its arguments, in a process group of its own.
"""

from __future__ import annotations

import os
import runpy
import signal
import socket
import sys
import time
from pathlib import Path
from typing import Any, Mapping, Optional, Sequence

import torch

ROOT = Path(__file__).parents[2]
#: seconds until a test gives up on a process
PATIENCE = 120.0


class Tool:
    """A running tool.

    Args:
        name: file below ``tools``.
        arguments: its command line.
        output: file that gets what it prints.
        environment: variables to set.
        before: called in the new process first.
    """

    def __init__(
        self,
        name: str,
        arguments: Sequence[Any],
        output: Path,
        environment: Optional[Mapping[str, str]] = None,
        before: Any = None,
    ) -> None:
        self.output = output
        self.status: Optional[int] = None
        output.touch()
        sys.stdout.flush()
        sys.stderr.flush()
        self.pid = os.fork()
        if self.pid == 0:
            self._become(name, [str(argument) for argument in arguments], dict(environment or {}), before)

    def _become(self, name: str, arguments: list[str], environment: dict[str, str], before: Any) -> None:
        status = 1
        try:
            os.setsid()
            target = os.open(self.output, os.O_WRONLY | os.O_APPEND)
            os.dup2(target, 1)
            os.dup2(target, 2)
            sys.stdout, sys.stderr = (os.fdopen(os.dup(target), 'w', buffering=1) for _ in range(2))
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
            _forget_loggers()
            torch.set_num_threads(1)
            os.environ.update(environment)
            sys.argv = [str(ROOT / 'tools' / name), *arguments]
            if before is not None:
                before()
            runpy.run_path(sys.argv[0], run_name='__main__')
            status = 0
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else int(end.code is not None)
        except BaseException:
            import traceback

            traceback.print_exc()
        finally:
            _run_exit_handlers()
            os._exit(status)

    @property
    def text(self) -> str:
        """What it has printed so far."""
        return self.output.read_text(errors='replace')

    def until(self, text: str) -> Tool:
        """Wait until it has printed ``text``."""
        self.wait_for(lambda: text in self.text, repr(text))
        return self

    def wait_for(self, condition: Any, what: str = 'condition') -> None:
        """Wait until ``condition()`` holds; fails when the process ends before."""
        for _ in _moments(what, self):
            if condition():
                return
            assert not self._ended(), f'the process ended ({self.status}) before {what}:\n{self.text[-3000:]}'

    def _ended(self) -> bool:
        if self.status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.status = os.waitstatus_to_exitcode(status)
        return self.status is not None

    def signal(self, number: int, group: bool = True) -> Tool:
        """Send a signal to its process group, or to the process alone."""
        (os.killpg if group else os.kill)(self.pid, number)
        return self

    def wait(self) -> int:
        """Its exit status; negative when a signal ended it."""
        for _ in _moments('the end', self):
            if self._ended():
                break
        return int(self.status or 0)

    def stop(self) -> None:
        """End what is left of its process group."""
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        if self.status is None:
            self.wait()


def _moments(what: str, tool: Tool) -> Any:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        yield
        time.sleep(0.02)
    tool.signal(signal.SIGKILL)
    raise AssertionError(f'waited {PATIENCE} s for {what}:\n{tool.text[-3000:]}')


def _forget_loggers() -> None:
    """mmcv keeps its loggers, whose handlers write to the files of earlier runs."""
    import logging

    from mmcv.utils import logging as mmcv_logging

    for name in list(mmcv_logging.logger_initialized):
        logging.getLogger(name).handlers.clear()
    mmcv_logging.logger_initialized.clear()


def _run_exit_handlers() -> None:
    import atexit

    sys.stdout.flush()
    sys.stderr.flush()
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
    atexit._clear()


def run(name: str, *arguments: Any, folder: Path, **options: Any) -> tuple[int, str]:
    """Run a tool to its end: exit status and output."""
    tool = Tool(name, arguments, folder / f'{name}.{time.monotonic_ns()}.out', **options)
    try:
        return tool.wait(), tool.text
    finally:
        tool.stop()


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.socket() as server:
        server.bind(('127.0.0.1', 0))
        return int(server.getsockname()[1])


def ranks(name: str, arguments: Sequence[Sequence[Any]], folder: Path, before: Any = None) -> list[Tool]:
    """Start a tool on several gloo ranks, as ``torchrun`` would; ``arguments`` of each rank."""
    shared = dict(MASTER_ADDR='127.0.0.1', MASTER_PORT=str(free_port()), WORLD_SIZE=str(len(arguments)))
    return [
        Tool(
            name,
            ['--launcher', 'pytorch', '--device', 'cpu', *own],
            folder / f'rank{rank}.out',
            {**shared, 'RANK': str(rank), 'LOCAL_RANK': str(rank)},
            before,
        )
        for rank, own in enumerate(arguments)
    ]


class Pause:
    """Holds a process before the ``call``-th call of ``owner.name`` until the test lets it go on.

    Give :attr:`before` to :class:`Tool`, wait with :meth:`reached`, do something to the process, then :meth:`release`.
    """

    def __init__(self, owner: Any, name: str, call: int, folder: Path) -> None:
        self.owner, self.name, self.call = owner, name, call
        self.marks = [folder / f'{name}.{time.monotonic_ns()}.{kind}' for kind in ('reached', 'released')]

    def before(self) -> None:
        """Put the pause in place, in the new process."""
        original = getattr(self.owner, self.name)
        left = [self.call]

        def paused(*args: Any, **kwargs: Any) -> Any:
            left[0] -= 1
            if left[0] == 0:
                self.marks[0].touch()
                end = time.monotonic() + PATIENCE
                while not self.marks[1].exists() and time.monotonic() < end:
                    time.sleep(0.01)
            return original(*args, **kwargs)

        setattr(self.owner, self.name, paused)

    def reached(self, tool: Tool) -> Pause:
        """Wait until the process stands here."""
        tool.wait_for(self.marks[0].exists, f'the pause before {self.name}')
        return self

    def release(self) -> None:
        """Let the process go on."""
        self.marks[1].touch()

"""What of a training's log the terminal shows: one screen at the start, then what happens; the log file keeps all."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Any, Optional, TextIO

from mmcv.utils import get_logger
from mmseg.utils import get_root_logger
from tqdm import tqdm

#: packages whose messages before the first iteration are details
_LIBRARIES = tuple(f'/{name}/' for name in ('mmcv', 'mmseg', 'mmcls'))
#: beginnings of mmcv's log lines that a progress line stands for
_LINES = ('Iter [', 'Iter(', 'Exp name:')


class TerminalHandler(logging.StreamHandler):
    """Shows what a user wants to read, above a progress line if there is one.

    Records with ``detail=True`` and, until the first iteration, what the libraries say go to the log file alone;
    warnings always show. On a terminal lines are short; elsewhere (a file, a batch system) they are mmcv's.

    Args:
        stream: default: the standard error.
    """

    def __init__(self, stream: Optional[TextIO] = None) -> None:
        super().__init__(stream)
        self.started = False
        #: a progress line stands for mmcv's lines
        self.live = False
        if is_terminal(self.stream):
            self.setFormatter(_ShortFormatter())

    def filter(self, record: logging.LogRecord) -> Any:
        """Whether the record is shown."""
        if record.levelno >= logging.WARNING or getattr(record, 'screen', False):
            return super().filter(record)
        if getattr(record, 'detail', False):
            return False
        if not self.started and any(name in record.pathname.replace('\\', '/') for name in _LIBRARIES):
            return False
        if self.live and str(record.msg).startswith(_LINES):
            return False
        return super().filter(record)

    def format(self, record: logging.LogRecord) -> str:
        """The start screen stands alone, without a date before it."""
        return record.getMessage() if getattr(record, 'screen', False) else super().format(record)

    def emit(self, record: logging.LogRecord) -> None:
        with tqdm.external_write_mode(file=self.stream):
            super().emit(record)


class _ShortFormatter(logging.Formatter):
    """The time and the message; the level of warnings and errors."""

    def __init__(self) -> None:
        super().__init__('%(asctime)s %(message)s', '%H:%M:%S')

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        if record.levelno < logging.WARNING:
            return text
        return text.replace(' ', f' {record.levelname.lower()}: ', 1)


def is_terminal(stream: Any) -> bool:
    """Whether somebody looks at a stream."""
    return bool(getattr(stream, 'isatty', lambda: False)())


def training_logger(log_file: Path, level: str = 'INFO') -> logging.Logger:
    """MMSegmentation's logger with a file for everything and :class:`TerminalHandler`; with level ``DEBUG`` the
    terminal shows everything, too.

    What mmcv says (how every weight was initialised) goes to the same file.
    """
    logger = get_root_logger(log_file=str(log_file), log_level=level)
    if logging.getLevelName(level) == logging.DEBUG:
        return logger
    for handler in list(logger.handlers):
        if type(handler) is logging.StreamHandler:
            shown = TerminalHandler(handler.stream)
            if not is_terminal(shown.stream):
                shown.setFormatter(handler.formatter)
            shown.setLevel(handler.level)
            logger.removeHandler(handler)
            logger.addHandler(shown)
    files = [handler for handler in logger.handlers if isinstance(handler, logging.FileHandler)]
    for other in (get_logger('mmcv'), get_logger('mmcls')):
        for handler in other.handlers:
            if type(handler) is logging.StreamHandler:
                handler.setLevel(logging.WARNING)
        for handler in files:
            if handler not in other.handlers:
                other.addHandler(handler)
    return logger


def terminal_of(logger: logging.Logger) -> Optional[TerminalHandler]:
    """The logger's handler that writes for a user, if it has one."""
    return next((handler for handler in logger.handlers if isinstance(handler, TerminalHandler)), None)


def show(logger: logging.Logger, text: str) -> None:
    """Log a text that stands on the terminal as it is."""
    logger.info(text, extra=dict(screen=True))


def note(logger: logging.Logger, message: str, *args: Any) -> None:
    """Log a detail: to files only, where the logger tells files from terminals."""
    logger.info(message, *args, extra=dict(detail=True))


def live_stream(logger: logging.Logger) -> Optional[TextIO]:
    """Where a progress line may be drawn: the terminal of the logger's user; None where nobody looks."""
    handler = terminal_of(logger)
    stream = handler.stream if handler is not None else sys.stderr
    return stream if handler is not None and is_terminal(stream) else None

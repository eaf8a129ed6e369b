"""What every command does around its ``main``: errors of the user end in one line, errors of ours in a trace."""

from __future__ import annotations

import contextlib
import logging
import re
import sys
import traceback
from pathlib import Path
from typing import Any, Callable, Optional, Sequence

from mmseg_uda_command import INTERRUPTED

#: exit status of a command that was given something it cannot use
USER_ERROR = 2
DEBUG_FLAG = '--debug'

_PACKAGE = Path(__file__).parents[1]


def run_tool(main: Callable[[Sequence[str]], Any], argv: Optional[Sequence[str]] = None) -> None:
    """Run the ``main`` of a command and leave the interpreter.

    An error of the input (:func:`is_user_error`) becomes the line ``<class>: <message>`` on the standard error and exit
    status 2; ``--debug``, anywhere on the command line, shows the trace as well. A log file that the command has opened
    gets the trace in any case. Everything else is an error of the program and keeps Python's trace and status 1.

    Args:
        main: takes the arguments of the command line.
        argv: instead of those of this process.
    """
    given = list(sys.argv[1:] if argv is None else argv)
    arguments = [argument for argument in given if argument != DEBUG_FLAG]
    try:
        main(arguments)
    except KeyboardInterrupt:
        print('interrupted', file=sys.stderr)
        sys.exit(INTERRUPTED)
    except Exception as error:
        _into_log_files(error)
        if not is_user_error(error):
            raise
        if DEBUG_FLAG in given:
            traceback.print_exc()
        sys.stdout.flush()
        print(one_line(error), file=sys.stderr, flush=True)
        sys.exit(USER_ERROR)


def is_user_error(error: BaseException) -> bool:
    """Whether an error tells of an input (config, file, option) and was raised on purpose.

    These are errors of the operating system (missing or unwritable files, a full disk), broken imports and syntax of a
    config, the error classes of this package, and ``ValueError``, ``KeyError`` ... that code of this package raises
    itself. A ``ValueError`` from inside another library is not.
    """
    if type(error).__module__.split('.')[0] == _PACKAGE.name:
        return True
    if isinstance(error, (OSError, SyntaxError, ImportError)):
        return True
    if isinstance(error, KeyError):  # a lookup that failed holds the bare key; a message is a sentence
        text = error.args[0] if error.args else None
        return isinstance(text, str) and ' ' in text and ('registry' in text or _raised_here(error))
    return isinstance(error, (ValueError, TypeError, NotImplementedError)) and _raised_here(error)


def _raised_here(error: BaseException) -> bool:
    """Whether the innermost frame is of this package or of a tool of its folder."""
    frames = traceback.extract_tb(error.__traceback__)
    if not frames:
        return False
    file = Path(frames[-1].filename).resolve()
    return _PACKAGE in file.parents or _PACKAGE.parent / 'tools' in file.parents or 'Original Traceback' in str(error)


def one_line(error: BaseException) -> str:
    """``<class>: <message>`` without line breaks; of an error in a data worker, the error there."""
    text = str(error.args[0]) if isinstance(error, KeyError) and error.args else str(error)
    if 'Original Traceback' in text:  # torch's wrapper: the last line is what happened
        text = text.rstrip().splitlines()[-1]
        text = re.sub(r'^(?:\w+\.)*(\w+): ', r'\1: ', text)
        if text.startswith(type(error).__name__):
            return text
    return f'{type(error).__name__}: {" ".join(text.split())}'


def _into_log_files(error: BaseException) -> None:
    """Write the trace into the log files of the run, which nobody sees scrolling away."""
    logger = logging.getLogger('mmseg')
    record = logger.makeRecord(
        logger.name, logging.ERROR, __file__, 0, 'ended by an error', (), (type(error), error, error.__traceback__)
    )
    for handler in logger.handlers:
        if isinstance(handler, logging.FileHandler):
            with contextlib.suppress(Exception):  # a full disk must not hide the error itself
                handler.handle(record)

"""A stand-in for ``mmcv._ext`` where mmcv was installed without compiled ops.

mmseg 0.30 imports ``mmcv.ops`` unconditionally in one place (its focal loss), and ``mmcv.ops`` loads the compiled
extension on import. None of this package's methods uses a compiled op, so a machine without a compiler can train all
of them once the import succeeds.
"""

from __future__ import annotations

import importlib
import sys
import warnings
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, NoReturn

EXTENSION = 'mmcv._ext'
REMEDY = (
    'Install mmcv-full 1.7.2 built against your torch: `make full` in a clone of mmseg_uda does it, and '
    'docs/getting_started.md (production install) shows the plain pip commands'
)


class MissingCompiledOpError(RuntimeError):
    """A compiled op of mmcv was called, but mmcv was installed without its compiled extension."""


class CompiledOpsStandIn(ModuleType):
    """A module in which every public name is a function that says which op is missing and how to get it."""

    def __init__(self) -> None:
        super().__init__(EXTENSION, 'Stand-in for the compiled extension of mmcv, installed by mmseg_uda.')
        self.__spec__ = ModuleSpec(EXTENSION, loader=None, origin='mmseg_uda')
        # mmseg prints both in its environment report; there a missing extension is an answer and no error.
        self.get_compiler_version = lambda: 'not available (mmcv without compiled ops)'
        self.get_compiling_cuda_version = lambda: 'not available (mmcv without compiled ops)'

    def __getattr__(self, name: str) -> Callable[..., NoReturn]:
        if name.startswith('_'):
            raise AttributeError(f'module {EXTENSION!r} has no attribute {name!r}')

        def missing_op(*args: Any, **kwargs: Any) -> NoReturn:
            raise MissingCompiledOpError(
                f'The compiled mmcv op {name!r} was called, but this mmcv was installed without compiled ops. {REMEDY}.'
            )

        missing_op.__name__ = name
        return missing_op


def compiled_ops_available() -> bool:
    """Return whether ``mmcv._ext`` in this process is mmcv's real compiled extension."""
    return EXTENSION in sys.modules and not isinstance(sys.modules[EXTENSION], CompiledOpsStandIn)


def install_compiled_ops_stand_in() -> bool:
    """Import the compiled extension of mmcv, or put the stand-in in its place when there is none.

    A compiled extension always wins. One that is there but cannot be loaded (built for another torch) is reported and
    replaced.

    Returns:
        True if the real extension is in use.
    """
    if EXTENSION not in sys.modules:
        importlib.import_module('mmcv')
        try:
            importlib.import_module(EXTENSION)
        except ImportError as error:
            if not (isinstance(error, ModuleNotFoundError) and error.name == EXTENSION):
                warnings.warn(
                    f'The compiled ops of mmcv are installed but do not load: {error}. They were probably built '
                    'for another torch; '
                    f'going on without them. {REMEDY}.',
                    stacklevel=2,
                )
            stand_in = CompiledOpsStandIn()
            sys.modules[EXTENSION] = stand_in
            setattr(sys.modules['mmcv'], '_ext', stand_in)  # noqa: B010 - the module type has no such attribute for mypy
    return compiled_ops_available()

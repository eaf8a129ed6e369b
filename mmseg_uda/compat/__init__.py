"""Version guards, the stand-in for mmcv's compiled extension, and converters for published checkpoints."""

from __future__ import annotations

from .compiled_ops import MissingCompiledOpError, compiled_ops_available, install_compiled_ops_stand_in
from .environment import prepare_environment
from .versions import IncompatibleVersionError, check_versions

__all__ = [
    'IncompatibleVersionError',
    'MissingCompiledOpError',
    'check_versions',
    'compiled_ops_available',
    'install_compiled_ops_stand_in',
    'prepare_environment',
]

"""What has to happen before ``mmseg`` is imported."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from .compiled_ops import install_compiled_ops_stand_in
from .versions import check_versions


@contextmanager
def _without_import_noise() -> Iterator[None]:
    """Hide the announcement of mmcv 2.0 and torch's remark on a CUDA toolkit without a GPU, both emitted by importing
    mmcv."""
    extension_logger = logging.getLogger('torch.utils.cpp_extension')
    level = extension_logger.level
    extension_logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings('ignore', message='On January 1, 2023, MMCV will release', category=UserWarning)
            yield
    finally:
        extension_logger.setLevel(level)


def prepare_environment() -> None:
    """Check the versions of the stack and make ``import mmseg`` work with and without mmcv's compiled ops.

    Raises:
        IncompatibleVersionError: torch, mmcv or mmseg is missing or outside the supported range; the message holds
            the remedy.
    """
    with _without_import_noise():
        check_versions()
        install_compiled_ops_stand_in()

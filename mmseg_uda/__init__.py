"""Domain adaptation for MMSegmentation: networks, data sets and training methods.

Importing the package does three things, in this order: it checks the versions of torch, mmcv and mmseg, it stands in
for mmcv's compiled extension when mmcv was installed without it, and it registers every network, data set, component
and method. Therefore import it before ``mmseg`` (configs do so with ``custom_imports =
dict(imports=['mmseg_uda'])``).
"""

from __future__ import annotations

from .compat import prepare_environment

prepare_environment()

from .compat.registration import register_all_modules  # noqa: E402
from .version import __version__  # noqa: E402

register_all_modules()

__all__ = ['__version__', 'register_all_modules']

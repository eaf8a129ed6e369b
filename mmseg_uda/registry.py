"""Registries of the package.

Segmentors, backbones, heads, data sets and pipelines live in MMSegmentation's own registries, so that plain MMSeg
configs find them. Everything that only domain adaptation knows has a registry here.
"""

from __future__ import annotations

import importlib
from typing import Any

from mmcv.utils import Registry

UDA = Registry('uda method')
MIXERS = Registry('mixer')
PSEUDO_LABELERS = Registry('pseudo-labeler')
MASKERS = Registry('masker')
AUGMENTATIONS = Registry('strong augmentation')
FEATURE_DISTANCES = Registry('feature distance')
DISCRIMINATORS = Registry('discriminator')
STYLISERS = Registry('feature styliser')
ACQUISITIONS = Registry('acquisition function')
FLOW_SOURCES = Registry('optical flow source')


def __getattr__(name: str) -> Any:
    """``build_train_model``, which programs of users import from here, stands in :mod:`mmseg_uda.builder`."""
    if name == 'build_train_model':
        return getattr(importlib.import_module('.builder', __package__), name)
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')

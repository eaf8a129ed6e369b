"""Registries of the package.

Segmentors, backbones, heads, data sets and pipelines live in MMSegmentation's own registries, so that plain MMSeg
configs find them. Everything that only domain adaptation knows has a registry here.
"""

from __future__ import annotations

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

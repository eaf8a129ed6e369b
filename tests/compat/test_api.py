"""The surface that users' configs and programs rely on. Removing or renaming anything here breaks them."""

from __future__ import annotations

import importlib
import inspect

import pytest
from mmseg.datasets.builder import DATASETS
from mmseg.models.builder import BACKBONES, HEADS, SEGMENTORS

from mmseg_uda.registry import UDA

PUBLISHED_NAMES = [
    (BACKBONES, ('mit_b0', 'mit_b1', 'mit_b2', 'mit_b3', 'mit_b4', 'mit_b5')),
    (HEADS, ('DAFormerHead', 'HRDAHead', 'DLV2Head', 'SegFormerHead')),
    (SEGMENTORS, ('HRDAEncoderDecoder',)),
    (
        DATASETS,
        (
            'UDADataset',
            'GTADataset',
            'SynthiaDataset',
            'CityscapesDataset',
            'ACDCDataset',
            'DarkZurichDataset',
            'IDDDataset',
            'MapillaryDataset',
            'CamVidDataset',
            'FolderDataset',
        ),
    ),
]

FUNCTIONS = [
    ('mmseg_uda', '__version__'),
    ('mmseg_uda.builder', 'build_train_model'),
    ('mmseg_uda.methods.base', 'UDASegmentor'),
    ('mmseg_uda.methods.base', 'LossTerm'),
    ('mmseg_uda.methods.base', 'OptimizerStep'),
    ('mmseg_uda.streams', 'split_streams'),
    ('mmseg_uda.components.ema', 'EMATeacher'),
    ('mmseg_uda.engine.step', 'TrainStep'),
    ('mmseg_uda.engine.step', 'StepOptions'),
    ('mmseg_uda.utils.checkpoint_io', 'load_checkpoint_file'),
    ('mmseg_uda.utils.checkpoint_io', 'save_checkpoint_file'),
    ('mmseg_uda.datasets.builder', 'build_training_dataset'),
    ('mmseg_uda.models.training_interface', 'training_features'),
    ('mmseg_uda.models.training_interface', 'segmentation_losses'),
    ('mmseg_uda.models.training_interface', 'logits'),
]


@pytest.mark.parametrize(
    'registry, name',
    [(registry, name) for registry, names in PUBLISHED_NAMES for name in names],
    ids=lambda value: value if isinstance(value, str) else value.name,
)
def test_names_of_published_configs_are_registered(registry, name):
    assert registry.get(name) is not None


@pytest.mark.parametrize('module, name', FUNCTIONS, ids=lambda value: value)
def test_public_names(module, name):
    assert hasattr(importlib.import_module(module), name)


def test_every_method_fulfils_the_contract():
    from mmseg_uda.methods.base import UDASegmentor

    methods = {name: cls for name, cls in UDA.module_dict.items() if cls.__module__.startswith('mmseg_uda.')}
    assert 'SourceOnly' in methods
    for name, method in methods.items():
        assert issubclass(method, UDASegmentor), name
        assert not inspect.isabstract(method), f'{name} does not implement {sorted(method.__abstractmethods__)}'
        assert inspect.getdoc(method), f'{name} has no documentation'


def test_every_registered_class_of_the_package_is_documented():
    from mmseg_uda import registry

    registries = [value for value in vars(registry).values() if isinstance(value, registry.Registry)]
    assert len(registries) >= 8
    undocumented = [
        cls.__name__ for one in registries for cls in one.module_dict.values() if not (cls.__doc__ or '').strip()
    ]
    assert not undocumented

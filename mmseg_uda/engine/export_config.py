"""The plain config of an exported network: what MMSegmentation 0.30 needs to build it and to prepare images for it."""

from __future__ import annotations

from typing import Any, Mapping, Optional, Sequence

import mmseg.datasets.pipelines
from mmseg.models.builder import LOSSES
from torch import nn

from .predict_inputs import test_steps

#: packages whose classes a config may name without importing anything
STOCK = ('mmseg', 'mmcv', 'torch', 'torchvision', 'timm', 'builtins')
OWN = __name__.split('.')[0]
#: keys of a model config that say where weights come from, and how they begin
_WEIGHTS = ('pretrained', 'init_cfg', 'weights', 'checkpoint_path', 'lora')
#: keys of ``test_cfg`` that MMSegmentation's networks do not know
_OWN_TEST_KEYS = ('average',)


class ExportError(RuntimeError):
    """A network that cannot be exported as it was asked for; the message says what can be done."""


def exported_model(cfg: Any) -> dict[str, Any]:
    """The ``model`` of a config without what concerns training alone.

    No addresses of weights, no low-rank updates (their product is in the weights), batch norm of one process, losses of
    MMSegmentation in the place of others, windows and threshold of the test inside.
    """
    model = _plain(cfg['model'])
    test_cfg = model.pop('test_cfg', None) or _plain(cfg.get('test_cfg')) or dict(mode='whole')
    model = {key: value for key, value in _without_training(model).items() if key not in ('train_cfg', 'pretrained')}
    return {**model, 'pretrained': None, 'train_cfg': {}, 'test_cfg': test_cfg}


def exported_config(
    cfg: Any,
    model: Mapping[str, Any],
    segmentor: nn.Module,
    classes: Sequence[str],
    palette: Sequence[Sequence[int]],
) -> dict[str, Any]:
    """The whole config.

    Args:
        cfg: of the training.
        model: of :func:`exported_model`. segmentor: built from it.
    """
    steps = [_stock_reader(step) for step in _plain(test_steps(cfg))]
    imports = needed_imports(segmentor, steps, cfg.get('custom_imports'))
    test = dict(
        type='CustomDataset',
        data_root='data/my_images',
        img_dir='images',
        ann_dir='labels',
        classes=list(classes),
        palette=[list(map(int, color)) for color in palette],
        test_mode=True,
        pipeline=steps,
    )
    head = {'custom_imports': dict(imports=imports, allow_failed_imports=False)} if imports else {}
    return {**head, 'model': dict(model), 'data': dict(samples_per_gpu=1, workers_per_gpu=2, test=test)}


def needed_imports(segmentor: nn.Module, steps: Sequence[Any], given: Optional[Mapping[str, Any]]) -> list[str]:
    """Modules that have to be imported before the config can be used, outside of MMSegmentation.

    Args:
        segmentor: the network. steps: of the test pipeline. given: ``custom_imports`` of the training config.
    """
    modules = {type(module).__module__ for module in segmentor.modules()}
    packages = {name.split('.')[0] for name in modules} - set(STOCK)
    if any(not hasattr(mmseg.datasets.pipelines, kind) for kind in step_types(steps)):
        packages.add(OWN)
    found = [OWN] if OWN in packages else []
    listed = [name for name in (given or {}).get('imports') or () if name.split('.')[0] in packages - {OWN}]
    covered = {name.split('.')[0] for name in listed}
    missing = sorted(name for name in modules if name.split('.')[0] in packages - covered - {OWN})
    return [*found, *listed, *missing]


def step_types(steps: Sequence[Any]) -> list[str]:
    """Types of all transforms, also of those inside others."""
    found = []
    for step in steps:
        if isinstance(step, Mapping):
            found += [str(step.get('type')), *step_types(step.get('transforms') or ())]
    return found


def unknown_to_stock(model: Mapping[str, Any]) -> list[str]:
    """Keys of ``test_cfg`` that change the result here and mean nothing to MMSegmentation's own networks."""
    return [key for key in _OWN_TEST_KEYS if key in model['test_cfg']]


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    return type(value)(map(_plain, value)) if isinstance(value, (list, tuple)) else value


def _without_training(value: Any, channels: Any = None) -> Any:
    if isinstance(value, (list, tuple)):
        return type(value)(_without_training(item, channels) for item in value)
    if not isinstance(value, Mapping):
        return value
    channels = value.get('out_channels', channels)
    kept = {key: _without_training(item, channels) for key, item in value.items() if key not in _WEIGHTS}
    if kept.get('type') == 'TIMMBackbone':
        kept['pretrained'] = False  # its default is a download
    if kept.get('type') in ('SyncBN', 'MMSyncBN'):
        kept['type'] = 'BN'
    if 'loss_decode' in kept and not _is_stock_loss(kept['loss_decode']):
        kept['loss_decode'] = dict(type='CrossEntropyLoss', use_sigmoid=channels == 1, loss_weight=1.0)
    return kept


def _is_stock_loss(loss: Any) -> bool:
    parts = loss if isinstance(loss, (list, tuple)) else [loss]
    kinds = [LOSSES.get(part['type']) for part in parts]
    return all(kind is not None and kind.__module__.split('.')[0] == 'mmseg' for kind in kinds)


def _stock_reader(step: Any) -> Any:
    """``LoadImage`` is this package's name for a reader with better messages."""
    return {**step, 'type': 'LoadImageFromFile'} if isinstance(step, Mapping) and step['type'] == 'LoadImage' else step

"""What goes with the weights: how images are prepared and scores are read (``processing.json``), and the model card."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Iterator, Mapping, Optional, Sequence

import jinja2
import mmcv
import mmseg
import torch
from torch import nn

from ..models.heads import has_one_channel, threshold_of
from ..utils.checkpoint_io import plain
from ..version import __version__
from .export_graph import INPUT, OPSET, OUTPUT, compared_sizes

TEMPLATE = Path(__file__).with_name('model_card.jinja')
#: streams of a training set, and what the card calls them
_STREAMS = dict(source='source', target='target (no labels)', labeled_target='labelled target', paste='pasted')


def flat_steps(steps: Sequence[Any]) -> list[dict[str, Any]]:
    """The transforms of a test pipeline in order, those inside ``MultiScaleFlipAug`` with its scale."""
    found: list[dict[str, Any]] = []
    for step in steps:
        if step.get('type') == 'MultiScaleFlipAug':
            found += [_scaled(one, step) for one in flat_steps(step['transforms']) if not _does_nothing(one, step)]
        else:
            found.append(dict(step))
    return found


def _does_nothing(step: Mapping[str, Any], views: Mapping[str, Any]) -> bool:
    """Whether a transform inside ``MultiScaleFlipAug`` leaves images as they are: mirroring, and a resize to their own
    size."""
    own_size = views.get('img_scale') is None and list(views.get('img_ratios') or ()) == [1.0]
    return step['type'] == 'RandomFlip' or (step['type'] == 'Resize' and own_size and step.get('img_scale') is None)


def _scaled(step: dict[str, Any], views: Mapping[str, Any]) -> dict[str, Any]:
    if step['type'] != 'Resize' or step.get('img_scale') is not None:
        return step
    key = 'img_ratios' if views.get('img_scale') is None else 'img_scale'
    return {**step, key: views.get(key)}


def normalisation(steps: Sequence[Any]) -> dict[str, Any]:
    """Options of ``Normalize``; empty where there is none."""
    found = [step for step in flat_steps(steps) if step['type'] == 'Normalize']
    return {key: value for key, value in found[-1].items() if key != 'type'} if found else {}


def processing(
    steps: Sequence[Any],
    segmentor: Any,
    classes: Sequence[str],
    palette: Sequence[Sequence[int]],
    size: Optional[Sequence[int]],
    differences: Mapping[str, float],
) -> dict[str, Any]:
    """How to use a graph without this package, as JSON values.

    Args:
        steps: of the test pipeline, as the config says them.
        size: (height, width) of a graph of one size, or None.
        differences: largest relative difference of each graph file.
    """
    norm = normalisation(steps)
    channels = len(norm.get('mean', (0, 0, 0)))
    free = ['batch', channels, 'height', 'width']
    shape = free if size is None else [1, channels, *map(int, size)]
    test_cfg = dict(segmentor.test_cfg or {})
    slide = test_cfg.get('mode') == 'slide'
    one_channel = has_one_channel(segmentor)
    return plain(
        dict(
            graphs={
                name: dict(largest_relative_difference=value, compared=compared_sizes(size))
                for name, value in differences.items()
            },
            input=dict(
                name=INPUT,
                shape=shape,
                dtype='float32',
                channels='RGB' if norm.get('to_rgb', False) else 'as read by OpenCV (BGR for three channels)',
            ),
            preprocessing=[step for step in flat_steps(steps) if step['type'] not in ('ImageToTensor', 'Collect')],
            windows=dict(crop=test_cfg['crop_size'], stride=test_cfg['stride'], merge=_merging(test_cfg))
            if slide
            else None,
            output=dict(
                name=OUTPUT,
                shape=[shape[0], int(segmentor.out_channels), *shape[2:]],
                dtype='float32',
                meaning='class scores at the size of the input',
            ),
            postprocessing=dict(
                resize=dict(to='height and width of the image', mode='bilinear', align_corners=segmentor.align_corners),
                label=dict(sigmoid_above=threshold_of(segmentor)) if one_channel else 'argmax',
            ),
            classes=classes,
            palette=palette,
            opset=OPSET,
        )
    )


def _merging(test_cfg: Mapping[str, Any]) -> str:
    if test_cfg.get('average') == 'probabilities':
        return 'mean of the softmax of all windows that see a pixel'
    return 'mean of the scores of all windows that see a pixel'


def model_card(
    cfg: Any, name: str, meta: Mapping[str, Any], checkpoint: Path, network: str, segmentor: nn.Module, **values: Any
) -> str:
    """The README.md of an export.

    Args:
        cfg: of the training. name: of its config. meta: of the checkpoint. network: name of the exported one.
        values: ``classes``, ``files``, ``imports``, ``remarks`` ...
    """
    environment = jinja2.Environment(trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined)
    template = environment.from_string(TEMPLATE.read_text(encoding='utf-8'))
    runner = cfg.get('runner') or {}
    model = cfg['model']
    return template.render(
        name=name,
        title=Path(name).stem,
        network=network,
        segmentor=f'{model["type"]}, {model["backbone"]["type"]}, {_type_of(model["decode_head"])}',
        parameters=f'{sum(p.numel() for p in segmentor.parameters()) / 1e6:.1f}',
        method=(cfg.get('uda') or {}).get('type', 'supervised training'),
        data=list(training_data(cfg)),
        iterations=meta.get('iter'),
        planned=runner.get('max_iters'),
        seed=meta.get('seed', cfg.get('seed')),
        batch=(cfg.get('data') or {}).get('samples_per_gpu'),
        pretrained=pretrained_weights(model),
        result=recorded_result(checkpoint),
        versions={**dict(mmseg_uda=__version__), **_versions(), **_trained_with(meta)},
        **values,
    )


def _type_of(head: Any) -> str:
    return ' + '.join(map(_type_of, head)) if isinstance(head, (list, tuple)) else str(head['type'])


def _versions() -> dict[str, str]:
    return {module.__name__: module.__version__ for module in (torch, mmcv, mmseg)}


def _trained_with(meta: Mapping[str, Any]) -> dict[str, str]:
    code = meta.get('code') if isinstance(meta.get('code'), Mapping) else {}
    return {f'{key} (training)': str(value) for key, value in (code or {}).items()}


def training_data(cfg: Any) -> Iterator[tuple[str, str]]:
    """(role, data set) of every stream of a training config."""
    train = (cfg.get('data') or {}).get('train')
    if not isinstance(train, Mapping) or not set(train) & set(_STREAMS):
        yield from (('training', text) for text in _data_sets(train))
        return
    for key, role in _STREAMS.items():
        yield from ((role, text) for text in _data_sets(train.get(key)))


def _data_sets(entry: Any) -> Iterator[str]:
    if isinstance(entry, (list, tuple)):
        for one in entry:
            yield from _data_sets(one)
    elif isinstance(entry, Mapping):
        inner = entry.get('dataset') or entry.get('datasets')
        if inner is not None:
            yield from _data_sets(inner)
        else:
            yield f'`{entry.get("type")}`' + (f' in `{entry["data_root"]}`' if entry.get('data_root') else '')


def pretrained_weights(model: Any) -> list[str]:
    """Files or addresses that a model config starts from."""
    found = []
    for key, value in model.items():
        if isinstance(value, Mapping):
            found += pretrained_weights(value)
        elif key in ('pretrained', 'checkpoint', 'weights') and isinstance(value, str):
            found.append(value)
    return found


def recorded_result(checkpoint: Path) -> Optional[dict[str, Any]]:
    """mIoU of a checkpoint (percent) and the file that says so: of ``tools/test.py``, else of an evaluation during
    training; None where neither was made."""
    names = {checkpoint.stem, checkpoint.resolve().stem}
    for path in (checkpoint.parent / f'test_{name}.json' for name in sorted(names)):
        found = _score(path, json.loads(path.read_text(encoding='utf-8')).get('metric')) if path.is_file() else None
        if found:
            return found
    number = checkpoint.resolve().stem.rpartition('_')[2]
    for path in sorted(checkpoint.parent.glob('*.log.json')) if number.isdigit() else ():
        for line in path.read_text(encoding='utf-8').splitlines():
            entry = _entry(line)
            if entry.get('mode') == 'val' and entry.get('iteration') == int(number):
                found = _score(path, entry)
                if found:
                    return found
    return None


def _entry(line: str) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except ValueError:  # a line that a killed run has not finished
        return {}
    return value if isinstance(value, dict) else {}


def _score(path: Path, metrics: Any) -> Optional[dict[str, Any]]:
    value = metrics.get('mIoU') if isinstance(metrics, Mapping) else None
    return dict(miou=f'{100 * float(value):.2f}', file=path.name) if isinstance(value, (int, float)) else None

"""The streams of a training set as their pipelines make them, read from a config: no data set is opened."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Mapping, NamedTuple, Optional, Sequence

from mmcv import Config

from ..datasets.clips import rows_above
from ..datasets.pipeline_config import IMAGENET_NORM
from ..datasets.step_properties import property_of
from ..datasets.uda_dataset import LABELED, stream_pipeline
from ..streams import LABELED_TARGET, PASTE, SOURCE, TARGET

Size = Optional[tuple[int, int]]


class StreamShape(NamedTuple):
    """What one stream brings.

    Attributes:
        size: (height, width) of its images; None: no step of its pipeline says it.
        keys: entries that its pipeline collects.
        grid: (height, width) of optical flow; None = that of the images.
        norm: options of ``Normalize``.
    """

    size: Size
    keys: tuple[str, ...] = ('img', 'gt_semantic_seg')
    grid: Size = None
    norm: Mapping[str, Any] = IMAGENET_NORM


@dataclass(frozen=True)
class TrainingShapes:
    """What the samples of a training set hold.

    Attributes:
        streams: by name, in the order of the config.
        patches: options of ``class_patches``, or None.
    """

    streams: Mapping[str, StreamShape]
    patches: Optional[Mapping[str, Any]] = None

    @classmethod
    def from_config(cls, cfg: Config) -> TrainingShapes:
        """Those of ``data.train``; a data set that is no ``UDADataset`` is a source. Of a list of data sets in one
        stream the first counts."""
        train = _first(cfg._cfg_dict['data']['train'])
        if 'pipeline' in train:
            return cls({SOURCE: _shape(train, SOURCE)})
        targets = train.get(TARGET) or []
        targets = targets if isinstance(targets, (list, tuple)) else [targets]
        named = {
            SOURCE: train.get(SOURCE),
            **{TARGET if i == 0 else f'{TARGET}{i + 1}': target for i, target in enumerate(targets)},
            LABELED_TARGET: train.get(LABELED_TARGET),
            PASTE: train.get(PASTE),
        }
        streams = {name: _shape(data, name) for name, data in named.items() if data}
        if train.get('known_labels'):
            known = [name for name in streams if name.startswith(TARGET)]
            streams.update({name: _with_key(streams[name], 'ground_truth') for name in known})
        if train.get('sync_crop_size'):
            size = _pair(train['sync_crop_size'])
            streams = {name: shape._replace(size=size) for name, shape in streams.items()}
        return cls(streams, train.get('class_patches'))


def _first(data: Any) -> Any:
    """The first of the data sets that a config joins or wraps."""
    while True:
        if isinstance(data, (list, tuple)):
            data = data[0]
        elif data.get('type') in ('RepeatDataset', 'ConcatDataset'):
            data = data.get('dataset') or data['datasets']
        else:
            return data


def _shape(data: Any, name: str) -> StreamShape:
    data = _first(data)
    if data.get('type') == 'PseudoLabelDataset':
        return _with_key(_shape(data['dataset'], name), 'gt_semantic_seg')
    if data.get('type') == 'MultiImageMixDataset':
        return _shape(dict(data['dataset'], pipeline=[*data['dataset']['pipeline'], *data['pipeline']]), name)
    resolved = stream_pipeline({'pipeline': (), **data}, name in LABELED)
    steps = [step for step in resolved if isinstance(step, Mapping)]
    by_type = {str(step.get('type')): step for step in steps}
    norm = by_type.get('DeferredNormalize') or by_type.get('Normalize') or IMAGENET_NORM
    size, grid = sizes_of(steps)
    return StreamShape(
        size,
        tuple((by_type.get('Collect') or {}).get('keys', ('img',))),
        grid,
        {key: norm[key] for key in ('mean', 'std', 'to_rgb') if key in norm},
    )


def sizes_of(steps: Sequence[Mapping[str, Any]]) -> tuple[Size, Size]:
    """(height, width) of the images that steps of a pipeline make, or None where no step says it, and of the grid of
    optical flow where it is another one. A resize that keeps the aspect ratio counts as if images had that of its
    scale."""
    size: Size = None
    grid: Size = None
    for step in steps:
        if step.get('type') == 'LoadClip':
            given = (step.get('flow') or {}).get('grid')
            grid = None if given is None else _pair(given[::-1])
        elif step.get('crop_size') is not None:
            size, grid = _pair(step['crop_size']), None
        elif property_of(step, 'fixes_size'):
            scale = step.get('size') or step.get('img_scale')
            scale = scale[0] if isinstance(scale, list) and isinstance(scale[0], (list, tuple)) else scale
            size = size if scale is None else _pair(scale[::-1])
        elif step.get('type') == 'CutBottom' and size is not None:
            grid = None if grid is None else (rows_above(grid, size, step['share']), grid[1])
            size = rows_above(size, size, step['share']), size[1]
    return size, grid


def _pair(value: Any) -> tuple[int, int]:
    return (int(value),) * 2 if isinstance(value, int) else (int(value[0]), int(value[1]))


def _with_key(shape: StreamShape, key: str) -> StreamShape:
    return shape if key in shape.keys else shape._replace(keys=(*shape.keys, key))

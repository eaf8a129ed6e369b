"""Labels of the target images of a training batch, for the accuracy of pseudo-labels; training never sees them."""

from __future__ import annotations

from typing import Any, Mapping

import torch
from mmcv.parallel import collate
from torch import Tensor

from ..datasets.known_labels import GROUND_TRUTH, reveal_known_labels
from ..datasets.pipeline_config import flattened, with_pseudo_labels
from ..datasets.step_properties import property_of
from ..datasets.stream_source import StreamSource
from ..datasets.uda_dataset import build_parts
from ..streams import TARGET
from ..utils.config_errors import ConfigError
from .data import to_device


class TargetTruth:
    """Reads the target samples of an iteration once more, together with their labels.

    Samples are functions of seed and position, so that they are the images of the batch; that they are is checked.

    Args:
        cfg: the whole config.

    Raises:
        ConfigError: there is no unlabelled target.
    """

    def __init__(self, cfg: Any) -> None:
        train = cfg.data.train
        target = train.get('target') if isinstance(train, Mapping) else None
        self._configs = [] if target is None else list(target) if isinstance(target, (list, tuple)) else [target]
        if not self._configs:
            raise ConfigError('views.accuracy needs an unlabelled target: data.train has none')
        self._seed = int(cfg.get('seed') or 0)
        data = {**cfg.data, **(cfg.data.get('train_dataloader') or {})}
        self._batch = int(data.get('samples_per_gpu', 1))
        self._streams: list[StreamSource] = []

    def open(self) -> None:
        """Find the label files.

        Raises:
            ConfigError: the target has none.
        """
        streams = []
        for i, cfg in enumerate(self._configs):
            name = TARGET if i == 0 else f'{TARGET}{i + 1}'
            stream = StreamSource(build_parts(cfg, labelled=False), name, self._seed)
            labelled = StreamSource(build_parts(_reading_labels(cfg), labelled=True), name, self._seed)
            if not any(getattr(part, 'ann_dir', None) for part in labelled.parts) or not reveal_known_labels(
                stream, labelled
            ):
                raise ConfigError(
                    f'views.accuracy needs the labels of the target: set ann_dir of data.train.{name} (training '
                    'itself never opens them)'
                )
            streams.append(stream)
        self._streams = streams

    def of(self, views: Mapping[str, Mapping[str, Tensor]], runner: Any) -> dict[str, Tensor]:
        """The truth (B, H, W) for the view ``target`` of the iteration that has just run.

        Raises:
            ConfigError: the images of the view are not those of the data set.
        """
        if TARGET not in views:
            return {}
        accumulate = runner.step.options.cumulative_iters
        # of several micro-batches the method has recorded the last one
        first = ((runner.iter + 1) * accumulate - 1) * runner.world_size * self._batch
        samples = [
            collate([stream.sample(first + j) for j in range(self._batch)], samples_per_gpu=self._batch)
            for stream in self._streams
        ]
        moved = [to_device(sample, runner.step.device) for sample in samples]
        shown = views[TARGET]['img']
        images = torch.cat([batch['img'] for batch in moved])
        if images.shape != shown.shape or not torch.allclose(images, shown.to(images), atol=1e-4):
            raise ConfigError(
                'views.accuracy: the images that the teacher labels are not those of data.train.target (a method or '
                'sync_crop_size changes them): leave accuracy out'
            )
        return {TARGET: torch.cat([batch[GROUND_TRUTH] for batch in moved])[:, 0]}


def _reading_labels(cfg: Any) -> Any:
    """A data set config whose pipeline loads labels; own steps for that are kept."""
    if not isinstance(cfg, Mapping) or cfg.get('pipeline') is None:
        return cfg
    steps = flattened(cfg['pipeline'])
    reads = any(isinstance(step, Mapping) and property_of(step, 'reads') == 'label' for step in steps)
    return cfg if reads else {**cfg, 'pipeline': with_pseudo_labels(steps)}

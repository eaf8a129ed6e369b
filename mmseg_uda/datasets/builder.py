"""Building the training set of a run from its config."""

from __future__ import annotations

from typing import Any, Mapping

from mmseg.datasets.builder import DATASETS

from ..utils.config import build_from_config
from .base import SegmentationDataset
from .pipeline_config import resolve_pipeline, with_pseudo_labels
from .pseudo_label_dataset import PseudoLabelDataset, label_loader
from .uda_dataset import LABELED, UDADataset, stream_pipeline


def build_training_dataset(cfg: Any, seed: int) -> UDADataset:
    """Build ``cfg.data.train``.

    Args:
        cfg: a whole config (or dict). ``data.train`` is a ``UDADataset``, or any MMSeg data set config (or a list of
            them) for supervised training, which becomes the ``source`` stream. ``data.cache`` keeps decoded samples.
        seed: seed of the run.

    Returns:
        The data set; ``dataset[position]`` is a pure function of (seed, position) for any position >= 0.

    Raises:
        KeyError: no ``data.train``, an unknown data set type or a misspelt option, with the nearest valid spelling.
    """
    data = cfg.get('data') or {}
    if not data.get('train'):
        raise KeyError('the config has no data.train: give a UDADataset (source, target) or a plain MMSeg data set')
    train = without_repeats(data['train'])
    kind = DATASETS.get(train['type']) if isinstance(train, dict) and 'type' in train else None
    if kind is not None and issubclass(kind, UDADataset):
        return build_from_config(train, DATASETS, seed=seed, cache=data.get('cache'))
    return UDADataset(source=train, seed=seed, cache=data.get('cache'))


def without_repeats(cfg: Any) -> Any:
    """A ``RepeatDataset`` around a ``UDADataset`` is that alone: its streams never end."""
    inner = cfg
    while isinstance(inner, Mapping) and inner.get('type') == 'RepeatDataset':
        inner = inner['dataset']
    return inner if isinstance(inner, Mapping) and 'type' in inner and _is_kind(inner, UDADataset) else cfg


def _is_kind(cfg: Mapping[str, Any], base: type) -> bool:
    kind = DATASETS.get(cfg['type']) if isinstance(cfg.get('type'), str) else cfg.get('type')
    return isinstance(kind, type) and issubclass(kind, base)


def resolved_training_set(cfg: Mapping[str, Any]) -> dict[str, Any]:
    """A config of ``data.train`` with the steps that run in every stream. Reads no file."""
    if not _is_kind(cfg, UDADataset):
        return resolved_stream(cfg, labelled=True)
    streams = {key: value for key, value in cfg.items() if key in (*LABELED, 'target') and value is not None}
    return {**cfg, **{key: resolved_stream(value, labelled=key in LABELED) for key, value in streams.items()}}


def resolved_stream(cfg: Any, labelled: bool) -> Any:
    """The config of a stream (a data set, a list of them, a wrapper) with the steps that run in training."""
    if isinstance(cfg, (list, tuple)):
        return [resolved_stream(part, labelled) for part in cfg]
    if not isinstance(cfg, Mapping):
        return cfg
    if _is_kind(cfg, PseudoLabelDataset):
        steps = with_pseudo_labels(cfg['dataset'].get('pipeline', ()), label_loader(cfg.get('soft', False)))
        return {**cfg, 'dataset': {**cfg['dataset'], 'pipeline': resolve_pipeline(steps, training=True)}}
    wrapped = {key: resolved_stream(cfg[key], labelled) for key in ('dataset', 'datasets') if key in cfg}
    own = dict(pipeline=stream_pipeline(cfg, labelled)) if cfg.get('pipeline') is not None else {}
    return {**cfg, **wrapped, **own}


def resolved_test_set(cfg: Any) -> Any:
    """A config of ``data.val`` or ``data.test`` with the steps that run; those of MMSegmentation's classes stay."""
    if isinstance(cfg, (list, tuple)):
        return [resolved_test_set(part) for part in cfg]
    if not isinstance(cfg, Mapping):
        return cfg
    wrapped = {key: resolved_test_set(cfg[key]) for key in ('dataset', 'datasets') if key in cfg}
    if cfg.get('pipeline') is None or not _is_kind(cfg, SegmentationDataset):
        return {**cfg, **wrapped}
    return {**cfg, **wrapped, 'pipeline': resolve_pipeline(cfg['pipeline'], margins=cfg.get('crop_pseudo_margins'))}

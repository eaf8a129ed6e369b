"""The training set of every setting: independent streams of source, target(s) and labelled target images."""

from __future__ import annotations

import copy
from contextlib import contextmanager
from typing import Any, Iterator, Mapping, Optional, Sequence, Union

import torch
from mmcv.parallel import DataContainer
from mmseg.datasets.builder import DATASETS
from torch.utils.data import Dataset

from ..streams import LABELED_TARGET, PASTE, SOURCE, TARGET, target_names
from ..utils.config import build_from_config, check_options
from ..utils.rng import numpy_generator
from .base import SegmentationDataset
from .class_patches import ClassPatches
from .findings import check_margins
from .known_labels import reveal_known_labels
from .pipeline_config import resolve_pipeline
from .rare_classes import build_class_sampler
from .sample_cache import CacheOptions
from .stream_source import StreamSource
from .wrappers import mixed_images

Config = Mapping[str, Any]
#: the streams with labels
LABELED = (SOURCE, LABELED_TARGET, PASTE)


def build_parts(cfg: Any, labelled: bool) -> list[Any]:
    """Build the data sets of one stream with their pipelines rewritten for training.

    Args:
        cfg: a data set config; a list of them, or lists of ``img_dir``, ``ann_dir``, ``split`` (one after another);
            ``RepeatDataset``, ``ConcatDataset``, ``MultiImageMixDataset``; or a data set that is already built.
        labelled: False: no label folder is opened.

    Raises:
        KeyError: unknown type or misspelt option, with the nearest valid spelling.
    """
    if isinstance(cfg, (list, tuple)):
        return [part for one in cfg for part in build_parts(one, labelled)]
    if not isinstance(cfg, Mapping):
        return [cfg]
    if cfg.get('type') == 'RepeatDataset':
        return build_parts(cfg['dataset'], labelled) * int(cfg['times'])
    if cfg.get('type') == 'ConcatDataset':
        return build_parts(cfg['datasets'], labelled)
    if cfg.get('type') == 'MultiImageMixDataset':
        return [mixed_images(cfg, build_parts(cfg['dataset'], labelled), labelled)]
    lists = {key: cfg[key] for key in ('img_dir', 'ann_dir', 'split') if isinstance(cfg.get(key), (list, tuple))}
    if lists:
        lengths = {key: len(value) for key, value in lists.items()}
        if len(set(lengths.values())) > 1:
            raise ValueError(f'lists of img_dir, ann_dir and split must have equal lengths, got {lengths}')
        return [
            part
            for values in zip(*lists.values())
            for part in build_parts({**cfg, **dict(zip(lists, values))}, labelled)
        ]
    options = copy.deepcopy(dict(cfg))
    if 'pipeline' in options:
        options['pipeline'] = stream_pipeline(options, labelled)
        if not labelled:
            options.update(_unlabelled(options))
    dataset = build_from_config(options, DATASETS)
    _check_zero_label(dataset)
    return [dataset]


def stream_pipeline(cfg: Config, labelled: bool) -> list[Any]:
    """The steps that run for a data set config in a stream of a training set."""
    margins = cfg.get('crop_pseudo_margins')
    return resolve_pipeline(cfg['pipeline'], training=True, labelled=labelled, margins=margins)


def _unlabelled(cfg: Config) -> dict[str, Any]:
    """Options that keep a data set from reading labels; those of this package still tell label files from images."""
    kind = DATASETS.get(cfg['type']) if isinstance(cfg.get('type'), str) else cfg.get('type')
    own = isinstance(kind, type) and issubclass(kind, SegmentationDataset)
    return dict(labels=False) if own else dict(ann_dir=None)


def _check_zero_label(dataset: Any) -> None:
    """Refuse a pipeline that ignores label 0 for a data set that is evaluated with it.

    The other way round the pipeline follows the data set.
    """
    steps = getattr(getattr(dataset, 'pipeline', None), 'transforms', [])
    if any(getattr(step, 'reduce_zero_label', False) for step in steps) and not getattr(
        dataset, 'reduce_zero_label', True
    ):
        raise ValueError(
            f'LoadAnnotations has reduce_zero_label=True, but {type(dataset).__name__} has not: training would use '
            'other classes than evaluation. Set reduce_zero_label=True of the data set, in every stream and test set, '
            'or take it out of the pipeline'
        )


def _check_pipeline(dataset: Any) -> None:
    """Refuse a data set without transforms, whose samples nobody can put into a batch."""
    if getattr(getattr(dataset, 'pipeline', None), 'transforms', None) == []:
        raise ValueError(
            f"{type(dataset).__name__} has no pipeline: give pipeline=[dict(type='TrainingCrops', img_scale=..., "
            'crop_size=...)] or the steps of MMSegmentation'
        )


@contextmanager
def _named(key: str) -> Iterator[None]:
    """Errors about files and values inside say which entry of the config they are about."""
    try:
        yield
    except (ValueError, FileNotFoundError) as error:
        if len(error.args) == 1:  # not those of Python's own that are made of several values
            error.args = (f'{key}: {error}',)
        raise


@DATASETS.register_module()
class UDADataset(Dataset):
    """Streams of a domain-adaptation run; a sample is one flat dict (see :mod:`mmseg_uda.streams`).

    Every stream walks its own data set in its own shuffled order, so that all pairings occur and nothing of size
    len(source) x len(target) is made. Any position >= 0 can be read, and a sample is a pure function of (seed,
    position): workers, ranks and resumed runs agree.

    Args:
        source: config of the labelled source, or a list of them (one after another); None for target-only settings.
        target: config of the unlabelled target, or a list of them (streams ``target``, ``target2``, ...). Label files
            are never opened, also if the pipeline lists ``LoadAnnotations``.
        labeled_target: config of the target images with labels (semi-supervised and active settings).
        rare_class_sampling: ``dict(min_pixels=3000, class_temp=0.01, min_crop_ratio=0.5)`` for the source, or None.
            Further options: :class:`~mmseg_uda.datasets.rare_classes.RareClassSampler`. With
            ``type='ClassUniformSampler'`` RIPU's rule:
            :class:`~mmseg_uda.datasets.class_uniform.ClassUniformSampler`.
        labeled_rare_class_sampling: the same for ``labeled_target``.
        paste: config of a labelled stream ``paste`` whose images only give pixels to others (STAL's copy-paste), or
            None.
        shares: stream name -> share of the samples that each data set of its list gives, such as
            ``dict(labeled_target=[0.6, 0.4])``; by default every image of a list is equally likely. With rare-class
            sampling they hold within every class.
        known_labels: images of the target that are labelled target images as well (a target list of all images) bring
            their ground truth, ``target_ground_truth``, 255 elsewhere; methods then use it instead of pseudo-labels.
        class_patches: options of :class:`~mmseg_uda.datasets.class_patches.ClassPatches`: every sample also brings
            pixels of long-tail classes from other source files (QuadMix), or None.
        sync_crop_size: (height, width): after the pipelines cut the same random window from all streams of a sample
            (HRDA's ablations).
        max_corrupt_files: see :class:`~mmseg_uda.datasets.stream_source.StreamSource`.
        seed: seed of the run; :func:`~mmseg_uda.datasets.builder.build_training_dataset` sets it.
        cache: what ``data.cache`` says, see :class:`~mmseg_uda.datasets.sample_cache.CacheOptions`.

    Raises:
        ValueError: no stream at all, or streams with different classes.
    """

    def __init__(
        self,
        source: Optional[Config] = None,
        target: Union[Config, Sequence[Config], None] = None,
        labeled_target: Optional[Config] = None,
        rare_class_sampling: Optional[Config] = None,
        labeled_rare_class_sampling: Optional[Config] = None,
        paste: Optional[Config] = None,
        shares: Optional[Mapping[str, Sequence[float]]] = None,
        known_labels: bool = False,
        class_patches: Optional[Config] = None,
        sync_crop_size: Optional[Sequence[int]] = None,
        max_corrupt_files: int = 0,
        seed: int = 0,
        cache: Optional[Config] = None,
    ) -> None:
        kept = CacheOptions.from_config(cache)
        targets = [] if target is None else list(target) if isinstance(target, (list, tuple)) else [target]
        configs = {
            SOURCE: source,
            **{TARGET if i == 0 else f'{TARGET}{i + 1}': cfg for i, cfg in enumerate(targets)},
            LABELED_TARGET: labeled_target,
            PASTE: paste,
        }
        configs = {name: cfg for name, cfg in configs.items() if cfg is not None}
        #: stream name -> its entry in the config
        self.keys = {name: f'data.train.{name}' for name in configs}
        if isinstance(target, (list, tuple)):
            self.keys.update({name: f'data.train.target[{i}]' for i, name in enumerate(target_names(list(configs)))})
            if not targets:
                raise ValueError(
                    'data.train.target is an empty list: give one data set for every target, or leave it out'
                )
        check_options(shares or {}, configs, 'shares (streams of this training set)')
        if not configs:
            raise ValueError('UDADataset needs at least one of source, target, labeled_target')
        self.seed = seed
        self.sync_crop_size = tuple(sync_crop_size) if sync_crop_size is not None else None
        self.streams: dict[str, StreamSource] = {}
        for name, cfg in configs.items():
            with _named(self.keys[name]):
                parts = build_parts(cfg, name in LABELED)
                for part in parts:
                    _check_pipeline(part)
                    if name in target_names([name]):
                        check_margins(part)
                self.streams[name] = StreamSource(parts, name, seed, max_corrupt_files, (shares or {}).get(name), kept)
        self.stream_names = tuple(self.streams)
        if known_labels:
            self._reveal_known_labels()
        self._check_classes()
        first = next(iter(self.streams.values())).first
        self.CLASSES, self.PALETTE, self.ignore_index = (
            first.CLASSES,
            first.PALETTE,
            getattr(first, 'ignore_index', 255),
        )
        self.samplers = {
            name: build_class_sampler(self._stream(name, key), options)
            for name, key, options in (
                (SOURCE, 'rare_class_sampling', rare_class_sampling),
                (LABELED_TARGET, 'labeled_rare_class_sampling', labeled_rare_class_sampling),
            )
            if options
        }
        self.class_patches = (
            ClassPatches(self._stream(SOURCE, 'class_patches'), **class_patches) if class_patches else None
        )

    def _reveal_known_labels(self) -> None:
        labeled = self._stream(LABELED_TARGET, 'known_labels')
        if not sum(reveal_known_labels(self.streams[name], labeled) for name in target_names(self.stream_names)):
            raise ValueError(
                'known_labels=True, but no image of the target is in labeled_target: list all images in the '
                "target's split, or leave "
                'known_labels out'
            )

    def _stream(self, name: str, option: str) -> StreamSource:
        if name not in self.streams:
            raise ValueError(f"{option} needs a '{name}' stream; this training set has {list(self.stream_names)}")
        return self.streams[name]

    def _check_classes(self) -> None:
        named = {
            name: tuple(part.CLASSES) for name, stream in self.streams.items() for part in stream.parts if part.CLASSES
        }
        if len(set(named.values())) > 1:
            lists = '; '.join(
                f'{name}: {len(classes)} classes ({", ".join(classes[:4])}, ...)' for name, classes in named.items()
            )
            raise ValueError(
                f'all streams must have the same classes, got {lists}. Use the same label_space (or classes) for all: '
                f'{", ".join(self.keys[name] for name in named)}.'
            )

    def __len__(self) -> int:
        """Samples of one epoch of the longest stream; positions beyond it are valid."""
        return max(len(stream) for stream in self.streams.values())

    def __getitem__(self, position: int) -> dict[str, Any]:
        """The sample at a position of the global batch sequence."""
        batch: dict[str, Any] = {}
        for name, stream in self.streams.items():
            sample = self.samplers[name].sample(position) if name in self.samplers else stream.sample(position)
            if stream.has_margins and 'valid_pseudo_mask' not in sample:  # another data set of the stream has them
                shape = (1, *sample['img'].data.shape[-2:])
                sample['valid_pseudo_mask'] = DataContainer(torch.ones(shape, dtype=torch.uint8), stack=True)
            prefix = '' if name == SOURCE else f'{name}_'
            batch.update({f'{prefix}{key}': value for key, value in sample.items()})
        if self.class_patches is not None:
            batch.update(self.class_patches.sample(position))
        if self.sync_crop_size is not None:
            self._sync_crop(batch, position)
        return batch

    def _sync_crop(self, batch: dict[str, Any], position: int) -> None:
        """Cut the same window from every image, label and mask of the sample, in place."""
        maps = {
            key: value
            for key, value in batch.items()
            if isinstance(value, DataContainer) and isinstance(value.data, torch.Tensor)
        }
        sizes = {tuple(value.data.shape[-2:]) for value in maps.values()}
        height, width = self.sync_crop_size or (0, 0)
        if len(sizes) > 1 or height > min(h for h, _ in sizes) or width > min(w for _, w in sizes):
            raise ValueError(
                f'sync_crop_size={self.sync_crop_size} needs equally large maps at least of that size in all streams, '
                f'got {sorted(sizes)}'
            )
        rows, columns = sizes.pop()
        rng = numpy_generator(self.seed, 'sync_crop', position)
        top, left = int(rng.integers(rows - height + 1)), int(rng.integers(columns - width + 1))
        for key, value in maps.items():
            batch[key] = DataContainer(
                value.data[..., top : top + height, left : left + width].contiguous(), stack=True
            )
        for key in [key for key in batch if key.endswith('img_metas')]:
            meta = dict(batch[key].data)
            inside = [
                max(0, min(size, full - start))
                for full, start, size in zip(meta['img_shape'], (top, left), (height, width))
            ]
            meta.update(img_shape=(*inside, *meta['img_shape'][2:]), pad_shape=(height, width, *meta['img_shape'][2:]))
            batch[key] = DataContainer(meta, cpu_only=True)

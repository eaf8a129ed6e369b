"""Batches of the right shapes without data, for measuring any config on any machine."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any, Mapping, Sequence

import torch
from mmcv import Config
from mmseg.models.builder import build_backbone
from torch import Tensor

from ..methods.base import UDASegmentor
from ..streams import SOURCE
from .stream_shapes import StreamShape, TrainingShapes


def crop_size(cfg: Config) -> tuple[int, int]:
    """Height and width of the training images: those of the last stream of ``data.train``, usually a target.

    Raises:
        KeyError: no step of its pipeline says them.
    """
    name, shape = list(TrainingShapes.from_config(cfg).streams.items())[-1]
    return _size(name, shape)


def _size(name: str, shape: StreamShape) -> tuple[int, int]:
    if shape.size is None:
        raise KeyError(
            f"no step in the pipeline of data.train's {name} says how large its images are (crop_size, or the size of "
            'a resize): give --size HEIGHT WIDTH'
        )
    return shape.size


def batch_of(streams: Mapping[str, StreamShape], batch: int, classes: int) -> dict[str, Any]:
    """A batch as the data loader gives it.

    Args:
        streams: what each stream brings.
        batch: images of each stream.
        classes: labels are 0 to ``classes - 1``, in stripes.

    Returns:
        float32 images of noise (B, C, H, W), int64 labels (B, 1, H, W), meta data, and the other entries that the
        pipelines collect: frames, flow, masks.
    """
    rng = torch.Generator().manual_seed(0)
    values: dict[str, Any] = {}
    for name, shape in streams.items():
        prefix = '' if name == SOURCE else f'{name}_'
        height, width = _size(name, shape)
        channels = len(shape.norm['mean'])
        metas = [
            dict(
                img_norm_cfg=dict(shape.norm),
                filename=f'{i}',
                img_shape=(height, width, channels),
                ori_shape=(height, width, channels),
                pad_shape=(height, width, channels),
                flip=False,
            )
            for i in range(batch)
        ]
        values[f'{prefix}img'] = torch.randn(batch, channels, height, width, generator=rng)
        values[f'{prefix}img_metas'] = metas
        collected = (key for key in shape.keys if key != 'img')
        values.update({f'{prefix}{key}': _entry(key, shape, batch, classes) for key in collected})
    return values


def _entry(key: str, shape: StreamShape, batch: int, classes: int) -> Tensor:
    """What a pipeline collects under ``key`` besides the image."""
    height, width = shape.size or (0, 0)
    if key.startswith('flow'):
        return torch.zeros(batch, 2, *(shape.grid or (height, width)))
    if key.endswith('_frame'):
        return torch.zeros(batch, 3, height, width, dtype=torch.uint8)
    if key in ('valid_pseudo_mask', 'occlusion'):
        return torch.ones(batch, 1, height, width, dtype=torch.uint8)
    return (torch.arange(width) * classes // width).repeat(batch, 1, height, 1)


def _patches(options: Mapping[str, Any], size: Sequence[int], batch: int) -> dict[str, Tensor]:
    """Class patches, empty ones."""
    passes = int(options.get('passes', 2))
    height, width = size
    values = dict(
        class_patches=torch.zeros(batch, passes, 3, height, width, dtype=torch.uint8),
        class_patch_labels=torch.full((batch, passes, height, width), 255, dtype=torch.uint8),
        class_patches_missing=torch.zeros(batch, dtype=torch.int64),
    )
    if options.get('counts'):
        values['class_patch_counts'] = torch.zeros(batch, passes, height, width, dtype=torch.uint8)
    return values


def without_downloads(cfg: Config, folder: Path) -> Config:
    """A copy of a config that needs no pretrained weights: a file of random ones stands in where a method insists."""
    cfg = Config(copy.deepcopy(cfg._cfg_dict.to_dict()))
    if cfg.model.get('pretrained'):
        path = folder / 'weights.pth'
        if not path.is_file():
            torch.save(build_backbone(dict(cfg.model.backbone, pretrained=None)).state_dict(), path)
        cfg.model.pretrained = str(path)
    return cfg


def example_batch(cfg: Config, method: UDASegmentor, batch: int = 0, size: Sequence[int] = ()) -> dict[str, Any]:
    """The batch that a config's training set would give, at its batch and image sizes unless others are given.

    Args:
        batch: images of each stream.
        size: (height, width) of all streams, and of optical flow.

    Raises:
        KeyError: the config does not say how large the images are.
    """
    shapes = TrainingShapes.from_config(cfg)
    head: Any = method.student.decode_head
    head = head[-1] if isinstance(head, torch.nn.ModuleList) else head
    streams = dict(shapes.streams)
    if size:
        height, width = size
        streams = {name: shape._replace(size=(height, width), grid=None) for name, shape in streams.items()}
    batch = batch or cfg.data.samples_per_gpu
    values = batch_of(streams, batch, head.num_classes)
    if shapes.patches:
        values.update(_patches(shapes.patches, values['img'].shape[2:], batch))
    return values

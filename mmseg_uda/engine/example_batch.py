"""Batches of the right shapes without data, for measuring any config on any machine."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any, Sequence

import torch
from mmcv import Config
from mmseg.models.builder import build_backbone

from ..methods.base import UDASegmentor
from ..streams import SOURCE
from ..utils.config import option_names


def crop_size(cfg: Config) -> tuple[int, int]:
    """Height and width of the training images: the last ``crop_size`` in the pipelines of ``data.train``.

    Raises:
        KeyError: there is none.
    """
    found: list[Any] = []

    def walk(value: Any) -> None:
        if isinstance(value, dict):
            if value.get('crop_size') is not None:
                found.append(value['crop_size'])
            for item in value.values():
                walk(item)
        elif isinstance(value, (list, tuple)):
            for item in value:
                walk(item)

    walk(cfg._cfg_dict['data']['train'])
    if not found:
        raise KeyError('data.train names no crop_size: give --size HEIGHT WIDTH')
    height, width = found[-1]
    return int(height), int(width)


def batch_of(streams: Sequence[str], batch: int, size: Sequence[int], classes: int) -> dict[str, Any]:
    """A batch as the data loader gives it, all streams with labels but the targets.

    Args:
        streams: names of the streams.
        batch: images of each stream.
        size: (height, width).
        classes: labels are 0 to ``classes - 1``, in stripes.

    Returns:
        float32 images of noise (B, 3, H, W), int64 labels (B, 1, H, W), meta data, and QuadMix's class patches.
    """
    height, width = size
    rng = torch.Generator().manual_seed(0)
    metas = [
        dict(
            img_norm_cfg=dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], to_rgb=True),
            filename=f'{i}',
            img_shape=(height, width, 3),
            ori_shape=(height, width, 3),
            pad_shape=(height, width, 3),
            flip=False,
        )
        for i in range(batch)
    ]
    stripes = (torch.arange(width) * classes // width).expand(batch, 1, height, width)
    values: dict[str, Any] = {}
    for stream in streams:
        prefix = '' if stream == 'source' else f'{stream}_'
        values[f'{prefix}img'] = torch.randn(batch, 3, height, width, generator=rng)
        values[f'{prefix}img_metas'] = metas
        if not stream.startswith('target'):
            values[f'{prefix}gt_semantic_seg'] = stripes.clone()
    if 'source' in streams:
        values['class_patches'] = torch.zeros(batch, 2, 3, height, width, dtype=torch.uint8)
        values['class_patch_labels'] = torch.zeros(batch, 2, height, width, dtype=torch.uint8)
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
    """The batch that a method takes, at the config's batch and crop size unless others are given."""
    head: Any = method.student.decode_head
    head = head[-1] if isinstance(head, torch.nn.ModuleList) else head
    streams = method.required_streams or (SOURCE,)  # source-only takes any stream with labels
    values = batch_of(streams, batch or cfg.data.samples_per_gpu, size or crop_size(cfg), head.num_classes)
    if 'quad_mixer' not in (option_names(type(method)) or ()) and not hasattr(method, 'quad_mixer'):
        values.pop('class_patches', None), values.pop('class_patch_labels', None)
    return values

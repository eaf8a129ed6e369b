"""A pool of small images on disk, and configs around it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from mmcv import Config
from PIL import Image

from tests.harness.synthetic import tiny_model

CLASSES = ('road', 'car', 'tree', 'sky')
PALETTE = [[128, 64, 128], [0, 0, 142], [107, 142, 35], [70, 130, 180]]
SIZE = (24, 40)
NORM = dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], to_rgb=True)
CROP = (24, 32)


def make_world(folder: Path, cities: dict[str, int] | None = None) -> Path:
    """Write ``img/<city>/<i>.png`` and ``ann/<city>/<i>.png``: blocks of classes with their own grey value and
    noise."""
    for city, count in (cities or {'aachen': 5, 'bonn': 4}).items():
        for i in range(count):
            rng = np.random.default_rng([ord(city[0]), i])
            label = np.kron(rng.integers(0, len(CLASSES), (SIZE[0] // 8, SIZE[1] // 8)), np.ones((8, 8), int)).astype(
                np.uint8
            )
            image = (label[..., None] * 60 + rng.integers(0, 40, (*SIZE, 3))).astype(np.uint8)
            label[rng.random(SIZE) < 0.05] = 255
            for kind, values in (('img', image), ('ann', label)):
                path = folder / kind / city / f'{city}_{i}.png'
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(values).save(path)
    return folder


def folder_set(world: Path, **options: Any) -> dict[str, Any]:
    """Config of the world as a data set."""
    return dict(
        type='FolderDataset', data_root=str(world), img_dir='img', classes=list(CLASSES), palette=PALETTE, **options
    )


def steps(load_labels: dict[str, Any] | None) -> list[dict[str, Any]]:
    """A training pipeline."""
    loading = [dict(type='LoadImageFromFile')] + ([load_labels] if load_labels else [])
    keys = ['img', 'gt_semantic_seg'] if load_labels else ['img']
    return [
        *loading,
        dict(type='Resize', img_scale=SIZE[::-1]),
        dict(type='RandomCrop', crop_size=CROP),
        dict(type='RandomFlip', prob=0.5),
        dict(type='Normalize', **NORM),
        dict(type='DefaultFormatBundle'),
        dict(type='Collect', keys=keys),
    ]


def evaluation_steps() -> list[dict[str, Any]]:
    """A test pipeline."""
    transforms = [
        dict(type='Resize', keep_ratio=True),
        dict(type='RandomFlip'),
        dict(type='Normalize', **NORM),
        dict(type='ImageToTensor', keys=['img']),
        dict(type='Collect', keys=['img']),
    ]
    return [
        dict(type='LoadImageFromFile'),
        dict(type='MultiScaleFlipAug', img_scale=SIZE[::-1], flip=False, transforms=transforms),
    ]


def active(world: Path, folder: Path, **changes: Any) -> dict[str, Any]:
    """An ``active`` block: two rounds of two images by entropy with a quota per city."""
    block = dict(
        pool=folder_set(world, ann_dir='ann'),
        folder=str(folder),
        budget=dict(images=[2, 1]),
        acquisition=dict(type='MeanEntropy'),
        group_by='folder',
        initial=dict(count=2),
        view=dict(mode='squash', size=32),
    )
    return {**block, **changes}


def image_config(world: Path, folder: Path, max_iters: int = 3, **changes: Any) -> Config:
    """A whole STAL config on the world."""
    labeled = dict(type='LoadAnnotations')
    return base_config(
        world,
        max_iters,
        dict(
            type='STAL',
            representation=dict(channels=4, dropout=0.0),
            ohem=dict(min_kept_per_image=50),
            copy_paste=dict(never=(0,)),
            cutmix=dict(size=4),
            contrast=dict(start=0.0, low_rank=1, num_queries=8, num_negatives=4, bank_size=40),
        ),
        dict(
            labeled_target=folder_set(world, ann_dir='ann', pipeline=steps(labeled)),
            target=folder_set(world, pipeline=steps(None)),
        ),
        active(world, folder, **changes),
    )


def region_config(world: Path, folder: Path, max_iters: int = 4, **changes: Any) -> Config:
    """A whole RIPU config on the world."""
    options = dict(
        budget=dict(share=0.1, rounds=2),
        acquisition=dict(type='RegionImpurity', radius=1),
        initial=None,
        group_by=None,
        view=dict(mode='whole'),
        **changes,
    )
    train = dict(labeled_target=folder_set(world, pipeline=steps(dict(type='LoadBoughtLabels'))))
    return base_config(world, max_iters, dict(type='RIPU'), train, active(world, folder, **options))


def base_config(
    world: Path, max_iters: int, uda: dict[str, Any], train: dict[str, Any], active_block: dict[str, Any]
) -> Config:
    """Everything that both have in common."""
    test = folder_set(world, ann_dir='ann', pipeline=evaluation_steps())
    return Config(
        dict(
            custom_imports=dict(imports=['tests.harness.synthetic'], allow_failed_imports=False),
            model=tiny_model(len(CLASSES)),
            uda=uda,
            data=dict(
                samples_per_gpu=2, workers_per_gpu=0, train=dict(type='UDADataset', **train), val=test, test=test
            ),
            active=active_block,
            optimizer=dict(type='SGD', lr=0.01, momentum=0.9),
            optimizer_config=dict(),
            runner=dict(type='IterBasedRunner', max_iters=max_iters),
            lr_config=dict(policy='poly', power=1.0, by_epoch=False),
            checkpoint_config=dict(interval=2, by_epoch=False),
            log_config=dict(interval=1, hooks=[]),
            log_level='ERROR',
            seed=0,
        )
    )

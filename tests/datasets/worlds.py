"""Tiny data sets on disk in the official layouts."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable, Optional, Sequence

import cv2
import numpy as np
from PIL import Image

SIZE = (24, 40)
NORM = dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], to_rgb=True)

LabelMaker = Callable[[int], np.ndarray]


def labelled_pipeline(
    crop: Sequence[int] = (16, 16), scale: Sequence[int] = (40, 24), **crop_options: Any
) -> list[dict[str, Any]]:
    """A published training pipeline in small."""
    return [
        dict(type='LoadImageFromFile'),
        dict(type='LoadAnnotations'),
        dict(type='Resize', img_scale=tuple(scale)),
        dict(type='RandomCrop', crop_size=tuple(crop), **crop_options),
        dict(type='RandomFlip', prob=0.5),
        dict(type='Normalize', **NORM),
        dict(type='Pad', size=tuple(crop), pad_val=0, seg_pad_val=255),
        dict(type='DefaultFormatBundle'),
        dict(type='Collect', keys=['img', 'gt_semantic_seg']),
    ]


def image(seed: int, size: Sequence[int] = SIZE) -> np.ndarray:
    """A random uint8 picture (H, W, 3)."""
    return np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)


def blocks(values: Sequence[int]) -> LabelMaker:
    """Label maps of vertical stripes with the given ids, rotated by the image number."""

    def make(number: int) -> np.ndarray:
        stripes = np.roll(np.asarray(values), number)
        return np.broadcast_to(np.repeat(stripes, -(-SIZE[1] // len(stripes)))[: SIZE[1]], SIZE).astype(np.uint8)

    return make


def write_image(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), image(seed))


def write_label(path: Path, label: np.ndarray, kind: str = 'grey') -> None:
    """Write ids as an 8-bit, palette or 16-bit (SYNTHIA) PNG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if kind == '16-bit':
        red = label.astype(np.uint16)
        instance = np.full_like(red, 300)
        cv2.imwrite(str(path), np.stack([np.zeros_like(red), instance, red], -1))
        return
    picture = Image.fromarray(label)
    if kind == 'palette':
        picture = picture.convert('P')
        picture.putdata(label.ravel().tolist())
        picture.putpalette(np.random.default_rng(0).integers(0, 256, 768).tolist())
    picture.save(path)


def make_gta(
    root: Path, number: int = 6, label: Optional[LabelMaker] = None, suffix: str = '.png', kind: str = 'palette'
) -> Path:
    """``images/00001.png`` and ``labels/00001.png`` with label ids."""
    label = label or blocks((7, 11, 23, 26))
    for i in range(number):
        write_image(root / 'images' / f'{i + 1:05d}.png', i)
        write_label(root / 'labels' / f'{i + 1:05d}{suffix}', label(i), kind)
    return root


def make_cityscapes(
    root: Path, number: int = 5, split: str = 'train', label: Optional[LabelMaker] = None, raw: bool = True
) -> Path:
    """``leftImg8bit/<split>/<city>`` and ``gtFine/<split>/<city>``."""
    label = label or (blocks((7, 11, 23, 26)) if raw else blocks((0, 2, 10, 13)))
    for i in range(number):
        city = ('aachen', 'ulm')[i % 2]
        stem = f'{split}/{city}/{city}_{i:06d}_000019'
        write_image(root / 'leftImg8bit' / f'{stem}_leftImg8bit.png', 100 + i)
        write_label(root / 'gtFine' / f'{stem}_gtFine_{"labelIds" if raw else "labelTrainIds"}.png', label(i))
    return root


def make_folder(root: Path, number: int = 4, label: Optional[LabelMaker] = None) -> Path:
    """``images/<n>.jpg`` and ``labels/<n>.png`` with class ids 0, 1, 2."""
    label = label or blocks((0, 1, 2, 255))
    for i in range(number):
        write_image(root / 'images' / f'{i}.jpg', 200 + i)
        write_label(root / 'labels' / f'{i}.png', label(i))
    return root


def gta_config(root: Path, **changes: Any) -> dict[str, Any]:
    return dict(
        type='GTADataset',
        data_root=str(root),
        img_dir='images',
        ann_dir='labels',
        pipeline=labelled_pipeline(),
        **changes,
    )


def cityscapes_config(root: Path, **changes: Any) -> dict[str, Any]:
    """A published target: labels are listed although adaptation must not need them."""
    return {
        **dict(
            type='CityscapesDataset',
            data_root=str(root),
            img_dir='leftImg8bit/train',
            ann_dir='gtFine/train',
            pipeline=labelled_pipeline(),
        ),
        **changes,
    }


def folder_config(root: Path, **changes: Any) -> dict[str, Any]:
    return {
        **dict(
            type='FolderDataset',
            data_root=str(root),
            img_dir='images',
            ann_dir='labels',
            classes=['a', 'b', 'c'],
            pipeline=labelled_pipeline(),
        ),
        **changes,
    }

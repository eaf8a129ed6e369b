"""CoaST's and MTAF's data and scores against vectors of the released code: label tables, resizes, crops, letterbox,
metrics."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmseg.core.evaluation.metrics import intersect_and_union, total_area_to_metrics

from mmseg_uda.datasets import label_spaces
from mmseg_uda.datasets.letterbox import Letterbox, inner_size, pad_to_aspect, padded
from mmseg_uda.datasets.pipelines import ExactResize, pillow_resize
from mmseg_uda.ops.normalize import normalize_on_device

from .golden import golden_files, load

DATA_SETS = {'gta5': 'gta'}
SPACES = {'7': 'super7', '19': 'city19'}
MTAF_PADDING = 65


def family(pattern: str) -> Any:
    return pytest.mark.parametrize('path', golden_files('coast', pattern), ids=lambda path: path.stem)


def with_our_ignore(label: np.ndarray) -> np.ndarray:
    return np.where(label == 250, 255, label)


@family('label_maps*.npz')
def test_label_tables(path: Path) -> None:
    for key, expected in load(path).items():
        data_set, classes = key.rsplit('_', 1)
        table = label_spaces.lookup_array(label_spaces.table(DATA_SETS.get(data_set, data_set), SPACES[classes]))
        np.testing.assert_array_equal(table[: len(expected)], with_our_ignore(expected), err_msg=key)
        assert (table[len(expected) :] == 255).all(), key


@family('preprocess_*.npz')
def test_preprocessing(path: Path) -> None:
    data = load(path)
    data_set = path.stem.split('_')[1]
    size = [int(side) for side in data['img_size_wh']]
    for key in [key for key in data if re.fullmatch(r'label_\d+', key)]:
        table = label_spaces.table(DATA_SETS.get(data_set, data_set), SPACES[key[len('label_') :]])
        label = label_spaces.lookup_array(table)[data['label_ids']]
        results = ExactResize(size, 'bilinear')(
            dict(img=data['rgb'][..., ::-1], gt_semantic_seg=label, seg_fields=['gt_semantic_seg'])
        )
        np.testing.assert_array_equal(results['gt_semantic_seg'], with_our_ignore(data[key]))
    img = torch.from_numpy(results['img']).permute(2, 0, 1)[None]
    norm = dict(mean=[0.0, 0.0, 0.0], std=[255.0, 255.0, 255.0], to_rgb=True)
    np.testing.assert_allclose(
        normalize_on_device(img, [dict(img_norm_cfg=norm)])[0].numpy(), data['img'], atol=1.5 / 255
    )


@family('weak_aug_*.npz')
def test_weak_augmentation(path: Path) -> None:
    """With the released draws: resize both maps, cut, flip."""
    data = load(path)
    size = data['resized_hw'][::-1]
    results = ExactResize(size, 'bilinear')(
        dict(img=data['image'][..., ::-1], gt_semantic_seg=data['label'], seg_fields=['gt_semantic_seg'])
    )
    top, bottom, left, right = data['crop_y0y1x0x1']
    step = -1 if data['flip'] else 1
    img, label = (results[key][top:bottom, left:right][:, ::step] for key in ('img', 'gt_semantic_seg'))
    assert np.abs(img[..., ::-1].astype(int) - data['out_image']).max() <= 1
    np.testing.assert_array_equal(label, data['out_label'])


@family('mtaf_letterbox_*.npz')
def test_letterbox(path: Path) -> None:
    data = load(path)
    box = [int(side) for side in data['target_wh']]
    results = Letterbox(box)(
        dict(img=data['rgb'][..., ::-1], gt_semantic_seg=data['label_ids'], seg_fields=['gt_semantic_seg'])
    )
    assert np.abs(results['img'][..., ::-1].astype(int) - data['out_rgb']).max() <= 1
    expected = data['out_label'][..., 0]
    width, height = inner_size(data['label_ids'].shape, box)
    np.testing.assert_array_equal(results['gt_semantic_seg'], padded(expected[:height, :width], box[::-1], 255))
    raw = padded(pillow_resize(data['label_ids'], (width, height)), box[::-1], MTAF_PADDING)
    np.testing.assert_array_equal(raw, expected)
    np.testing.assert_array_equal(pad_to_aspect(data['label_ids'], box, MTAF_PADDING), data['label_fixed_aspect'])


@family('metrics_*.npz')
def test_metrics(path: Path) -> None:
    data = load(path)
    classes = int(data['n_class'])
    truth = np.where((data['gt'] >= 0) & (data['gt'] < classes), data['gt'], 255)
    areas = [
        np.sum([part.numpy() for part in parts], axis=0)
        for parts in zip(*(intersect_and_union(pred, gt, classes, 255) for pred, gt in zip(data['pred'], truth)))
    ]
    np.testing.assert_array_equal(areas[0], np.diag(data['hist']))
    np.testing.assert_array_equal(areas[2], data['hist'].sum(0))
    np.testing.assert_array_equal(areas[3], data['hist'].sum(1))
    scores = total_area_to_metrics(*(torch.from_numpy(np.asarray(area)) for area in areas), metrics=['mIoU'])
    np.testing.assert_allclose(scores['IoU'], data['iou'], rtol=1e-6)
    for name, found in (
        ('miou', np.nanmean(scores['IoU'])),
        ('mean_acc', np.nanmean(scores['Acc'])),
        ('overall_acc', scores['aAcc']),
    ):
        if name in data:
            np.testing.assert_allclose(found, data[name], rtol=1e-6, err_msg=name)
    if 'fwavacc' in data:
        share = data['hist'].sum(1) / data['hist'].sum()
        iou = np.nan_to_num(np.asarray(scores['IoU']))
        np.testing.assert_allclose((share * iou).sum(), data['fwavacc'], rtol=1e-6)

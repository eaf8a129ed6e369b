"""Parity of label tables, preprocessing, Mapillary's letterbox and the metric with ADVENT and ESL."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from mmseg.core.evaluation.metrics import intersect_and_union

from mmseg_uda.datasets import label_spaces
from mmseg_uda.datasets.letterbox import Letterbox, pad_to_aspect, padded
from mmseg_uda.datasets.pipelines import ExactResize
from mmseg_uda.ops.normalize import normalize_on_device

from .golden import golden_files, load

DATA_SETS = {'gta5': 'gta', 'synthia': 'synthia', 'cityscapes_ids0to34': 'cityscapes', 'mapillary66': 'mapillary'}
SPACES = {'19': 'city19', '16': 'city16', '7': 'super7'}


def files(pattern: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize('path', golden_files('esl', pattern), ids=lambda path: path.stem)


@files('label_maps*.npz')
def test_label_tables(path: Path) -> None:
    for key, expected in load(path).items():
        data_set, classes = key.rsplit('_', 1)
        table = label_spaces.lookup_array(label_spaces.table(DATA_SETS[data_set], SPACES[classes]))
        assert not set(expected) - {255} - set(range(int(classes)))
        np.testing.assert_array_equal(table[: len(expected)], expected, err_msg=key)


@files('preprocess_*.npz')
def test_preprocessing(path: Path) -> None:
    data = load(path)
    label = label_spaces.lookup_array(label_spaces.table('gta'))[data['label_raw']]
    results = ExactResize(data['size_wh'])(
        dict(img=data['rgb_u8'][..., ::-1], gt_semantic_seg=label, seg_fields=['gt_semantic_seg'])
    )
    img = torch.from_numpy(results['img']).permute(2, 0, 1)[None]
    meta = dict(img_norm_cfg=dict(mean=data['mean_bgr'].tolist(), std=[1.0, 1.0, 1.0], to_rgb=False))
    normalised = normalize_on_device(img, [meta])[0].numpy()
    assert np.abs(normalised - data['image_out']).max() <= 1 + 1e-4  # Pillow versions differ by a grey level
    assert (np.abs(normalised - data['image_out']) > 1e-4).mean() < 0.01
    np.testing.assert_array_equal(results['gt_semantic_seg'], data['label_out'])
    # the released data set hands on the shape of its array, channels first
    assert sorted([*results['img_shape'][:2], 3]) == sorted(data['shape_field'].tolist())


@files('mapillary_pad_*.npz')
def test_letterbox(path: Path) -> None:
    data = load(path)
    box = [int(value) for value in data['target_wh']]
    results = Letterbox(box)(
        dict(img=data['rgb_u8'][..., ::-1], gt_semantic_seg=data['label_u8'], seg_fields=['gt_semantic_seg'])
    )
    difference = np.abs(results['img'][..., ::-1].astype(int) - data['image_resized_padded'])
    assert difference.max() <= 1 and (difference > 0).mean() < 0.01
    inner = results['img_shape'][:2]
    expected = padded(
        data['label_resized_padded'][: inner[0], : inner[1]], box[::-1], 255
    )  # the released code fills with "unlabeled", 65
    assert (data['label_resized_padded'][inner[0] :] == 65).all() and (
        data['label_resized_padded'][:, inner[1] :] == 65
    ).all()
    np.testing.assert_array_equal(results['gt_semantic_seg'], expected)
    np.testing.assert_array_equal(pad_to_aspect(data['label_u8'], box, 65), data['label_ar_padded'])


def test_letterbox_for_scoring_keeps_the_padding_of_the_native_size() -> None:
    results = Letterbox((48, 24), score_padded=True)(dict(img=np.zeros((40, 44, 3), np.uint8)))
    assert results['ori_shape'] == (40, 80, 3) and results['img_shape'] == (24, 48, 3)


@files('miou_*.npz')
def test_metric(path: Path) -> None:
    data = load(path)
    inside, union, predicted, truth = intersect_and_union(data['pred'], data['gt'], int(data['num_classes']), 255)
    np.testing.assert_array_equal(inside.numpy(), np.diag(data['hist']))
    np.testing.assert_array_equal(truth.numpy(), data['hist'].sum(1))
    np.testing.assert_array_equal(predicted.numpy(), data['hist'].sum(0))
    iou = (inside / union).numpy()
    np.testing.assert_allclose(iou, data['iou'], rtol=1e-6)
    np.testing.assert_allclose(np.nanmean(iou), data['miou_nanmean'], rtol=1e-6)

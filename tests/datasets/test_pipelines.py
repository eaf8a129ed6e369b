"""Training transforms give what MMSegmentation's give."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from mmseg.datasets import build_dataset
from mmseg.datasets.builder import PIPELINES
from mmseg.datasets.pipelines import Compose, RandomCrop, Resize
from PIL import Image

from mmseg_uda.datasets.index_stream import fixed_randomness
from mmseg_uda.datasets.pipeline_config import (
    deterministic_prefix,
    extraction_pipeline,
    resolve_pipeline,
    training_pipeline,
    with_pseudo_labels,
)
from mmseg_uda.datasets.pipelines import ClassLimitedCrop, ExactResize, PseudoLabelMargins, RandomExactResize
from mmseg_uda.datasets.step_properties import property_of
from mmseg_uda.datasets.uda_dataset import UDADataset
from mmseg_uda.ops.normalize import normalize_on_device

from .worlds import NORM, gta_config, image, labelled_pipeline, make_gta


@pytest.mark.parametrize('black', [False, True], ids=['mean', 'black'])
@pytest.mark.parametrize('crop', [(16, 16), (32, 48)])
def test_deferred_normalisation_equals_the_stock_pipeline(tmp_path: Path, crop: tuple[int, int], black: bool) -> None:
    pipeline = labelled_pipeline(crop, cat_max_ratio=0.75)
    if black:  # padded before the normalisation
        pipeline[5:7] = reversed(pipeline[5:7])
    config = gta_config(make_gta(tmp_path)) | dict(pipeline=pipeline)
    ours = UDADataset(source=config)
    stock = build_dataset(config)
    for position in range(4):
        sample = ours[position]
        with fixed_randomness(0, 'source', position):
            expected = stock[ours.streams['source'].indices[position]]
        assert sample['img'].data.dtype == torch.uint8
        img = normalize_on_device(sample['img'].data[None], [sample['img_metas'].data])[0]
        torch.testing.assert_close(img, expected['img'].data, atol=1e-5, rtol=1e-5)
        assert torch.equal(sample['gt_semantic_seg'].data, expected['gt_semantic_seg'].data)
        if crop == (32, 48):  # larger than the image
            assert bool((img[:, -1, -1] < -1).all()) == black


def test_normalisation_stays_in_the_worker_when_grey_values_change_after_it() -> None:
    pipeline = labelled_pipeline()
    pipeline.insert(6, dict(type='RandomRotate', prob=0.5, degree=10))
    kinds = [step['type'] for step in training_pipeline(pipeline)]
    assert 'Normalize' in kinds and 'DeferredNormalize' not in kinds
    assert 'DeferredNormalize' in [step['type'] for step in training_pipeline(labelled_pipeline())]


def test_a_float_image_is_normalised_in_the_worker() -> None:
    steps = training_pipeline(
        [
            dict(type='Normalize', mean=[1.0, 2.0, 3.0], std=[2.0, 2.0, 2.0], to_rgb=False),
            dict(type='DefaultFormatBundle'),
        ]
    )
    out = Compose(steps)(dict(img=np.full((2, 2, 3), 5, np.float32)))
    assert out['img'].data[:, 0, 0].tolist() == [2.0, 1.5, 1.0]


@pytest.mark.parametrize('ratio', [0.75, 0.3, 1.0])
def test_class_limited_crop_draws_what_the_stock_crop_draws(ratio: float) -> None:
    label = np.zeros((40, 60), np.uint8)
    label[:, 30:] = 3
    label[:5] = 255
    options = dict(crop_size=(16, 20), cat_max_ratio=ratio)
    for seed in range(20):
        outputs = []
        for crop in (RandomCrop(**options), ClassLimitedCrop(**options)):
            with fixed_randomness(seed):
                outputs.append(
                    crop(dict(img=image(1, (40, 60)), gt_semantic_seg=label, seg_fields=['gt_semantic_seg']))
                )
        np.testing.assert_array_equal(outputs[0]['img'], outputs[1]['img'])
        np.testing.assert_array_equal(outputs[0]['gt_semantic_seg'], outputs[1]['gt_semantic_seg'])


def test_the_class_limit_needs_no_labels() -> None:
    out = ClassLimitedCrop(crop_size=(8, 8), cat_max_ratio=0.75)(dict(img=image(0)))
    assert out['img'].shape == (8, 8, 3)


def test_nested_steps_are_run_in_line_and_unlabelled_pipelines_read_no_label() -> None:
    nested = [dict(type='LoadImageFromFile'), dict(type='Compose', transforms=labelled_pipeline()[1:])]
    assert training_pipeline(nested) == training_pipeline(labelled_pipeline())
    steps = training_pipeline(nested, labelled=False)
    assert 'LoadLabels' not in [step['type'] for step in steps]
    assert steps[-1]['keys'] == ['img']


def test_training_crops_stand_for_the_published_steps(tmp_path: Path) -> None:
    short = dict(type='TrainingCrops', img_scale=(40, 24), crop_size=(16, 16), img_norm_cfg=NORM)
    assert with_defaults(training_pipeline([short])) == with_defaults(
        training_pipeline(labelled_pipeline(cat_max_ratio=0.75))
    )
    assert 'LoadLabels' not in [step['type'] for step in training_pipeline([short], labelled=False)]
    kinds = [step['type'] for step in training_pipeline([short | dict(exact='bicubic', distortion=True)])]
    assert 'ExactResize' in kinds and 'Resize' not in kinds and 'PhotoMetricDistortion' in kinds
    kinds = [step['type'] for step in training_pipeline([short | dict(exact='bilinear', ratio_range=(0.5, 1.5))])]
    assert kinds[2:5] == ['ExactResize', 'RandomExactResize', 'ClassLimitedCrop']
    kinds = [step['type'] for step in training_pipeline([short | dict(black_padding=True)])]
    assert kinds[5:7] == ['Pad', 'DeferredNormalize']
    stock = build_dataset(gta_config(make_gta(tmp_path)) | dict(pipeline=[short]))[0]
    assert stock['img'].data.dtype == torch.float32, 'without this package the images are normalised in the worker'
    with pytest.raises(KeyError, match="did you mean 'crop_size'"):
        training_pipeline([dict(type='TrainingCrops', img_scale=(40, 24), cropsize=(16, 16))])


def with_defaults(pipeline: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Steps without the options that only spell out a default."""
    return [
        {k: v for k, v in step.items() if (k, v) not in (('ratio_range', None), ('keep_ratio', True))}
        for step in pipeline
    ]


def test_meta_keys_that_the_engine_needs_are_added() -> None:
    steps = training_pipeline([dict(type='Collect', keys=['img'], meta_keys=('flip',))])
    assert set(steps[-1]['meta_keys']) == {'flip', 'img_norm_cfg', 'img_shape', 'pad_shape', 'filename'}


@pytest.mark.parametrize(
    'resize, expected', [(dict(img_scale=(40, 24)), 3), (dict(img_scale=(40, 24), ratio_range=(0.5, 2.0)), 2)]
)
def test_only_steps_without_randomness_are_kept_for_redraws(resize: dict[str, Any], expected: int) -> None:
    pipeline = labelled_pipeline()
    pipeline[2] = dict(type='Resize', **resize)
    assert deterministic_prefix(Compose(training_pipeline(pipeline)).transforms) == expected


def test_exact_resize_is_pillows() -> None:
    img, label = image(3, (50, 30)), image(4, (50, 30))[..., 0].copy()
    results = ExactResize((20, 10))(dict(img=img, gt_semantic_seg=label, seg_fields=['gt_semantic_seg']))
    expected = Image.fromarray(cv2.cvtColor(img, cv2.COLOR_BGR2RGB)).resize((20, 10), Image.BICUBIC)
    np.testing.assert_array_equal(results['img'][..., ::-1], np.array(expected))
    np.testing.assert_array_equal(
        results['gt_semantic_seg'], np.array(Image.fromarray(label).resize((20, 10), Image.NEAREST))
    )
    with pytest.raises(ValueError, match='bilinear'):
        ExactResize((2, 2), 'cubic')


def test_margins_larger_than_the_image_leave_nothing() -> None:
    out = PseudoLabelMargins((30, 240, 30, 30))(dict(img=image(0), seg_fields=[]))
    assert out['valid_pseudo_mask'].sum() == 0 and out['seg_fields'] == ['valid_pseudo_mask']
    with pytest.raises(ValueError, match='four numbers'):
        PseudoLabelMargins((1, 2, 3))


def test_random_exact_resize_keeps_the_aspect_ratio_of_its_size() -> None:
    sample = dict(
        img=np.zeros((12, 40, 3), np.uint8),
        gt_semantic_seg=np.zeros((12, 40), np.uint8),
        seg_fields=['gt_semantic_seg'],
    )
    resize = RandomExactResize((40, 20), (0.5, 1.5))
    shapes = {resize(dict(sample))['gt_semantic_seg'].shape for _ in range(50)}
    assert all(20 <= width < 60 and height == width // 2 for height, width in shapes) and len(shapes) > 10
    with pytest.raises(ValueError, match='ratio_range'):
        RandomExactResize((40, 20), (1.5, 0.5))


def test_the_authors_of_transforms_state_properties(monkeypatch: pytest.MonkeyPatch) -> None:
    """A transform of one's own is placed by its attributes: nothing lists its name."""

    class Halve:
        random = False
        fixes_size = True

        def __call__(self, results: dict[str, Any]) -> dict[str, Any]:
            return results

    class Shake(Halve):
        random = True

    monkeypatch.setitem(PIPELINES._module_dict, 'Halve', Halve)
    monkeypatch.setitem(PIPELINES._module_dict, 'Shake', Shake)
    pipeline = labelled_pipeline()
    pipeline[2:2] = [dict(type='Halve'), dict(type='Shake')]
    kinds = [step['type'] for step in with_pseudo_labels(pipeline)]
    assert kinds[:4] == ['LoadImageFromFile', 'Halve', 'LoadAnnotations', 'Shake']
    assert [step['type'] for step in extraction_pipeline(pipeline)][:3] == ['LoadImage', 'Halve', 'Resize']
    assert deterministic_prefix(Compose(training_pipeline(pipeline)).transforms) == 3
    after = labelled_pipeline()
    after.insert(6, dict(type='Halve'))
    assert 'Normalize' in [step['type'] for step in training_pipeline(after)]
    monkeypatch.setattr(Halve, 'reads_values', False, raising=False)
    assert 'DeferredNormalize' in [step['type'] for step in training_pipeline(after)]


@pytest.mark.parametrize(
    'step, name, value',
    [
        (dict(type='Resize', img_scale=(4, 2)), 'random', False),
        (dict(type='Resize', img_scale=[(4, 2), (8, 4)]), 'random', True),
        (dict(type='Resize', img_scale=(4, 2), ratio_range=(0.5, 2.0)), 'fixes_size', False),
        (Resize(img_scale=(4, 2)), 'fixes_size', True),
        (Resize(img_scale=(4, 2), ratio_range=(0.5, 2.0)), 'random', True),
        (dict(type='RandomExactResize'), 'random', True),
        (dict(type='LoadImage'), 'reads', 'image'),
        (dict(type='LoadBoughtLabels'), 'reads', 'label'),
        (dict(type='NeverHeardOf'), 'random', True),
        (lambda results: results, 'reads_values', True),
    ],
)
def test_properties_of_steps(step: Any, name: str, value: Any) -> None:
    assert property_of(step, name) == value


@pytest.mark.parametrize('labelled', [True, False])
def test_resolving_again_changes_nothing(labelled: bool) -> None:
    once = resolve_pipeline(labelled_pipeline(), training=True, labelled=labelled, margins=(1, 2, 3, 4))
    assert [step['type'] for step in once].count('PseudoLabelMargins') == 1
    assert resolve_pipeline(once, training=True, labelled=labelled, margins=(1, 2, 3, 4)) == once

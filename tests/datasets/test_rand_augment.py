"""Strong augmentation moves labels as it moves images, and soft labels come through the pipeline."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mmseg_uda.datasets.rand_augment import GREY, Draws, Operation, StrongAugment, augment_image, augment_label, draw
from mmseg_uda.datasets.soft_labels import SOFT_LABEL

SIZE = (24, 48)


def _blocks() -> np.ndarray:
    """A label map of 4x4 blocks."""
    return np.kron(np.random.default_rng(0).integers(0, 7, (SIZE[0] // 4, SIZE[1] // 4)), np.ones((4, 4))).astype(
        np.uint8
    )


def _coloured(label: np.ndarray) -> np.ndarray:
    return np.repeat((label * 10)[..., None], 3, axis=2).astype(np.uint8)


@pytest.mark.parametrize(
    'operations',
    [
        (),
        (Operation('TranslateX', 7),),
        (Operation('TranslateY', 9, negate=True), Operation('TranslateX', 3)),
        (Operation('TranslateX', 5, applied=False), Operation('Identity', 1)),
        (Operation('TranslateX', 4), Operation('TranslateX', 4)),
    ],
)
@pytest.mark.parametrize('flip', [False, True])
def test_labels_move_with_the_image(operations: tuple[Operation, ...], flip: bool) -> None:
    label = _blocks()
    draws = Draws(flip, operations, (40.0, 3.0))
    img, moved = augment_image(_coloured(label), draws), augment_label(label, draws)
    outside = moved == 255
    assert (img[outside] == GREY).all() and outside.any()
    np.testing.assert_array_equal(img[~outside][:, 0], moved[~outside] * 10)


def test_rotation_and_shear_of_labels_agree_with_the_image() -> None:
    label = _blocks()
    for operation in (Operation('Rotate', 8), Operation('ShearX', 9), Operation('ShearY', 5, negate=True)):
        draws = Draws(False, (operation,), (0.0, 0.0))
        img, moved = augment_image(_coloured(label), draws), augment_label(label, draws)
        agree = (img[..., 0] == moved * 10) | (moved == 255)
        assert agree.mean() > 0.5, 'only mixed pixels at the borders of blocks may differ'
        assert set(np.unique(moved)) <= {*range(7), 255}


def test_draws_reach_everything() -> None:
    rng = np.random.default_rng(1)
    drawn = [draw(rng, 48, 24) for _ in range(400)]
    operations = [operation for draws in drawn for operation in draws.operations]
    assert len({operation.name for operation in operations}) == 14
    assert {operation.strength for operation in operations} == set(range(1, 10))
    assert 0.4 < np.mean([operation.applied for operation in operations]) < 0.6
    assert all(0 <= draws.centre[0] < 48 and 0 <= draws.centre[1] < 24 for draws in drawn)


def _results(**more: Any) -> dict[str, Any]:
    label = _blocks()
    return dict(img=_coloured(label), gt_semantic_seg=label, seg_fields=['gt_semantic_seg'], **more)


@pytest.mark.parametrize('mode', ['exact', 'official'])
def test_pipeline_step(mode: str) -> None:
    step = StrongAugment(label_mode=mode)
    for seed in range(8):
        np.random.seed(seed)
        results = step(_results())
        assert results['img'].shape == (*SIZE, 3) and results['img'].dtype == np.uint8
        label = results['gt_semantic_seg']
        assert label.shape == SIZE and label.dtype == np.uint8 and (label == 255).any()
        if mode == 'official':
            np.testing.assert_array_equal(label, np.kron(label[::4, ::4], np.ones((4, 4), np.uint8)))


@pytest.mark.parametrize('mode', ['exact', 'official'])
def test_soft_labels_become_hard(mode: str) -> None:
    label = _blocks()
    soft = np.eye(7, dtype=np.float32)[label] * 0.6 + 0.4 / 7
    for threshold, kept in ((-1.0, True), (0.9, False)):
        np.random.seed(3)
        hard = StrongAugment(label_mode=mode, threshold=threshold)(
            dict(img=_coloured(label), seg_fields=[SOFT_LABEL], **{SOFT_LABEL: soft})
        )
        assert SOFT_LABEL not in hard and hard['seg_fields'] == ['gt_semantic_seg']
        assert (hard['gt_semantic_seg'] != 255).any() == kept
        if kept and mode == 'exact':
            np.random.seed(3)
            np.testing.assert_array_equal(
                hard['gt_semantic_seg'], StrongAugment(label_mode=mode)(_results())['gt_semantic_seg']
            )


def test_wrong_options_are_refused() -> None:
    with pytest.raises(ValueError, match='exact or official'):
        StrongAugment(label_mode='fast')
    odd = dict(img=np.zeros((18, 30, 3), np.uint8), seg_fields=[])
    with pytest.raises(ValueError, match='18x30 must be divisible by 4'):
        StrongAugment(label_mode='official')(odd)

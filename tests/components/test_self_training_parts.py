"""Random decisions of the self-training components: per image, per iteration, equal for any number of ranks."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from mmseg_uda.components.augmentations import ColorJitterBlur
from mmseg_uda.components.ema import EMATeacher
from mmseg_uda.components.feature_distances import ThingClassDistance
from mmseg_uda.components.maskers import BlockMasker
from mmseg_uda.components.mixers import ClassMixer
from mmseg_uda.models.training_interface import FeatureView
from mmseg_uda.ops.feature_distance import cell_labels, downscale_label_ratio
from mmseg_uda.utils.rng import StepRng

METAS = [dict(img_norm_cfg=dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375]))]


def on_two_ranks(part: Any, inputs: torch.Tensor, iteration: int, *args: Any) -> torch.Tensor:
    """What two ranks with one image each compute."""
    return torch.cat([part(inputs[i : i + 1], *args, StepRng(3, iteration, rank=i, batch_size=1)) for i in range(2)])


@pytest.mark.parametrize('shared_order', [False, True])
def test_augmentation_of_ranks_and_batches_agrees(shared_order: bool) -> None:
    part = ColorJitterBlur(shared_order=shared_order)
    img = torch.randn(2, 3, 40, 40)
    for iteration in range(6):
        whole = part(img, METAS, StepRng(3, iteration, batch_size=2))
        torch.testing.assert_close(whole, on_two_ranks(part, img, iteration, METAS))


def test_masks_of_ranks_and_batches_agree() -> None:
    img = torch.randn(2, 3, 32, 32)
    part = BlockMasker(block_size=8)
    assert torch.equal(part(img, StepRng(3, 0, batch_size=2)), on_two_ranks(part, img, 0))
    mixer = ClassMixer('image')
    label = torch.randint(0, 6, (2, 1, 8, 8))
    assert torch.equal(mixer.draw_masks(label, StepRng(3, 0, batch_size=2)), on_two_ranks(mixer.draw_masks, label, 0))


def test_jitter_is_skipped_with_its_probability() -> None:
    part = ColorJitterBlur(color_jitter_skip_prob=0.2, blur=False)
    img = torch.randn(1, 3, 4, 4)
    skipped = [part(img, METAS, StepRng(0, iteration)) is img for iteration in range(300)]
    assert sum(skipped) / 300 == pytest.approx(0.2, abs=0.06)


def test_switches_of_two_augmentations_are_independent() -> None:
    img = torch.randn(1, 3, 4, 4)
    parts = [ColorJitterBlur(color_jitter_skip_prob=0.5, stream=name) for name in ('mix', 'masked')]
    skipped = [[part(img, METAS, StepRng(0, iteration)) is img for part in parts] for iteration in range(100)]
    assert 30 < sum(mixed != masked for mixed, masked in skipped) < 70


def test_feature_distance_sums_views_in_their_windows() -> None:
    label = torch.zeros(1, 1, 16, 16, dtype=torch.long)
    label[..., 8:, 8:] = 2
    part = ThingClassDistance(weight=1.0, classes=[2], num_classes=5)
    ones, zeros = torch.ones(1, 4, 4, 4), torch.zeros(1, 4, 4, 4)
    whole = part([FeatureView([ones])], [FeatureView([zeros])], label)
    inside, outside = (8, 16, 8, 16), (0, 8, 0, 8)
    both = part([FeatureView([ones]), FeatureView([ones], inside)], [FeatureView([zeros])] * 2, label)
    missed = part([FeatureView([ones], outside)], [FeatureView([zeros], outside)], label)
    assert (whole.item(), both.item(), missed.item()) == pytest.approx((2.0, 4.0, 0.0))
    with pytest.raises(ValueError, match='outside the 5 classes'):
        ThingClassDistance(classes=[5], num_classes=5)


@pytest.mark.parametrize('delay, weights', [(0, [0.0, 0.5, 1.25]), (1, [0.0, 1.0, 1.5])])
def test_teacher_warms_up_from_the_delayed_iteration(delay: int, weights: list[float]) -> None:
    """The student's weight is t; the release of 2020 copies the student once more after its first step."""
    student = torch.nn.Linear(1, 1, bias=False)
    student.weight.data.zero_()
    teacher = EMATeacher(student, alpha=0.5, delay=delay)
    for iteration, expected in enumerate(weights):
        student.weight.data.fill_(iteration)
        teacher.update(student, iteration)
        assert teacher.model.weight.item() == pytest.approx(expected)


def test_feature_distance_cells_cover_a_label_that_is_no_multiple_of_the_map() -> None:
    # patch 14, crop 512: the encoder sees 37 tokens of 14 pixels; an object from pixel 480 lies in tokens 34 to 36
    label = torch.zeros(1, 1, 512, 512, dtype=torch.long)
    label[..., 480:] = 2
    cells = cell_labels(label, (37, 37), 0.75, 5)
    assert cells.shape == (1, 1, 37, 37)
    assert (cells == 2).any(2).squeeze().nonzero().squeeze(1).tolist() == [35, 36]
    fitting = torch.randint(0, 5, (2, 1, 32, 64), generator=torch.Generator().manual_seed(0))
    assert torch.equal(cell_labels(fitting, (4, 8), 0.2, 5), downscale_label_ratio(fitting, 8, 0.2, 5))

"""STAL trains at any batch size, resumes exactly, and ranks equal one process."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from mmseg_uda.components.banks_images import ImageBank, class_components
from mmseg_uda.methods.stal import STAL
from mmseg_uda.utils.host_copy import HostCopy
from mmseg_uda.utils.rng import StepRng
from tests.harness.methods import Setup, check_batch_sizes, check_exact_resume, check_two_ranks
from tests.harness.synthetic import AddExtras, tiny_model

STREAMS = ('source', 'labeled_target', 'target')
# an untrained network is sure of nothing: every pixel may be an anchor
CONTRAST = dict(
    start=0.0,
    low_rank=1,
    anchor_threshold=0.0,
    num_queries=8,
    num_negatives=4,
    bank_size=40,
    bank_size_overrides={0: 60},
)


def stal(**changes: Any) -> dict[str, Any]:
    options: dict[str, Any] = dict(
        type='STAL',
        representation=dict(channels=4, dropout=0.0),
        ohem=dict(min_kept_per_image=500),
        copy_paste=dict(never=(0,)),
        cutmix=dict(size=8),
        contrast=CONTRAST,
    )
    return {**options, **changes}


VARIANTS = {
    'default': stal(),
    'official': stal(
        drop='low_official',
        num_mixed=1,
        joint_forward=False,
        contrast=dict(CONTRAST, official=True, low_percent=20.0, high_percent=80.0),
    ),
    'no_contrast': stal(contrast=None, copy_paste=None, teacher_eval=True),
}
FCN = dict(
    type='FCNHead',
    in_channels=16,
    in_index=2,
    channels=8,
    num_convs=1,
    concat_input=False,
    num_classes=5,
    align_corners=False,
)
LEVELS = dict(
    in_channels=[8, 8, 16, 16], in_index=[0, 1, 2, 3], channels=8, num_classes=5, dropout_ratio=0.0, align_corners=False
)
#: heads of MMSegmentation and of this package, all without a representation of their own
HEADS = {
    'segformer': dict(type='SegformerHead', **LEVELS, norm_cfg=dict(type='BN')),
    'segformer_here': dict(type='SegFormerHead', **LEVELS, norm_cfg=dict(type='BN'), decoder_params=dict(embed_dims=8)),
    'upernet': dict(type='UPerHead', **LEVELS, pool_scales=(1, 2), norm_cfg=dict(type='GN', num_groups=2)),
    'deeplabv2': dict(
        type='DLV2Head', in_channels=16, in_index=3, num_classes=5, dilations=(1, 2), align_corners=False
    ),
}


def spoiled(change: Callable[[Tensor], Tensor]) -> AddExtras:
    """Changes the label of every sample that has one."""

    def add(sample: dict[str, Any], stream: str, generator: torch.Generator) -> None:
        if 'gt_semantic_seg' in sample:
            sample['gt_semantic_seg'] = change(sample['gt_semantic_seg'])

    return add


def losses(uda: dict[str, Any], **options: Any) -> dict[str, Tensor]:
    """Loss terms of one iteration by name, after checking that they and their gradients are finite."""
    setup = Setup(uda, STREAMS, **options)
    method, _ = setup.build()
    terms = {term.name: term.loss for term in method.training_losses(setup.data.batch([0, 1]))}
    gradients = torch.autograd.grad(sum(terms.values()), list(method.student.parameters()), allow_unused=True)
    assert all(torch.isfinite(value).all() for value in [*terms.values(), *(g for g in gradients if g is not None)])
    return terms


@pytest.mark.parametrize('name', VARIANTS)
def test_batch_sizes(name: str) -> None:
    check_batch_sizes(VARIANTS[name], STREAMS)


def test_batch_norm_with_single_images() -> None:
    check_batch_sizes(stal(), STREAMS, model=tiny_model(norm='BN'))


def test_without_source() -> None:
    check_batch_sizes(stal(), STREAMS[1:])


@pytest.mark.parametrize('head', HEADS)
def test_other_segmentors_get_a_representation(head: str) -> None:
    model = tiny_model(decode_head=HEADS[head], auxiliary_head=FCN)
    setup = Setup(stal(), STREAMS, model=model)
    method, step = setup.build()
    assert hasattr(method.student, 'representation_head') and hasattr(method.teacher.model, 'representation_head')
    before = [value.clone() for value in method.student.representation_head.parameters()]
    for iteration in range(2):
        step([setup.data.batch([2 * iteration, 2 * iteration + 1])], iteration)
    assert step.flush()[-1]['contrast'] > 0
    assert any(
        not torch.equal(old, new) for old, new in zip(before, method.student.representation_head.parameters())
    ), 'it learns nothing'


@pytest.mark.parametrize('official', [False, True])
def test_labels_that_are_ignored_everywhere(official: bool) -> None:
    terms = losses(
        VARIANTS['official' if official else 'default'], add_extras=spoiled(lambda label: torch.full_like(label, 255))
    )
    assert terms['supervised'] == 0


def test_one_class_alone_has_nothing_to_contrast_with(monkeypatch: pytest.MonkeyPatch) -> None:
    upsample = STAL.upsample

    def certain(self: STAL, scores: Tensor, img: Tensor) -> Tensor:
        return upsample(self, scores, img) + torch.tensor([99.0, 0, 0, 0, 0])[:, None, None]

    monkeypatch.setattr(STAL, 'upsample', certain)
    terms = losses(stal(), add_extras=spoiled(torch.zeros_like))
    assert terms['contrast'] == 0


def test_a_bank_that_stays_empty() -> None:
    """So few labels that no pixel is surely of another class."""
    terms = losses(stal(contrast=dict(CONTRAST, negative_threshold=0.0)))
    assert terms['contrast'] == 0 and terms['supervised'] > 0


def test_unsure_labels_of_labelled_images_may_be_ignored() -> None:
    """An untrained network is never surer than 0.99 of five classes."""
    assert losses(stal(label_threshold=0.99))['consistency_labeled'] == 0 < losses(stal())['consistency_labeled']


WRONG = {'label_threshold': 1.0, 'consistency_start': 150, 'num_mixed': 0, 'drop': 'low'}


def test_consistency_may_start_later() -> None:
    method, _ = (setup := Setup(stal(consistency_start=0.5), STREAMS)).build()
    for iteration, expected in ((0, set()), (setup.max_iters // 2, {'consistency_labeled', 'consistency_mixed'})):
        method.begin_iteration(iteration, StepRng(0, iteration, batch_size=2))
        terms = {term.name for term in method.training_losses(setup.data.batch([0, 1]))}
        assert terms == {'supervised', 'contrast'} | expected


@pytest.mark.parametrize('option', WRONG)
def test_wrong_options_are_named(option: str) -> None:
    with pytest.raises(ValueError, match=option):
        Setup(stal(**{option: WRONG[option]}), STREAMS).build()


def test_autocast() -> None:
    check_batch_sizes(stal(), STREAMS, options=dict(precision='bf16'))


def test_one_mixed_image_of_many() -> None:
    check_batch_sizes(stal(num_mixed=1, joint_forward=True), STREAMS)


def test_donors_from_a_stream_of_their_own(tmp_path: Path) -> None:
    streams = (*STREAMS, 'paste')
    check_batch_sizes(stal(), streams)
    check_exact_resume(stal(), streams, tmp_path / 'resume')
    check_two_ranks(stal(), streams, tmp_path / 'ranks')


@pytest.mark.parametrize('name', VARIANTS)
def test_exact_resume(name: str, tmp_path: Path) -> None:
    check_exact_resume(VARIANTS[name], STREAMS, tmp_path)


@pytest.mark.parametrize('name', ['default', 'no_contrast'])
def test_two_ranks(name: str, tmp_path: Path) -> None:
    check_two_ranks(VARIANTS[name], STREAMS, tmp_path)


@pytest.mark.parametrize('share', [0.0, 0.02, 0.3, 0.5, 0.7, 1.0])
def test_components_are_numbered_by_their_first_pixels(share: float) -> None:
    """Whatever order OpenCV finds them in: by hand, with a flood fill from every pixel in raster order."""
    rng = np.random.default_rng(int(100 * share))
    mask = rng.random((23, 31)) < share
    left, expected = mask.copy(), []
    for start in zip(*np.nonzero(mask)):
        if not left[start]:
            continue
        left[start], found = False, [start]
        for row, column in found:
            window = slice(max(row - 1, 0), row + 2), slice(max(column - 1, 0), column + 2)
            for i, j in zip(*np.nonzero(left[window])):
                found.append((i + window[0].start, j + window[1].start))
            left[window] = False
        rows, columns = np.array(found).T
        expected.append((len(found), rows.min(), columns.min(), rows.max() + 1, columns.max() + 1))
    components = class_components(mask)
    assert components.size == mask.shape
    assert [(area, *box) for area, box in zip(components.areas, components.boxes)] == expected


def test_the_bank_is_updated_before_the_host_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    wait, note = HostCopy.wait, ImageBank.note_presence
    monkeypatch.setattr(HostCopy, 'wait', lambda self: [order.append('wait'), wait(self)][1])
    monkeypatch.setattr(ImageBank, 'note_presence', lambda *args: [order.append('note'), note(*args)][1])
    setup = Setup(stal(), STREAMS)
    _, step = setup.build()
    step([setup.data.batch([0, 1])], 0)
    assert order == ['note', 'note', 'wait']

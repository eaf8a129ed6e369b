"""Video methods train at any batch size, resume exactly, and ranks equal one process; their options do what they say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from mmseg_uda.builder import build_train_model
from mmseg_uda.utils.checkpoint_io import CheckpointError
from tests.harness.methods import Setup, check_batch_sizes, check_exact_resume, check_two_ranks
from tests.harness.synthetic import tiny_model

RELEASED = dict(
    key_confidence='raw',
    flow_mask='key',
    overlay='sum',
    target_draw='at_store',
    absent='zeros',
    source_pass='target_size',
)
VARIANTS: dict[str, dict[str, Any]] = {
    'source_only': dict(type='SourceOnly'),
    'tps': dict(
        type='TPS', flip_flow='legacy', augmentation=dict(type='ClipAugmentation', range_of_values='legacy_u8')
    ),
    'davsn': dict(type='DAVSN', discriminator=dict(type='FCDiscriminator', ndf=2)),
    'quadmix': dict(type='VideoQuadMix', confidence=0.1),
    'quadmix_experiments': dict(
        type='VideoQuadMix', confidence=0.1, match_patches=True, window_rows=(0, 0), feature_mix=0.3
    ),
    'quadmix_released': dict(
        type='VideoQuadMix', confidence=0.1, labeler=dict(network='student'), quad=dict(always_paste=(1, 3)), **RELEASED
    ),
}


def fused_model(norm: str = 'GN') -> dict[str, Any]:
    model = tiny_model(norm=norm)
    loss = dict(type='ValidPixelCrossEntropy')
    head = dict(model['decode_head'], loss_decode=loss)
    auxiliary = dict(head, in_index=2, loss_decode=dict(loss, loss_weight=0.1))
    return dict(model, type='FlowFusedSegmentor', decode_head=head, auxiliary_head=auxiliary)


def clip_extras(sample: dict[str, Any], stream: str, generator: torch.Generator) -> None:
    """The rest of a clip, and for the source class patches."""
    size = sample['img'].shape[1:]
    sample['key_frame'] = sample['img'].roll(2, -1)
    sample['flow'] = 2 * torch.ones(2, *size) * torch.tensor([1.0, 0.0]).view(2, 1, 1)
    if stream == 'source':
        sample['key_label'] = sample['gt_semantic_seg'].roll(2, -1)
        sample['class_patches'] = torch.randn((1, 3, *size), generator=generator)
        label = torch.full((1, *size), 255, dtype=torch.uint8)
        label[:, 4:12, 4:20] = 2
        sample.update(class_patch_labels=label, class_patch_counts=(label != 255).to(torch.uint8))
    else:
        sample['far_frame'] = sample['img'].roll(4, -1)
        sample['flow_far'], sample['flow_key_far'] = 2 * sample['flow'], sample['flow']


def options(name: str, norm: str = 'GN') -> dict[str, Any]:
    return dict(model=fused_model(norm), add_extras=clip_extras)


@pytest.mark.parametrize('name', VARIANTS)
def test_batch_sizes(name: str) -> None:
    check_batch_sizes(VARIANTS[name], **options(name))


@pytest.mark.parametrize('name', VARIANTS)
def test_exact_resume(name: str, tmp_path: Path) -> None:
    check_exact_resume(VARIANTS[name], tmp_path=tmp_path, **options(name))


@pytest.mark.parametrize('name', VARIANTS)
def test_two_ranks(name: str, tmp_path: Path) -> None:
    check_two_ranks(VARIANTS[name], tmp_path=tmp_path, **options(name))


def test_a_frozen_network_labels_until_it_is_told_to_stop(tmp_path: Path) -> None:
    setup = Setup(VARIANTS['tps'], **options('tps'))
    method, _ = setup.build()
    path = tmp_path / 'tps.pth'
    torch.save(dict(state_dict=method.state_dict()), path)
    uda = dict(VARIANTS['tps'], labeler=dict(network='frozen', checkpoint=str(path), until=2, then='ema'))
    setup = Setup(uda, **options('tps'))
    method, step = setup.build()
    assert [method.labeler.at(iteration) for iteration in (0, 1, 2)] == ['frozen', 'frozen', 'ema']
    before = {key: value.clone() for key, value in method.frozen_labeler.state_dict().items()}
    for iteration in range(3):
        step([setup.data.batch([0, 1])], iteration)
    after = method.frozen_labeler.state_dict()
    assert all(torch.equal(value, after[key]) for key, value in before.items())
    assert not any('frozen_labeler' in key for key in method.state_dict())
    check_exact_resume(uda, tmp_path=tmp_path, **options('tps'))


def test_the_student_may_start_from_the_frozen_network(tmp_path: Path) -> None:
    trained = build_train_model(dict(model=fused_model(), uda=dict(type='TPS')))
    path = tmp_path / 'tps.pth'
    torch.save(dict(state_dict={key: value + 1.0 for key, value in trained.student.state_dict().items()}), path)
    other = fused_model()
    other['decode_head'] = dict(other['decode_head'], channels=12, norm_cfg=None)
    labeler = dict(network='frozen', checkpoint=str(path), model=fused_model(), init_student=True)
    method = build_train_model(dict(model=other, uda=dict(type='TPS', labeler=labeler)))
    method.init_weights()
    weights, given = method.student.state_dict(), method.frozen_labeler.state_dict()
    common = [key for key, value in weights.items() if key in given and given[key].shape == value.shape]
    assert 'fusion.weight' in common and 'decode_head.conv_seg.weight' not in common
    assert all(torch.equal(weights[key], given[key]) for key in common)
    with pytest.raises(ValueError, match="init_student belong to network='frozen'"):
        build_train_model(dict(model=fused_model(), uda=dict(type='TPS', labeler=dict(init_student=True))))


def test_the_first_iteration_is_plain_and_later_ones_mix() -> None:
    setup = Setup(VARIANTS['quadmix'], **options('quadmix'))
    _, step = setup.build()
    for iteration in range(2):
        step([setup.data.batch([0, 1])], iteration)
    first, second = step.flush()
    assert 'mix_tss.decode.loss_ce' not in first and 'target.decode.loss_ce' in first and 'mmd.loss' in first
    assert second['mix_tss.decode.loss_ce'] > 0 and second['quad.source_share'] > 0


@pytest.mark.parametrize('part', ['decode_head', 'auxiliary_head'])
def test_heads_of_one_channel_cannot_be_fused(part: str) -> None:
    model = fused_model()
    for head in (model['decode_head'], model['auxiliary_head']):
        head.update(num_classes=2)
    model[part].update(out_channels=1, threshold=0.5)
    with pytest.raises(ValueError, match='fuses the scores of two frames class by class.*out_channels'):
        Setup(VARIANTS['tps'], model=model, num_classes=2, add_extras=clip_extras).build()


def test_clips_have_three_bands() -> None:
    model = fused_model()
    model['backbone'].update(in_channels=4)
    with pytest.raises(ValueError, match='takes frames of 3 bands.*reads 4'):
        Setup(VARIANTS['source_only'], model=model, add_extras=clip_extras).build()


def test_errors_name_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="needs model.type='FlowFusedSegmentor'"):
        build_train_model(dict(model=tiny_model(), uda=dict(type='TPS')))
    with pytest.raises(ValueError, match="network='frozen' needs checkpoint"):
        build_train_model(dict(model=fused_model(), uda=dict(type='TPS', labeler=dict(network='frozen'))))
    setup = Setup(dict(type='TPS'), model=fused_model())
    _, step = setup.build()
    with pytest.raises(ValueError, match=r"'source' stream has no key_frame, flow.*TrainingClips"):
        step([setup.data.batch([0])], 0)
    frozen = dict(type='TPS', labeler=dict(network='frozen', checkpoint=str(tmp_path / 'none.pth')))
    method = build_train_model(dict(model=fused_model(), uda=frozen))
    with pytest.raises(CheckpointError, match="uda.labeler.checkpoint='.*none.pth' does not exist"):
        method.init_weights()

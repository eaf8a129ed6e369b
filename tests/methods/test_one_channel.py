"""A one-channel head trains under every method exactly as the two-channel head whose first channel is always 0."""

from __future__ import annotations

from typing import Any, Mapping

import pytest
import torch
from torch import Tensor, nn

from mmseg_uda.engine.network_checks import check_heads
from mmseg_uda.methods.base import UDASegmentor
from mmseg_uda.models.segmentors.ensemble import SegmentorEnsemble
from mmseg_uda.models.training_interface import logits
from mmseg_uda.utils.rng import StepRng, seed_everything
from tests.harness.methods import Setup
from tests.harness.synthetic import SIZE, tiny_model
from tests.models.networks import hrda_config

UDA_STREAMS = ('source', 'target')
SSDA_STREAMS = ('source', 'labeled_target', 'target')
SMALL = dict(type='FCDiscriminator', ndf=2)
MIC = dict(
    mask_mode='separatetrgaug', mask_lambda=1, mask_generator=dict(type='block', mask_ratio=0.5, mask_block_size=8)
)
ESL = dict(type='MinEnt', masking=dict(mode='separatetrg', alpha=0.9))
METHODS: dict[str, tuple[Any, tuple[str, ...]]] = {
    'source_only': (None, UDA_STREAMS),
    'mic': (dict(type='DACS', pseudo_threshold=0.51, **MIC), UDA_STREAMS),
    'entropy_labels': (
        dict(type='DACS', pseudo_labeler=dict(type='EntropyPseudoLabel', mode='pixel_mask', warmup=1)),
        UDA_STREAMS,
    ),
    'quadmix': (dict(type='QuadMix', start_iter=0, confidence=0.51), UDA_STREAMS),
    'advent': (dict(type='AdvEnt', discriminator=SMALL), UDA_STREAMS),
    'adaptsegnet': (dict(type='AdaptSegNet', discriminator=SMALL), UDA_STREAMS),
    'minent': (dict(ESL, lambda_prior=dict(decode=0.1)), UDA_STREAMS),
    'mtkt': (dict(type='MTKT', discriminator=SMALL), ('source', 'target', 'target2')),
    'coast': (
        dict(type='CoaST', styliser=dict(type='ChannelStatistics', layers=['stages.0'])),
        ('source', 'target', 'target2'),
    ),
    'dstc': (dict(type='DSTC', init=None), SSDA_STREAMS),
    'ripu': (dict(type='RIPU'), SSDA_STREAMS),
    'stal': (
        dict(
            type='STAL',
            representation=dict(channels=4, dropout=0.0),
            copy_paste=dict(never=()),
            cutmix=dict(size=8),
            contrast=dict(start=0.0, low_rank=1, anchor_threshold=0.0, num_queries=8, num_negatives=4, bank_size=40),
        ),
        SSDA_STREAMS,
    ),
}


def patches(sample: dict[str, Any], stream: str, generator: torch.Generator) -> None:
    if stream == 'source':
        height, width = sample['img'].shape[1:]
        labels = torch.full((2, height, width), 255, dtype=torch.uint8)
        labels[:, :8, :8] = 1
        sample['class_patches'] = torch.randint(0, 256, (2, 3, height, width), generator=generator, dtype=torch.uint8)
        sample['class_patch_labels'] = labels
        sample['class_patches_missing'] = torch.tensor(1)


def build(uda: Any, streams: tuple[str, ...], one_channel: bool, model: Any = None, threshold: float = 0.5) -> Any:
    model = model or tiny_model(2)
    if one_channel:
        model['decode_head'].update(out_channels=1, threshold=threshold)
        model['decode_head']['loss_decode'] = dict(type='CrossEntropyLoss', use_sigmoid=True)
    extras = patches if uda is not None and uda['type'] == 'QuadMix' else None
    size = (64, 64) if model['type'].startswith('HRDA') else SIZE
    setup = Setup(uda, streams, model=model, num_classes=2, add_extras=extras, size=size)
    method, _ = setup.build()
    return setup, method


def two_planes(method: UDASegmentor, like: UDASegmentor) -> None:
    """Give ``method`` the weights of ``like``, whose classifiers have one channel: its own have 0 in the first."""
    state = like.state_dict()
    own = method.state_dict()
    for key, value in state.items():
        if own[key].shape != value.shape:
            value = torch.cat([torch.zeros_like(value), value])
        own[key] = value
    method.load_state_dict(own)


def losses(setup: Setup, method: UDASegmentor, iterations: int = 2) -> dict[str, Tensor]:
    found: dict[str, Tensor] = {}
    for iteration in range(iterations):
        seed_everything('one_channel', iteration)
        method.train()
        method.begin_iteration(iteration, StepRng(1, iteration, batch_size=2))
        for event in method.training_losses(setup.data.batch([2 * iteration, 2 * iteration + 1])):
            if hasattr(event, 'loss'):
                found.update(
                    {f'{iteration}.{event.name}.{key}': value for key, value in (event.log or {'': event.loss}).items()}
                )
    return found


@pytest.mark.parametrize('name', METHODS)
def test_one_channel_equals_two_with_a_zero(name: str) -> None:
    uda, streams = METHODS[name]
    setup, one = build(uda, streams, True)
    _, two = build(uda, streams, False)
    two_planes(two, one)
    expected, actual = losses(setup, two), losses(setup, one)
    assert actual.keys() == expected.keys() and any(value != 0 for value in actual.values())
    for key, value in expected.items():
        torch.testing.assert_close(actual[key], value, atol=1e-5, rtol=1e-4, msg=lambda text, key=key: f'{key}: {text}')


@pytest.mark.parametrize('weights, refused', [([3.0], False), ([1.0, 3.0], True)])
def test_a_sigmoid_has_one_class_weight(weights: list[float], refused: bool) -> None:
    model = tiny_model(2)
    model['decode_head'].update(out_channels=1, threshold=0.5)
    model['decode_head']['loss_decode'] = dict(type='CrossEntropyLoss', use_sigmoid=True, class_weight=weights)
    method = Setup(None, model=model, num_classes=2).build()[0]
    if refused:
        with pytest.raises(ValueError, match=r'decode_head\.loss_decode \(CrossEntropyLoss\)\.class_weight'):
            check_heads(method, ['a', 'b'])
    else:
        check_heads(method, ['a', 'b'])
        assert torch.isfinite(losses(Setup(None, model=model, num_classes=2), method, 1)['0.source.decode.loss_ce'])


def test_hrda_fuses_one_channel() -> None:
    models = []
    for _ in range(2):
        hrda = hrda_config(32, num_classes=2)
        hrda['backbone'] = dict(type='TinyBackbone')
        hrda['decode_head'].update(in_channels=8, in_index=1, attention_classwise=False)
        models.append(hrda)
    setup, one = build(dict(type='DACS', pseudo_threshold=0.51), UDA_STREAMS, True, models[0])
    _, two = build(dict(type='DACS', pseudo_threshold=0.51), UDA_STREAMS, False, models[1])
    two_planes(two, one)
    expected, actual = losses(setup, two, 1), losses(setup, one, 1)
    for key, value in expected.items():
        torch.testing.assert_close(actual[key], value, atol=1e-5, rtol=1e-4, msg=lambda text, key=key: f'{key}: {text}')


@pytest.mark.parametrize('threshold', [0.3, 0.5, 0.8])
def test_labels_follow_the_threshold_of_the_head_everywhere(threshold: float) -> None:
    from mmseg_uda.active.scoring import segmentor_predict
    from mmseg_uda.engine.pseudo_label_extraction import predict_probabilities

    setup, method = build(dict(type='DACS', pseudo_threshold=0.6), UDA_STREAMS, True, threshold=threshold)
    student = method.student
    batch = setup.data.batch([0, 1])
    img, metas = batch['target_img'], batch['target_img_metas']
    method.eval()
    with torch.no_grad():
        student.decode_head.conv_seg.weight.mul_(40)
        values = student.encode_decode(img, metas)[1].unique()  # sorted
        low, high = len(values) // 3, 2 * len(values) // 3
        gap = low + int(values[low:high].diff().argmax())  # no pixel lies on the boundary
        middle = (values[gap] + values[gap + 1]) / 2
        student.decode_head.conv_seg.bias += torch.logit(torch.tensor(threshold)) - middle
        expected = torch.from_numpy(student.simple_test(img, metas)[1]).long()
        assert 0 < expected.float().mean() < 1
        label, weight = method.pseudo_labeler(logits(student, img))
        assert torch.equal(label[1], expected) and (weight > 0).all()
        assert torch.equal(segmentor_predict(method)(img).argmax(1)[1], expected)
        assert torch.equal(predict_probabilities(student, img, metas, 'logit').argmax(1)[1], expected)
        for average in ('prob', 'logit'):
            assert (SegmentorEnsemble([student, student], average).simple_test(img, metas)[1] == expected.numpy()).all()


def test_sliding_windows_of_one_channel() -> None:
    from mmseg_uda.engine.inference import inference_mode

    setup, method = build(None, UDA_STREAMS, True)
    method.student.test_cfg = dict(mode='slide', crop_size=(16, 16), stride=(8, 8))
    from mmcv import ConfigDict

    method.student.test_cfg = ConfigDict(method.student.test_cfg)
    batch = setup.data.batch([0])
    with torch.no_grad():
        method.eval()
        expected = method.student.inference(batch['img'], batch['img_metas'], True)
        with inference_mode(method, torch.device('cpu')):
            actual = method.student.inference(batch['img'], batch['img_metas'], True)
    assert expected.shape[1] == 1
    torch.testing.assert_close(actual, expected)


def test_average_of_domain_heads_has_one_channel() -> None:
    setup, method = build(dict(type='MTKT', discriminator=SMALL), ('source', 'target', 'target2'), True)
    batch = setup.data.batch([0])
    method.eval()
    with torch.no_grad():
        networks: Mapping[str, nn.Module] = method.test_networks()
        parts = [networks[f'domain{i}'].inference(batch['img'], batch['img_metas'], True) for i in range(2)]
        mean = networks['average'].inference(batch['img'], batch['img_metas'], True)
    assert mean.shape[1] == 1
    torch.testing.assert_close(mean, sum(parts) / 2, atol=0.01, rtol=0.01)

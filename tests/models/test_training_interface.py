"""Features, weighted losses and logits of any segmentor."""

from __future__ import annotations

from typing import Any, Union

import mmcv
import pytest
import torch
from mmseg.models import build_segmentor
from torch import Tensor

from mmseg_uda.components.ema import EMATeacher
from mmseg_uda.models.training_interface import logits, reference_views, segmentation_losses, training_features
from mmseg_uda.utils.rng import StepRng
from tests.models.networks import BN, FCN_HEAD, hrda_config, plain_config


def build(cfg: dict[str, Any]) -> Any:
    torch.manual_seed(0)
    return build_segmentor(mmcv.ConfigDict(cfg))


@pytest.fixture
def batch() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    label = torch.randint(0, 5, (2, 1, 32, 64), generator=generator)
    label[:, :, :8] = 255
    return torch.randn(2, 3, 32, 64, generator=generator), label


def losses_of(segmentor: Any, img: Tensor, label: Tensor, weight: Any = None) -> dict[str, Tensor]:
    return segmentation_losses(
        segmentor, training_features(segmentor, img, torch.Generator().manual_seed(0)), label, weight
    )


AUXILIARY = [None, dict(FCN_HEAD), [dict(FCN_HEAD), dict(FCN_HEAD, in_index=1)]]
OTHER_HEADS = [
    dict(type='DAHead', pam_channels=4),
    dict(type='EncHead', num_codes=4, in_channels=[8, 8], in_index=[0, 1], use_se_loss=True),
    dict(loss_decode=[dict(type='CrossEntropyLoss'), dict(type='CrossEntropyLoss', loss_weight=0.5)]),
]


@pytest.mark.parametrize('auxiliary', AUXILIARY, ids=['none', 'one', 'list'])
@pytest.mark.parametrize('head', [None, dict(align_corners=True)], ids=['plain', 'aligned'])
def test_unweighted_losses_are_those_of_mmseg(auxiliary: Any, head: Any, batch: tuple[Tensor, Tensor]) -> None:
    img, label = batch
    segmentor = build(plain_config(head, auxiliary))
    expected = segmentor.forward_train(img, [{}, {}], label)
    actual = losses_of(segmentor, img, label)
    assert set(actual) == {name for name in expected if 'acc' not in name}
    for name, value in actual.items():
        torch.testing.assert_close(value, expected[name])


@pytest.mark.parametrize('head', OTHER_HEADS, ids=['own_losses', 'tuple', 'two_losses'])
def test_heads_with_several_losses(head: dict[str, Any], batch: tuple[Tensor, Tensor]) -> None:
    img, label = batch
    cfg = plain_config(head)
    if 'type' in head:
        del cfg['decode_head']['num_convs']
    segmentor = build(cfg)
    expected = segmentor.forward_train(img, [{}, {}], label)
    full = losses_of(segmentor, img, label, torch.ones(2, 32, 64))
    for name, value in full.items():
        torch.testing.assert_close(value, expected[name])
    halved = losses_of(segmentor, img, label, torch.full((2, 32, 64), 0.5))
    pixel_losses = [name for name in full if 'se' not in name.split('.')[-1]]
    assert all(torch.allclose(halved[name], 0.5 * full[name]) for name in pixel_losses)
    assert segmentor.decode_head.sampler is None


def test_weight_reaches_every_head(batch: tuple[Tensor, Tensor]) -> None:
    img, label = batch
    segmentor = build(plain_config(auxiliary=dict(FCN_HEAD)))
    for value in losses_of(segmentor, img, label, torch.zeros(2, 1, 32, 64)).values():
        assert value == 0


@pytest.mark.parametrize('config', [plain_config(), hrda_config(32, num_classes=5)], ids=['plain', 'hrda'])
def test_all_ignored_gives_zero_with_zero_gradient(config: dict[str, Any], batch: tuple[Tensor, Tensor]) -> None:
    img, label = batch
    segmentor = build(config)
    losses = losses_of(segmentor, img, torch.full_like(label, 255))
    total = sum(losses.values())
    total.backward()
    assert total == 0
    assert all(p.grad is None or not p.grad.any() for p in segmentor.parameters())


def test_ohem_sampler_and_weight_multiply(batch: tuple[Tensor, Tensor]) -> None:
    img, label = batch
    segmentor = build(plain_config(dict(sampler=dict(type='OHEMPixelSampler', thresh=0.9, min_kept=100))))
    full = losses_of(segmentor, img, label)['decode.loss_ce']
    assert 0 < full
    torch.testing.assert_close(
        losses_of(segmentor, img, label, torch.full((2, 32, 64), 0.25))['decode.loss_ce'], full / 4
    )


def test_logits_have_the_size_of_the_input(batch: tuple[Tensor, Tensor]) -> None:
    img = batch[0][:, :, :27, :50]
    for config in (plain_config(), hrda_config(16, num_classes=5)):
        assert logits(build(config).eval(), img).shape == (2, 5, 27, 50)


# ---- HRDA ----------------------------------------------------------------------------------------------------------
def test_detail_crops_come_from_the_shared_generator(batch: tuple[Tensor, Tensor]) -> None:
    segmentor = build(hrda_config(16, num_classes=5))
    draws = []
    for rank in (0, 1):
        rng = StepRng(seed=3, iteration=7, rank=rank)
        draws.append([training_features(segmentor, batch[0], rng).decode.box for _ in range(4)])
    assert draws[0] == draws[1]
    assert len(set(draws[0])) > 1


def test_detail_crop_is_no_state_of_the_network(batch: tuple[Tensor, Tensor]) -> None:
    segmentor = build(hrda_config(16, num_classes=5))
    first = training_features(segmentor, batch[0], box=(0, 16, 0, 16))
    training_features(segmentor, batch[0], box=(16, 32, 48, 64))
    weight = torch.zeros(2, 32, 64)
    weight[:, :16, :16] = 1
    label = batch[1].clamp(max=4)
    losses = segmentation_losses(segmentor, first, label, weight)
    moved = segmentation_losses(segmentor, first, label, 1 - weight)
    assert losses['decode.hr.loss_ce'] > 0 and moved['decode.hr.loss_ce'] == 0


def test_reference_sees_the_same_windows(batch: tuple[Tensor, Tensor]) -> None:
    segmentor = build(hrda_config(16, num_classes=5, feature_scale='all')).eval()
    features = training_features(segmentor, batch[0], torch.Generator().manual_seed(1))
    views = reference_views(segmentor, batch[0], features)
    assert len(views) == 2
    for mine, other in zip(features.views, views):
        assert mine.box == other.box and not other.maps[-1].requires_grad
        torch.testing.assert_close(mine.maps[-1], other.maps[-1])


def test_forward_train_of_hrda_takes_a_pixel_weight(batch: tuple[Tensor, Tensor]) -> None:
    segmentor = build(hrda_config(16, num_classes=5))
    losses = segmentor.forward_train(batch[0], [{}, {}], batch[1], seg_weight=torch.zeros(2, 32, 64))
    assert set(losses) == {'decode.loss_ce', 'decode.hr.loss_ce'} and all(value == 0 for value in losses.values())


@pytest.mark.parametrize('chunk', [1, 'auto'])
@pytest.mark.parametrize('train', [False, True])
def test_chunks_do_not_change_the_result(train: bool, chunk: Union[int, str], batch: tuple[Tensor, Tensor]) -> None:
    cfg = hrda_config(16, num_classes=5)
    cfg['backbone'] = dict(type='ResNetV1c', depth=18, base_channels=4, stem_channels=4, norm_cfg=BN)
    whole = build(cfg)
    chunked = build(dict(cfg, hr_windows_per_chunk=chunk))
    sizes: list[int] = []
    chunked.backbone.register_forward_pre_hook(lambda _, inputs: sizes.append(len(inputs[0])))
    with torch.no_grad():
        torch.testing.assert_close(logits(whole.train(train), batch[0]), logits(chunked.train(train), batch[0]))
    # the context of both images, then 3 x 7 windows; the context has two windows' size: 3.5 x (2 + 1) at a time
    windows = [21 * 2] if train else [1 * 2] * 21 if chunk == 1 else [7 * 2] * 3
    assert sizes == [2, *windows]


def test_only_the_teacher_labels_with_few_windows(batch: tuple[Tensor, Tensor]) -> None:
    student = build(hrda_config(16, num_classes=5, hr_labels_overlapping=False)).eval()
    few = build(hrda_config(16, num_classes=5, hr_slide_overlapping=False)).eval()
    usual = build(hrda_config(16, num_classes=5)).eval()
    teacher = EMATeacher(student).model
    with torch.no_grad():
        of_student, of_teacher, with_few, as_usual = (logits(n, batch[0]) for n in (student, teacher, few, usual))
    assert torch.equal(of_teacher, with_few) and torch.equal(of_student, as_usual)
    assert not torch.equal(with_few, as_usual)


@pytest.mark.parametrize(
    'options, message',
    [
        (dict(scales=[1, 0.5, 0.25]), 'two resolutions'),
        (dict(feature_scale='both'), 'feature_scale'),
        (dict(hr_windows_per_chunk='al'), "model.hr_windows_per_chunk must be positive, 'auto' or None"),
        (dict(auxiliary_head=FCN_HEAD), 'auxiliary'),
        (dict(crop_coord_divisible='8px'), 'crop_coord_divisible'),
        (dict(hr_crop_size=(24, 32)), 'multiples of 16'),
    ],
)
def test_wrong_options_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build(dict(hrda_config(16), **options))


@pytest.mark.parametrize('attention', [0.0, 0.5, 1.0])
def test_fixed_attention(attention: float, batch: tuple[Tensor, Tensor]) -> None:
    segmentor = build(hrda_config(16, num_classes=5, head=dict(fixed_attention=attention))).eval()
    outputs = segmentor.decode_head(segmentor.extract_multi_resolution(batch[0], box=(0, 32, 0, 64)))
    low = torch.nn.functional.interpolate(
        segmentor.decode_head.head(segmentor.extract_multi_resolution(batch[0], box=(0, 32, 0, 64)).low),
        scale_factor=2,
        mode='bilinear',
    )
    torch.testing.assert_close(outputs.fused, (1 - attention) * low + attention * outputs.high)


@pytest.mark.parametrize('config', [plain_config(), hrda_config(16, num_classes=5)], ids=['plain', 'hrda'])
def test_autocast_keeps_losses_and_logits_in_float32(config: dict[str, Any], batch: tuple[Tensor, Tensor]) -> None:
    segmentor = build(config).eval()
    expected = logits(segmentor, batch[0])
    with torch.autocast('cpu', dtype=torch.bfloat16):
        losses = losses_of(segmentor, *batch)
        actual = logits(segmentor, batch[0])
    assert actual.dtype == torch.float32 and all(value.dtype == torch.float32 for value in losses.values())
    torch.testing.assert_close(actual, expected, atol=0.05, rtol=0.05)


def test_images_below_the_crop_and_off_the_grid_train(batch: tuple[Tensor, Tensor]) -> None:
    segmentor = build(hrda_config(32, num_classes=5))
    img, label = batch[0][:, :, :21, :43], batch[1][:, :, :21, :43]
    losses = losses_of(segmentor, img, label)
    sum(losses.values()).backward()
    assert all(torch.isfinite(value) for value in losses.values())


def test_cascade_has_losses_of_every_stage(batch: tuple[Tensor, Tensor]) -> None:
    img, label = batch
    ocr = dict(FCN_HEAD, type='OCRHead', ocr_channels=4, in_index=1)
    del ocr['num_convs']
    cfg = dict(
        plain_config(), type='CascadeEncoderDecoder', num_stages=2, decode_head=[dict(FCN_HEAD, in_index=1), ocr]
    )
    segmentor = build(cfg)
    losses = losses_of(segmentor, img, label, torch.ones(2, 32, 64))
    assert set(losses) == {'decode_0.loss_ce', 'decode_1.loss_ce'}
    assert logits(segmentor.eval(), img).shape == (2, 5, 32, 64)


def test_attention_can_be_shown(batch: tuple[Tensor, Tensor]) -> None:
    for options in (dict(), dict(attention_classwise=False), dict(fixed_attention=0.25)):
        segmentor = build(hrda_config(16, num_classes=5, head=dict(options, debug_output_attention=True))).eval()
        with torch.no_grad():
            attention = logits(segmentor, batch[0])
        assert attention.shape == (2, 1, 32, 64)
        assert ((attention >= 0) & (attention <= 1)).all()


def test_blurred_detail_has_no_more_information_than_the_context(batch: tuple[Tensor, Tensor]) -> None:
    img = batch[0]
    checkerboard = torch.zeros_like(img)
    checkerboard[..., ::2, ::2], checkerboard[..., 1::2, 1::2] = 1, 1
    checkerboard[..., ::2, 1::2], checkerboard[..., 1::2, ::2] = -1, -1
    segmentor = build(hrda_config(16, num_classes=5, blur_hr_crop=True)).eval()
    torch.testing.assert_close(logits(segmentor, img + checkerboard), logits(segmentor, img), atol=1e-4, rtol=1e-4)

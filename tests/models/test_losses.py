"""Every loss of MMSegmentation heeds the weight of a pixel."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from mmseg.models import build_head
from mmseg.models.builder import HEADS, LOSSES
from mmseg.models.decode_heads import FCNHead
from torch import Tensor, nn

from mmseg_uda.models.losses.segmentation import head_losses
from mmseg_uda.ops.binary import class_planes, one_plane
from mmseg_uda.utils.config_errors import ConfigError
from tests.models.networks import FCN_HEAD

LOSS_CONFIGS = [
    dict(type='CrossEntropyLoss'),
    dict(type='CrossEntropyLoss', use_sigmoid=True),
    dict(type='FocalLoss', class_weight=[1.0, 2.0, 1.0, 1.0, 0.5]),
    dict(type='DiceLoss', class_weight=[1.0, 2.0, 1.0, 1.0, 0.5]),
    dict(type='DiceLoss', exponent=1, smooth=0.5, ignore_index=2),
    dict(type='TverskyLoss'),
    dict(type='LovaszLoss', reduction='none'),
    dict(type='LovaszLoss', per_image=True, class_weight=[1.0, 2.0, 1.0, 1.0, 0.5]),
]
NAMES = [f'{cfg["type"]}{len(cfg)}' for cfg in LOSS_CONFIGS]


def head_with(loss: Any, **options: Any) -> Any:
    torch.manual_seed(0)
    return build_head(dict(FCN_HEAD, loss_decode=loss, **options))


def data(classes: int = 5) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    label = torch.randint(0, classes, (2, 1, 8, 8), generator=generator)
    return torch.randn(2, classes, 8, 8, generator=generator), label


def value(head: Any, scores: Tensor, label: Tensor, weight: Any = None) -> Tensor:
    return sum(v.mean() for v in head_losses(head, scores, label, weight).values())


@pytest.mark.parametrize('ignored', [0, 40, 63, 64])
def test_the_mean_over_valid_pixels_is_taken_on_the_device(ignored: int) -> None:
    """As MMSegmentation's ``avg_non_ignore``, to the last bit, which asks the device for their number."""
    head = head_with(dict(type='CrossEntropyLoss', avg_non_ignore=True, class_weight=[1.0, 2.0, 1.0, 1.0, 0.5]))
    scores, label = data()
    label[0].view(-1)[:ignored] = 255
    label[1] = 255
    stock = head.losses(scores, label)['loss_ce']
    assert torch.equal(value(head, scores, label), stock)
    assert value(head.to('meta'), scores.to('meta'), label.to('meta'), torch.ones(2, 8, 8, device='meta')).is_meta


@pytest.mark.parametrize('loss', LOSS_CONFIGS, ids=NAMES)
def test_weights_of_one_change_nothing_and_a_common_factor_is_a_factor(loss: dict[str, Any]) -> None:
    head = head_with(loss)
    scores, label = data()
    if loss.get('ignore_index') == 2:
        label[label == 2] = 3
    stock = head.losses(scores, label)
    plain = value(head, scores, label)
    torch.testing.assert_close(plain, sum(v.mean() for k, v in stock.items() if 'loss' in k))
    torch.testing.assert_close(value(head, scores, label, torch.ones(2, 8, 8)), plain)
    torch.testing.assert_close(value(head, scores, label, torch.full((2, 8, 8), 0.125)), 0.125 * plain)


@pytest.mark.parametrize('loss', LOSS_CONFIGS, ids=NAMES)
def test_a_pixel_of_weight_zero_has_no_say(loss: dict[str, Any]) -> None:
    head = head_with(loss)
    scores, label = data()
    weight = torch.ones(2, 8, 8)
    weight[:, :, 5:] = 0
    wrong = label.clone()
    wrong[:, :, :, 5:] = 4 - wrong[:, :, :, 5:]
    scores.requires_grad_()
    first, second = (value(head, scores, target, weight) for target in (label, wrong))
    torch.testing.assert_close(first, second)
    first.backward()
    assert scores.grad[..., :5].any() and not scores.grad[..., 5:].any()


@pytest.mark.parametrize('loss', LOSS_CONFIGS, ids=NAMES)
@pytest.mark.parametrize('ignored', [False, True])
def test_nothing_to_learn_from_gives_zero(loss: dict[str, Any], ignored: bool) -> None:
    head = head_with(loss)
    scores, label = data()
    scores.requires_grad_()
    label = torch.full_like(label, 255) if ignored else label
    total = value(head, scores, label, torch.full((2, 8, 8), float(ignored)))
    total.backward()
    assert total == 0 and not scores.grad.any()


def test_lovasz_without_weights_survives_an_ignored_label() -> None:
    scores, label = data()
    assert value(head_with(dict(type='LovaszLoss', reduction='none')), scores, torch.full_like(label, 255)) == 0


ONE_CHANNEL = [
    dict(type='CrossEntropyLoss', use_sigmoid=True),
    dict(type='CrossEntropyLoss'),
    dict(type='FocalLoss'),
    dict(type='DiceLoss'),
    dict(type='TverskyLoss'),
    dict(type='LovaszLoss', reduction='none'),
    dict(type='LovaszLoss', loss_type='binary', reduction='none'),
]


@pytest.mark.parametrize('loss', ONE_CHANNEL, ids=[f'{cfg["type"]}{i}' for i, cfg in enumerate(ONE_CHANNEL)])
def test_one_channel_heads_learn_from_every_loss(loss: dict[str, Any]) -> None:
    head = head_with(loss, num_classes=2, out_channels=1, threshold=0.5)
    scores, label = data(classes=2)
    score = one_plane(scores).requires_grad_()
    label[:, :, :2] = 255
    total = value(head, score, label)
    total.backward()
    kept = label[:, 0, 2:]
    signs = score.grad[:, 0, 2:]
    assert (signs[kept == 1] <= 0).all() and (signs[kept == 0] >= 0).all() and signs.any()
    torch.testing.assert_close(value(head, class_planes(score), label), total)
    assert value(head, score, torch.full_like(label, 255), torch.ones(2, 8, 8)) == 0


def test_hard_examples_of_a_one_channel_head_are_those_of_its_sigmoid() -> None:
    options = dict(num_classes=2, out_channels=1, threshold=0.5)
    head = head_with(
        dict(type='CrossEntropyLoss', use_sigmoid=True),
        sampler=dict(type='OHEMPixelSampler', thresh=0.7, min_kept=2),
        **options,
    )
    score, label = torch.full((1, 1, 8, 8), 3.0), torch.ones(1, 1, 8, 8, dtype=torch.long)
    label[..., 4:] = 0  # taken for class 1 with probability 0.95
    easy = head_with(dict(type='CrossEntropyLoss', use_sigmoid=True), **options)
    expected = value(easy, score, label, (label[:, 0] == 0).float())
    torch.testing.assert_close(value(head, score, label), expected)


@LOSSES.register_module(name='WeightlessLoss', force=True)
class WeightlessLoss(nn.Module):
    loss_name = 'loss_own'

    def forward(self, scores: Tensor, label: Tensor, **_: Any) -> Tensor:
        return scores.mean()


@HEADS.register_module(name='OwnLossesHead', force=True)
class OwnLossesHead(FCNHead):
    def losses(self, seg_logit: Tensor, seg_label: Tensor) -> dict[str, Tensor]:
        return dict(loss_own=seg_logit.mean())


@HEADS.register_module(name='ExtraLossHead', force=True)
class ExtraLossHead(FCNHead):
    def losses(self, seg_logit: Tensor, seg_label: Tensor) -> dict[str, Tensor]:
        return dict(super().losses(seg_logit, seg_label), loss_extra=seg_logit.mean())


def test_what_cannot_weigh_pixels_is_named() -> None:
    scores, label = data()
    weight = torch.ones(2, 8, 8)
    own_loss = head_with(dict(type='WeightlessLoss'))
    assert value(own_loss, scores, label) == scores.mean()
    with pytest.raises(ConfigError, match='WeightlessLoss'):
        value(own_loss, scores, label, weight)
    own_head = head_with(dict(type='CrossEntropyLoss'), type='OwnLossesHead')
    with pytest.raises(ConfigError, match='OwnLossesHead'):
        value(own_head, scores, label, weight)
    assert own_head.sampler is None


@pytest.mark.parametrize('loss', LOSS_CONFIGS, ids=NAMES)
def test_heads_with_losses_of_their_own_weigh_pixels_too(loss: dict[str, Any]) -> None:
    scores, label = data()
    head = head_with(loss, type='ExtraLossHead')
    weight = torch.rand(2, 8, 8, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(
        value(head, scores, label, weight), value(head_with(loss), scores, label, weight) + scores.mean()
    )

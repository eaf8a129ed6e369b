"""Losses, styles and label moves of several targets at their edges: nothing valid, one pixel, one image, half
precision, odd memory layouts."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from mmseg_uda.ops.ael import poly_lr
from mmseg_uda.ops.cooperative import cooperative_losses, distillation_loss, pixel_divergence, rectification
from mmseg_uda.ops.domain_game import fooling, judges, training
from mmseg_uda.ops.label_warp import GEOMETRIC_OPS, NOT_APPLIED, harden, warp_label
from mmseg_uda.ops.style import EPS, instance_stats, restyle

CLASSES = 4


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def views(number: int, batch: int = 2, size: tuple[int, int] = (3, 5)) -> tuple[Tensor, list[Tensor], Tensor]:
    """Scores of the own head, of ``number`` stylised views, and labels."""
    own, *styled = (random(batch, CLASSES, *size, seed=i).requires_grad_() for i in range(number + 1))
    label = torch.randint(0, CLASSES, (batch, *size), generator=torch.Generator().manual_seed(9))
    return own, styled, label


@pytest.mark.parametrize('mode', ['paper', 'official'])
@pytest.mark.parametrize('number', [0, 1, 2])
@pytest.mark.parametrize('gamma', [1.0, None])
def test_nothing_valid_costs_nothing(mode: str, number: int, gamma: float) -> None:
    own, styled, label = views(number)
    losses = cooperative_losses(own, styled, torch.full_like(label, 255), gamma, mode)
    assert losses.pseudo.item() == 0 and losses.style.item() == 0
    (losses.pseudo + losses.style).backward()
    assert all(view.grad is None or not view.grad.any() for view in (own, *styled))


@pytest.mark.parametrize('mode', ['paper', 'official'])
def test_a_single_valid_pixel_decides(mode: str) -> None:
    own, styled, label = views(2)
    only = torch.full_like(label, 255)
    only[1, 2, 3] = label[1, 2, 3]
    losses = cooperative_losses(own, styled, only, 1.0, mode)
    weight = losses.weight[1, 2, 3] if mode == 'paper' else losses.weight[:, 2, 3].sum()
    expected = torch.nn.functional.cross_entropy(own[1, :, 2, 3], label[1, 2, 3])
    torch.testing.assert_close(losses.pseudo, expected * weight)


def test_both_modes_agree_without_rectification_on_one_image() -> None:
    own, styled, label = views(2, batch=1)
    paper, official = (cooperative_losses(own, styled, label, None, mode) for mode in ('paper', 'official'))
    torch.testing.assert_close(paper.pseudo, official.pseudo)
    torch.testing.assert_close(paper.style, official.style)


def test_ids_from_200_on_are_ignored_whatever_they_are() -> None:
    own, styled, label = views(1)
    results = [
        cooperative_losses(own, styled, label.masked_fill(label == 1, ignored)).pseudo for ignored in (250, 255, -1)
    ]
    assert results[0] == results[1] == results[2]


def test_the_teacher_gets_no_gradient() -> None:
    own, styled, label = views(1)
    cooperative_losses(own, styled, label).style.backward()
    assert own.grad is None and styled[0].grad is not None
    teacher, student = random(1, CLASSES, 2, 2).requires_grad_(), random(1, CLASSES, 2, 2, seed=1).requires_grad_()
    distillation_loss(teacher, student).backward()
    assert teacher.grad is None and student.grad is not None


def test_reductions_of_the_distillation() -> None:
    teacher, student = random(2, CLASSES, 3, 5), random(2, CLASSES, 3, 5, seed=1)
    torch.testing.assert_close(distillation_loss(teacher, student, 'pixel'), pixel_divergence(teacher, student).mean())
    torch.testing.assert_close(
        distillation_loss(teacher, student) * CLASSES, distillation_loss(teacher, student, 'pixel')
    )
    with pytest.raises(ValueError, match="kd_reduction must be one of element, pixel, got 'class'"):
        distillation_loss(teacher, student, 'class')


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_half_precision_is_reduced_in_float32(dtype: torch.dtype) -> None:
    own, styled, label = views(2)
    large = [(view.detach() * 40).to(dtype) for view in (own, *styled)]
    losses = cooperative_losses(large[0], large[1:], label)
    wide = cooperative_losses(large[0].float(), [view.float() for view in large[1:]], label)
    for value, expected in zip(losses, wide):
        assert value.dtype == torch.float32
        torch.testing.assert_close(value, expected)
    x = (random(2, 3, 40, 50) * 100).to(dtype)
    mean, std = instance_stats(x)
    assert mean.dtype == std.dtype == torch.float32
    torch.testing.assert_close(restyle(x, mean, std), x, rtol=0.02, atol=0.02)
    soft = random(1, CLASSES, 8, 12).softmax(dim=1).to(dtype)
    assert torch.equal(harden(soft, 0.4), harden(soft.float(), 0.4))


def test_memory_layout_does_not_matter() -> None:
    own, styled, label = views(1, size=(6, 8))
    last = [view.detach().to(memory_format=torch.channels_last) for view in (own, *styled)]
    turned = label.transpose(1, 2).contiguous().transpose(1, 2)
    for value, expected in zip(
        cooperative_losses(last[0], last[1:], turned), cooperative_losses(own.detach(), [styled[0].detach()], label)
    ):
        torch.testing.assert_close(value, expected)
    for value, expected in zip(instance_stats(last[0]), instance_stats(own)):
        torch.testing.assert_close(value, expected)
    soft = own.detach().softmax(dim=1)
    assert torch.equal(harden(soft.to(memory_format=torch.channels_last)), harden(soft))


def test_style_of_one_pixel_and_of_a_constant_channel() -> None:
    for x in (torch.full((2, 3, 1, 1), 7.0), torch.full((2, 3, 4, 5), 7.0)):
        mean, std = instance_stats(x)
        torch.testing.assert_close(mean, torch.full((2, 3, 1, 1), 7.0))
        torch.testing.assert_close(std, torch.full((2, 3, 1, 1), EPS**0.5))
        torch.testing.assert_close(restyle(x, mean + 1, std), x + 1)


def test_rectification_lies_between_0_and_1() -> None:
    divergence = torch.tensor([0.0, 1.0, 1e9]).requires_grad_()
    weight = rectification(divergence, 2.0)
    torch.testing.assert_close(weight, torch.tensor([1.0, torch.e**-2, 0.0]))
    assert not weight.requires_grad


def test_hardening_rounds_sizes_down_and_takes_the_lowest_of_equal_classes() -> None:
    soft = torch.full((1, CLASSES, 11, 7), 1 / CLASSES)
    label = harden(soft)
    assert label.shape == (1, 1, 2, 1) and not label.any()
    assert (harden(soft, 1 / CLASSES) == 0).all(), 'a share equal to the threshold stays'
    assert (harden(soft, 0.3) == 255).all()


def _parameters(**values: float) -> dict[str, Tensor]:
    return {kind: torch.tensor([values.get(kind, NOT_APPLIED)], dtype=torch.float64) for kind in GEOMETRIC_OPS}


def test_label_maps_may_be_a_pixel_or_wholly_cut_out() -> None:
    none = torch.zeros(4, 1, dtype=torch.int64)
    one = torch.tensor([[[[3]]]])
    assert torch.equal(warp_label(one, torch.tensor([1]), _parameters(), none), one)
    assert warp_label(one, torch.tensor([0]), _parameters(), torch.tensor([[0], [0], [4], [4]])).item() == 255
    label = torch.randint(0, 19, (1, 1, 4, 8))
    assert (warp_label(label, torch.tensor([0]), _parameters(TranslateX=1e3), none) == 255).all()
    assert torch.equal(warp_label(label, torch.tensor([0]), {}, none), label)


@pytest.mark.parametrize('exact, shift', [(False, 4), (True, 2)])
def test_exact_translation_moves_labels_as_far_as_the_image(exact: bool, shift: int) -> None:
    label = torch.arange(16).repeat(8, 1)[None, None]
    moved = warp_label(
        label, torch.tensor([0]), _parameters(TranslateX=8), torch.zeros(4, 1, dtype=torch.int64), scale=4, exact=exact
    )
    assert torch.equal(moved[..., : 16 - shift], label[..., shift:]) and (moved[..., 16 - shift :] == 255).all()


@pytest.mark.parametrize('game', ['shared', 'multi', 'own'])
@pytest.mark.parametrize('targets', [1, 2, 3, 4])
def test_every_judge_sees_both_labels_and_is_fooled(game: str, targets: int) -> None:
    names = set(judges(game, targets))
    learned = training(game, targets)
    assert {(verdict.judge, verdict.domain) for verdict in learned} == {
        (name, domain) for name in names for domain in (0, 1)
    }
    fooled = [verdict for target in range(targets) for verdict in fooling(game, targets, target)]
    assert {verdict.judge for verdict in fooled} == names
    wanted = {(verdict.judge, verdict.shown): verdict.domain for verdict in learned}
    opposite = [verdict for verdict in fooled if verdict.domain != wanted[verdict.judge, verdict.shown]]
    assert len(opposite) == len(fooled), 'the segmentor wants what the judges must not say'


def test_the_rate_stays_0_after_the_end() -> None:
    assert poly_lr(0.1, 10, 10) == poly_lr(0.1, 12, 10) == 0.0

"""Entropy losses and their variants."""

from __future__ import annotations

import math

import pytest
import torch

from mmseg_uda.ops.adversarial import domain_accuracy, domain_mse, valid_cross_entropy
from mmseg_uda.ops.entropy import (
    class_prior_loss,
    entropy_from_logits,
    entropy_loss,
    normalized_entropy,
    self_information,
)


def logits() -> torch.Tensor:
    return 3 * torch.randn(2, 5, 6, 7, generator=torch.Generator().manual_seed(0))


def test_self_information_adds_up_to_the_entropy() -> None:
    torch.testing.assert_close(self_information(logits()).sum(1), normalized_entropy(logits().softmax(1)))
    uniform = torch.zeros(1, 5, 2, 2)
    assert entropy_from_logits(uniform) == pytest.approx(torch.ones(1, 2, 2))


def test_certain_predictions_have_finite_gradients_in_half_precision_too() -> None:
    for dtype in (torch.float32, torch.bfloat16, torch.float16):
        scores = torch.tensor([1000.0, 0.0, -1000.0]).view(1, 3, 1, 1).to(dtype).requires_grad_()
        loss = entropy_loss(scores)
        loss.backward()
        assert loss.item() == 0 and scores.grad.isfinite().all()


def test_hardest_pixels() -> None:
    entropy = entropy_from_logits(logits()).flatten(1)
    expected = entropy.sort(descending=True).values[:, :13].mean()  # 30 % of 42 pixels
    torch.testing.assert_close(entropy_loss(logits(), 0.3), expected)
    torch.testing.assert_close(entropy_loss(logits(), 1.0), entropy.mean())


def test_class_prior_only_punishes_vanishing_classes() -> None:
    scores = torch.tensor([math.log(0.9), math.log(0.1)]).view(1, 2, 1, 1).expand(1, 2, 4, 4)
    assert class_prior_loss(scores, torch.tensor([0.5, 0.5])).item() == pytest.approx(0.25 - 0.1)
    assert class_prior_loss(scores, torch.tensor([0.9, 0.1])).item() == 0


def test_cross_entropy_with_pixel_weights_keeps_its_divisor() -> None:
    label = torch.randint(0, 5, (2, 6, 7), generator=torch.Generator().manual_seed(1))
    weight = torch.zeros(2, 6, 7)
    weight[0] = 1
    torch.testing.assert_close(
        valid_cross_entropy(logits(), label, weight), valid_cross_entropy(logits()[:1], label[:1]) / 2
    )


def test_domain_measures() -> None:
    scores = torch.tensor([-1.0, 2.0, 3.0, 0.5])
    assert domain_accuracy(scores, 1).item() == 0.75 and domain_accuracy(scores, 0).item() == 0.25
    assert domain_mse(scores, 1).item() == pytest.approx((4 + 1 + 4 + 0.25) / 4)

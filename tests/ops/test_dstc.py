"""Class draws and class means of DSTC: what no recorded vector shows."""

from __future__ import annotations

import pytest
import torch

from mmseg_uda.ops import dstc
from mmseg_uda.ops.ael import ohem_cross_entropy


def draws(batch: int) -> torch.Tensor:
    return torch.rand(batch, 256, generator=torch.Generator().manual_seed(0))


def labels(*ids: int) -> torch.Tensor:
    """One image that shows each of the ids, and ignored pixels."""
    return torch.tensor([*ids, 255, 255]).view(1, 1, -1)


@pytest.mark.parametrize('number', range(8))
def test_half_of_the_classes_are_drawn(number: int) -> None:
    ids = [2 * i + 1 for i in range(number)]
    present = dstc.label_classes(labels(*ids)).expand(4000, -1)
    assert present[0].nonzero()[:, 0].tolist() == ids, 'ignore is no class'
    half = (number + 1) // 2
    without, with_repeats = (dstc.draw_half(present, draws(4000), replacement) for replacement in (False, True))
    assert not (without & ~present).any() and not (with_repeats & ~present).any()
    assert (without.sum(1) == half).all()
    assert (with_repeats.sum(1) <= half).all() and with_repeats.any(1).all() == (number > 0)
    if number:
        share = without.float().mean(0)[ids]
        assert (share - half / number).abs().max() < 0.04, 'every class is equally likely'
        expected = 1 - (1 - 1 / number) ** half
        assert (with_repeats.float().mean(0)[ids] - expected).abs().max() < 0.04


@pytest.mark.parametrize('replacement', [False, True])
def test_extreme_draws_stay_within_the_classes(replacement: bool) -> None:
    present = dstc.label_classes(labels(*range(19)))
    for value in (0.0, 1 - 2**-24):
        chosen = dstc.draw_half(present, torch.full((1, 256), value), replacement)
        assert chosen.any() and not (chosen & ~present).any()


@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16, torch.float16])
def test_class_means_of_large_images_keep_their_digits(dtype: torch.dtype) -> None:
    """One-pixel classes, more pixels than half precision can count, sums far beyond its range."""
    generator = torch.Generator().manual_seed(1)
    logits = (torch.randn(2, 3, 300, 300, generator=generator) + 50).to(dtype)
    label = torch.zeros(2, 300, 300, dtype=torch.long)
    label[1, 7, 9], label[0, :40] = 2, 255
    means, counts = dstc.class_mean_logits(logits, label)
    assert means.dtype == torch.float32 and counts.tolist() == [180000 - 12001, 0, 1, 12000]
    exact = logits.double()
    torch.testing.assert_close(means[2], logits[1, :, 7, 9].float(), rtol=0, atol=0)
    torch.testing.assert_close(means[3].double(), exact[0, :, :40].mean((1, 2)), rtol=1e-6, atol=0)
    inside = exact.permute(1, 0, 2, 3)[:, label == 0].mean(1)
    torch.testing.assert_close(means[0].double(), inside, rtol=1e-6, atol=0)
    assert not means[1].any()


@pytest.mark.parametrize('batch', [1, 3])
@pytest.mark.parametrize('include_ignore', [True, False])
def test_alignment_of_ignored_images(batch: int, include_ignore: bool) -> None:
    """Without any group the loss is 0 and still has a gradient to give; any batch size."""
    generator = torch.Generator().manual_seed(2)
    source = torch.randn(batch, 4, 5, 6, generator=generator, requires_grad=True)
    target = torch.randn(batch, 4, 5, 6, generator=generator, requires_grad=True)
    label = torch.full((batch, 5, 6), 255)
    loss = dstc.target_preferred_alignment(source, target, label, include_ignore)
    loss.backward()
    assert target.grad is None and source.grad is not None
    if include_ignore:
        torch.testing.assert_close(loss, (source - target).mean((0, 2, 3)).abs().mean())
        torch.testing.assert_close(source.grad.abs(), torch.full_like(source, 1 / (4 * batch * 30)))
    else:
        assert loss == 0 and not source.grad.any()


def test_cross_entropy_without_labels_is_zero() -> None:
    scores = torch.randn(2, 4, 5, 6, requires_grad=True)
    loss = ohem_cross_entropy(scores, torch.full((2, 5, 6), 255), min_kept=0)
    loss.backward()
    assert loss == 0 and scores.grad is not None and not scores.grad.any()


def test_repeats_below_one_are_refused() -> None:
    with pytest.raises(ValueError, match='repeats must be at least 1'):
        dstc.repeated_sgd_update(torch.zeros(1), torch.zeros(1), None, 0.1, 0.9, 0.0, 0)

"""Contrast and semi-supervised functions beyond the parity vectors: the corrected forms and empty inputs."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mmseg_uda.ops import acquisition, partial_label
from mmseg_uda.ops import ael as semi_supervised
from mmseg_uda.ops import u2pl as contrast
from mmseg_uda.ops.u2pl import ContrastRules, ContrastSets


def test_corrected_keys_carry_another_label() -> None:
    classes = 4
    generator = torch.Generator().manual_seed(0)
    label = torch.randint(0, classes, (2, 6, 6), generator=generator)
    label[:, 0] = 255
    prob = torch.rand(2, classes, 6, 6, generator=generator).softmax(1)
    ones = (label != 255).float()[:, None]
    rules = ContrastRules(low_rank=2, high_rank=classes)
    sets = contrast.contrast_sets(contrast.onehot_ignore(label, classes), prob, ones, ones, 1, rules)
    rank = contrast.probability_ranks(prob)
    expected = torch.zeros(classes, 2, 6, 6, dtype=torch.bool)
    for c in range(classes):
        expected[c, 0] = (label[0] != c) & (label[0] != 255) & (rank[0, c] < 2)
        expected[c, 1] = (label[1] != 255) & (rank[1, c] >= 2)
    assert torch.equal(sets.keys, expected.flatten(1))
    official = contrast.contrast_sets(
        contrast.onehot_ignore(label, classes), prob, ones, ones, 1, ContrastRules(2, classes, official_keys=True)
    )
    assert not official.keys.unflatten(1, (2, 6, 6))[:, 0].any(), 'released: labelled keys never exist'


def test_slots_use_their_own_bank() -> None:
    valid = torch.tensor([[1, 0], [0, 0], [0, 1]], dtype=torch.bool)
    sets = ContrastSets(valid, valid, valid)
    slots = contrast.contrast_slots(sets, torch.tensor([3, 3, 3]))
    assert slots.active.tolist() == [True, False, True] and slots.bank_class.tolist() == [0, 1, 2]
    official = contrast.contrast_slots(sets, torch.tensor([3, 3, 3]), official=True)
    assert official.active.tolist() == [True, False, False] and official.bank_class[:2].tolist() == [0, 2]
    assert not contrast.contrast_slots(sets, torch.tensor([3, 3, 0])).active[2], 'an empty bank'


def test_a_bank_without_keys_gives_zero_with_a_graph() -> None:
    valid = torch.ones(2, 3, dtype=torch.bool)
    slots = contrast.contrast_slots(ContrastSets(valid, valid, valid), torch.tensor([0, 0]))
    anchors = torch.rand(2, 4, 5, requires_grad=True)
    loss = contrast.contrast_loss(anchors, torch.zeros(2, 4, 5), torch.zeros(2, 4, 3, 5), slots, 0.5)
    (gradient,) = torch.autograd.grad(loss, anchors)
    assert loss == 0 and not gradient.any()


def test_rank_to_index_finds_the_set_entries() -> None:
    mask = torch.tensor([[0, 1, 1, 0, 1], [0, 0, 0, 0, 0]], dtype=torch.bool)
    found = contrast.rank_to_index(mask, torch.tensor([[0, 1, 2], [0, 0, 0]]))
    assert found[0].tolist() == [1, 2, 4] and (found[1] < 5).all()
    ranks = contrast.uniform_ranks(torch.tensor([[0.0, 0.999999], [0.5, 0.5]]), torch.tensor([3, 0]))
    assert ranks.tolist() == [[0, 2], [0, 0]]


@pytest.mark.parametrize('percent', [0.0, 12.5, 50.0, 99.9, 100.0])
def test_percentile_equals_numpy(percent: float) -> None:
    values = torch.rand(7, 11, generator=torch.Generator().manual_seed(1))
    valid = values > 0.3
    expected = np.percentile(values.double().numpy(), percent), np.percentile(values[valid].double().numpy(), percent)
    assert float(semi_supervised.percentile(values, percent)) == pytest.approx(expected[0], abs=1e-12)
    assert float(semi_supervised.percentile(values, percent, valid)) == pytest.approx(expected[1], abs=1e-12)


def test_nothing_valid_gives_zero() -> None:
    logits = torch.randn(1, 3, 4, 4, requires_grad=True)
    ignored = torch.full((1, 4, 4), 255)
    assert semi_supervised.percentile(logits[:, 0], 50, ignored == 0) == float('inf')
    losses = [
        semi_supervised.ohem_cross_entropy(logits, ignored, min_kept=4),
        semi_supervised.confidence_weighted_ce(logits, torch.ones(1, 4, 4), ignored, torch.rand(3), None),
        semi_supervised.percentile_cross_entropy(logits, ignored, logits.detach(), 80.0)[0],
    ]
    for loss in losses:
        (gradient,) = torch.autograd.grad(loss, logits, retain_graph=True)
        assert loss == 0 and not gradient.any()


def test_the_paper_drops_uncertain_labels_and_the_code_certain_ones() -> None:
    entropy = torch.arange(10.0).reshape(1, 2, 5)
    label = torch.zeros(1, 2, 5, dtype=torch.int64)
    assert (semi_supervised.drop_by_entropy(label, entropy, 80) == 255).flatten().nonzero().flatten().tolist() == [8, 9]
    official = semi_supervised.drop_by_entropy(label, entropy, 20, 'low_official')
    assert (official == 255).flatten().nonzero().flatten().tolist() == [0, 1]
    with pytest.raises(ValueError, match='drop'):
        semi_supervised.drop_by_entropy(label, entropy, 20, 'low')


def test_classes_are_drawn_by_probability() -> None:
    draws = torch.linspace(0, 0.999, 1000)
    counts = semi_supervised.draw_classes(torch.tensor([0.25, 0.0, 0.75]), draws).bincount(minlength=3)
    assert counts[1] == 0 and counts[0] == pytest.approx(250, abs=2)


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_half_precision_is_summed_in_float32(dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(0)
    logits = 9 * torch.randn(1, 5, 300, 300, generator=generator).to(dtype)
    label = torch.randint(0, 5, (1, 300, 300), generator=generator)
    kappa, confidence = torch.rand(5, generator=generator), torch.rand(1, 300, 300, generator=generator).to(dtype)
    prob = logits.float().softmax(1).to(dtype)
    functions = (
        acquisition.entropy_map,
        acquisition.mean_entropy_score,
        acquisition.margin_map,
        lambda x: acquisition.region_score(x[0], 1)[0],
        lambda x: semi_supervised.class_confidence(x, label),
        lambda x: semi_supervised.ohem_cross_entropy(x, label, min_kept=1000),
        lambda x: semi_supervised.confidence_weighted_ce(x, confidence, label, kappa, None),
        lambda x: semi_supervised.percentile_cross_entropy(x, label, x, 80.0)[0],
        lambda x: partial_label.labeled_cross_entropy(x, label),
    )
    for function in functions:
        actual = function(logits)
        assert actual.dtype == torch.float32 and torch.isfinite(actual).all()
        torch.testing.assert_close(actual, function(logits.float()))
    for function in (partial_label.negative_learning_loss, lambda p: partial_label.local_consistency_loss(p, label)):
        torch.testing.assert_close(function(prob), function(prob.float()))

"""Properties of the pseudo-label functions beyond the parity vectors."""

from __future__ import annotations

import pytest
import torch

from mmseg_uda.ops import esl


def scores(count: int = 4000) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 4, (count,), generator=generator), torch.rand(count, generator=generator) ** 2


@pytest.mark.parametrize('higher', [False, True])
@pytest.mark.parametrize('levels', [7, esl.COMPACT_LEVELS, esl.FINE_LEVELS])
def test_codes_compare_like_scores(levels: int, higher: bool) -> None:
    values = torch.cat([scores()[1], torch.arange(levels + 1).double().div(levels).float(), torch.tensor([0.0, 1.0])])
    codes = esl.quantize(values, levels, higher)
    for j in range(0, levels + 1, max(levels // 10, 1)):
        expected = values.double() >= j / levels if higher else values.double() <= j / levels
        assert torch.equal(codes >= j if higher else codes <= j, expected)


@pytest.mark.parametrize('score', list(esl.SCORES))
@pytest.mark.parametrize('fraction', [0.0, 0.25, 0.5, 1.0])
def test_share_of_each_class(score: str, fraction: float) -> None:
    label, values = scores()
    values = 1 - values if esl.SCORES[score] else values
    criterion = esl.Criterion(score, fraction, bound=1.0 if esl.SCORES[score] else 0.0)
    statistic, count = esl.order_statistics(lambda: [(label, values)], 4, criterion)
    kept = esl.apply_thresholds(label, values, criterion.thresholds(statistic), criterion)
    for c in range(4):
        assert abs(int((kept == c).sum()) - fraction * int(count[c])) <= 3  # ties


def test_histograms_of_parts_add_up_and_order_does_not_matter() -> None:
    label, values = scores()
    codes = esl.quantize(values, 250)
    whole = esl.class_histogram(label, codes, 4, 251)
    parts = [esl.class_histogram(label[i::3], codes[i::3], 4, 251) for i in (2, 0, 1)]
    assert torch.equal(whole, sum(parts))
    statistics = [
        esl.order_statistics(lambda order=order: [(label[order], values[order])], 4, esl.Criterion())[0]
        for order in (slice(None), torch.arange(3999, -1, -1))
    ]
    assert torch.equal(*statistics)


def test_invalid_pixels_are_not_counted() -> None:
    label, values = scores()
    padded = torch.cat([label, torch.full((100,), 255)]), torch.cat([values, torch.zeros(100)])
    for criterion in (esl.Criterion(), esl.Criterion('max_prob')):
        one, other = (
            esl.order_statistics(lambda pair=pair: [pair], 4, criterion) for pair in ((label, values), padded)
        )
        assert torch.equal(one[0], other[0]) and torch.equal(one[1], other[1])
    codes = torch.full((100,), esl.invalid_code(250))
    assert esl.class_histogram(torch.zeros(100, dtype=torch.int64), codes, 4, 251).sum() == 0


def test_one_class_only_and_no_pixel_at_all() -> None:
    label = torch.full((9,), 2)
    statistic, count = esl.order_statistics(lambda: [(label, torch.arange(9) / 10)], 4, esl.Criterion(bound=0.0))
    assert count.tolist() == [0, 0, 9, 0] and statistic[2] == pytest.approx(0.4) and statistic[0] == 0
    empty, count = esl.order_statistics(lambda: [], 4, esl.Criterion())
    assert empty.abs().sum() == 0 and count.sum() == 0
    bins, extra = esl.rank_bins(torch.zeros(4, 251, dtype=torch.int64), esl.Criterion())
    assert (bins == -1).all() and (extra == 0).all()
    assert esl.code_thresholds(bins, 250, esl.Criterion()).tolist() == [25] * 4


def test_zero_scores_of_either_sign_are_equal() -> None:
    label = torch.zeros(4, dtype=torch.int64)
    statistic, _ = esl.order_statistics(
        lambda: [(label, torch.tensor([0.5, -0.0, 0.0, -0.0]))], 1, esl.Criterion(bound=0.0)
    )
    assert statistic.item() == 0


def test_limit_bounds_thresholds() -> None:
    statistic = torch.tensor([0.05, 0.3, 0.95], dtype=torch.float64)
    assert esl.Criterion(limit=0.5).thresholds(statistic).tolist() == [0.1, 0.3, 0.5]
    assert esl.Criterion('max_prob', limit=0.2).thresholds(statistic).tolist() == [0.2, 0.3, 0.9]
    bins = torch.tensor([12, 75, 240])
    assert esl.code_thresholds(bins, 250, esl.Criterion(limit=0.5)).tolist() == [25, 75, 125]
    assert esl.code_thresholds(bins, 250, esl.Criterion('max_prob', limit=0.2)).tolist() == [50, 75, 225]


def test_wrong_criteria_are_named() -> None:
    with pytest.raises(ValueError, match='entropy, max_prob, margin'):
        esl.Criterion('entropi')
    with pytest.raises(ValueError, match='fraction'):
        esl.Criterion(fraction=1.5)
    with pytest.raises(ValueError, match='no multiple'):
        esl.code_thresholds(torch.zeros(2, dtype=torch.int64), 250, esl.Criterion(bound=0.1234))


@pytest.mark.parametrize('score', sorted(esl.SCORES))
@pytest.mark.parametrize('elements', [1, 5 * 16 * 7, 2**24])
def test_labels_and_scores_in_strips_are_those_of_the_whole(
    score: str, elements: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mmseg_uda.ops import label_maps

    monkeypatch.setattr(label_maps, 'STRIP_ELEMENTS', elements)
    prob = torch.randn(2, 5, 13, 16, generator=torch.Generator().manual_seed(0)).mul(3).softmax(1)
    prob[0, :, 4] = 0.2  # ties: the first class
    label, value = esl.label_and_score(prob, score)
    top = prob.sort(dim=1, descending=True).values
    expected = {
        'entropy': -(prob.double() * prob.double().log()).sum(1) / torch.tensor(5.0).double().log(),
        'max_prob': top[:, 0],
        'margin': top[:, 0] - top[:, 1],
    }[score]
    assert torch.equal(label, prob.argmax(1)) and not label[0, 4].any()
    assert torch.allclose(value.double(), expected.double(), atol=1e-6)

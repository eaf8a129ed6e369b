"""Acquisition arithmetic beyond the parity vectors: equivalence with the plain algorithms, odd inputs, budgets."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from mmseg_uda.active.budget import RegionBudget, build_budget
from mmseg_uda.ops.acquisition import (
    entropy_map,
    greedy_select,
    group_quota,
    margin_map,
    mean_entropy_score,
    picks_per_round,
    rank_names,
    region_score,
    select_images,
    window_sum,
)


def plain_greedy(
    score: np.ndarray, active: np.ndarray, picks: int, label_radius: int, block_radius: int
) -> list[tuple[int, int]]:
    """One full-map maximum per pick: over rows first, then columns, as the released loop does."""
    score, centres = np.where(active, -np.inf, score), []
    for _ in range(picks):
        column = int(score.max(axis=0).argmax())
        row = int(score[:, column].argmax())
        if score[row, column] == -np.inf:
            break
        centres.append((row, column))
        r = block_radius
        score[max(row - r, 0) : row + r + 1, max(column - r, 0) : column + r + 1] = -np.inf
    return centres


@pytest.mark.parametrize('radius', [(1, 2), (0, 4), (2, 4)])
@pytest.mark.parametrize('seed', range(4))
def test_sorted_selection_equals_the_plain_loop(radius: tuple[int, int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    score = rng.integers(0, 12, (23, 31)).astype(np.float32)  # many ties
    blocked = rng.random((23, 31)) < 0.2
    for picks in (1, 9, 400):
        active = blocked.copy()
        centres, selected = greedy_select(score, active, picks, *radius)
        assert [tuple(c) for c in centres.tolist()] == plain_greedy(score, blocked, picks, *radius)
        assert len(centres) < 400 and not (selected & ~active).any()


def test_selection_passes_over_nan_and_stops_when_exhausted() -> None:
    score = np.full((6, 6), np.nan, np.float32)
    centres, selected = greedy_select(score, np.zeros((6, 6), bool), 3, 1, 2)
    assert len(centres) == 0 and not selected.any()
    centres, _ = greedy_select(np.ones((6, 6), np.float32), np.zeros((6, 6), bool), 50, 0, 1)
    assert len(centres) == 9


@pytest.mark.parametrize('radius', [0, 1, 3, 40])
def test_window_sums_equal_a_convolution(radius: int) -> None:
    values = torch.rand(2, 11, 17, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    kernel = torch.ones(1, 1, 2 * radius + 1, 2 * radius + 1, dtype=torch.float64)
    expected = F.conv2d(values[:, None], kernel, padding=radius)[:, 0]
    torch.testing.assert_close(window_sum(values, radius), expected)
    counts = F.conv2d((values > 0.5).double()[:, None], kernel, padding=radius)[:, 0]
    assert torch.equal(window_sum(values > 0.5, radius).double(), counts)


def test_scores_have_their_order() -> None:
    sure, unsure = torch.zeros(1, 4, 5, 5), torch.zeros(1, 4, 5, 5)
    sure[:, 0] = 50
    assert mean_entropy_score(unsure) == pytest.approx(1, abs=1e-4) and mean_entropy_score(sure) == pytest.approx(
        0, abs=1e-5
    )
    assert (margin_map(unsure) == 1).all() and margin_map(sure).max() < 1e-6
    assert torch.isfinite(entropy_map(torch.full((1, 3, 2, 2), 1e4))).all()
    mixed = torch.zeros(4, 6, 6)
    mixed[torch.arange(36) % 4, torch.arange(36) // 6, torch.arange(36) % 6] = 5
    pure = torch.zeros(4, 6, 6)
    pure[0] = 5
    assert region_score(mixed, 1)[0].min() > region_score(pure, 1)[0].max()


def test_quota_is_clipped_and_redistributed() -> None:
    assert sum(group_quota([10, 10, 3], [0, 9, 3], 7)) == 7
    quota = group_quota([5, 5, 5, 1], [0, 0, 0, 1], 6)  # the remainder of the last group would be negative or too much
    assert sum(quota) == 6 and quota[3] == 0 and min(quota) >= 0
    assert group_quota([2, 2], [1, 1], 100) == [1, 1]
    with pytest.raises(ValueError, match='more labelled'):
        group_quota([2], [3], 1)


def test_ranking_and_selection() -> None:
    assert rank_names(['a', 'c', 'b'], [0.5, 0.5, 0.9]) == ['b', 'c', 'a']
    assert select_images([['b', 'c', 'a'], ['', 'x']], [2, 1], ['b']) == ['c', 'a', 'x']


def test_budgets_count_as_the_released_code() -> None:
    assert picks_per_round(1024 * 2048, 0.022, 5, 1) == 1026
    assert RegionBudget(5, share=0.05).picks(1024, 2048, 1) == 2331
    pixels = build_budget(dict(pixels=40, rounds=5, reference_size=(640, 1280)))
    assert isinstance(pixels, RegionBudget) and pixels.picks(1024, 2048, 0) == 21
    assert RegionBudget(5, share=0.022).picks(1024, 2048, 9) == 26

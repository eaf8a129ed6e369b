"""Percentile bounds treat pixels of equal entropy alike, whatever their last digits."""

from __future__ import annotations

import pytest
import torch

from mmseg_uda.ops.ael import ENTROPY_TIE, drop_by_entropy
from mmseg_uda.ops.labels import IGNORE
from mmseg_uda.ops.u2pl import contrast_masks


def entropies() -> torch.Tensor:
    """A third certain, a third of equal entropy up to rounding, a third uncertain; (1, 6, 10)."""
    jitter = torch.rand(20, generator=torch.Generator().manual_seed(0)) * 2e-7
    return torch.cat([torch.linspace(0.1, 0.5, 20), 1.0 + jitter, torch.linspace(1.2, 1.6, 20)]).view(1, 6, 10)


@pytest.mark.parametrize(('drop', 'kept'), [('high', 20), ('low_official', 40)])
def test_equal_entropies_are_dropped_together(drop: str, kept: int) -> None:
    label = torch.zeros(1, 6, 10, dtype=torch.int64)
    assert (drop_by_entropy(label, entropies(), 50.0, drop, tie=ENTROPY_TIE) != IGNORE).sum() == kept
    assert 20 < (drop_by_entropy(label, entropies(), 50.0, drop) != IGNORE).sum() < 40


def test_equal_entropies_are_in_both_masks_together() -> None:
    label = torch.zeros(1, 6, 10, dtype=torch.int64)
    low, high = contrast_masks(label[:0], label, entropies(), 50.0, 50.0, (6, 10), tie=ENTROPY_TIE)
    assert low.sum() == 40 and high.sum() == 40

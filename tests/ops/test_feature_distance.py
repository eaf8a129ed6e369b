from __future__ import annotations

import pytest
import torch

from mmseg_uda.ops.feature_distance import IGNORE, class_cells, downscale_label_ratio, feature_distance
from mmseg_uda.ops.world import World


def test_majority_of_cells() -> None:
    label = torch.full((1, 1, 4, 8), 3)
    label[..., :2, :3] = 7  # 6 of 16 pixels of the left cell
    label[..., 4:] = IGNORE
    assert downscale_label_ratio(label, 4, 0.6, 19).tolist() == [[[[3, IGNORE]]]]
    assert downscale_label_ratio(label, 4, 0.7, 19).tolist() == [[[[IGNORE, IGNORE]]]]
    assert torch.equal(downscale_label_ratio(label, 1, 0.75, 19), label)
    with pytest.raises(ValueError, match='scale'):
        downscale_label_ratio(label, 0, 0.75, 19)


def test_ragged_edges_are_dropped() -> None:
    assert downscale_label_ratio(torch.zeros(2, 1, 9, 7, dtype=torch.long), 4, 0.75, 19).shape == (2, 1, 2, 1)


def test_cells_of_classes() -> None:
    label = torch.tensor([[[[6, 7, IGNORE, 0]]]])
    assert class_cells(label, (6, 0)).tolist() == [[[True, False, False, True]]]
    assert not class_cells(label, ()).any()


def test_no_cell_gives_zero_with_zero_gradient() -> None:
    features = torch.randn(2, 4, 3, 3, requires_grad=True)
    loss = feature_distance(features, torch.randn(2, 4, 3, 3), torch.zeros(2, 3, 3, dtype=torch.bool))
    loss.backward()
    assert loss == 0 and not features.grad.any()


def test_equal_features_have_a_finite_gradient() -> None:
    features = torch.randn(1, 4, 3, 3, requires_grad=True)
    feature_distance(features, features.detach()).backward()
    assert not features.grad.any()


def test_mean_over_ranks_is_the_loss_of_the_whole_batch() -> None:
    features, reference = torch.randn(2, 4, 3, 3), torch.randn(2, 4, 3, 3)
    cells = torch.zeros(2, 3, 3, dtype=torch.bool)
    cells[0, 0], cells[1, :2] = True, True
    whole = feature_distance(features, reference, cells)
    world = World(2, total=lambda _: cells.sum().float())
    parts = [feature_distance(features[i : i + 1], reference[i : i + 1], cells[i : i + 1], world) for i in range(2)]
    torch.testing.assert_close(sum(parts) / 2, whole)

from __future__ import annotations

import pytest
import torch

from mmseg_uda.ops import mixing
from mmseg_uda.ops.world import World


def label_of(*rows: list[int]) -> torch.Tensor:
    """One image per row, (B, 1, 1, W)."""
    return torch.tensor(rows)[:, None, None]


def test_scopes_of_the_present_classes() -> None:
    label = label_of([0, 1, 255], [2, 2, 1])
    assert [row.nonzero().flatten().tolist() for row in mixing.classes_present(label, 'image')] == [[0, 1, 255], [1, 2]]
    assert [row.nonzero().flatten().tolist() for row in mixing.classes_present(label, 'batch')] == [[0, 1, 2, 255]] * 2
    with pytest.raises(ValueError, match='scope'):
        mixing.classes_present(label, 'pixel')


def test_batch_scope_runs_over_all_ranks() -> None:
    other = mixing.classes_present(label_of([5, 7]), 'batch')[0]
    world = World(2, total=lambda found: found + other.int())
    assert mixing.classes_present(label_of([5, 9]), 'batch', world)[0].nonzero().flatten().tolist() == [5, 7, 9]


@pytest.mark.parametrize(('classes', 'chosen'), [(1, 1), (2, 1), (3, 2), (6, 3), (7, 4)])
def test_half_of_the_classes_is_chosen(classes: int, chosen: int) -> None:
    present = torch.zeros(4, mixing.LABEL_VALUES, dtype=torch.bool)
    present[:, torch.randperm(256)[:classes]] = True
    drawn = mixing.choose_half(present, torch.rand(present.shape))
    assert drawn.sum(1).tolist() == [chosen] * 4
    assert not (drawn & ~present).any()


def test_every_class_is_drawn_equally_often() -> None:
    present = torch.zeros(3000, mixing.LABEL_VALUES, dtype=torch.bool)
    present[:, [0, 3, 18, 255]] = True
    scores = torch.rand(present.shape, generator=torch.Generator().manual_seed(0))
    share = mixing.choose_half(present, scores).float().mean(0)
    torch.testing.assert_close(share[[0, 3, 18, 255]], torch.full((4,), 0.5), atol=0.03, rtol=0)


def test_masks_of_images_do_not_depend_on_each_other() -> None:
    label, scores = torch.randint(0, 6, (3, 1, 8, 8)), torch.rand(3, 256)
    together = mixing.class_mix_masks(label, scores, 'image')
    for i in range(3):
        assert torch.equal(together[i : i + 1], mixing.class_mix_masks(label[i : i + 1], scores[i : i + 1], 'image'))


def test_a_single_class_pastes_the_whole_image() -> None:
    assert mixing.class_mix_masks(label_of([4, 4, 4]), torch.rand(1, 256)).all()

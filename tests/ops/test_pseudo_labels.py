from __future__ import annotations

import pytest
import torch

from mmseg_uda.ops.pseudo_labels import filter_pseudo_weight, pseudo_label
from mmseg_uda.ops.world import World


def confident(*shares: float) -> torch.Tensor:
    """Logits of one image per share, (B, 3, 2, 10): that share of the pixels is sure of class 1."""
    logits = torch.zeros(len(shares), 3, 2, 10)
    for image, share in zip(logits, shares):
        image[1, :, : round(share * 10)] = 20
    return logits


def test_share_per_batch_and_per_image() -> None:
    logits = confident(0.2, 0.8)
    _, batch = pseudo_label(logits, 0.968, 'batch')
    _, image = pseudo_label(logits, 0.968, 'image')
    assert batch.unique().tolist() == pytest.approx([0.5])
    assert [weight.unique().item() for weight in image] == pytest.approx([0.2, 0.8])


def test_batch_share_runs_over_all_ranks() -> None:
    world = World(2, total=lambda share: share + 0.8)
    assert pseudo_label(confident(0.2), 0.968, 'batch', world)[1].unique().tolist() == pytest.approx([0.5])
    assert pseudo_label(confident(0.2), 0.968, 'image', world)[1].unique().tolist() == pytest.approx([0.2])


def test_every_pixel_gets_its_most_probable_class() -> None:
    label, weight = pseudo_label(confident(0.5), None)
    assert label[0, :, :5].eq(1).all() and label[0, :, 5:].eq(0).all()
    assert weight.eq(1).all() and weight.dtype == torch.float32
    with pytest.raises(ValueError, match='weight_scope'):
        pseudo_label(confident(0.5), 0.9, 'pixel')


def test_weights_are_filtered_in_a_copy() -> None:
    weight = torch.ones(1, 6, 4)
    out = filter_pseudo_weight(weight, top=1, bottom=2)
    assert out[0, :, 0].tolist() == [0, 1, 1, 1, 0, 0] and weight.eq(1).all()
    assert filter_pseudo_weight(weight, top=2)[0, :, 0].tolist() == [0, 0, 1, 1, 1, 1]
    valid = torch.zeros(1, 1, 6, 4, dtype=torch.uint8)
    valid[..., 1] = 1
    assert filter_pseudo_weight(weight, valid=valid)[0, 0].tolist() == [0, 1, 0, 0]
    with pytest.raises(ValueError, match='valid_pseudo_mask'):
        filter_pseudo_weight(weight, top=1, valid=valid)

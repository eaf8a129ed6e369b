from __future__ import annotations

import pytest
import torch

from mmseg_uda.ops.masking import block_mask, mask_grid, select_masked_batch


def test_an_image_smaller_than_half_a_block_has_one() -> None:
    assert mask_grid(20, 512, 64) == (1, 8)
    assert block_mask(torch.full((1, 1, 1, 1), 0.9), 20, 20, 0.7).all()


def test_hidden_share_follows_the_ratio() -> None:
    noise = torch.rand(4, 1, 50, 50, generator=torch.Generator().manual_seed(0))
    assert 1 - block_mask(noise, 200, 200, 0.7).mean().item() == pytest.approx(0.7, abs=0.02)


@pytest.mark.parametrize(('batch', 'from_source'), [(1, 1), (2, 1), (3, 2), (4, 2)])
def test_separate_takes_the_first_of_both(batch: int, from_source: int) -> None:
    source, target = torch.zeros(batch, 3, 2, 2), torch.ones(batch, 3, 2, 2)
    label, pseudo = torch.full((batch, 1, 2, 2), 5), torch.full((batch, 2, 2), 7)
    out = select_masked_batch('separateaug', source, label, target, pseudo, torch.full((batch, 2, 2), 0.25))
    assert out.img.mean((1, 2, 3)).tolist() == [0.0] * from_source + [1.0] * (batch - from_source)
    assert out.label[:, 0, 0, 0].tolist() == [5] * from_source + [7] * (batch - from_source)
    assert out.weight[:, 0, 0].tolist() == [1.0] * from_source + [0.25] * (batch - from_source)


def test_unknown_mode_is_named() -> None:
    with pytest.raises(ValueError, match='mask_mode'):
        select_masked_batch('both', *[torch.zeros(1)] * 5)

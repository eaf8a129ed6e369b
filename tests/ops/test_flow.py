"""Warping, splatting, resizing and mirroring of flow beyond the recorded values."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from mmseg_uda.ops.clips import Clip, pack_clip, unpack_clip
from mmseg_uda.ops.flow import mirror_flow, occluded, resize_flow, splat, warp, warp_nearest


def explicit(values: Tensor, flow: Tensor) -> Tensor:
    """The four-neighbour formula with clamped indices and unclamped weights."""
    out = torch.zeros_like(values)
    batch, _, height, width = values.shape
    for b in range(batch):
        for y in range(height):
            for x in range(width):
                xf, yf = x + flow[b, 0, y, x].item(), y + flow[b, 1, y, x].item()
                left, top = int(np.floor(xf)), int(np.floor(yf))
                for dy, dx in ((0, 0), (0, 1), (1, 0), (1, 1)):
                    weight = abs(1 - dx - (xf - left)) * abs(1 - dy - (yf - top))
                    row, column = min(max(top + dy, 0), height - 1), min(max(left + dx, 0), width - 1)
                    out[b, :, y, x] += weight * values[b, :, row, column]
    return out


@pytest.mark.parametrize('size', [(5, 7), (1, 6), (6, 1), (1, 1)])
def test_warp_equals_the_explicit_form(size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    values, flow = torch.randn(2, 3, *size), 3 * torch.randn(2, 2, *size)
    torch.testing.assert_close(warp(values, flow), explicit(values, flow), atol=1e-5, rtol=1e-5)


def test_warp_refuses_what_cannot_be_right() -> None:
    values = torch.randn(1, 2, 4, 4)
    flow = torch.zeros(1, 2, 4, 4)
    flow[0, 0, 1, 1] = float('nan')
    with pytest.raises(RuntimeError):
        warp(values, flow)
    with pytest.raises(ValueError, match='resize it first'):
        warp(values, torch.zeros(1, 2, 2, 2))


def test_warp_stays_in_single_precision_and_gives_the_flow_no_gradient() -> None:
    values, flow = torch.randn(1, 2, 4, 4, requires_grad=True), torch.randn(1, 2, 4, 4, requires_grad=True)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        out = warp(values.bfloat16(), flow)
    assert out.dtype == torch.float32
    out.sum().backward()
    assert values.grad is not None and flow.grad is None


def test_mirrored_clips_and_crops_warp_alike() -> None:
    torch.manual_seed(1)
    values, flow = torch.randn(1, 3, 9, 11), torch.randn(1, 2, 9, 11)
    torch.testing.assert_close(warp(values.flip(-1), mirror_flow(flow)), warp(values, flow).flip(-1))
    inside = (slice(None), slice(None), slice(1, 8), slice(1, 10))
    small = flow.clamp(-0.9, 0.9)
    cut = warp(values[inside], small[inside])
    torch.testing.assert_close(cut[..., 1:-1, 1:-1], warp(values, small)[inside][..., 1:-1, 1:-1])


def test_splat_lets_the_rightmost_then_lowest_writer_win() -> None:
    values = torch.arange(12.0).view(1, 1, 3, 4)
    flow = torch.zeros(1, 2, 3, 4)
    flow[0, 0, :, 1] = 1.0  # column 1 goes to column 0
    flow[0, 1, 2, 0] = 2.0  # (row 2, column 0) goes to row 0
    moved, filled = splat(values, flow)
    assert moved[0, 0, 0, 0] == values[0, 0, 0, 1] and not filled[0, 0, :, 1].any()
    assert moved[0, 0, 2, 0] == values[0, 0, 2, 1] and (moved[~filled] == 0).all()


def test_resizing_scales_the_vectors() -> None:
    flow = torch.tensor([4.0, 2.0]).view(1, 2, 1, 1).expand(1, 2, 8, 16)
    assert resize_flow(flow, (4, 4)).flatten(2)[0, :, 0].tolist() == [1.0, 1.0]
    assert resize_flow(flow, (4, 4), 'height').flatten(2)[0, :, 0].tolist() == [2.0, 1.0]
    with pytest.raises(ValueError, match='flow_scale'):
        resize_flow(flow, (4, 4), 'width')


def test_what_is_not_there_both_ways_is_occluded() -> None:
    forward = torch.zeros(1, 2, 6, 12)
    forward[:, 0] = 2.0
    backward = -forward.clone()
    backward[..., 8:] = 0
    hidden = occluded(forward, backward)
    assert not hidden[..., :6].any() and hidden[..., 6:].all()


def test_labels_keep_their_type_and_clips_survive_packing() -> None:
    label = torch.randint(0, 9, (1, 1, 4, 6))
    assert torch.equal(warp_nearest(label, torch.zeros(1, 2, 4, 6)), label)
    clip = Clip(*(torch.randn(2, c, 4, 6) for c in (3, 3, 2)), torch.ones(2, 1, 4, 6))
    assert all(torch.equal(a, b) for a, b in zip(clip, unpack_clip(pack_clip(clip))))
    assert pack_clip(Clip(clip.img)) is clip.img and unpack_clip(clip.img).key is None
    with pytest.raises(ValueError, match='5 channels'):
        unpack_clip(torch.zeros(1, 5, 4, 4))

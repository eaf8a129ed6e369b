"""Label maps made in strips, and counts made in one pass."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmseg.core.evaluation.metrics import intersect_and_union

from mmseg_uda.ops import label_maps


@pytest.mark.parametrize('align_corners', [False, True])
@pytest.mark.parametrize('size', [(24, 40), (48, 80), (37, 53), (12, 20), (100, 20), (1, 1)])
@pytest.mark.parametrize('strip', [1, 700, 2**21])
def test_strips_give_the_classes_of_the_whole_map(
    size: tuple[int, int], align_corners: bool, strip: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(label_maps, 'STRIP_ELEMENTS', strip)
    scores = torch.randn(2, 5, 24, 40, generator=torch.Generator().manual_seed(0)) * 4
    whole = F.interpolate(scores, size=size, mode='bilinear', align_corners=align_corners)
    strips = torch.cat(
        [label_maps.enlarged_rows(scores, i, min(i + 7, size[0]), size, align_corners) for i in range(0, size[0], 7)], 2
    )
    torch.testing.assert_close(strips, whole, rtol=1e-4, atol=1e-4)
    found = label_maps.label_map(scores, size, align_corners)
    first, second = whole.topk(2, dim=1).values.unbind(1)
    clear = first - second > 1e-3  # elsewhere rounding decides
    assert clear.float().mean() > 0.9
    assert torch.equal(found[clear], whole.softmax(1).argmax(1)[clear])


def test_one_sigmoid_channel_honours_the_threshold() -> None:
    scores = torch.tensor([[[[-3.0, 0.2], [1.0, 3.0]]]])
    assert label_maps.label_map(scores, (2, 2), threshold=0.5).tolist() == [[[0, 1], [1, 1]]]
    assert label_maps.label_map(scores, (2, 2), threshold=0.8).tolist() == [[[0, 0], [0, 1]]]


@pytest.mark.parametrize('reduce_zero_label', [False, True])
def test_areas_are_those_of_mmseg(reduce_zero_label: bool) -> None:
    generator = np.random.default_rng(0)
    prediction = generator.integers(0, 7, (30, 40))
    label = generator.integers(0, 6, (30, 40)).astype(np.uint8)
    label[generator.random((30, 40)) < 0.2] = 255
    wanted = intersect_and_union(prediction.copy(), label.copy(), 6, 255, reduce_zero_label=reduce_zero_label)
    found = label_maps.areas(torch.from_numpy(prediction), torch.from_numpy(label), 6, 255, reduce_zero_label)
    for a, b in zip(found, wanted):
        assert a.tolist() == b.double().tolist()


def test_nothing_labelled_counts_nothing() -> None:
    nothing = torch.full((4, 4), 255)
    assert all(not part.any() for part in label_maps.areas(torch.zeros(4, 4, dtype=torch.int64), nothing, 3, 255))

"""Detail crops, windows and fusion beyond the parity vectors."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mmseg_uda.ops import hrda


@pytest.mark.parametrize('make', [lambda: torch.Generator().manual_seed(0), lambda: np.random.default_rng(0)])
@pytest.mark.parametrize('legacy, last', [(False, 16), (True, 8)])
def test_offsets_cover_the_range(make: object, legacy: bool, last: int) -> None:
    generator = make()  # type: ignore[operator]
    boxes = [hrda.draw_crop_box((32, 48), (16, 16), 8, generator, legacy) for _ in range(200)]
    assert {box[0] for box in boxes} == set(range(0, last + 1, 8))
    assert {box[2] for box in boxes} == set(range(0, last + 17, 8))
    assert all(box[1] - box[0] == box[3] - box[2] == 16 for box in boxes)


def test_equal_generators_draw_equal_boxes() -> None:
    draws = [
        [hrda.draw_crop_box((64, 64), (16, 16), 8, torch.Generator().manual_seed(s)) for s in range(5)] for _ in '12'
    ]
    assert draws[0] == draws[1]


def test_crop_larger_than_the_image_is_the_image() -> None:
    assert hrda.draw_crop_box((20, 40), (32, 32), 8, torch.Generator()) == (0, 20, 0, 32)
    assert hrda.hrda_slide_boxes((20, 40), (32, 32)) == [(0, 20, 0, 32), (0, 20, 8, 40)]


def test_windows_of_an_image_merge_to_the_image() -> None:
    img = torch.randn(2, 3, 40, 56)
    for overlapping in (True, False):
        boxes = hrda.hrda_slide_boxes((40, 56), (16, 16), overlapping)
        torch.testing.assert_close(hrda.merge_windows(hrda.crop_windows(img, boxes), boxes), img)


def test_constant_attention_chooses_a_resolution() -> None:
    low, high = torch.randn(1, 3, 4, 4), torch.randn(1, 3, 8, 8)
    assert torch.equal(hrda.hrda_fuse(low, high, 1.0)[0], high)
    upsampled = torch.nn.functional.interpolate(low, scale_factor=2, mode='bilinear', align_corners=False)
    torch.testing.assert_close(hrda.hrda_fuse(low, high, 0.0)[0], upsampled)


def test_fusion_is_differentiable_in_every_part() -> None:
    generator = torch.Generator().manual_seed(0)
    parts = [
        torch.randn(s, generator=generator, dtype=torch.float64, requires_grad=True)
        for s in ((1, 2, 4, 4), (1, 2, 4, 4), (1, 2, 4, 4))
    ]
    box = (8, 24, 16, 32)
    assert torch.autograd.gradcheck(lambda low, high, att: hrda.hrda_fuse(low, high, att.sigmoid(), box)[0], parts)


@pytest.mark.parametrize(
    'count, window, context, chunk',
    [
        (9, (512, 512), (512, 512), 5),  # the published crops: at most 7, in two equal chunks
        (4, (512, 512), (512, 512), 4),
        (9, (256, 256), (512, 512), 9),
        (21, (512, 512), (512, 1024), 7),
        (9, (512, 512), (64, 64), 3),
    ],
)
def test_windows_that_fit_into_the_memory_of_a_training_pass(
    count: int, window: tuple[int, int], context: tuple[int, int], chunk: int
) -> None:
    assert hrda.windows_that_fit(count, window, context) == chunk

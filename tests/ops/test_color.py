from __future__ import annotations

import colorsys

import pytest
import torch

from mmseg_uda.ops import color

MEAN, STD = torch.tensor([123.675, 116.28, 103.53]), torch.tensor([58.395, 57.12, 57.375])
NEUTRAL = torch.tensor([[1.0, 1.0, 1.0, 0.0]])


def test_hsv_agrees_with_the_standard_library() -> None:
    img = torch.rand(1, 3, 4, 5, dtype=torch.float64)
    hsv = color.rgb_to_hsv(img)[0].flatten(1).T
    for pixel, (hue, saturation, value) in zip(img[0].flatten(1).T.tolist(), hsv.tolist()):
        expected = colorsys.rgb_to_hsv(*pixel)
        assert (hue / (2 * torch.pi), saturation, value) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize('shift', [0, -2 * torch.pi, 2 * torch.pi])
def test_any_hue_angle_comes_back_as_rgb(shift: float) -> None:
    img = torch.rand(2, 3, 4, 5)
    hue, saturation, value = color.rgb_to_hsv(img).split(1, dim=1)
    torch.testing.assert_close(
        color.hsv_to_rgb(torch.cat([hue + shift, saturation, value], 1)), img, atol=1e-5, rtol=1e-5
    )


def test_grey_and_black_have_no_hue() -> None:
    grey = torch.stack([torch.zeros(3, 2, 2), torch.full((3, 2, 2), 0.5)])
    assert not color.rgb_to_hsv(grey)[:, :2].any()
    torch.testing.assert_close(color.hsv_to_rgb(color.rgb_to_hsv(grey)), grey)


def test_brightness_adds_and_contrast_multiplies() -> None:
    img = torch.full((1, 3, 2, 2), 0.4)
    normalised = (img * 255 - MEAN.view(1, 3, 1, 1)) / STD.view(1, 3, 1, 1)

    def jittered(**factors: float) -> float:
        values = NEUTRAL.clone()
        for position, name in enumerate(('brightness', 'contrast', 'saturation', 'hue')):
            values[0, position] = factors.get(name, values[0, position])
        out = color.color_jitter(normalised, values, [[0, 1, 2, 3]], MEAN, STD)
        return float((out * STD.view(1, 3, 1, 1) + MEAN.view(1, 3, 1, 1)).mean() / 255)

    assert jittered() == pytest.approx(0.4, abs=1e-5)
    assert jittered(brightness=1.2) == pytest.approx(0.6, abs=1e-5)
    assert jittered(contrast=1.2) == pytest.approx(0.48, abs=1e-5)


def test_orders_differ_per_image() -> None:
    img = torch.randn(3, 3, 4, 4)
    factors = torch.tensor([[1.2, 0.8, 1.1, 0.1]]).repeat(3, 1)
    orders = [[0, 1, 2, 3], [3, 2, 1, 0], [0, 1, 2, 3]]
    together = color.color_jitter(img, factors, orders, MEAN, STD)
    for i, order in enumerate(orders):
        alone = color.color_jitter(img[i : i + 1], factors[i : i + 1], [order], MEAN, STD)
        torch.testing.assert_close(together[i : i + 1], alone)

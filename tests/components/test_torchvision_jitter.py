"""TorchvisionJitter does what torchvision's functions do, image by image."""

from __future__ import annotations

import pytest
import torch
import torchvision.transforms.functional as TF

from mmseg_uda.components.torchvision_jitter import TorchvisionJitter
from mmseg_uda.ops.torchvision_color import to_gray, torchvision_jitter
from mmseg_uda.utils.rng import StepRng

NORM = dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], to_rgb=True)
STRONG = dict(brightness=0.8, contrast=0.8, saturation=0.8, hue=0.4, probability=1, gray_probability=0.5)


def test_jitter_equals_torchvision() -> None:
    img = torch.rand(3, 3, 8, 10, generator=torch.Generator().manual_seed(0))
    factors = torch.tensor([[1.3, 0.6, 1.5, 0.2], [0.4, 1.7, 0.0, -0.4], [1.0, 1.0, 1.0, 0.0]])
    orders = [[0, 1, 2, 3], [3, 1, 0, 2], [2, 0, 3, 1]]
    functions = (TF.adjust_brightness, TF.adjust_contrast, TF.adjust_saturation, TF.adjust_hue)
    for one, mine, values, order in zip(img, torchvision_jitter(img, factors, orders), factors.tolist(), orders):
        expected = one
        for operation in order:
            expected = functions[operation](expected, values[operation])
        torch.testing.assert_close(mine, expected, atol=2e-5, rtol=0)
    torch.testing.assert_close(to_gray(img), TF.rgb_to_grayscale(img), atol=1e-6, rtol=0)


def test_every_image_has_its_own_draws_whatever_the_batch() -> None:
    img = torch.randn(2, 3, 16, 24, generator=torch.Generator().manual_seed(1)).clamp(-1, 1)
    metas = [dict(img_norm_cfg=NORM)] * 2
    part = TorchvisionJitter(**STRONG, blur_probability=0.5, sigma=(0.15, 3.0))
    both = part(img, metas, StepRng(0, 5, rank=0, batch_size=2))
    second = part(img[1:], metas[1:], StepRng(0, 5, rank=1, batch_size=1))
    assert torch.equal(both[1:], second) and not torch.equal(both, img)
    off = TorchvisionJitter(probability=0)
    torch.testing.assert_close(off(img, metas, StepRng(0, 5)), img, atol=1e-5, rtol=0)


def test_refusals() -> None:
    with pytest.raises(ValueError, match='hue in'):
        TorchvisionJitter(hue=0.7)
    with pytest.raises(ValueError, match='rising pair'):
        TorchvisionJitter(sigma=(2.0, 1.0))
    with pytest.raises(KeyError, match='img_norm_cfg'):
        TorchvisionJitter()(torch.zeros(1, 3, 4, 4), [{}], StepRng(0, 0))
    with pytest.raises(ValueError, match='RGB images of 8 bits'):
        TorchvisionJitter()(torch.zeros(1, 4, 4, 4), [dict(img_norm_cfg=NORM)], StepRng(0, 0))

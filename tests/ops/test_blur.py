from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from mmseg_uda.ops.blur import gaussian_blur, gaussian_kernel_size


def dense_blur(img: torch.Tensor, sigma: float) -> torch.Tensor:
    """The published form: one 2-D kernel of a tenth of the image."""
    height, width = (gaussian_kernel_size(side) for side in img.shape[2:])
    rows, columns = (torch.exp(-((torch.arange(k) - k // 2).double() ** 2) / (2 * sigma**2)) for k in (height, width))
    kernel = rows[:, None] * columns[None]
    kernel = (kernel / kernel.sum()).expand(3, 1, height, width)
    padded = F.pad(img.double(), (width // 2, width // 2, height // 2, height // 2), mode='reflect')
    return F.conv2d(padded, kernel, groups=3).float()


@pytest.mark.parametrize('sigma', [0.15, 0.6, 1.15])
def test_equals_the_dense_kernel(sigma: float) -> None:
    img = torch.randn(2, 3, 150, 110)
    torch.testing.assert_close(gaussian_blur(img, torch.full((2,), sigma)), dense_blur(img, sigma), atol=5e-5, rtol=0)


def test_every_image_has_its_own_sigma() -> None:
    img = torch.randn(2, 3, 64, 64)
    sigma = torch.tensor([0.3, 1.1])
    together = gaussian_blur(img, sigma)
    for i in range(2):
        torch.testing.assert_close(together[i : i + 1], gaussian_blur(img[i : i + 1], sigma[i : i + 1]))


def test_constant_images_stay_and_tiny_ones_are_left_alone() -> None:
    torch.testing.assert_close(gaussian_blur(torch.ones(1, 3, 40, 40), torch.ones(1)), torch.ones(1, 3, 40, 40))
    tiny = torch.randn(1, 3, 10, 10)
    assert torch.equal(gaussian_blur(tiny, torch.ones(1)), tiny)

"""Exchange of low frequencies against a direct computation on the centred spectrum."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from mmseg_uda.ops.entropy import robust_entropy_loss
from mmseg_uda.ops.fourier import exchange_amplitudes
from mmseg_uda.ops.normalize import black_of

CPU = torch.device('cpu')


def images(*shape: int) -> torch.Tensor:
    return 255 * torch.rand(shape, generator=torch.Generator().manual_seed(sum(shape)))


def on_the_centred_spectrum(content: np.ndarray, style: np.ndarray, beta: float) -> np.ndarray:
    """One channel, as the equation says it: a window around the zero frequency takes the other image's amplitudes."""
    height, width = content.shape
    spectrum, other = (np.fft.fftshift(np.fft.fft2(img.astype(np.float64))) for img in (content, style))
    amplitude, row, column = np.abs(spectrum), height // 2, width // 2
    rows = slice(row - int(beta * height), row + int(beta * height) + 1)
    columns = slice(column - int(beta * width), column + int(beta * width) + 1)
    amplitude[rows, columns] = np.abs(other)[rows, columns]
    return np.fft.ifft2(np.fft.ifftshift(amplitude * np.exp(1j * np.angle(spectrum)))).real


@pytest.mark.parametrize('size', [(16, 24), (15, 21), (12, 9)])
@pytest.mark.parametrize('beta', [0.0, 0.1, 0.3])
def test_a_window_around_the_zero_frequency_is_exchanged(size: tuple[int, int], beta: float) -> None:
    content, style = images(2, 3, *size), images(3, 3, *size)[:2]
    result = exchange_amplitudes(content, style, beta)
    for got, first, second in zip(result.flatten(0, 1), content.flatten(0, 1), style.flatten(0, 1)):
        np.testing.assert_allclose(got, on_the_centred_spectrum(first.numpy(), second.numpy(), beta), atol=1e-2)


def test_the_smallest_window_exchanges_the_mean() -> None:
    content, style = images(2, 3, 16, 24), images(2, 3, 16, 24).flip(0) / 2
    result = exchange_amplitudes(content, style, 0.0)
    torch.testing.assert_close(result.mean((2, 3)), style.mean((2, 3)))
    torch.testing.assert_close(
        result - result.mean((2, 3), keepdim=True), content - content.mean((2, 3), keepdim=True), atol=1e-3, rtol=1e-4
    )
    torch.testing.assert_close(exchange_amplitudes(content, content, 0.5), content, atol=1e-3, rtol=1e-4)


def test_black_is_where_normalisation_puts_it() -> None:
    metas = [dict(img_norm_cfg=dict(mean=[10.0, 20.0], std=[2.0, 5.0]))] * 2
    assert black_of(metas, CPU).flatten().tolist() == [-5.0, -4.0]
    with pytest.raises(ValueError, match='one img_norm_cfg, got 2'):
        black_of([metas[0], dict(img_norm_cfg=dict(mean=[0.0, 0.0], std=[1.0, 1.0]))], CPU)


def test_robust_entropy_of_known_predictions() -> None:
    undecided = torch.zeros(1, 4, 2, 2)
    assert robust_entropy_loss(undecided, 2.0).item() == pytest.approx((1 + 1e-6) ** 2)
    half = torch.tensor([0.0, 0.0, -100.0, -100.0]).view(1, 4, 1, 1)
    assert robust_entropy_loss(half, 1.5).item() == pytest.approx((0.25 + 1e-6) ** 1.5, rel=1e-5)
    certain = torch.tensor([200.0, 0.0]).view(1, 2, 1, 1).requires_grad_()
    loss = robust_entropy_loss(certain, 2.0)
    loss.backward()
    assert math.isclose(loss.item(), 1e-12, rel_tol=1e-3) and torch.isfinite(certain.grad).all()

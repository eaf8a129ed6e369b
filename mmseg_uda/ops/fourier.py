"""Exchange of low frequencies between images: the style transfer of FDA (Yang, Soatto 2020, arXiv 2004.05498, eq. 4).

The amplitudes of the lowest frequencies hold colours, light and camera; the phases hold where things are.
"""

from __future__ import annotations

import torch
from torch import Tensor


def low_frequencies(height: int, width: int, beta: float, device: torch.device) -> Tensor:
    """Mask of the centred window of half-sizes (beta * height, beta * width) in the half spectrum of ``rfft2``.

    Args:
        height, width: of the image.
        beta: share of the image's sides, in [0, 0.5]; 0 leaves the mean only.

    Returns:
        bool (height, width // 2 + 1).
    """
    rows = torch.fft.fftfreq(height, 1 / height, device=device).abs() <= int(beta * height)  # (H,)
    columns = torch.arange(width // 2 + 1, device=device) <= int(beta * width)  # (W // 2 + 1,)
    return rows[:, None] & columns


def exchange_amplitudes(content: Tensor, style: Tensor, beta: float) -> Tensor:
    """``content`` with the low-frequency amplitudes of ``style`` and its own phases.

    Args:
        content, style: images (B, C, H, W) whose black is 0: the sign of a channel's mean belongs to its phase.
        beta: see :func:`low_frequencies`.

    Returns:
        (B, C, H, W) float32; values may leave the range of the inputs.
    """
    spectrum, other = torch.fft.rfft2(content.float()), torch.fft.rfft2(style.float())  # (B, C, H, W // 2 + 1) complex
    window = low_frequencies(content.shape[-2], content.shape[-1], beta, content.device)
    amplitude = torch.where(window, other.abs(), spectrum.abs())
    return torch.fft.irfft2(torch.polar(amplitude, spectrum.angle()), s=content.shape[-2:])

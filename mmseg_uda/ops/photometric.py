"""Photometric augmentation in 8-bit arithmetic, as albumentations 1.3.1 and OpenCV compute it, batched on the
device."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from .color import hsv_to_rgb

#: OpenCV's small Gaussian kernels, which it takes when no sigma is given (about 0.8 and 1.1)
_TAPS = {3: (0.25, 0.5, 0.25), 5: (0.0625, 0.25, 0.375, 0.25, 0.0625)}
_HUE_LEVELS = 180
_TURN = 2 * torch.pi


def brightness_contrast(img: Tensor, brightness: Tensor, contrast: Tensor) -> Tensor:
    """(1 + contrast) * x + 255 * brightness, clipped and truncated.

    Args:
        img: float (B, 3, H, W) with whole numbers in [0, 255], as in all functions here.
        brightness, contrast: (B,), 0 changes nothing.
    """
    gain, offset = (1 + contrast).view(-1, 1, 1, 1), (255 * brightness).view(-1, 1, 1, 1)
    return (img * gain + offset).clamp(0, 255).floor()


def rgb_to_hsv8(img: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """OpenCV's 8-bit HSV: hue in [0, 180) (2 degrees a step), saturation and value in [0, 255].

    Args:
        img: RGB (B, 3, H, W).

    Returns:
        int64 maps (B, H, W). The divisions are OpenCV's fixed-point ones with 12 bits.
    """
    red, green, blue = img.long().unbind(1)
    value = torch.maximum(torch.maximum(red, green), blue)
    spread = value - torch.minimum(torch.minimum(red, green), blue)
    saturation = (spread * _reciprocal(255.0, value) + (1 << 11)) >> 12
    sixths = torch.where(
        value == red, green - blue, torch.where(value == green, blue - red + 2 * spread, red - green + 4 * spread)
    )
    hue = (sixths * _reciprocal(_HUE_LEVELS / 6, spread) + (1 << 11)) >> 12
    return torch.where(hue < 0, hue + _HUE_LEVELS, hue), saturation, value


def _reciprocal(numerator: float, divisor: Tensor) -> Tensor:
    """numerator / divisor with 12 fractional bits, 0 for a divisor of 0."""
    quotient = (numerator * 4096 / divisor.clamp(min=1).double()).round().long()
    return quotient.masked_fill(divisor == 0, 0)


def shift_hsv(img: Tensor, hue: Tensor, saturation: Tensor, value: Tensor) -> Tensor:
    """Add to the 8-bit hue (cyclic), saturation and value (clipped).

    Args:
        img: RGB (B, 3, H, W).
        hue, saturation, value: (B,) in 8-bit steps, fractions allowed; sums are truncated.
    """
    shifts = [shift.view(-1, 1, 1) for shift in (hue, saturation, value)]
    levels = [level + shift for level, shift in zip(rgb_to_hsv8(img), shifts)]
    angle = torch.remainder(levels[0], _HUE_LEVELS).floor() / _HUE_LEVELS * _TURN
    rest = [level.clamp(0, 255).floor() / 255 for level in levels[1:]]
    return (hsv_to_rgb(torch.stack([angle.to(img.dtype), *(part.to(img.dtype) for part in rest)], 1)) * 255).round()


def to_gray(img: Tensor) -> Tensor:
    """Luma of an RGB image (B, 3, H, W) in all three channels."""
    weights = torch.tensor([0.299, 0.587, 0.114], device=img.device, dtype=img.dtype).view(1, 3, 1, 1)
    return (img * weights).sum(1, keepdim=True).round().expand_as(img)


def blur(img: Tensor, size: int) -> Tensor:
    """Gaussian blur with OpenCV's kernel of 3 or 5 taps; (B, C, H, W), borders reflected."""
    taps = torch.tensor(_TAPS[size], device=img.device, dtype=img.dtype)
    kernel = (taps[:, None] * taps).expand(img.shape[1], 1, size, size)
    return (F.conv2d(F.pad(img, (size // 2,) * 4, mode='reflect'), kernel, groups=img.shape[1]) + 0.5).floor()

"""Hard pseudo-labels at the resolution of CoaST's target losses, moved along with a strong augmentation.

Parameters of the augmentation are float64 tensors (B,) in full-resolution units: shear slopes, translations in pixels,
rotations in degrees; :data:`NOT_APPLIED` marks an image without that operation.
"""

from __future__ import annotations

import math
from typing import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from .precision import single_precision

NOT_APPLIED = 1e4
#: in the order in which the released code applies them
GEOMETRIC_OPS = ('ShearX', 'ShearY', 'TranslateX', 'TranslateY', 'Rotate')


def harden(soft: Tensor, threshold: float = -1.0, scale: float = 0.25, ignore: int = 255) -> Tensor:
    """Hard pseudo-labels of resized soft labels.

    Args:
        soft: (B, C, H, W) class probabilities; computed in float32 or wider.
        threshold: a pixel whose largest share of the probability mass is below it is ignored; negative keeps all.
        scale: size of the result relative to ``soft``.
        ignore: id of ignored pixels.

    Returns:
        int64 (B, 1, floor(scale H), floor(scale W)); ties go to the lowest class.
    """
    small = F.interpolate(
        single_precision(soft), scale_factor=scale, mode='bilinear', align_corners=True, recompute_scale_factor=True
    )
    peak = small.amax(dim=1, keepdim=True)
    label = (small == peak).to(torch.uint8).argmax(dim=1, keepdim=True)
    return label.masked_fill(peak / small.sum(dim=1, keepdim=True) < threshold, ignore)


def affine_matrix(kind: str, value: Tensor, height: int, width: int, exact: bool = False) -> Tensor:
    """Sampling matrices (K, 2, 3) in normalised coordinates for the values (K,) of one operation.

    Args:
        kind: one of :data:`GEOMETRIC_OPS`.
        value: slopes, degrees, or pixels of the label map.
        height, width: size of the label map.
        exact: divide horizontal translations by the width; the released code divides by the height, which moves the
            labels of a 2:1 crop twice too far.
    """
    value = value.double()
    theta = torch.zeros(len(value), 2, 3, dtype=torch.float64, device=value.device)
    theta[:, 0, 0] = theta[:, 1, 1] = 1
    if kind == 'ShearX':
        theta[:, 0, 1] = theta[:, 0, 2] = value * height / width
    elif kind == 'ShearY':
        theta[:, 1, 0] = theta[:, 1, 2] = value * width / height
    elif kind == 'TranslateX':
        theta[:, 0, 2] = 2 * value / (width if exact else height)
    elif kind == 'TranslateY':
        theta[:, 1, 2] = 2 * value / height
    elif kind == 'Rotate':
        angle = value * math.pi / 180
        theta[:, 0, 0] = theta[:, 1, 1] = angle.cos()
        theta[:, 0, 1] = -angle.sin() * height / width
        theta[:, 1, 0] = angle.sin() * width / height
    else:
        raise ValueError(f"unknown geometric operation '{kind}', known are {', '.join(GEOMETRIC_OPS)}")
    return theta


def warp_affine(maps: Tensor, theta: Tensor) -> Tensor:
    """Sample float maps (B, 1, h, w) with matrices (B, 2, 3); nearest pixel, 0 outside."""
    grid = F.affine_grid(theta.to(maps.dtype), list(maps.shape), align_corners=False)
    return F.grid_sample(maps, grid, mode='nearest', padding_mode='zeros', align_corners=False)


def warp_label(
    label: Tensor,
    hflip: Tensor,
    params: Mapping[str, Tensor],
    cutout: Tensor,
    scale: int = 4,
    ignore: int = 255,
    exact: bool = False,
) -> Tensor:
    """Move pseudo-labels as the strong augmentation moved the image.

    Args:
        label: int64 (B, 1, h, w).
        hflip: (B,), 1 where the image was flipped.
        params: (B,) per operation of :data:`GEOMETRIC_OPS`; operations that are missing were not applied.
        cutout: int64 (4, B): x0, y0, x1, y1 in full-resolution pixels, ends exclusive.
        scale: image size divided by label size.
        ignore: id of pixels from outside the image or cut out.
        exact: see :func:`affine_matrix`.

    The parameters may lie on another device than ``label``.
    """
    height, width = label.shape[2:]
    maps = label.float() + 1
    maps = torch.where(hflip.to(label.device).view(-1, 1, 1, 1).bool(), maps.flip(3), maps)
    for kind in GEOMETRIC_OPS:
        if kind in params:
            value = params[kind].to(label.device).double()
            applied = value != NOT_APPLIED
            value = value.masked_fill(~applied, 0)
            if kind.startswith('Translate'):
                value = (value / scale).floor()
            warped = warp_affine(maps, affine_matrix(kind, value, height, width, exact))
            maps = torch.where(applied.view(-1, 1, 1, 1), warped, maps)
    x0, y0, x1, y1 = (cutout.to(label.device) // scale).view(4, -1, 1, 1, 1)
    rows = torch.arange(height, device=label.device).view(1, 1, -1, 1)
    columns = torch.arange(width, device=label.device).view(1, 1, 1, -1)
    maps = maps.masked_fill((rows >= y0) & (rows < y1) & (columns >= x0) & (columns < x1), 0)
    return torch.where(maps == 0, torch.full_like(label, ignore), maps.round().long() - 1)

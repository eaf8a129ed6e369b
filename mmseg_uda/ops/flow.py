"""Optical flow: warping, forward splatting, resizing, mirroring, the 16-bit file code, and occlusion.

A flow field belongs to the pixels of the *current* frame and points to where their content was in the earlier one:
``current(x) ~ earlier(x + F(x))``. Tensors are float32 (B, 2, H, W) in pixels of their own grid; channel 0 is dx (to
the right), channel 1 dy (down).
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .precision import full_precision

SCALES = ('per_axis', 'height')


def _targets(flow: Tensor) -> tuple[Tensor, Tensor]:
    """Columns and rows (B, H, W) that the pixels point to."""
    torch._assert_async(torch.isfinite(flow).all())
    height, width = flow.shape[2:]
    columns = torch.arange(width, device=flow.device, dtype=torch.float32)
    rows = torch.arange(height, device=flow.device, dtype=torch.float32).view(-1, 1)
    return columns + flow[:, 0].float(), rows + flow[:, 1].float()


def _check(values: Tensor, flow: Tensor) -> None:
    if values.shape[0] != flow.shape[0] or values.shape[2:] != flow.shape[2:] or flow.shape[1] != 2:
        raise ValueError(
            f'flow of shape {tuple(flow.shape)} does not fit values of shape {tuple(values.shape)}: resize it first'
        )


def warp(values: Tensor, flow: Tensor) -> Tensor:
    """Fetch what the earlier frame showed: ``out(x) = values(x + flow(x))``, bilinear, border pixels repeated.

    Equal to the released ``resample2d`` up to the rounding of coordinates. The flow gets no gradient.

    Args:
        values: map of the earlier frame (B, C, H, W).
        flow: (B, 2, H, W), current to earlier.

    Returns:
        float32 (B, C, H, W), also under autocast.

    Raises:
        ValueError: shapes that do not fit. RuntimeError: a flow that is not finite.
    """
    _check(values, flow)
    with full_precision(values.device):
        grid = [
            2 * target / (side - 1) - 1 if side > 1 else torch.zeros_like(target)
            for target, side in zip(_targets(flow.detach()), (values.shape[3], values.shape[2]))
        ]
        return F.grid_sample(
            values.float(), torch.stack(grid, -1), mode='bilinear', padding_mode='border', align_corners=True
        )


def warp_nearest(values: Tensor, flow: Tensor) -> Tensor:
    """As :func:`warp` with the nearest pixel (ties go right and down), for labels; the dtype of ``values`` is kept."""
    _check(values, flow)
    height, width = values.shape[2:]
    columns, rows = _targets(flow.detach())
    columns = (columns + 0.5).floor().long().clamp(0, width - 1)
    rows = (rows + 0.5).floor().long().clamp(0, height - 1)
    index = (rows * width + columns).flatten(1).unsqueeze(1).expand(-1, values.shape[1], -1)
    return values.flatten(2).gather(2, index).view(values.shape)


def splat(values: Tensor, flow: Tensor) -> tuple[Tensor, Tensor]:
    """Push every pixel of the earlier frame along the negative flow, rounded to whole pixels (DA-VSN).

    The flow is read at the earlier frame's pixel as if it lived there. Where several pixels arrive, the rightmost one
    wins, then the lowest. Pixels that nothing reaches are 0.

    Returns:
        The map (B, C, H, W), and where something arrived: bool (B, 1, H, W).
    """
    _check(values, flow)
    batch, channels, height, width = values.shape
    columns, rows = _targets(-flow.detach())
    columns, rows = columns.round().long(), rows.round().long()  # half to even
    inside = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
    pixels = height * width
    target = torch.where(inside, rows * width + columns, pixels).flatten(1)
    order = torch.arange(pixels, device=values.device).view(width, height).t().reshape(1, -1).expand(batch, -1)
    last = torch.full((batch, pixels + 1), -1, dtype=torch.long, device=values.device)
    last = last.scatter_reduce(1, target, order, 'amax')[:, :pixels]
    filled = last >= 0
    writer = (last % height) * width + last.div(height, rounding_mode='floor')
    index = writer.clamp(min=0).unsqueeze(1).expand(-1, channels, -1)
    moved = values.flatten(2).gather(2, index) * filled.unsqueeze(1)
    return moved.view(values.shape), filled.view(batch, 1, height, width)


def resize_flow(flow: Tensor, size: tuple[int, int], scale: str = 'per_axis') -> Tensor:
    """Bring a flow to another grid: bilinear with aligned corners, its vectors scaled with the grid.

    Args:
        flow: (B, 2, h, w).
        size: (H, W).
        scale: ``per_axis`` scales dx by W / w and dy by H / h; ``height`` both by H / h (released code).
    """
    if scale not in SCALES:
        raise ValueError(f"flow_scale must be one of {', '.join(SCALES)}, got '{scale}'")
    height, width = flow.shape[2:]
    if (height, width) == tuple(size):
        return flow.float()
    vertical = size[0] / height
    factors = flow.new_tensor([size[1] / width if scale == 'per_axis' else vertical, vertical], dtype=torch.float32)
    return F.interpolate(flow.float(), size=tuple(size), mode='bilinear', align_corners=True) * factors.view(2, 1, 1)


def mirror_flow(flow: Tensor) -> Tensor:
    """The flow of the mirrored frames: dx changes its sign."""
    return flow.flip(-1) * flow.new_tensor([-1.0, 1.0]).view(2, 1, 1)


def occluded(forward: Tensor, backward: Tensor, tolerance: float = 1.0, share: float = 0.1) -> Tensor:
    """Pixels whose way to the earlier frame and back does not end where it began.

    Args:
        forward: flow current to earlier (B, 2, H, W); backward: earlier to current.
        tolerance: of the distance in pixels; ``share`` of the flow's length is added.

    Returns:
        bool (B, 1, H, W).
    """
    error = (forward + warp(backward, forward)).norm(dim=1, keepdim=True)
    return error > tolerance + share * forward.norm(dim=1, keepdim=True)


def encode_flow(flow: np.ndarray) -> np.ndarray:
    """Flow (2, H, W) as the released files hold it: int16 (H, W, 2), ten times the pixels, cut towards zero."""
    limits = np.iinfo(np.int16)
    return np.clip(np.trunc(np.moveaxis(flow, 0, -1) * 10.0), limits.min, limits.max).astype(np.int16)


def decode_flow(code: np.ndarray) -> np.ndarray:
    """Inverse of :func:`encode_flow`: float32 (2, H, W) in pixels."""
    return np.ascontiguousarray(np.moveaxis(code / 10.0, -1, 0)).astype(np.float32)

"""A frame with its key frame as one tensor, so that whatever takes an image takes a clip."""

from __future__ import annotations

from typing import NamedTuple, Optional

import torch
from torch import Tensor

from .flow import resize_flow

FRAME_CHANNELS = 3
#: channels of a packed clip, without and with an overlay mask
PACKED_CHANNELS = (2 * FRAME_CHANNELS + 2, 2 * FRAME_CHANNELS + 3)


class Clip(NamedTuple):
    """The current frame and what the earlier (key) frame adds.

    Attributes:
        img: current frame, normalised (B, 3, H, W).
        key: key frame (B, 3, H, W), or None: there is none.
        flow: current to key, (B, 2, h, w) on any grid in pixels of that grid.
        overlay: (B, 1, H, W) or on any grid; where it is set, the key frame has nothing to say (pasted patches,
            occlusion). None = nowhere.
    """

    img: Tensor
    key: Optional[Tensor] = None
    flow: Optional[Tensor] = None
    overlay: Optional[Tensor] = None


def pack_clip(clip: Clip) -> Tensor:
    """One tensor (B, 8 or 9, H, W): current frame, key frame, flow at the frames' size, overlay; (B, 3, H, W) without a
    key frame."""
    if clip.key is None or clip.flow is None:
        return clip.img
    size = (clip.img.shape[2], clip.img.shape[3])
    parts = [clip.img, clip.key, resize_flow(clip.flow, size)]
    if clip.overlay is not None:
        parts.append(clip.overlay.to(clip.img.dtype))
    return torch.cat(parts, 1)


def unpack_clip(img: Tensor) -> Clip:
    """Inverse of :func:`pack_clip`; three channels are a frame without a key frame.

    Raises:
        ValueError: another number of channels.
    """
    channels = img.shape[1]
    if channels == FRAME_CHANNELS:
        return Clip(img)
    if channels not in PACKED_CHANNELS:
        raise ValueError(
            f'an image of {channels} channels is neither a frame ({FRAME_CHANNELS}) nor a packed clip '
            f'({" or ".join(map(str, PACKED_CHANNELS))}: current frame, key frame, flow, overlay)'
        )
    return Clip(img[:, :3], img[:, 3:6], img[:, 6:8], img[:, 8:9] if channels == PACKED_CHANNELS[1] else None)

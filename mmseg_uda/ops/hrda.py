"""Geometry and fusion of HRDA: a large low-resolution context crop and a small high-resolution detail crop.

Source: Hoyer, Dai, Van Gool 2022, "HRDA: Context-Aware High-Resolution Domain-Adaptive Semantic Segmentation", sec. 3.
Boxes are ``(y1, y2, x1, x2)``, half open, in pixels of the high-resolution input.
"""

from __future__ import annotations

from typing import Any, Mapping, Optional, Sequence, Union

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

Box = tuple[int, int, int, int]
Generator = Union[torch.Generator, np.random.Generator, None]


def crop_offset_count(size: int, crop: int, divisor: int, legacy: bool = False) -> int:
    """How many aligned offsets ``0, divisor, 2*divisor, ...`` the detail crop may take along one side.

    Args:
        size, crop: side of the image and of the crop in pixels.
        divisor: offsets are multiples of it.
        legacy: count as the released code does: it never draws the last aligned offset (and stops where this count
            would be 0; here the crop then stands at 0).

    Returns:
        At least 1.
    """
    margin = max(size - crop, 0)
    return max((margin + 1) // divisor, 1) if legacy else margin // divisor + 1


def draw_crop_box(
    size: Sequence[int], crop: Sequence[int], divisor: int, generator: Generator = None, legacy: bool = False
) -> Box:
    """Draw one detail crop, uniform over the aligned offsets.

    Args:
        size: (H, W) of the image.
        crop: (h, w) of the crop; clipped to the image.
        divisor: offsets are multiples of it; output stride times the ratio of the two resolutions keeps the grids
            aligned.
        generator: torch (CPU) or NumPy generator; None draws from torch's global one.
        legacy: see :func:`crop_offset_count`.
    """
    box = []
    for side, length in zip(size, crop):
        length = min(length, side)
        start = _draw(crop_offset_count(side, length, divisor, legacy), generator) * divisor
        box += [start, start + length]
    return box[0], box[1], box[2], box[3]


def _draw(count: int, generator: Generator) -> int:
    if count == 1:
        return 0
    if isinstance(generator, np.random.Generator):
        return int(generator.integers(count))
    return int(torch.randint(count, (), generator=generator))


def crop(x: Tensor, box: Optional[Box]) -> Tensor:
    """The window ``box`` of ``x`` (..., H, W); all of it for None."""
    if box is None:
        return x
    y1, y2, x1, x2 = box
    return x[..., y1:y2, x1:x2]


def scale_box(box: Box, factor: float) -> Box:
    """``box`` divided by ``factor``, truncated to whole cells."""
    y1, y2, x1, x2 = (int(value / factor) for value in box)
    return y1, y2, x1, x2


def _starts(size: int, window: int, stride: int) -> list[int]:
    count = max(size - window + stride - 1, 0) // stride + 1
    return [max(min(i * stride + window, size) - window, 0) for i in range(count)]


def sliding_boxes(size: Sequence[int], window: Sequence[int], stride: Sequence[int]) -> list[Box]:
    """Windows that cover an image, row by row; the last of a row is shifted inside, an image below the window gives
    one smaller box.

    Raises:
        ValueError: a stride beyond the window, which leaves pixels without a window.
    """
    (height, width), (h, w) = size, window
    if stride[0] > h or stride[1] > w:
        raise ValueError(
            f'sliding windows of {h}x{w} pixels with a stride of {stride[0]}x{stride[1]} (height x width) leave gaps: '
            'test_cfg.stride must not be larger than test_cfg.crop_size'
        )
    return [
        (y, min(y + h, height), x, min(x + w, width))
        for y in _starts(height, h, stride[0])
        for x in _starts(width, w, stride[1])
    ]


def hrda_slide_boxes(size: Sequence[int], window: Sequence[int], overlapping: bool = True) -> list[Box]:
    """Detail windows at inference: stride of half a window, or of a whole one."""
    divide = 2 if overlapping else 1
    return sliding_boxes(size, window, [max(side // divide, 1) for side in window])


def crop_windows(img: Tensor, boxes: Sequence[Box]) -> Tensor:
    """Cut ``boxes`` of equal size from (B, C, H, W): (len(boxes) * B, C, h, w), all images of the first box, then of
    the second, ..."""
    return torch.cat([crop(img, box) for box in boxes])


#: detail windows without gradients that take the memory of one with gradients, at least: 3.7 with checkpointed blocks,
#: 8.7 without (counted by benchmarks/memory.py for MiT-B5 and DAFormer's head in float32)
WITHOUT_GRADIENTS = 3.5


def checked_chunk(option: str, value: Union[int, str, None]) -> Union[int, str, None]:
    """A number of windows at a time, None for all, or ``auto`` (:func:`windows_that_fit`).

    Raises:
        ValueError: something else; names ``option``.
    """
    if value is None or value == 'auto' or (isinstance(value, int) and value >= 1):
        return value
    raise ValueError(f"{option} must be positive, 'auto' or None (all at once), got {value!r}")


def windows_that_fit(count: int, window: Sequence[int], context: Sequence[int]) -> int:
    """Detail windows of an image that a pass without gradients takes at a time, so that it needs less memory than a
    training pass, which sees the context and one window with gradients.

    Args:
        count: windows of an image; chunks are about equally large.
        window: (h, w) of a window.
        context: (H, W) of the context at low resolution.
    """
    pixels = window[0] * window[1]
    most = max(int(WITHOUT_GRADIENTS * (context[0] * context[1] + pixels) / pixels), 1)
    chunks = -(-count // most)
    return -(-count // chunks)


#: what overlapping windows of a test average (``test_cfg.average``): MMSegmentation's scores, or VFM-UDA's softmax
AVERAGES = ('scores', 'probabilities')


def averages_probabilities(test_cfg: Mapping[str, Any], channels: int) -> bool:
    """Whether the overlapping windows of a test average probabilities.

    Args:
        test_cfg: of a segmentor; the key ``average`` is one of :data:`AVERAGES`, by default scores.
        channels: of the segmentor's scores.

    Raises:
        ValueError: another value; probabilities of whole images, or of a network with one channel.
    """
    kind = test_cfg.get('average', 'scores')
    if kind not in AVERAGES:
        raise ValueError(f'model.test_cfg.average must be one of {", ".join(AVERAGES)}, got {kind!r}')
    if kind == 'probabilities' and (test_cfg.get('mode') != 'slide' or channels == 1):
        raise ValueError(
            "model.test_cfg.average='probabilities' is for the overlapping windows of mode='slide' and softmax heads "
            f'(here: mode={test_cfg.get("mode")!r}, {channels} channels): leave average out'
        )
    return kind == 'probabilities'


def as_scores(probabilities: Tensor) -> Tensor:
    """Scores (B, C, H, W) whose softmax gives back ``probabilities``."""
    return probabilities.clamp_min(torch.finfo(probabilities.dtype).tiny).log()


def merge_windows(logits: Tensor, boxes: Sequence[Box], stride: int = 1, probabilities: bool = False) -> Tensor:
    """Put window predictions back in place and average where they overlap.

    Args:
        logits: (len(boxes) * B, C, h, w), box-major as made by :func:`crop_windows`.
        boxes: in input pixels.
        stride: output stride of ``logits``.
        probabilities: average the softmaxes instead, and give their logarithm.

    Returns:
        (B, C, H / stride, W / stride) for an image that ends where the boxes end.
    """
    logits = logits.softmax(1) if probabilities else logits
    batch = logits.shape[0] // len(boxes)
    cells = [scale_box(box, stride) for box in boxes]
    height, width = max(c[1] for c in cells), max(c[3] for c in cells)
    merged = logits.new_zeros((batch, logits.shape[1], height, width))
    count = logits.new_zeros((1, 1, height, width))
    for (y1, y2, x1, x2), part in zip(cells, logits.split(batch)):
        merged[:, :, y1:y2, x1:x2] += _fitted(part, (y2 - y1, x2 - x1))
        count[:, :, y1:y2, x1:x2] += 1
    merged /= count
    return as_scores(merged) if probabilities else merged


def _fitted(logits: Tensor, size: tuple[int, int]) -> Tensor:
    """``logits`` at ``size``; they have another size when the window is no multiple of the stride."""
    return logits if logits.shape[2:] == size else F.interpolate(logits, size, mode='bilinear', align_corners=False)


def hrda_fuse(
    low: Tensor,
    high: Tensor,
    attention: Union[Tensor, float],
    box: Optional[Box] = None,
    stride: int = 4,
    ratio: float = 2.0,
) -> tuple[Tensor, Tensor]:
    """Fuse context and detail predictions by the scale attention (paper eq. 7 to 9).

    Args:
        low: context logits (B, C, h, w) on the low-resolution grid.
        high: detail logits, of the crop ``box`` (B, C, (y2-y1)/stride, (x2-x1)/stride) or, without box, of the whole
            image.
        attention: weight of the detail in [0, 1], (B, C or 1, h, w) like ``low``, or a constant.
        box: detail crop in input pixels, or None when ``high`` covers everything.
        stride: output stride of both predictions relative to their own input.
        ratio: high over low resolution.

    Returns:
        Fused logits (B, C, ratio*h, ratio*w), and (1 - attention) * low on the low-resolution grid.
    """
    if box is not None:
        y1, y2, x1, x2 = scale_box(box, stride * ratio)
        inside = low.new_zeros((1, 1, *low.shape[2:]))
        inside[:, :, y1:y2, x1:x2] = 1
        attention = attention * inside
    low_part = (1 - attention) * low
    size = (round(low.shape[2] * ratio), round(low.shape[3] * ratio)) if box is not None else tuple(high.shape[2:])
    upsampled = F.interpolate(low_part, size=size, mode='bilinear', align_corners=False)
    if isinstance(attention, Tensor):
        attention = F.interpolate(attention, size=size, mode='bilinear', align_corners=False)
    if box is not None:
        y1, y2, x1, x2 = scale_box(box, stride)
        placed = torch.zeros_like(upsampled)
        placed[:, :, y1:y2, x1:x2] = _fitted(high, (y2 - y1, x2 - x1))
        high = placed
    return attention * high + upsampled, low_part

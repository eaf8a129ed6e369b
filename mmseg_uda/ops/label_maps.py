"""From class scores to label maps of any size, and their agreement with the truth, without full-size score maps."""

from __future__ import annotations

from typing import Optional, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

#: elements of full-size scores that are worked on at a time: on a processor what stays in its cache, on a GPU what
#: bounds memory without many small launches
STRIP_ELEMENTS, GPU_STRIP_ELEMENTS = 2**18, 2**24


def strip_rows(elements: int, device: torch.device) -> int:
    """Rows of a strip, for ``elements`` per row."""
    return max(1, (STRIP_ELEMENTS if device.type == 'cpu' else GPU_STRIP_ELEMENTS) // max(elements, 1))


def label_map(
    scores: Tensor, size: Sequence[int], align_corners: bool = False, threshold: Optional[float] = None
) -> Tensor:
    """The most probable class of every pixel after bilinear resizing.

    Equal to ``F.interpolate(scores, size, mode='bilinear').softmax(1).argmax(1)`` but for rounding in the order of the
    interpolation: a softmax changes no order, so the largest score is enough, and a strip of rows at a time, so that
        the
    enlarged scores are never there as a whole.

    Args:
        scores: logits (B, C, h, w).
        size: height and width of the result.
        align_corners: of the interpolation.
        threshold: of one sigmoid channel (C = 1): class 1 where its probability is larger; None for C > 1.

    Returns:
        int64 class ids (B, H, W).
    """
    height, width = int(size[0]), int(size[1])
    labels = torch.empty((scores.shape[0], height, width), dtype=torch.int64, device=scores.device)
    rows = strip_rows(scores.shape[0] * scores.shape[1] * width, scores.device)
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        strip = enlarged_rows(scores, top, bottom, (height, width), align_corners)  # (B, C, rows, W)
        if threshold is None:
            labels[:, top:bottom] = strip.max(dim=1).indices
        else:
            labels[:, top:bottom] = strip[:, 0].sigmoid() > threshold
    return labels


def enlarged_rows(scores: Tensor, top: int, bottom: int, size: Sequence[int], align_corners: bool) -> Tensor:
    """Rows ``top`` to ``bottom`` of ``F.interpolate(scores, size, mode='bilinear')``: (B, C, bottom - top, W)."""
    source, (height, width) = scores.shape[2], size
    if source == height:
        strip = scores[:, :, top:bottom]
    else:
        place = torch.arange(top, bottom, device=scores.device, dtype=torch.float32)
        if align_corners:
            place = place * ((source - 1) / max(height - 1, 1))
        else:
            place = ((place + 0.5) * (source / height) - 0.5).clamp(min=0)
        upper = place.floor().long().clamp(max=source - 1)
        lower = (upper + 1).clamp(max=source - 1)
        share = (place - upper)[:, None].to(scores.dtype)  # (rows, 1)
        strip = torch.lerp(scores[:, :, upper], scores[:, :, lower], share)  # (B, C, rows, w)
    if strip.shape[3] == width:
        return strip
    return F.interpolate(strip, size=(bottom - top, width), mode='bilinear', align_corners=align_corners)


def areas(
    prediction: Tensor, label: Tensor, num_classes: int, ignore_index: int, reduce_zero_label: bool = False
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Pixels per class: intersection, union, predicted, labelled; what mmseg's ``intersect_and_union`` counts.

    Args:
        prediction, label: integer maps of one shape; pixels whose label is ``ignore_index`` do not count, ids outside
            of the classes count on the other side only.
        reduce_zero_label: id 0 of the label is no class and the others move down by one.

    Returns:
        Four float64 tensors (num_classes,).
    """
    prediction, label = prediction.flatten().long(), label.flatten().long()
    if reduce_zero_label:
        label = torch.where((label == 0) | (label == 255), 255, label - 1)
    valid = label != ignore_index
    n = num_classes + 1  # one bin for ids that are no class
    rows = torch.where((label >= 0) & (label < num_classes), label, num_classes)
    columns = torch.where((prediction >= 0) & (prediction < num_classes), prediction, num_classes)
    counts = torch.bincount((rows * n + columns)[valid], minlength=n * n).view(n, n).double()
    labelled, predicted = counts.sum(1)[:num_classes], counts.sum(0)[:num_classes]
    intersection = counts.diagonal()[:num_classes]
    return intersection, predicted + labelled - intersection, predicted, labelled

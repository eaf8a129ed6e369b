"""Class scores of whole images for acquisition: how the network sees an image before it is ranked."""

from __future__ import annotations

import math
from typing import Any, Callable, Mapping, Optional, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ..models.heads import decision_scores
from ..ops.hrda import crop_windows, merge_windows, sliding_boxes

#: normalised images (B, 3, h, w) -> class scores (B, C, h, w)
Predict = Callable[[Tensor], Tensor]


def slide_scores(predict: Predict, image: Tensor, crop: int, share: float = 2 / 3) -> Tensor:
    """Scores of overlapping square windows, averaged (STAL's evaluation).

    Args:
        predict: network at window size.
        image: (1, 3, H, W); a smaller one is padded with zeros and the padding is cut off again.
        crop: edge of the windows.
        share: stride = ceil(crop * share); the last windows are shifted inwards.

    Returns:
        (1, C, H, W).
    """
    height, width = image.shape[2:]
    rows, columns = max(crop - height, 0), max(crop - width, 0)
    padding = (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2)
    padded = F.pad(image, padding)
    stride = math.ceil(crop * share)
    boxes = sliding_boxes(padded.shape[2:], (crop, crop), (stride, stride))
    merged = merge_windows(torch.cat([predict(cut) for cut in crop_windows(padded, boxes).split(1)]), boxes)
    return merged[:, :, padding[2] : padding[2] + height, padding[0] : padding[0] + width]


class ScoringView:
    """How an image is shown to the network for scoring.

    Args:
        mode: ``squash`` resizes the image to ``size`` whatever its aspect (released STAL: 769 x 769; RIPU: 640 x
            1280), ``whole`` shows it as it is, ``slide`` averages overlapping windows of ``size``.
        size: edge, or (height, width), of ``squash``; edge of the windows of ``slide``.
        align_corners: of the resize of the image and of the scores.
    """

    def __init__(self, mode: str = 'squash', size: Any = 769, align_corners: bool = True) -> None:
        if mode not in ('squash', 'whole', 'slide'):
            raise ValueError(f"view.mode must be 'squash', 'whole' or 'slide', got '{mode}'")
        self.mode = mode
        self.size = (int(size), int(size)) if isinstance(size, (int, float)) else (int(size[0]), int(size[1]))
        if mode == 'slide' and self.size[0] != self.size[1]:
            raise ValueError(f'view.mode=slide takes square windows, got size={self.size}')
        self.align_corners = align_corners

    def __call__(self, predict: Predict, image: Tensor, out_size: Optional[Sequence[int]] = None) -> Tensor:
        """Class scores (C, H, W) of one image (1, 3, H, W), at ``out_size`` (default: the image's own)."""
        size = tuple(out_size or image.shape[2:])
        if self.mode == 'slide':
            scores = slide_scores(predict, image, self.size[0])
        else:
            shown = image if self.mode == 'whole' else self._resize(image, self.size)
            scores = predict(shown)
        return self._resize(scores.float(), size)[0]

    def _resize(self, maps: Tensor, size: Sequence[int]) -> Tensor:
        if tuple(maps.shape[2:]) == tuple(size):
            return maps
        return F.interpolate(maps, size=tuple(size), mode='bilinear', align_corners=self.align_corners)


def segmentor_predict(model: Any) -> Predict:
    """``predict`` of a method or an MMSeg segmentor: its class scores at the size of its input, without gradient."""

    def predict(image: Tensor) -> Tensor:
        meta: Mapping[str, Any] = dict(ori_shape=(*image.shape[2:], 3), img_shape=(*image.shape[2:], 3), flip=False)
        with torch.no_grad():
            scores = model.encode_decode(image, [meta] * len(image))
        return decision_scores(getattr(model, 'inference_model', model), scores)

    return predict

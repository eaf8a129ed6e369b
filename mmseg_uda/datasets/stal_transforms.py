"""Training transforms of the STAL configs: scale with median 1, crop with symmetric padding."""

from __future__ import annotations

from typing import Any, Sequence

import cv2
import numpy as np
from mmseg.datasets.builder import PIPELINES

from ..ops.scale_crop import crop_range, pad_and_crop, random_scale, resize_nearest, scaled_size


def resize_pair(
    image: np.ndarray, maps: Sequence[np.ndarray], size: tuple[int, int]
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Resize an image (H, W, C) bilinearly and label-like maps (H, W) to the nearest pixel; size is (height, width)."""
    return cv2.resize(image, size[::-1], interpolation=cv2.INTER_LINEAR), [
        resize_nearest(values, size) for values in maps
    ]


@PIPELINES.register_module()
class MedianScaleResize:
    """Random resize whose scale is below 1 in half of the draws (STAL: [0.5, 2]).

    Args:
        scale_range: (low, high) around 1.
    """

    def __init__(self, scale_range: Sequence[float] = (0.5, 2.0)) -> None:
        low, high = scale_range
        if not 0 < low <= 1 <= high:
            raise ValueError(f'scale_range must enclose 1, got {tuple(scale_range)}')
        self.scale_range = (float(low), float(high))

    def __call__(self, results: dict[str, Any]) -> dict[str, Any]:
        image = results['img']
        fields = list(results.get('seg_fields', []))
        scale = random_scale(*self.scale_range, np.random.rand(), np.random.rand())
        size = scaled_size(image.shape[0], image.shape[1], scale)
        resized, maps = resize_pair(image, [results[key] for key in fields], size)
        results.update(
            zip(fields, maps),
            img=resized,
            img_shape=resized.shape,
            pad_shape=resized.shape,
            keep_ratio=True,
            scale_factor=np.full(4, scale, np.float32),
        )
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(scale_range={self.scale_range})'


@PIPELINES.register_module()
class PaddedCrop:
    """Random square crop; a smaller image is first padded on all sides.

    Args:
        crop_size: edge of the square.
        pad_val: colour of the padding as loaded (BGR), by default the ImageNet mean, which normalises to about 0.
        seg_pad_val: label of the padding: 255, or 0 (road) as in the released code.
    """

    def __init__(self, crop_size: int, pad_val: Sequence[int] = (104, 116, 124), seg_pad_val: int = 255) -> None:
        self.crop_size = int(crop_size)
        self.pad_val = tuple(pad_val)
        self.seg_pad_val = seg_pad_val

    def __call__(self, results: dict[str, Any]) -> dict[str, Any]:
        image = results['img']
        offset = [int(np.random.randint(count)) for count in crop_range(image.shape[0], image.shape[1], self.crop_size)]
        results['img'] = pad_and_crop(image, self.crop_size, offset, self.pad_val)
        for key in results.get('seg_fields', []):
            fill = self.seg_pad_val if key == 'gt_semantic_seg' else 0
            results[key] = pad_and_crop(results[key], self.crop_size, offset, fill)
        results['img_shape'] = results['pad_shape'] = results['img'].shape
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(crop_size={self.crop_size}, seg_pad_val={self.seg_pad_val})'

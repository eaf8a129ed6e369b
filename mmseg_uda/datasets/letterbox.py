"""Mapillary's many image sizes in one box, as ADVENT and ESL do it."""

from __future__ import annotations

from typing import Any, Sequence

import numpy as np
from mmseg.datasets.builder import DATASETS, PIPELINES

from .label_spaces import IGNORE
from .pipelines import ExactResize
from .street import MapillaryDataset


def padded(values: np.ndarray, size: Sequence[int], fill: int) -> np.ndarray:
    """``values`` (H, W, ...) in the top left corner of a map of (height, width) ``size``."""
    result = np.full((*size, *values.shape[2:]), fill, values.dtype)
    result[: values.shape[0], : values.shape[1]] = values
    return result


def pad_to_aspect(values: np.ndarray, box: Sequence[int], fill: int) -> np.ndarray:
    """Pad a map (H, W) at the right or bottom to the aspect ratio of ``box`` (width, height); the new side is truncated."""
    height, width = values.shape[:2]
    ratio = box[0] / box[1]
    return padded(values, (max(height, int(width / ratio)), max(width, int(height * ratio))), fill)


@PIPELINES.register_module()
class Letterbox:
    """Resize with kept aspect ratio into a box (Pillow, new sides truncated) and pad at the right and bottom.

    Images are padded with black, before the mean is subtracted; labels with 255, other maps (``valid_pseudo_mask``) with 0.

    Args:
        size: (width, height) of the box.
        interpolation: as in :class:`~mmseg_uda.datasets.pipelines.ExactResize`.
        score_padded: for evaluation with :class:`LetterboxedMapillaryDataset`: scores are brought to the native size, padded
            to the box's aspect ratio.
    """

    def __init__(self, size: Sequence[int], interpolation: str = 'bicubic', score_padded: bool = False) -> None:
        self.size = (int(size[0]), int(size[1]))
        self.interpolation = interpolation
        self.score_padded = score_padded
        ExactResize(self.size, interpolation)

    def __call__(self, results: dict[str, Any]) -> dict[str, Any]:
        height, width = results['img'].shape[:2]
        ratio = min(self.size[0] / width, self.size[1] / height)
        inner = (int(width * ratio), int(height * ratio))
        results = ExactResize(inner, self.interpolation)(results)
        box = self.size[::-1]
        results['img'] = padded(results['img'], box, 0)
        for key in results.get('seg_fields', []):
            results[key] = padded(results[key], box, IGNORE if key == 'gt_semantic_seg' else 0)
        results['pad_shape'] = results['img'].shape
        if self.score_padded:
            native = pad_to_aspect(np.empty((height, width), bool), self.size, 0)
            results.update(img_shape=results['img'].shape, ori_shape=(*native.shape, 3))
        return results

    def __repr__(self) -> str:
        return f'{self.__class__.__name__}(size={self.size}, interpolation={self.interpolation!r})'


@DATASETS.register_module()
class LetterboxedMapillaryDataset(MapillaryDataset):
    """Mapillary Vistas scored as ADVENT and ESL do: at native size, padded to the aspect ratio of the network's input.

    Args:
        box: (width, height) of the input; the test pipeline has ``Letterbox(box, score_padded=True)``.
        kwargs: options of :class:`~mmseg_uda.datasets.street.MapillaryDataset`.
    """

    def __init__(self, box: Sequence[int] = (1024, 512), **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.box = tuple(box)

    def get_gt_seg_map_by_idx(self, index: int) -> np.ndarray:
        """The label map, padded with ignored pixels."""
        return pad_to_aspect(super().get_gt_seg_map_by_idx(index), self.box, IGNORE)

"""Mapillary's many image sizes in one box, as ADVENT and ESL do it."""

from __future__ import annotations

from typing import Any, Sequence

import numpy as np
from mmseg.datasets.builder import DATASETS, PIPELINES

from ..ops.labels import IGNORE
from .pipelines import ExactResize, pillow_resize
from .street import MapillaryDataset


def padded(values: np.ndarray, size: Sequence[int], fill: int) -> np.ndarray:
    """``values`` (H, W, ...) in the top left corner of a map of (height, width) ``size``."""
    result = np.full((*size, *values.shape[2:]), fill, values.dtype)
    result[: values.shape[0], : values.shape[1]] = values
    return result


def pad_to_aspect(values: np.ndarray, box: Sequence[int], fill: int) -> np.ndarray:
    """Pad a map (H, W) at the right or bottom to the aspect ratio of ``box`` (width, height); the new side is
    truncated."""
    height, width = values.shape[:2]
    ratio = box[0] / box[1]
    return padded(values, (max(height, int(width / ratio)), max(width, int(height * ratio))), fill)


def inner_size(shape: Sequence[int], box: Sequence[int]) -> tuple[int, int]:
    """The (width, height) that a map of ``shape`` (H, W, ...) takes in a ``box`` (width, height); sides are
    truncated."""
    ratio = min(box[0] / shape[1], box[1] / shape[0])
    return int(shape[1] * ratio), int(shape[0] * ratio)


@PIPELINES.register_module()
class Letterbox:
    """Resize with kept aspect ratio into a box (Pillow, new sides truncated) and pad at the right and bottom.

    Images are padded with black, before the mean is subtracted; labels with 255, other maps (``valid_pseudo_mask``)
    with 0.

    Args:
        size: (width, height) of the box.
        interpolation: as in :class:`~mmseg_uda.datasets.pipelines.ExactResize`.
        score_padded: for evaluation with :class:`LetterboxedMapillaryDataset`: scores are brought to the native size,
            padded to the box's aspect ratio.
    """

    random = False
    fixes_size = True

    def __init__(self, size: Sequence[int], interpolation: str = 'bicubic', score_padded: bool = False) -> None:
        self.size = (int(size[0]), int(size[1]))
        self.interpolation = interpolation
        self.score_padded = score_padded
        ExactResize(self.size, interpolation)

    def __call__(self, results: dict[str, Any]) -> dict[str, Any]:
        height, width = results['img'].shape[:2]
        results = ExactResize(inner_size((height, width), self.size), self.interpolation)(results)
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
    """Mapillary Vistas scored with padding.

    As ADVENT and ESL do: at native size, padded to the aspect ratio of the network's input; the test pipeline has
    ``Letterbox(box, score_padded=True)``. As MTAF does: letterboxed, with ``score_size`` and ``Letterbox(score_size)``.

    Args:
        box: (width, height) of the input, without ``score_size``.
        kwargs: options of :class:`~mmseg_uda.datasets.street.MapillaryDataset`.
    """

    def __init__(self, box: Sequence[int] = (1024, 512), **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.box = tuple(box)

    def get_gt_seg_map_by_idx(self, index: int) -> np.ndarray:
        """The label map, padded with ignored pixels."""
        label = super().get_gt_seg_map_by_idx(index)
        return label if self.score_size is not None else pad_to_aspect(label, self.box, IGNORE)

    def at_score_size(self, label: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """``label`` letterboxed as the images are."""
        return padded(pillow_resize(label, inner_size(label.shape, size)), size[::-1], IGNORE)

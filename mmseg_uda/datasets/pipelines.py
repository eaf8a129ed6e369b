"""Training transforms: the names of MMSegmentation's pipeline with clear errors, uint8 images and pseudo-label margins.

A published pipeline is written with ``LoadImageFromFile``, ``LoadAnnotations``, ``Resize``, ``RandomCrop``,
``RandomFlip``, ``Normalize``, ``Pad``, ``DefaultFormatBundle``, ``Collect``. :mod:`mmseg_uda.datasets.pipeline_config`
exchanges some of them for the classes of this module.
"""

from __future__ import annotations

import os.path as osp
from functools import lru_cache
from typing import Any, Optional, Sequence

import mmcv
import numpy as np
import torch
from mmcv.parallel import DataContainer
from mmcv.utils import print_log
from mmseg.datasets.builder import PIPELINES
from mmseg.datasets.pipelines import Compose, LoadAnnotations, LoadImageFromFile, Normalize, RandomCrop
from mmseg.datasets.pipelines.formatting import DefaultFormatBundle
from mmseg.utils import get_root_logger

from ..ops.rcs import pseudo_margin_mask
from .labels import class_histogram, decode_image, read_bytes
from .pipeline_config import flattened
from .soft_labels import SOFT_LABEL, resize_soft_label

_INTERPOLATIONS = {'nearest': 0, 'bilinear': 2, 'bicubic': 3, 'lanczos': 1}  # Pillow's filter numbers


@lru_cache(maxsize=None)
def _log_once(message: str) -> None:
    print_log(message, logger=get_root_logger(), level=30)


@PIPELINES.register_module()
class LoadImage(LoadImageFromFile):
    """``LoadImageFromFile`` whose errors name the file and the remedy. Gives uint8 BGR (H, W, 3)."""

    def __call__(self, results: dict[str, Any]) -> dict[str, Any]:
        if (
            self.file_client_args.get('backend', 'disk') != 'disk'
            or self.imdecode_backend != 'cv2'
            or self.color_type != 'color'
        ):
            return scored_at(super().__call__(results))
        name = results['img_info']['filename']
        path = osp.join(results['img_prefix'], name) if results.get('img_prefix') is not None else name
        img = decode_image(read_bytes(path, 'image'), path)
        if self.to_float32:
            img = img.astype(np.float32)
        results.update(
            filename=path,
            ori_filename=name,
            img=img,
            img_shape=img.shape,
            ori_shape=img.shape,
            pad_shape=img.shape,
            scale_factor=1.0,
            img_norm_cfg=dict(mean=np.zeros(3, np.float32), std=np.ones(3, np.float32), to_rgb=False),
        )
        return scored_at(results)


def scored_at(results: dict[str, Any]) -> dict[str, Any]:
    """Let predictions be made at the data set's ``score_size``: MMSegmentation brings scores to ``ori_shape``."""
    size = results.get('score_size')
    if size is not None:
        results['ori_shape'] = (size[1], size[0], *results['ori_shape'][2:])
    return results


@PIPELINES.register_module()
class LoadLabels(LoadAnnotations):
    """``LoadAnnotations`` that translates raw ids with the data set's reader and checks their range.

    A label map whose size differs from its image (a few of GTA5) is brought to the image's size by nearest neighbour
    and logged once.
    """

    def __call__(self, results: dict[str, Any]) -> dict[str, Any]:
        name = results['ann_info']['seg_map']
        path = osp.join(results['seg_prefix'], name) if results.get('seg_prefix') is not None else name
        reader = results.get('label_reader')
        if reader is None:
            raise ValueError(f'{path}: LoadLabels needs a data set of image and label files with class names')
        label = reader.read(path, results.get('label_remedy', ''))
        if self.reduce_zero_label:
            label = np.where(label == 0, 255, label - 1).astype(np.uint8)
            label[label == 254] = 255
        img = results.get('img')
        if img is not None and img.shape[:2] != label.shape:
            _log_once(
                f'{path}: the label map is {label.shape[1]}x{label.shape[0]}, the image {img.shape[1]}x{img.shape[0]}; '
                'the label is resized'
            )
            label = mmcv.imresize(label, img.shape[1::-1], interpolation='nearest')
        results['gt_semantic_seg'] = label
        results['seg_fields'].append('gt_semantic_seg')
        return results


@PIPELINES.register_module()
class PseudoLabelMargins:
    """Add ``valid_pseudo_mask``: 0 in the margins of the *loaded* image, where a pseudo-label gets no weight.

    The mask runs through resize, crop and flip with the image. Put it right after loading, or set
    ``crop_pseudo_margins`` of the data set.

    Args:
        margins: top, bottom, left, right in pixels of the file.
    """

    def __init__(self, margins: Sequence[int]) -> None:
        pseudo_margin_mask(1, 1, margins)
        self.margins = tuple(margins)

    def __call__(self, results: dict[str, Any]) -> dict[str, Any]:
        height, width = results['img'].shape[:2]
        results['valid_pseudo_mask'] = pseudo_margin_mask(height, width, self.margins)
        results['seg_fields'].append('valid_pseudo_mask')
        return results

    def __repr__(self) -> str:
        return f'{self.__class__.__name__}(margins={self.margins})'


@PIPELINES.register_module()
class ExactResize:
    """Resize to an exact size with Pillow, aspect ratio ignored (ADVENT, ESL, DSTC, CoaST, MTAF).

    Pillow's filters are area-aware when they shrink and its nearest neighbour samples pixel centres; OpenCV's differ in
    both.

    Args:
        size: (width, height).
        interpolation: ``bilinear``, ``bicubic`` or ``lanczos`` for images; labels use nearest.
    """

    def __init__(self, size: Sequence[int], interpolation: str = 'bicubic') -> None:
        if interpolation not in _INTERPOLATIONS:
            raise ValueError(f'interpolation is one of {sorted(_INTERPOLATIONS)}, got {interpolation!r}')
        self.size = (int(size[0]), int(size[1]))
        self.interpolation = interpolation

    def __call__(self, results: dict[str, Any]) -> dict[str, Any]:
        return self._resized(results, self.size)

    def _resized(self, results: dict[str, Any], size: tuple[int, int]) -> dict[str, Any]:
        height, width = results['img'].shape[:2]
        img = pillow_resize(np.ascontiguousarray(results['img'][..., ::-1]), size, self.interpolation)[..., ::-1]
        for key in results.get('seg_fields', []):
            results[key] = (
                resize_soft_label(results[key], size) if key == SOFT_LABEL else pillow_resize(results[key], size)
            )
        scale = np.array([size[0] / width, size[1] / height] * 2, np.float32)
        results.update(
            img=np.ascontiguousarray(img),
            img_shape=img.shape,
            pad_shape=img.shape,
            scale_factor=scale,
            keep_ratio=False,
        )
        return results

    def __repr__(self) -> str:
        return f'{self.__class__.__name__}(size={self.size}, interpolation={self.interpolation!r})'


def pillow_resize(values: np.ndarray, size: tuple[int, int], interpolation: str = 'nearest') -> np.ndarray:
    """Resize a uint8 map (H, W) or RGB image (H, W, 3) to (width, height) ``size`` with Pillow."""
    from PIL import Image

    return np.array(Image.fromarray(values).resize(size, _INTERPOLATIONS[interpolation]))


@PIPELINES.register_module()
class RandomExactResize(ExactResize):
    """Resize by a random factor of ``size`` with Pillow, its aspect ratio kept: (int(f * width), int(int(f * width) *
    height / width)).

    Args:
        size: (width, height) at factor 1.
        ratio_range: smallest and largest factor.
        interpolation: as in :class:`ExactResize`.
    """

    def __init__(self, size: Sequence[int], ratio_range: Sequence[float], interpolation: str = 'bilinear') -> None:
        super().__init__(size, interpolation)
        low, high = ratio_range
        if not 0 < low <= high:
            raise ValueError(f'ratio_range must be two positive factors in order, got {tuple(ratio_range)}')
        self.ratio_range = (float(low), float(high))

    def __call__(self, results: dict[str, Any]) -> dict[str, Any]:
        width = int(np.random.uniform(*self.ratio_range) * self.size[0])
        return self._resized(results, (width, int(width / (self.size[0] / self.size[1]))))

    def __repr__(self) -> str:
        return f'{super().__repr__()[:-1]}, ratio_range={self.ratio_range})'


@PIPELINES.register_module()
class ClassLimitedCrop(RandomCrop):
    """``RandomCrop`` that counts the classes of a crop with a histogram instead of sorting its pixels (same draws, same
    result).

    Without labels (an unlabelled target) the class limit does not apply.
    """

    def __call__(self, results: dict[str, Any]) -> dict[str, Any]:
        img = results['img']
        box = self.get_crop_bbox(img)
        label = results.get('gt_semantic_seg')
        if self.cat_max_ratio < 1 and label is not None:
            for _ in range(10):
                counts = class_histogram(self.crop(label, box))
                counts[self.ignore_index] = 0
                if np.count_nonzero(counts) > 1 and counts.max() / counts.sum() < self.cat_max_ratio:
                    break
                box = self.get_crop_bbox(img)
        results['img'] = self.crop(img, box)
        results['img_shape'] = results['img'].shape
        for key in results.get('seg_fields', []):
            results[key] = self.crop(results[key], box)
        return results


@PIPELINES.register_module()
class DeferredNormalize(Normalize):
    """``Normalize`` that leaves a uint8 image as it is and only records ``img_norm_cfg``: the engine normalises on the
    device.

    A quarter of the bytes travels from the worker to the device, and the worker saves the arithmetic. A floating-point
    image is normalised here.
    """

    def __call__(self, results: dict[str, Any]) -> dict[str, Any]:
        if results['img'].dtype != np.uint8:
            return super().__call__(results)
        results['img_norm_cfg'] = dict(mean=self.mean, std=self.std, to_rgb=self.to_rgb)
        return results


@PIPELINES.register_module()
class StreamFormatBundle(DefaultFormatBundle):
    """``DefaultFormatBundle`` that formats ``valid_pseudo_mask`` as well: uint8 (1, H, W), padding counts as
    invalid.
    """

    def __call__(self, results: dict[str, Any]) -> dict[str, Any]:
        results = super().__call__(results)
        mask: Optional[np.ndarray] = results.get('valid_pseudo_mask')
        if mask is not None:
            valid = torch.from_numpy((mask == 1).astype(np.uint8)[None])
            results['valid_pseudo_mask'] = DataContainer(valid, stack=True)
        return results


@PIPELINES.register_module()
class TrainingCrops(Compose):
    """The published training pipeline in one step; options:
    :func:`~mmseg_uda.datasets.pipeline_config.training_crops`."""

    def __init__(self, **options: Any) -> None:
        super().__init__(flattened([dict(type='TrainingCrops', **options)]))

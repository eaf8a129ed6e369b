"""Training transforms: the names of MMSegmentation's pipeline with clear errors, uint8 images and pseudo-label margins.

A published pipeline is written with ``LoadImageFromFile``, ``LoadAnnotations``, ``Resize``, ``RandomCrop``,
``RandomFlip``, ``Normalize``, ``Pad``, ``DefaultFormatBundle``, ``Collect``. :mod:`mmseg_uda.datasets.pipeline_config`
exchanges some of them for the classes of this module.
"""

from __future__ import annotations

import os.path as osp
from functools import lru_cache
from typing import Any, Optional, Sequence

import cv2
import mmcv
import numpy as np
import torch
from mmcv.parallel import DataContainer
from mmcv.utils import print_log
from mmseg.datasets.builder import PIPELINES
from mmseg.datasets.pipelines import (
    Compose,
    LoadAnnotations,
    LoadImageFromFile,
    RandomCrop,
)
from mmseg.datasets.pipelines.formatting import DefaultFormatBundle
from mmseg.utils import get_root_logger

from ..ops.rcs import pseudo_margin_mask
from .bands import band_count
from .labels import CorruptFileError, check_pixels, class_histogram, decode_image, read_bytes, undecodable
from .pipeline_config import flattened
from .soft_labels import SOFT_LABEL, resize_soft_label

_INTERPOLATIONS = {'nearest': 0, 'bilinear': 2, 'bicubic': 3, 'lanczos': 1}  # Pillow's filter numbers


@lru_cache(maxsize=None)
def _log_once(message: str) -> None:
    print_log(message, logger=get_root_logger(), level=30)


@PIPELINES.register_module()
class LoadImage(LoadImageFromFile):
    """``LoadImageFromFile`` whose errors name the file and the remedy.

    Gives uint8 BGR (H, W, 3) by default; with ``color_type='unchanged'`` the bands and the depth of the file, (H, W)
    for one band. ``img_depth`` holds the type of the values as read. An image in memory stands under ``array``, in the
    form that OpenCV reads.
    """

    def __call__(self, results: dict[str, Any]) -> dict[str, Any]:
        name = results['img_info']['filename']
        path = osp.join(results['img_prefix'], name) if results.get('img_prefix') is not None else name
        given = results.pop('array', None)
        img = self._decoded(self._content(path), path) if given is None else as_read(given, self.color_type, path)
        results['img_depth'] = str(img.dtype)
        if self.to_float32:
            img = img.astype(np.float32)
        bands = band_count(img)
        results.update(
            filename=path,
            ori_filename=name,
            img=img,
            img_shape=img.shape,
            ori_shape=img.shape,
            pad_shape=img.shape,
            scale_factor=1.0,
            img_norm_cfg=dict(mean=np.zeros(bands, np.float32), std=np.ones(bands, np.float32), to_rgb=False),
        )
        return scored_at(results)

    def _content(self, path: str) -> bytes:
        if self.file_client_args.get('backend', 'disk') == 'disk':
            return read_bytes(path, 'image')
        if self.file_client is None:  # type: ignore[has-type]
            self.file_client = mmcv.FileClient(**self.file_client_args)
        return self.file_client.get(path)

    def _decoded(self, data: bytes, path: str) -> np.ndarray:
        if self.imdecode_backend in ('cv2', None):
            flags = dict(color=cv2.IMREAD_COLOR, grayscale=cv2.IMREAD_GRAYSCALE, unchanged=cv2.IMREAD_UNCHANGED)
            if self.color_type in flags:
                return decode_image(data, path, flags[self.color_type])
        check_pixels(data, path)
        try:
            img = mmcv.imfrombytes(data, flag=self.color_type, backend=self.imdecode_backend) if data else None
        except (OSError, SyntaxError, ValueError, cv2.error) as error:
            raise undecodable(path, data, f' ({error})') from error
        if img is None:
            raise undecodable(path, data)
        return img


def as_read(img: np.ndarray, color_type: str, name: str) -> np.ndarray:
    """An image in memory as reading its file would have given it.

    Args:
        img: (H, W) or (H, W, C); three bands are BGR, of four the last is alpha.
        color_type: of ``LoadImageFromFile``.
        name: for the message.

    Raises:
        ValueError: no image of these bands and depth can be read with this ``color_type``.
    """
    bands = band_count(img)
    if color_type == 'unchanged':
        return np.ascontiguousarray(img[..., 0] if img.ndim == 3 and bands == 1 else img)
    if img.ndim not in (2, 3) or bands not in (1, 3, 4) or img.dtype != np.uint8:
        raise ValueError(
            f"{name} has shape {img.shape} and type {img.dtype}, but color_type='{color_type}' reads 8-bit images of "
            "1, 3 or 4 bands (H, W, C): set color_type='unchanged' in LoadImageFromFile, or convert the array"
        )
    plane = img if img.ndim == 2 else img[..., 0]
    if color_type.startswith('gray'):
        codes = {3: cv2.COLOR_BGR2GRAY, 4: cv2.COLOR_BGRA2GRAY}
        return np.ascontiguousarray(plane) if bands == 1 else cv2.cvtColor(img, codes[bands])
    return np.ascontiguousarray(np.stack([plane] * 3, axis=2) if bands == 1 else img[..., :3])


def scored_at(results: dict[str, Any]) -> dict[str, Any]:
    """Let predictions be made at the data set's ``score_size``: MMSegmentation brings scores to ``ori_shape``."""
    size = results.get('score_size')
    if size is not None:
        results['ori_shape'] = (size[1], size[0], *results['ori_shape'][2:])
    return results


@PIPELINES.register_module()
class LoadLabels(LoadAnnotations):
    """``LoadAnnotations`` that translates the files' ids with the data set's reader, which also knows its
    ``reduce_zero_label``, and checks their range.

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
        img = results.get('img')
        if img is not None:
            # a stored pseudo-label has the shape of the network's input, which may have another aspect ratio
            stored = results.get('stored_label', False)
            label = label_at_size(label, img.shape[:2], path, any_shape=stored)
        results['gt_semantic_seg'] = label
        results['seg_fields'].append('gt_semantic_seg')
        return results


#: relative difference of the aspect ratios from which a label cannot belong to its image
_ASPECT_TOLERANCE = 0.1


def label_at_size(
    label: np.ndarray, size: Sequence[int], path: str, what: str = 'image', any_shape: bool = False
) -> np.ndarray:
    """A label map (H, W) brought to the (height, width) of its image by nearest neighbour, which is logged once.

    Raises:
        CorruptFileError: another aspect ratio, so that label and image do not show the same, unless ``any_shape``.
    """
    height, width = size[:2]
    if label.shape == (height, width):
        return label
    sizes = f'the label map is {label.shape[1]}x{label.shape[0]}, the {what} {width}x{height} (width x height)'
    if not any_shape and abs(label.shape[1] * height / (label.shape[0] * width) - 1) > _ASPECT_TOLERANCE:
        turned = '; the image may be turned by its EXIF orientation' if label.shape == (width, height) else ''
        raise CorruptFileError(
            f'{path}: {sizes}: they do not show the same picture{turned}. tools/check_dataset.py lists all such files'
        )
    _log_once(f'{path}: {sizes}; labels of another size are resized by nearest neighbour')
    return mmcv.imresize(label, (width, height), interpolation='nearest')


@PIPELINES.register_module()
class PseudoLabelMargins:
    """Add ``valid_pseudo_mask``: 0 in the margins of the *loaded* image, where a pseudo-label gets no weight.

    The mask runs through resize, crop and flip with the image. Put it right after loading, or set
    ``crop_pseudo_margins`` of the data set.

    Args:
        margins: top, bottom, left, right in pixels of the file.
    """

    random = False
    training_only = True

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

    random = False
    fixes_size = True

    def __init__(self, size: Sequence[int], interpolation: str = 'bicubic') -> None:
        if interpolation not in _INTERPOLATIONS:
            raise ValueError(f'interpolation is one of {sorted(_INTERPOLATIONS)}, got {interpolation!r}')
        self.size = (int(size[0]), int(size[1]))
        self.interpolation = interpolation

    def __call__(self, results: dict[str, Any]) -> dict[str, Any]:
        return self._resized(results, self.size)

    def _resized(self, results: dict[str, Any], size: tuple[int, int]) -> dict[str, Any]:
        height, width = results['img'].shape[:2]
        img = pillow_resize(results['img'], size, self.interpolation)
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
    """Resize a map (H, W) or an image (H, W, C) to (width, height) ``size`` with Pillow.

    Anything but maps and three-band images of uint8 is resized band by band: Pillow takes a fourth band for
    transparency.
    """
    from PIL import Image

    if values.ndim == 3 and (values.shape[2] != 3 or values.dtype != np.uint8):
        return np.stack([pillow_resize(band, size, interpolation) for band in np.moveaxis(values, 2, 0)], 2)
    depth = values.dtype
    plain = values if depth == np.uint8 else values.astype(np.float32)
    out = np.array(Image.fromarray(np.ascontiguousarray(plain)).resize(size, _INTERPOLATIONS[interpolation]))
    if np.issubdtype(depth, np.integer) and depth != np.uint8:
        limits = np.iinfo(depth)
        out = np.clip(np.round(out), limits.min, limits.max)
    return out.astype(depth)


@PIPELINES.register_module()
class RandomExactResize(ExactResize):
    """Resize by a random factor of ``size`` with Pillow, its aspect ratio kept: (int(f * width), int(int(f * width) *
    height / width)).

    Args:
        size: (width, height) at factor 1.
        ratio_range: smallest and largest factor.
        interpolation: as in :class:`ExactResize`.
    """

    random = True
    fixes_size = False

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
class StreamFormatBundle(DefaultFormatBundle):
    """``DefaultFormatBundle`` that formats ``valid_pseudo_mask`` as well: uint8 (1, H, W).

    Where images of a batch have different sizes, the padding is 255 in labels and 0 (invalid) in the mask.
    """

    def __call__(self, results: dict[str, Any]) -> dict[str, Any]:
        results = super().__call__(results)
        label = results.get('gt_semantic_seg')
        if label is not None:
            results['gt_semantic_seg'] = DataContainer(label.data, stack=True, padding_value=255)
        mask: Optional[np.ndarray] = results.get('valid_pseudo_mask')
        if mask is not None:
            valid = torch.from_numpy((mask == 1).astype(np.uint8)[None])
            results['valid_pseudo_mask'] = DataContainer(valid, stack=True)
        self._format_clip(results)
        return results

    @staticmethod
    def _format_clip(results: dict[str, Any]) -> None:
        """Frames uint8 (3, H, W), flows float32 (2, h, w), label and mask of the key frame (1, H, W)."""
        size = results['img'].data.shape[-2:] if isinstance(results['img'], DataContainer) else None
        for key in results.get('clip_frames', ()):
            frame = results[key]
            if size is not None and frame.shape[:2] != tuple(size):
                raise ValueError(
                    f'the {key} of a clip is {frame.shape[1]}x{frame.shape[0]}, its image {size[1]}x{size[0]}: resize, '
                    'crop and pad clips with ClipResize, ClipCrop or TrainingClips'
                )
            results[key] = DataContainer(torch.from_numpy(np.ascontiguousarray(frame.transpose(2, 0, 1))), stack=True)
        for key in results.get('clip_flows', ()):
            results[key] = DataContainer(torch.from_numpy(np.ascontiguousarray(results[key])), stack=True)
        for key, kind in (('key_label', np.int64), ('occlusion', np.uint8)):
            if isinstance(results.get(key), np.ndarray):
                results[key] = DataContainer(torch.from_numpy(results[key][None].astype(kind)), stack=True)


@PIPELINES.register_module()
class TrainingCrops(Compose):
    """The published training pipeline in one step; options:
    :func:`~mmseg_uda.datasets.pipeline_config.training_crops`."""

    def __init__(self, **options: Any) -> None:
        super().__init__(flattened([dict(type='TrainingCrops', **options)]))

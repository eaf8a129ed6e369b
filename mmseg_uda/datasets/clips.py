"""Transforms of clips: a frame with earlier frames and the flows between them.

A clip is the ``results`` of an image, in which ``LoadClip`` has put more: ``key_frame``, ``far_frame`` (uint8 BGR), the
flows ``flow`` (current to key), ``flow_far`` (current to far), ``flow_key_far`` (key to far), ``occlusion`` and
``key_label``. The names of those that are there stand in ``clip_frames`` and ``clip_flows``. A flow keeps the grid of
its source until a crop needs it at the frames' size.
"""

from __future__ import annotations

import os.path as osp
import random
from typing import Any, Mapping, Optional, Sequence

import cv2
import mmcv
import numpy as np
import torch
from mmcv.utils import build_from_cfg
from mmseg.datasets.builder import PIPELINES
from mmseg.datasets.pipelines import Compose, RandomFlip

from ..ops.flow import occluded, resize_flow
from ..ops.labels import IGNORE
from .flow_sources import Frame, build_flow_source
from .labels import decode_image, read_bytes
from .pipeline_config import flattened
from .pipelines import ClassLimitedCrop, ExactResize, LoadLabels, pillow_resize

#: name of a frame -> steps back
FRAMES = dict(key_frame=1, far_frame=2)
#: name of a flow -> (steps back of the frame it belongs to, of the frame it points to)
FLOWS = dict(flow=(0, 1), flow_far=(0, 2), flow_key_far=(1, 2))
FRAME_OF = {0: 'img', 1: 'key_frame', 2: 'far_frame'}


@PIPELINES.register_module()
class LoadClip:
    """Load earlier frames, flows and, if asked for, the label of the key frame.

    Where a sequence begins (or after a gap) the current frame stands in for its predecessor with a flow of zero, and
    ``key_missing`` is set.

    Args:
        far: also the frame two steps back, with the flows to it.
        labels: also the key frame's label (``key_label``).
        flow: config in FLOW_SOURCES; default ``DISFlow``.
        occlusion: ``forward_backward`` adds ``occlusion`` uint8: pixels that the key frame does not show, by flow in
            both directions; None = do not ask.
    """

    random = False

    def __init__(
        self,
        far: bool = False,
        labels: bool = False,
        flow: Optional[Mapping[str, Any]] = None,
        occlusion: Optional[str] = None,
    ) -> None:
        if occlusion not in (None, 'forward_backward'):
            raise ValueError(f"LoadClip.occlusion must be 'forward_backward' or None, got '{occlusion}'")
        self.far, self.labels, self.occlusion = far, labels, occlusion
        self.source = build_flow_source(flow)

    def __call__(self, results: dict[str, Any]) -> dict[str, Any]:
        rule = results.get('frame_rule')
        if rule is None:
            raise ValueError(
                'LoadClip needs a video data set (ViperSeqDataset, SynthiaSeqDataset, CityscapesSeqDataset, '
                'FolderVideoDataset, CamVidSeqDataset): this one does not know which frame comes before which'
            )
        name = results['img_info']['filename']
        suffix = next((s for s in results['frame_suffixes'] if name.endswith(s)), osp.splitext(name)[1])
        stem = name[: len(name) - len(suffix)]
        frames = {0: Frame(results['img'])}
        results['clip_frames'] = [key for key, back in FRAMES.items() if back == 1 or self.far]
        stems = {0: stem}
        for key in results['clip_frames']:
            back = FRAMES[key]
            stems[back] = rule.earlier(stem, back) or stems[back - 1]
            same = stems[back] == stems[back - 1]
            frames[back] = frames[back - 1] if same else Frame(self._read(results, stems[back] + suffix, name))
            results[key] = frames[back].img
        results['key_missing'] = stems[1] == stem
        results['clip_flows'] = [key for key, (_, end) in FLOWS.items() if end == 1 or self.far]
        for key in results['clip_flows']:
            start, end = FLOWS[key]
            results[key] = self._flow(frames, stems, start, end, rule.flow_name(stem, start, end))
        if self.occlusion is not None:
            self._mark_occlusion(results, frames, stems, rule.flow_name(stem, 1, 0))
        if self.labels:
            self._load_key_label(results, stems[1])
        return results

    def _read(self, results: Mapping[str, Any], name: str, current: str) -> np.ndarray:
        path = osp.join(results['img_prefix'], name) if results.get('img_prefix') is not None else name
        remedy = (
            f'It is the frame before {current}. The video data set is incomplete: download all frames, not only the '
            'labelled ones; tools/check_dataset.py lists the gaps.'
        )
        return decode_image(read_bytes(path, 'frame', remedy), path)

    def _flow(
        self, frames: Mapping[int, Frame], stems: Mapping[int, str], start: int, end: int, name: str
    ) -> np.ndarray:
        if stems[start] == stems[end]:
            return self.source.still(frames[start])
        return self.source(frames[start], frames[end], name)

    def _mark_occlusion(
        self, results: dict[str, Any], frames: Mapping[int, Frame], stems: Mapping[int, str], name: str
    ) -> None:
        forward, backward = results['flow'], self._flow(frames, stems, 1, 0, name)
        mask = (
            occluded(torch.from_numpy(forward)[None], torch.from_numpy(backward)[None])[0, 0].numpy().astype(np.uint8)
        )
        height, width = results['img'].shape[:2]
        results['occlusion'] = cv2.resize(mask, (width, height), interpolation=cv2.INTER_NEAREST)
        results.setdefault('seg_fields', []).append('occlusion')

    def _load_key_label(self, results: dict[str, Any], stem: str) -> None:
        if results['key_missing']:
            results['key_label'] = results['gt_semantic_seg'].copy()
        else:
            own = dict(results, seg_fields=[], ann_info=dict(seg_map=results['label_name'](stem)))
            try:
                results['key_label'] = LoadLabels()(own)['gt_semantic_seg']
            except FileNotFoundError as error:
                raise FileNotFoundError(
                    f'{error} It is the label of the frame before {results["img_info"]["filename"]}: download those of '
                    "all frames, or set labels=False, and the current frame's label marks the regions of both"
                ) from error
        results['seg_fields'].append('key_label')

    def __repr__(self) -> str:
        return f'{type(self).__name__}(far={self.far}, labels={self.labels}, flow={type(self.source).__name__})'


@PIPELINES.register_module()
class ClipResize(ExactResize):
    """Resize all frames and labels with Pillow; flows keep their grid.

    Args:
        size: (width, height), aspect ratio ignored; None: ``scale`` of ``MultiScaleFlipAug``, or the frame's size.
        interpolation: as in ``ExactResize``.
    """

    def __init__(self, size: Optional[Sequence[int]] = None, interpolation: str = 'bicubic') -> None:
        super().__init__(size or (1, 1), interpolation)
        self.fixed = size is not None

    def __call__(self, results: dict[str, Any]) -> dict[str, Any]:
        size = self.size if self.fixed else tuple(results.get('scale') or results['img'].shape[1::-1])
        for key in results.get('clip_frames', ()):
            rgb = np.ascontiguousarray(results[key][..., ::-1])
            results[key] = np.ascontiguousarray(pillow_resize(rgb, size, self.interpolation)[..., ::-1])
        return self._resized(results, size)


def rows_above(grid: Sequence[int], size: Sequence[int], share: float) -> int:
    """How many rows of a flow on ``grid`` (h, w) stay when ``share`` of its frame (H, W) is cut below: all where its
    shape is that of the cut frame already."""
    (rows, columns), (height, width) = grid, size
    kept = height - round(height * share)
    is_cut = abs(rows / columns - kept / width) < abs(rows / columns - height / width)
    return rows if is_cut else rows - round(rows * share)


@PIPELINES.register_module()
class CutBottom:
    """Cut the lowest rows of frames, labels and flows (SYNTHIA-Seq: 120 of 760, the own car).

    Args:
        share: of the height. A flow whose shape is that of the cut frame already (the published files) stays.
    """

    random = False

    def __init__(self, share: float) -> None:
        if not 0 <= share < 1:
            raise ValueError(f'CutBottom.share must lie in [0, 1), got {share}')
        self.share = share

    def __call__(self, results: dict[str, Any]) -> dict[str, Any]:
        size = results['img'].shape[:2]
        kept = size[0] - round(size[0] * self.share)
        for key in results.get('clip_flows', ()):
            rows = rows_above(results[key].shape[1:], size, self.share)
            results[key] = np.ascontiguousarray(results[key][:, :rows])
        for key in ('img', *results.get('clip_frames', ()), *results.get('seg_fields', ())):
            results[key] = np.ascontiguousarray(results[key][:kept])
        results['img_shape'] = results['pad_shape'] = results['img'].shape
        return results


@PIPELINES.register_module()
class IgnoreOwnCar:
    """VIPER: the connected region (8 neighbours) of cars around the middle of the lowest row is the own car: ignored.

    Args:
        car: class id.
    """

    random = False

    def __init__(self, car: int) -> None:
        self.car = car

    def __call__(self, results: dict[str, Any]) -> dict[str, Any]:
        for key in ('gt_semantic_seg', 'key_label'):
            if key in results:
                results[key] = without_own_car(results[key], self.car)
        return results


def without_own_car(label: np.ndarray, car: int) -> np.ndarray:
    """``label`` (H, W) with 255 in the region of class ``car`` that holds the pixel (H - 1, W // 2)."""
    if label[-1, label.shape[1] // 2] != car:
        return label
    regions = cv2.connectedComponents((label == car).astype(np.uint8), connectivity=8)[1]
    return np.where(regions == regions[-1, label.shape[1] // 2], np.uint8(IGNORE), label)


@PIPELINES.register_module()
class ClipCrop(ClassLimitedCrop):
    """``RandomCrop``: one window for frames, labels and flows, which are brought to the frames' size first."""

    def __call__(self, results: dict[str, Any]) -> dict[str, Any]:
        drawn: list[tuple[int, ...]] = []
        size = results['img'].shape[:2]
        original = self.get_crop_bbox  # type: ignore[has-type]

        def remembering(img: np.ndarray) -> tuple[int, ...]:
            drawn.append(original(img))
            return drawn[-1]

        self.get_crop_bbox = remembering
        try:
            results = super().__call__(results)
        finally:
            del self.get_crop_bbox
        for key in results.get('clip_frames', ()):
            results[key] = self.crop(results[key], drawn[-1])
        for key in results.get('clip_flows', ()):
            flow = resize_flow(torch.from_numpy(results[key])[None], size)[0].numpy()
            top, bottom, left, right = drawn[-1]
            results[key] = np.ascontiguousarray(flow[:, top:bottom, left:right])
        return results


@PIPELINES.register_module()
class ClipFlip(RandomFlip):
    """``RandomFlip`` (horizontal) of all frames; the flow's dx changes its sign."""

    def __call__(self, results: dict[str, Any]) -> dict[str, Any]:
        results = super().__call__(results)
        if results['flip']:
            if results['flip_direction'] != 'horizontal':
                raise ValueError('ClipFlip mirrors clips horizontally only')
            for key in results.get('clip_frames', ()):
                results[key] = mmcv.imflip(results[key]).copy()
            for key in results.get('clip_flows', ()):
                results[key] = results[key][..., ::-1] * np.array([-1, 1], np.float32).reshape(2, 1, 1)
        return results


@PIPELINES.register_module()
class OnEveryFrame:
    """Another transform of the image's grey values, on all frames with the same random draws.

    Args:
        transform: config of the transform, such as ``PhotoMetricDistortion``.
    """

    def __init__(self, transform: Mapping[str, Any]) -> None:
        self.transform = build_from_cfg(dict(transform), PIPELINES)

    def __call__(self, results: dict[str, Any]) -> dict[str, Any]:
        state = random.getstate(), np.random.get_state()
        frames = {}
        for key in results.get('clip_frames', ()):
            random.setstate(state[0])
            np.random.set_state(state[1])
            frames[key] = self.transform(dict(results, img=results[key], seg_fields=[]))['img']
        random.setstate(state[0])
        np.random.set_state(state[1])
        return dict(self.transform(results), **frames)


@PIPELINES.register_module()
class PackClip:
    """Normalise both frames and stack them with the flow, for tests: float32 (H, W, 8), see
    :mod:`mmseg_uda.ops.clips`; the ninth channel is the occlusion mask where that was asked for.

    Args:
        mean, std, to_rgb: as in ``Normalize``.
    """

    def __init__(self, mean: Sequence[float], std: Sequence[float], to_rgb: bool = True) -> None:
        self.mean, self.std, self.to_rgb = np.array(mean, np.float32), np.array(std, np.float32), to_rgb

    def __call__(self, results: dict[str, Any]) -> dict[str, Any]:
        height, width = results['img'].shape[:2]
        frames = [mmcv.imnormalize(results[key], self.mean, self.std, self.to_rgb) for key in ('img', 'key_frame')]
        flow = resize_flow(torch.from_numpy(np.ascontiguousarray(results['flow']))[None], (height, width))[0]
        planes = [*frames, flow.permute(1, 2, 0).numpy()]
        if 'occlusion' in results:
            planes.append(results['occlusion'][..., None].astype(np.float32))
        results['img'] = np.concatenate(planes, -1)
        results['img_norm_cfg'] = dict(mean=self.mean, std=self.std, to_rgb=self.to_rgb)
        return results


@PIPELINES.register_module()
class TrainingClips(Compose):
    """The training pipeline of clips in one step; options:
    :func:`~mmseg_uda.datasets.pipeline_config.training_clips`."""

    def __init__(self, **options: Any) -> None:
        super().__init__(flattened([dict(type='TrainingClips', **options)]))

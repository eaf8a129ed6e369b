"""Temporal consistency: does a prediction agree with the one of the frame before, moved along the optical flow?"""

from __future__ import annotations

import copy
from typing import Any, Mapping, Optional

import numpy as np
import torch
from mmcv.parallel import DataContainer
from torch import Tensor, nn
from torch.utils.data import Dataset

from ..datasets.flow_sources import FlowSource, Frame, build_flow_source
from ..datasets.labels import decode_image, read_bytes
from ..datasets.video import VideoDataset
from ..ops.flow import occluded, resize_flow, warp_nearest
from ..utils.progress import progress
from .data import build_test_loader, to_device
from .distributed import gather_objects
from .inference import inference_mode

#: widest grid on which the flow is computed
WIDTH = 1024
AGREEMENT, MIOU, SEEN = 'temporal.agreement', 'temporal.mIoU', 'temporal.seen'


class ConsistencyMeter:
    """Counts how labels of the current frame meet labels that were moved to it.

    Args:
        num_classes: C.
    """

    def __init__(self, num_classes: int) -> None:
        self.counts = np.zeros((num_classes, num_classes), np.int64)
        self.pixels = 0

    def add(self, current: np.ndarray, previous: np.ndarray, flow: Tensor, hidden: Tensor) -> float:
        """Add a frame.

        Args:
            current, previous: predictions (H, W), class ids.
            flow: current to previous on any grid (1, 2, h, w); hidden: bool (1, 1, h, w): pixels that do not count.

        Returns:
            Share of the visible pixels whose labels agree.
        """
        size = current.shape[:2]
        moved = warp_nearest(torch.from_numpy(previous.astype(np.int64))[None, None], resize_flow(flow, size))[0, 0]
        mask = torch.nn.functional.interpolate(hidden.float(), size=size, mode='nearest')[0, 0] == 0
        seen = mask.numpy()
        classes = len(self.counts)
        pairs = classes * moved.numpy()[seen] + current.astype(np.int64)[seen]
        counts = np.bincount(pairs, minlength=classes**2).reshape(classes, classes)
        self.counts += counts
        self.pixels += current.size
        return float(np.trace(counts) / max(counts.sum(), 1))

    def summary(self) -> dict[str, float]:
        """``temporal.agreement``: share of the visible pixels whose labels agree; ``temporal.mIoU`` between both label
        maps; ``temporal.seen``: share of pixels that were visible in both frames."""
        counts = self.counts.astype(np.float64)
        union = counts.sum(0) + counts.sum(1) - np.diag(counts)
        iou = np.diag(counts)[union > 0] / union[union > 0]
        total = counts.sum()
        return {
            AGREEMENT: float(np.trace(counts) / total) if total else float('nan'),
            MIOU: float(iou.mean()) if len(iou) else float('nan'),
            SEEN: float(total / self.pixels) if self.pixels else float('nan'),
        }


def flow_with_occlusion(source: FlowSource, current: Frame, earlier: Frame, name: str) -> tuple[Tensor, Tensor]:
    """Flow (1, 2, h, w) and the pixels (1, 1, h, w) that fail the forward-backward check."""
    forward, backward = (
        torch.from_numpy(flow)[None] for flow in (source(current, earlier, name), source(earlier, current, name))
    )
    return forward, occluded(forward, backward)


def flow_grid(width: int, height: int) -> Optional[tuple[int, int]]:
    """Where the flow of large frames is computed: (width, height), or None for their own size."""
    return None if width <= WIDTH else (WIDTH, max(round(height * WIDTH / width), 16))


class FramePairs(Dataset):
    """The test samples of a video data set, each with that of the frame before and the flow between them.

    Args:
        dataset: in test mode; frames without a predecessor are left out.
        flow: config in FLOW_SOURCES; None: ``DISFlow`` at no more than 1024 columns.
    """

    def __init__(self, dataset: VideoDataset, flow: Optional[Mapping[str, Any]] = None) -> None:
        self.current = dataset
        self.previous = copy.copy(dataset)
        self.indices, earlier = [], []
        for index, info in enumerate(dataset.img_infos):
            stem, suffix = dataset.split_name(info['filename'])
            before = dataset.frame_rule.earlier(stem, 1)
            if before is not None:
                self.indices.append(index)
                earlier.append(dict(filename=before + suffix))
        if not self.indices:
            raise ValueError(f'{type(dataset).__name__}: no frame has a predecessor, there is no temporal consistency')
        self.previous.img_infos = earlier
        self.flow = flow

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, item: int) -> dict[str, Any]:
        index = self.indices[item]
        names = self.current.img_infos[index]['filename'], self.previous.img_infos[item]['filename']
        current, earlier = (self._frame(name) for name in names)
        height, width = current.img.shape[:2]
        source = build_flow_source(self.flow or dict(type='DISFlow', grid=flow_grid(width, height)))
        flow, hidden = flow_with_occlusion(source, current, earlier, names[0])
        return dict(
            current=self.current[index],
            previous=self.previous[item],
            flow=DataContainer(flow, stack=False),
            hidden=DataContainer(hidden, stack=False),
        )

    def _frame(self, name: str) -> Frame:
        path = f'{self.current.img_dir}/{name}'
        return Frame(decode_image(read_bytes(path, 'frame'), path))


def temporal_consistency(
    model: nn.Module,
    dataset: Any,
    device: torch.device,
    workers: int = 2,
    precision: str = 'fp32',
    label: str = '',
    windows_per_batch: int = 8,
) -> dict[str, float]:
    """Temporal consistency of a network on a video data set; works for image and video networks alike.

    Returns:
        See :meth:`ConsistencyMeter.summary`; equal on all ranks.

    Raises:
        TypeError: not a video data set.
    """
    if not isinstance(dataset, VideoDataset):
        raise TypeError(
            f'{type(dataset).__name__} does not know which frame comes before which: temporal consistency needs a '
            'video data set (CityscapesSeqDataset, CamVidSeqDataset, FolderVideoDataset ...)'
        )
    loader = build_test_loader(FramePairs(dataset), workers)
    meter = ConsistencyMeter(len(dataset.CLASSES))
    with inference_mode(model, device, precision, windows_per_batch):
        for batch in progress(loader, f'{label or "test"}, temporal', len(loader)):
            current, previous = (predict_sample(model, batch[key], device) for key in ('current', 'previous'))
            meter.add(current, previous, batch['flow'].data[0][0], batch['hidden'].data[0][0])
    parts = gather_objects((meter.counts, meter.pixels))
    meter.counts, meter.pixels = sum(part[0] for part in parts), sum(part[1] for part in parts)
    return meter.summary()


def predict_sample(model: nn.Module, sample: Mapping[str, Any], device: torch.device) -> np.ndarray:
    """The label map (H, W) of one collated test sample (one or several augmented views)."""
    views = zip(*(value if isinstance(value, list) else [value] for value in (sample['img'], sample['img_metas'])))
    moved = [to_device({'img': img, 'img_metas': meta}, device) for img, meta in views]
    result = model(
        img=[item['img'] for item in moved], img_metas=[item['img_metas'] for item in moved], return_loss=False
    )
    return np.asarray(result[0])

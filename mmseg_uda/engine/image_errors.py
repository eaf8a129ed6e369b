"""Which classes a network takes for which, and on which images it errs most (``tools/test.py``, for reports)."""

from __future__ import annotations

import os.path as osp
from pathlib import Path
from typing import Any, Mapping, Optional, Sequence

import mmcv
import numpy as np
from mmseg.datasets import CustomDataset

from ..datasets.base import SegmentationDataset
from ..datasets.label_readers import label_path
from ..datasets.pipelines import label_at_size
from ..ops.labels import IGNORE
from ..utils.checkpoint_io import replacing
from .evaluation_sets import PooledSets


class ImageErrors:
    """Counts the predictions of a data set as they come.

    Args:
        dataset: a test set with labels, or several that are scored as one.

    Attributes:
        confusion: pixels, int64 (C, C), true class by predicted class.
        images: (file name, pixel accuracy, mIoU over the classes that occur in the truth) of every image.
    """

    def __init__(self, dataset: Any) -> None:
        parts = dataset.datasets if isinstance(dataset, PooledSets) else [dataset]
        self.classes = [str(name) for name in dataset.CLASSES]
        self.confusion = np.zeros((len(self.classes),) * 2, np.int64)
        self.images: list[tuple[str, float, float]] = []
        self._where = {
            osp.join(part.img_dir or '', info['filename']): (part, i)
            for part in parts
            for i, info in enumerate(part.img_infos)
        }

    @staticmethod
    def possible(dataset: Any) -> bool:
        """Whether labels are read and scored as MMSegmentation does, so that they can be read again."""
        parts = dataset.datasets if isinstance(dataset, PooledSets) else [dataset]
        counting = (CustomDataset.pre_eval, SegmentationDataset.pre_eval)
        return all(part.ann_dir is not None and type(part).pre_eval in counting for part in parts)

    def __call__(self, prediction: np.ndarray, meta: Mapping[str, Any]) -> None:
        """Count a prediction (H, W) of the image that ``meta`` names."""
        part, index = self._where[meta['filename']]
        truth = truth_of(part, index, prediction.shape)
        counts = confusion_of(prediction, truth, len(self.classes))
        self.confusion += counts
        right, true, taken = np.diag(counts), counts.sum(1), counts.sum(0)
        shown = true > 0
        if shown.any():
            miou = float((right[shown] / (true + taken - right)[shown]).mean())
            accuracy = float(right.sum() / counts.sum())
            self.images.append((part.img_infos[index]['filename'], accuracy, miou))

    def merge(self, others: Sequence[ImageErrors]) -> ImageErrors:
        """Add what other ranks have counted; returns itself."""
        for other in others:
            self.confusion += other.confusion
            self.images += other.images
        return self

    def as_dict(self) -> dict[str, Any]:
        """Plain values, the worst image first."""
        ordered = sorted(self.images, key=lambda image: image[2])
        images = [dict(file=name, accuracy=round(acc, 5), mIoU=round(miou, 5)) for name, acc, miou in ordered]
        return dict(classes=self.classes, confusion=self.confusion.tolist(), images=images)

    def __getstate__(self) -> dict[str, Any]:
        """What other ranks need."""
        return dict(classes=self.classes, confusion=self.confusion, images=self.images)


def truth_of(dataset: Any, index: int, size: Optional[Sequence[int]] = None) -> np.ndarray:
    """The label map of an image as it is scored, int64 (H, W), 255 = ignored; brought to ``size`` where it has
    another."""
    label = dataset.get_gt_seg_map_by_idx(index)
    if size is not None:
        label = label_at_size(label, size, label_path(dataset, index), 'prediction')
    label = label.astype(np.int64)
    if dataset.reduce_zero_label and type(dataset).pre_eval is CustomDataset.pre_eval:  # ours gives class ids
        label = np.where((label == 0) | (label == IGNORE), IGNORE, label - 1)
    return np.where(label == dataset.ignore_index, IGNORE, label)


def confusion_of(prediction: np.ndarray, truth: np.ndarray, count: int) -> np.ndarray:
    """Pixels of every true class by predicted class, int64 (C, C); ids outside the classes are left out."""
    known = (truth < count) & (prediction < count)
    pairs = truth[known].astype(np.int64) * count + prediction[known]
    return np.bincount(pairs, minlength=count * count).reshape(count, count)


def write_errors(path: Path, found: Mapping[str, ImageErrors]) -> None:
    """Write what was counted, by test set, atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        values = dict(data_sets={name: errors.as_dict() for name, errors in found.items()})
        mmcv.dump(values, str(temporary), file_format='json')

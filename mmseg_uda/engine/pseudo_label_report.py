"""Looking at stored pseudo-labels: tables, accuracy where ground truth is offered, pictures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Mapping, Optional, Sequence

import cv2
import numpy as np
import torch
from mmseg.datasets.builder import DATASETS
from torch import Tensor

from ..datasets.pipeline_config import extraction_pipeline
from ..datasets.pseudo_label_dataset import unlabelled
from ..datasets.pseudo_label_files import image_key, read_label
from ..datasets.pseudo_label_store import PseudoLabelStore
from ..ops.esl import FINE_LEVELS, SCORES, class_histogram, quantize
from ..ops.labels import IGNORE
from ..utils.config import build_from_config
from ..utils.progress import progress
from .predictions import colorize

SHARES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)


@dataclass
class PseudoLabelScores:
    """Quality of stored pseudo-labels against ground truth.

    Attributes:
        accuracy: of the kept labels, per class of the prediction (nan for a class without any) ...
        total_accuracy: ... and altogether.
        curve: accuracy of the most confident share of all pixels, for each of ``SHARES``.
    """

    accuracy: list[float]
    total_accuracy: float
    curve: list[float]


def scoring_dataset(options: Mapping[str, Any], ann_dir: str) -> Any:
    """A data set that gives its labels at the size of its stored predictions.

    Args:
        options: config of the data set.
        ann_dir: label folder, below ``data_root``.
    """
    steps = extraction_pipeline(options.get('pipeline', ()))
    steps.insert(1, dict(type='LoadAnnotations'))
    for step in steps:
        if step['type'] == 'Collect':
            step['keys'] = ['img', 'gt_semantic_seg']
    return build_from_config({**options, 'ann_dir': ann_dir, 'pipeline': steps}, DATASETS)


def score_labels(store: PseudoLabelStore, dataset: Any, quiet: bool = False) -> PseudoLabelScores:
    """Compare stored pseudo-labels with ground truth; this is the only place where target labels are read.

    Args:
        store: a store with label maps.
        dataset: from :func:`scoring_dataset`.
    """
    classes = len(store.origin.classes)
    levels = store.origin.levels or FINE_LEVELS
    right, kept = torch.zeros(classes, dtype=torch.int64), torch.zeros(classes, dtype=torch.int64)
    by_code = torch.zeros(2, levels + 1, dtype=torch.int64)
    index = {image_key(info['filename']): i for i, info in enumerate(dataset.img_infos)}
    for key, prediction, code in progress(store.stream(), 'scoring', total=len(store.keys), quiet=quiet):
        truth = dataset[index[key]]['gt_semantic_seg'].data[0]
        known = (truth != IGNORE) & (prediction != IGNORE)
        label = read_label(store.path('labels', key))
        correct = prediction == truth
        zeros = torch.zeros_like(label)
        kept += class_histogram(label, zeros, classes, 1, known)[:, 0]
        right += class_histogram(label, zeros, classes, 1, known & correct)[:, 0]
        code = code if store.origin.levels else quantize(code, levels, SCORES[store.origin.score])
        by_code += class_histogram(correct, code, 2, levels + 1, known)
    accuracy = (right.double() / kept).tolist()
    return PseudoLabelScores(
        accuracy, float(right.sum() / kept.sum().clamp(min=1)), _curve(by_code, SCORES[store.origin.score])
    )


def _curve(by_code: Tensor, higher_is_better: bool) -> list[float]:
    """Accuracy of the most confident pixels at each of ``SHARES``; a bin that is cut counts in proportion."""
    ordered = (by_code.flip(1) if higher_is_better else by_code).double()
    total, right = ordered.sum(0).cumsum(0).numpy(), ordered[1].cumsum(0).numpy()
    if total[-1] == 0:
        return [float('nan')] * len(SHARES)
    wanted = np.array(SHARES) * total[-1]
    return (np.interp(wanted, np.r_[0, total], np.r_[0, right]) / wanted).tolist()


def show(
    stores: Sequence[PseudoLabelStore],
    options: Mapping[str, Any],
    folder: Path,
    number: int = 8,
    palette: Optional[Sequence[Sequence[int]]] = None,
) -> list[Path]:
    """Write one picture per image: the image, the prediction, and what each store keeps of it (rejected pixels are
    black).

    Args:
        stores: thresholded stores of the same images (two criteria side by side).
        options: config of the data set.
        folder: where to write.
        number: images, evenly spaced over the data set.
    """
    dataset = unlabelled(options, extraction_pipeline(options.get('pipeline', ())))
    colors = palette or dataset.PALETTE
    indices = np.unique(np.linspace(0, len(dataset) - 1, min(number, len(dataset))).round().astype(int))
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for i in indices:
        key = image_key(dataset.img_infos[i]['filename'])
        img = dataset[int(i)]['img'].data.permute(1, 2, 0).numpy().astype(np.uint8)
        panels = [img, colorize(stores[0].read(key)[0].numpy(), colors)[..., ::-1]]
        panels += [colorize(read_label(store.path('labels', key)).numpy(), colors)[..., ::-1] for store in stores]
        path = folder / f'{key.replace("/", "_")}.png'
        if not cv2.imwrite(str(path), np.concatenate(panels, axis=1)):
            raise OSError(f"cannot write '{path}'")
        written.append(path)
    return written

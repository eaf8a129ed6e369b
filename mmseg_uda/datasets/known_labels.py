"""Ground truth for the images of an unlabelled stream that are labelled target images as well."""

from __future__ import annotations

import os.path as osp
from typing import Any, Mapping, Sequence

import numpy as np
import torch
from mmcv.parallel import DataContainer
from mmseg.datasets.pipelines import Collect, LoadImageFromFile

from .labels import CorruptFileError
from .stream_source import StreamSource

GROUND_TRUTH = 'ground_truth'


def image_path(dataset: Any, index: int) -> str:
    """The absolute path of an image of a data set of files."""
    return osp.abspath(osp.join(dataset.img_dir or '', dataset.img_infos[index]['filename']))


def image_indices(parts: Sequence[Any]) -> dict[str, int]:
    """Image path -> index in the data sets one after another (the first one); those not made of files are left out."""
    found: dict[str, int] = {}
    first = 0
    for part in parts:
        for i in range(len(getattr(part, 'img_infos', ()))):
            found.setdefault(image_path(part, i), first + i)
        first += len(part)
    return found


class LoadKnownLabels:
    """Add ``ground_truth``: the label map of the labelled target image that this image also is, else 255 everywhere.

    The map runs through the pipeline with the image. It is read by the steps of the labelled stream, so that bought
    regions and raw ids mean there what they mean here.

    Args:
        labeled: the stream of labelled target images.
        indices: image path -> index in it.
    """

    random = False

    def __init__(self, labeled: StreamSource, indices: Mapping[str, int]) -> None:
        self.labeled = labeled
        self.indices = indices

    def __call__(self, results: dict[str, Any]) -> dict[str, Any]:
        index = self.indices.get(osp.abspath(results['filename']))
        results[GROUND_TRUTH] = (
            np.full(results['img'].shape[:2], 255, np.uint8) if index is None else self._read(index, results['img'])
        )
        results['seg_fields'].append(GROUND_TRUTH)
        return results

    def _read(self, index: int, img: np.ndarray) -> np.ndarray:
        dataset, results = self.labeled.results(index)
        results['img'] = img
        for step in dataset.pipeline.transforms:
            if not isinstance(step, LoadImageFromFile):
                results = step(results)
            if 'gt_semantic_seg' in results:
                return results['gt_semantic_seg']
        raise CorruptFileError(f'the pipeline of {type(dataset).__name__} loads no labels')

    def __repr__(self) -> str:
        return f'{type(self).__name__}({len(self.indices)} labelled images)'


class FormatKnownLabels:
    """Make ``ground_truth`` an int64 tensor (1, H, W)."""

    def __call__(self, results: dict[str, Any]) -> dict[str, Any]:
        results[GROUND_TRUTH] = DataContainer(
            torch.from_numpy(results[GROUND_TRUTH][None].astype(np.int64)), stack=True, padding_value=255
        )
        return results


def reveal_known_labels(target: StreamSource, labeled: StreamSource) -> int:
    """Let the samples of ``target`` bring the ground truth of those images that are in ``labeled``; returns how many
    these are.

    Raises:
        ValueError: a target part that is no data set of image files with a pipeline.
    """
    indices = image_indices(labeled.parts)
    for part in {id(part): part for part in target.parts}.values():
        steps = getattr(getattr(part, 'pipeline', None), 'transforms', [])
        loads = next((i for i, step in enumerate(steps) if isinstance(step, LoadImageFromFile)), None)
        collect = next((i for i, step in enumerate(steps) if isinstance(step, Collect)), None)
        if loads is None or collect is None:
            raise ValueError(
                f'known_labels needs a {target.name} data set of files whose pipeline loads an image and collects '
                f'it, got {type(part).__name__}'
            )
        steps[collect].keys = (*steps[collect].keys, GROUND_TRUTH)
        steps.insert(collect, FormatKnownLabels())
        steps.insert(loads + 1, LoadKnownLabels(labeled, indices))
    return sum(path in indices for path in image_indices(target.parts))

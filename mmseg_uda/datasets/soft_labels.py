"""Soft pseudo-labels: class probabilities per pixel, stored at the network's resolution and carried through the
pipeline."""

from __future__ import annotations

from typing import Any, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from mmseg.datasets.builder import PIPELINES
from torch import Tensor

from .labels import CorruptFileError

REMEDY = 'Run tools/pseudo_labels.py extract --soft again; it goes on where it stopped.'
#: key of the pipeline's results: float32 (H, W, C), one of the ``seg_fields``
SOFT_LABEL = 'soft_label'


def resize_soft_label(soft: np.ndarray, size: Sequence[int]) -> np.ndarray:
    """Class probabilities float32 (h, w, C) -> (height, width, C) for ``size`` = (width, height); bilinear, corners
    aligned."""
    maps = torch.from_numpy(np.ascontiguousarray(soft)).permute(2, 0, 1)[None]
    out: Tensor = F.interpolate(maps, (int(size[1]), int(size[0])), mode='bilinear', align_corners=True)
    return out[0].permute(1, 2, 0).contiguous().numpy()


def read_soft_label(path: Any) -> np.ndarray:
    """Class probabilities float32 (C, h, w) of a file.

    Raises:
        FileNotFoundError, CorruptFileError: name the file and the remedy.
    """
    try:
        soft = np.load(path, mmap_mode='r', allow_pickle=False)  # the head is read before memory is taken
        if soft.ndim != 3:
            raise ValueError(f'it has {soft.ndim} instead of 3 dimensions')
        return np.asarray(soft, dtype=np.float32)
    except FileNotFoundError:
        raise FileNotFoundError(f'soft pseudo-label not found: {path}. {REMEDY}') from None
    except (ValueError, OSError, EOFError) as error:
        raise CorruptFileError(f'cannot read the soft pseudo-label {path} ({error}): delete it. {REMEDY}') from error


@PIPELINES.register_module()
class LoadSoftLabels:
    """Load the class probabilities of an image and bring them to the image's present size (CoaST, arXiv 2210.01578).

    ``StrongAugment`` makes a hard label of them. The data set names the file (``results['soft_label_file']``).
    """

    reads = 'label'
    random = False

    def __call__(self, results: dict[str, Any]) -> dict[str, Any]:
        soft = read_soft_label(results['soft_label_file']).transpose(1, 2, 0)
        results[SOFT_LABEL] = resize_soft_label(soft, results['img'].shape[1::-1])
        results['seg_fields'].append(SOFT_LABEL)
        return results

"""The pool of target images: names, groups, pixels for the network, and, in a simulation, the labels that may be
bought."""

from __future__ import annotations

import hashlib
import os.path as osp
from typing import Any, Callable, Mapping, Optional, Sequence, Union

import numpy as np
import torch
from mmcv.utils import ConfigDict
from mmseg.datasets.builder import DATASETS
from torch import Tensor

from ..datasets.bands import DeferredNormalize
from ..datasets.label_readers import read_label_of
from ..datasets.labels import picture_of
from ..datasets.pipelines import LoadImage
from ..ops.normalize import normalize_on_device
from ..utils.config import build_from_config

GroupBy = Union[None, str, Callable[[str], str]]


class Pool:
    """Images that can be annotated.

    Args:
        cfg: config of an MMSeg data set without pipeline. ``ann_dir`` makes it a simulation: labels are revealed from
            there when they are bought.
        img_norm_cfg: ``mean``, ``std``, ``to_rgb`` of the network's input.
        load: options of the training pipeline's ``LoadImageFromFile``.
        group_by: ``folder`` (Cityscapes: the city), None for one group, or a function of the name.
    """

    def __init__(
        self,
        cfg: Mapping[str, Any],
        img_norm_cfg: Mapping[str, Any],
        group_by: GroupBy = None,
        load: Optional[Mapping[str, Any]] = None,
    ) -> None:
        self.dataset = build_from_config({'pipeline': [], **cfg, 'test_mode': False}, DATASETS)
        self.img_norm_cfg = img_norm_cfg
        self._normalize = DeferredNormalize(**img_norm_cfg)
        self._load = LoadImage(**(load or {}))
        suffixes = getattr(self.dataset, 'img_suffixes', (self.dataset.img_suffix,))
        self.names = [strip_suffix(info['filename'], suffixes) for info in self.dataset.img_infos]
        self.index = {name: i for i, name in enumerate(self.names)}
        if group_by == 'folder':
            group_by = osp.dirname
        if isinstance(group_by, str):
            raise ValueError(f"active.group_by must be 'folder', None or a function, got '{group_by}'")
        self._group: Callable[[str], str] = group_by or (lambda name: '')

    def __len__(self) -> int:
        return len(self.names)

    @property
    def classes(self) -> Sequence[str]:
        """Class names."""
        return self.dataset.CLASSES

    @property
    def palette(self) -> Sequence[Sequence[int]]:
        """RGB colour of each class."""
        return self.dataset.PALETTE

    @property
    def simulated(self) -> bool:
        """Whether labels are revealed from files."""
        return self.dataset.ann_dir is not None

    def groups(self) -> dict[str, list[str]]:
        """Names by group, groups in alphabetical order."""
        grouped: dict[str, list[str]] = {}
        for name in self.names:
            grouped.setdefault(self._group(name), []).append(name)
        return dict(sorted(grouped.items()))

    def path(self, name: str) -> str:
        """The image file."""
        return osp.join(self.dataset.img_dir, self.dataset.img_infos[self.index[name]]['filename'])

    def _loaded(self, name: str) -> dict[str, Any]:
        """The image as the training pipeline loads it."""
        info = self.dataset.img_infos[self.index[name]]
        return self._load(dict(img_info=info, img_prefix=self.dataset.img_dir))

    def read_image(self, name: str) -> np.ndarray:
        """uint8 BGR (H, W, 3) for pictures."""
        return picture_of(self._loaded(name)['img'])

    def network_input(self, name: str, device: torch.device) -> Tensor:
        """The normalised image at full size, float (1, C, H, W)."""
        results = self._normalize(self._loaded(name))
        planes = np.ascontiguousarray(np.atleast_3d(results['img']).transpose(2, 0, 1))
        return normalize_on_device(torch.from_numpy(planes)[None].to(device), [results])

    def read_label(self, name: str) -> np.ndarray:
        """The true label, uint8 (H, W), 255 = ignored; only in a simulation.

        Raises:
            ValueError: the pool has no labels.
        """
        if not self.simulated:
            raise ValueError(
                'the pool has no ann_dir, so labels cannot be revealed: export the purchase and import the '
                'annotations instead'
            )
        return read_label_of(self.dataset, self.index[name])

    def digest(self) -> str:
        """Fingerprint of the names."""
        return hashlib.sha256('\n'.join(self.names).encode()).hexdigest()[:16]


def strip_suffix(filename: str, suffixes: Sequence[str]) -> str:
    """A file name without the first of ``suffixes`` that it ends with: the entry of a split list."""
    suffix = next((s for s in suffixes if filename.endswith(s)), '')
    return filename[: len(filename) - len(suffix)]


def find_step(cfg: Any, kind: str) -> Optional[dict[str, Any]]:
    """The options of the first step of a type anywhere in a pipeline config; None without one."""
    if isinstance(cfg, (dict, ConfigDict)):
        if cfg.get('type') == kind:
            return {key: value for key, value in cfg.items() if key != 'type'}
        cfg = list(cfg.values())
    if isinstance(cfg, (list, tuple)):
        return next((found for item in cfg if (found := find_step(item, kind)) is not None), None)
    return None

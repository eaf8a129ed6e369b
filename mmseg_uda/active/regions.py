"""Bought regions of one image as one file, replaced atomically once per round."""

from __future__ import annotations

import os
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Optional

import numpy as np
import torch
from mmseg.datasets.builder import PIPELINES

from ..datasets.labels import LabelsNotReadyError
from ..ops.acquisition import greedy_select
from ..ops.labels import IGNORE
from ..utils.checkpoint_io import replacing
from .pool import strip_suffix

NOT_BOUGHT = 0


@dataclass
class RegionLabels:
    """Labels of the bought pixels of one image.

    Attributes:
        label: uint8 (H, W) class ids, 255 where nothing was bought or the truth has no class.
        bought: uint8 (H, W), the round (from 1) in which a pixel was bought, 0 = not bought.
        blocked: bool (H, W), pixels that cannot become centres any more.
        round: last round that this image has been through.
        picks: int64, number of regions chosen in each round.
    """

    label: np.ndarray
    bought: np.ndarray
    blocked: np.ndarray
    round: int = 0
    picks: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))

    @classmethod
    def empty(cls, height: int, width: int) -> RegionLabels:
        """Nothing bought yet."""
        return cls(
            np.full((height, width), IGNORE, np.uint8),
            np.zeros((height, width), np.uint8),
            np.zeros((height, width), bool),
        )

    @classmethod
    def load(cls, path: Path) -> Optional[RegionLabels]:
        """Read a file, or None where there is none.

        Raises:
            ValueError: damaged.
        """
        try:
            with np.load(path, allow_pickle=False) as data:
                shape = data['label'].shape
                blocked = np.unpackbits(data['blocked'], count=shape[0] * shape[1]).reshape(shape).astype(bool)
                picks = data['picks'] if 'picks' in data.files else np.zeros(int(data['round']), np.int64)
                return cls(data['label'], data['bought'], blocked, int(data['round']), picks)
        except FileNotFoundError:
            return None
        except (zipfile.BadZipFile, KeyError, ValueError, OSError, EOFError) as error:
            raise ValueError(
                f'the region file {path} is damaged ({error}): restore it, or start in a new folder'
            ) from error

    def save(self, path: Path) -> None:
        """Replace the file atomically."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary, open(temporary, 'wb') as file:
            np.savez_compressed(
                file,
                label=self.label,
                bought=self.bought,
                blocked=np.packbits(self.blocked),
                round=np.int64(self.round),
                picks=self.picks,
            )
            file.flush()
            os.fsync(file.fileno())

    def select(self, score: np.ndarray, picks: int, label_radius: int, block_radius: int) -> np.ndarray:
        """The pixels that the next round buys, bool (H, W); nothing is changed but ``blocked`` and ``picks``."""
        centres, selected = greedy_select(score, self.blocked, picks, label_radius, block_radius)
        self.picks = np.append(self.picks, len(centres))
        return selected & (self.bought == NOT_BOUGHT)

    def buy(self, selected: np.ndarray, truth: np.ndarray, round_number: int) -> None:
        """Enter the labels of ``selected`` pixels."""
        self.label[selected] = truth[selected]
        self.bought[selected] = round_number
        self.round = round_number

    def counts(self, round_number: int) -> tuple[int, int, int]:
        """Regions and pixels bought in a round, and how many of the pixels have no class."""
        mine = self.bought == round_number
        regions = int(self.picks[round_number - 1]) if round_number <= len(self.picks) else 0
        return regions, int(mine.sum()), int((self.label[mine] == IGNORE).sum())


def region_path(folder: os.PathLike[str] | str, name: str) -> Path:
    """The region file of an image."""
    return Path(folder) / 'regions' / f'{name}.npz'


@PIPELINES.register_module()
class LoadBoughtLabels:
    """Load what has been bought of an image as its label map; 255 elsewhere. Takes the place of ``LoadAnnotations``.

    Args:
        folder: of the label set; ``ActiveSelectionHook`` and ``tools/active_loop.py`` fill it in.
        img_suffix: what the image file's name has beyond the name in the label set (default: a file extension).
        rounds: show the labels of so many rounds only; None shows all.
    """

    reads = 'label'
    random = False

    def __init__(
        self, folder: Optional[str] = None, img_suffix: Optional[str] = None, rounds: Optional[int] = None
    ) -> None:
        self.folder = folder
        self.img_suffix = img_suffix
        #: later rounds are hidden; in shared memory, so that running workers follow
        self.visible = torch.full((1,), 255 if rounds is None else rounds, dtype=torch.int64).share_memory_()

    def __call__(self, results: dict[str, Any]) -> dict[str, Any]:
        if self.folder is None:
            raise LabelsNotReadyError(
                'LoadBoughtLabels has no folder: train with ActiveSelectionHook or tools/active_loop.py, or give '
                'the label set'
            )
        filename = results['img_info']['filename']
        name = strip_suffix(filename, [self.img_suffix or os.path.splitext(filename)[1]])
        regions = RegionLabels.load(region_path(self.folder, name))
        if regions is None:
            label = np.full(results['img'].shape[:2], IGNORE, np.uint8)
        else:
            label = np.where(regions.bought <= int(self.visible), regions.label, IGNORE).astype(np.uint8)
        results['gt_semantic_seg'] = label
        results['seg_fields'].append('gt_semantic_seg')
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(folder={self.folder!r})'

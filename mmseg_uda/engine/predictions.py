"""Saving predictions: colour overlays, raw train ids and the formats of the test servers."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Mapping, Optional, Sequence

import cv2
import numpy as np

from ..datasets.label_spaces import CITY19, CITY19_LABEL_IDS
from ..datasets.labels import read_picture
from ..options.common import FORMATS

#: of the formats, those for servers -> whether Cityscapes label ids (True) or train ids (False) are written
SERVER_FORMATS = {'cityscapes': True, 'acdc': False, 'dark_zurich': False, 'train_ids': False}


class PredictionWriter:
    """Writes one file per image.

    Args:
        folder: where to write; created when needed.
        kind: ``overlay`` (colours blended over the image), ``color``, ``train_ids`` (raw class indices), or a test
            server: ``cityscapes`` (label ids), ``acdc`` and ``dark_zurich`` (train ids). Servers match files by image
            name, which is kept.
        classes: class names, in the order of the ids.
        palette: RGB per class; needed for ``overlay`` and ``color``.
        opacity: of the colours in ``overlay``.
        keep_folders: write into the image's folders below its data set, for data sets whose file names repeat (IDD).

    Raises:
        ValueError: unknown format, a server format for other than the 19 Cityscapes classes, or a missing palette.
    """

    def __init__(
        self,
        folder: Path,
        kind: str = 'overlay',
        classes: Optional[Sequence[str]] = None,
        palette: Optional[Sequence[Sequence[int]]] = None,
        opacity: float = 0.5,
        keep_folders: bool = False,
    ) -> None:
        if kind not in FORMATS:
            raise ValueError(f"unknown prediction format '{kind}': choose one of {', '.join(FORMATS)}")
        if kind in SERVER_FORMATS and kind != 'train_ids' and classes is not None and tuple(classes) != CITY19:
            raise ValueError(
                f"format '{kind}' is for the 19 Cityscapes classes, this data set has {len(classes)} others: use "
                "'train_ids'"
            )
        if kind in ('overlay', 'color') and palette is None:
            raise ValueError(
                f"format '{kind}' needs a palette: the checkpoint's meta data or the data set must hold PALETTE"
            )
        if not 0 <= opacity <= 1:
            raise ValueError(f'opacity must lie in [0, 1], got {opacity}')
        self.folder = Path(folder)
        self.kind = kind
        self.colors = None if palette is None else np.asarray(palette, np.uint8)
        self.opacity = opacity
        self.keep_folders = keep_folders
        self._ids = np.full(256, 255, np.uint8)
        self._ids[: len(CITY19_LABEL_IDS)] = CITY19_LABEL_IDS
        self._written: dict[Path, str] = {}

    def __call__(self, prediction: np.ndarray, meta: Mapping[str, Any]) -> None:
        """Write ``prediction`` (H, W) integer ids for the image that ``meta`` names (``filename``,
        ``ori_filename``)."""
        folder = Path(str(meta['ori_filename'])).parent if self.keep_folders else Path()
        self.write(prediction, str(meta['filename']), folder)

    def write(self, prediction: np.ndarray, filename: str, folder: Path = Path()) -> Path:
        """Write below ``folder`` of the writer's folder and return the path of the new file.

        Raises:
            ValueError: another image of the same name was written before.
            OSError: the file cannot be written.
        """
        target = self.folder / folder / f'{Path(filename).stem}.png'
        if self._written.setdefault(target, filename) != filename:
            raise ValueError(
                f"'{filename}' and '{self._written[target]}' have the same name: predictions would overwrite each "
                'other; '
                'predict the folders one at a time'
            )
        target.parent.mkdir(parents=True, exist_ok=True)
        if not cv2.imwrite(str(target), self._render(prediction.astype(np.uint8), filename)):
            raise OSError(f"cannot write '{target}'")
        return target

    def _render(self, prediction: np.ndarray, filename: str) -> np.ndarray:
        if self.kind in SERVER_FORMATS:
            return self._ids[prediction] if SERVER_FORMATS[self.kind] else prediction
        assert self.colors is not None
        if self.kind == 'color':
            return colorize(prediction, self.colors)[..., ::-1]
        return blended(read_picture(filename), prediction, self.colors, self.opacity)


def blended(image: np.ndarray, label: np.ndarray, palette: Any, opacity: float) -> np.ndarray:
    """The colours of class ids (H, W) over an image uint8 BGR (h, w, 3), at the size of the label."""
    height, width = label.shape
    image = image if image.shape[:2] == (height, width) else cv2.resize(image, (width, height))
    colors = np.ascontiguousarray(colorize(label.astype(np.uint8), palette)[..., ::-1])
    return cv2.addWeighted(image, 1 - opacity, colors, opacity, 0)


def colorize(label: np.ndarray, palette: Any) -> np.ndarray:
    """Class ids (H, W) to RGB (H, W, 3) uint8; ids without a colour (255 = ignore) are black."""
    table = np.zeros((256, 3), np.uint8)
    colors = np.asarray(palette, np.uint8)[:255]
    table[: len(colors)] = colors
    return table[label]

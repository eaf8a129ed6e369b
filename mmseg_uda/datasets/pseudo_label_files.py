"""The files of a folder of pseudo-labels: what they are called, and reading those that others may have written."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Sequence

import cv2
import numpy as np
import torch
from torch import Tensor

from ..ops import esl
from ..utils.checkpoint_io import cannot_write
from ..utils.paths import leaves_folder
from .labels import decode_label, read_bytes

FORMAT = 1
#: the mode of extraction that keeps predictions
DEFERRED = 'deferred'
MANIFEST = 'manifest.json'
#: folders of the parts
PARTS = ('predictions', 'scores', 'labels', 'soft')
REMEDY = 'Run tools/pseudo_labels.py extract again; it goes on where it stopped.'


class PseudoLabelError(ValueError):
    """A pseudo-label folder that cannot be used; the message names the folder and the remedy."""


def image_key(filename: str) -> str:
    """The key of an image: its relative path without suffix, with forward slashes."""
    path = PurePosixPath(filename.replace(os.sep, '/'))
    return str(path.with_suffix(''))


def list_hash(keys: Sequence[str]) -> str:
    """Hash of a list of images, whatever their order."""
    return hashlib.sha256('\n'.join(sorted(keys)).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Origin:
    """What decides the predictions of a folder; two runs may share a folder only when all of it is equal.

    Attributes:
        model: hash of the weights.
        images: :func:`list_hash` of the data set.
        classes: class names.
        score: see :class:`~mmseg_uda.ops.esl.Criterion`.
        levels: of the quantiser; 0 stores scores exactly.
        upsample: ``prob`` or ``logit``.
        pipeline: hash of the transforms that the images pass.
        soft: whether class probabilities are stored as well.
        mode: ``deferred`` stores predictions, so that thresholds can be changed; other modes
            (:mod:`mmseg_uda.engine.pseudo_label_modes`) keep label maps only.
    """

    model: str
    images: str
    classes: tuple[str, ...]
    score: str = 'entropy'
    levels: int = esl.FINE_LEVELS
    upsample: str = 'prob'
    pipeline: str = ''
    format: int = FORMAT
    soft: bool = False
    mode: str = DEFERRED

    def __post_init__(self) -> None:
        if not 0 <= self.levels <= esl.FINE_LEVELS:
            raise ValueError(f'levels must lie in 0..{esl.FINE_LEVELS} (0 = exact), got {self.levels}')
        esl.Criterion(self.score)


def read_manifest(path: Path) -> tuple[dict[str, Any], Origin]:
    """The manifest and its origin.

    Raises:
        PseudoLabelError: names the file and the remedy.
    """
    try:
        manifest = json.loads(path.read_text(encoding='utf-8'))
        values = manifest['origin']
        found = values.get('format')
        origin = Origin(**{**values, 'classes': tuple(values['classes'])}) if found == FORMAT else None
        labels = manifest.get('labels')
        if origin is not None and labels is not None:
            for name in ('count', 'kept', 'kept_share', 'effective_images'):
                if len(labels[name]) != len(origin.classes):
                    raise ValueError(f'labels.{name} has not one entry per class')
            float(labels['total_share']), np.asarray(labels['thresholds'], float).shape[1]
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError) as error:
        text = f'no entry {error}' if isinstance(error, KeyError) else str(error) or type(error).__name__
        raise PseudoLabelError(
            f"'{path}' is damaged ({' '.join(text.split())[:200]}): delete the folder and run "
            'tools/pseudo_labels.py extract again'
        ) from error
    if origin is None:
        raise PseudoLabelError(
            f"'{path}' has format {found}, this version reads {FORMAT}: extract the pseudo-labels again"
        )
    return manifest, origin


def read_keys(path: Path, origin: Origin) -> list[str]:
    """The keys of a folder.

    Raises:
        PseudoLabelError: a missing list, or a key that leaves the folder.
    """
    try:
        keys = [key for key in path.read_text(encoding='utf-8').split('\n') if key]
    except (OSError, UnicodeDecodeError) as error:
        raise PseudoLabelError(f"'{path}' cannot be read ({error}). {REMEDY}") from error
    check_keys(keys, path)
    if list_hash(keys) != origin.images:
        raise PseudoLabelError(
            f"'{path}' lists {len(keys)} images, but not those of {MANIFEST} beside it: delete the folder and run "
            'tools/pseudo_labels.py extract again'
        )
    return keys


def check_keys(keys: Sequence[str], where: Path) -> None:
    """Refuse keys whose files would lie outside of the folder.

    Raises:
        PseudoLabelError: names the key.
    """
    for key in keys:
        if leaves_folder(key):
            raise PseudoLabelError(
                f"'{key}' in {where} leaves the pseudo-label folder: images lie below the image folder of their data "
                "set, and keys are relative paths without '..'"
            )


def check_links(folder: Path) -> None:
    """Refuse links below a folder: what they lead to would be read, and written, as pseudo-labels.

    Raises:
        PseudoLabelError: names the link.
    """
    for part in PARTS:
        if (folder / part).is_symlink():
            raise _link(folder / part)
        for where, folders, files in os.walk(folder / part):
            for name in (*folders, *files):
                path = Path(where, name)
                if path.is_symlink():
                    raise _link(path)


def _link(path: Path) -> PseudoLabelError:
    return PseudoLabelError(
        f"'{path}' is a link: pseudo-labels are files of their own folder. Put the files themselves there, or extract "
        'into a new folder'
    )


def write_png(path: Path, values: np.ndarray) -> None:
    """Write an array as PNG: a temporary file, then a rename, so that a killed run leaves no half file under
    ``path``."""
    done, data = cv2.imencode('.png', values)  # naming a level would leave OpenCV's run lengths: 4 times the time
    if not done:
        raise OSError(f"cannot encode '{path}' from {values.dtype} {values.shape}")
    write_file(path, data.tobytes())


def write_file(path: Path, data: bytes) -> None:
    """Write a file: a temporary one, then a rename."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f'.{path.name}.{os.getpid()}.tmp')
    try:
        temporary.write_bytes(data)
        os.replace(temporary, path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise cannot_write(path, error) from error


def read_label(path: Path) -> Tensor:
    """A stored label map: uint8 (H, W)."""
    return torch.from_numpy(decode_label(read_bytes(path, 'pseudo-label map', REMEDY), path))

"""Reading label maps: decoding, translation to class ids, and errors that name the file."""

from __future__ import annotations

import copy
import io
import os
import re
import warnings
from pathlib import Path
from typing import Mapping, Optional, Union

import cv2
import numpy as np
from PIL import Image

from ..ops.labels import IGNORE
from .label_spaces import lookup_array

PathLike = Union[str, Path]
#: pixels that an image or label file may have (11585 x 11585); street scenes have 2 million, Mapillary's largest 23
MAX_PIXELS = 2**27
#: environment variable that changes the limit
MAX_PIXELS_VARIABLE = 'MMSEG_UDA_MAX_PIXELS'


class CorruptFileError(ValueError):
    """An image or label file exists but cannot be decoded."""


class ImageTooLargeError(CorruptFileError):
    """An image has more pixels than the limit allows."""


class LabelsNotReadyError(ValueError):
    """Labels that a hook provides when the run begins were asked for before it."""


class LabelIdError(ValueError):
    """A label file holds ids that its data set does not have."""


def read_bytes(path: PathLike, what: str, remedy: str = '') -> bytes:
    """The content of a file.

    Raises:
        FileNotFoundError: names ``what`` is missing, the path and the remedy.
    """
    try:
        return Path(path).read_bytes()
    except FileNotFoundError:
        raise FileNotFoundError(
            f'{what} not found: {path}. {remedy or "Check data_root and the folder names of the data set."}'
        ) from None


def max_pixels() -> int:
    """Pixels that an image or label file may have: :data:`MAX_PIXELS`, or what the environment variable
    :data:`MAX_PIXELS_VARIABLE` says.

    Raises:
        ValueError: the variable is no positive number.
    """
    text = os.environ.get(MAX_PIXELS_VARIABLE, '')
    if text and not (text.isdigit() and int(text) > 0):
        raise ValueError(f'the environment variable {MAX_PIXELS_VARIABLE} is a number of pixels, not {text!r}')
    return int(text or MAX_PIXELS)


def check_pixels(data: bytes, path: PathLike) -> None:
    """Refuse an image that says in its head that it is larger than :func:`max_pixels`: a file of a few kilobytes can
    fill the memory when it is decoded. Files whose head Pillow does not know pass.

    Args:
        data: the file's content.
        path: for the message.

    Raises:
        ImageTooLargeError: names the file and how to raise the limit.
    """
    limit = max_pixels()
    if Image.MAX_IMAGE_PIXELS is not None and Image.MAX_IMAGE_PIXELS < limit:
        Image.MAX_IMAGE_PIXELS = limit  # Pillow's own limit refuses twice as many, and warns from here on
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            with Image.open(io.BytesIO(data)) as image:
                pixels = image.size[0] * image.size[1]
    except Image.DecompressionBombError as error:
        pixels = int((re.findall(r'\d+', str(error)) or [limit + 1])[0])
    except Exception:  # no image, or one that OpenCV has to judge
        return
    if pixels > limit:
        raise ImageTooLargeError(
            f'the image {path} has {pixels} pixels, more than {limit}: decoding it could fill the '
            f'memory. If it is meant to be so large, set the environment variable {MAX_PIXELS_VARIABLE}'
        )


def decode_image(data: bytes, path: PathLike, flag: int = cv2.IMREAD_COLOR) -> np.ndarray:
    """Decode an image with OpenCV: uint8 BGR (H, W, 3), or as stored with ``cv2.IMREAD_UNCHANGED`` (a TIFF that OpenCV
    cannot read by the package ``tifffile``, where it is installed).

    Raises:
        CorruptFileError: names the file and the remedy; larger than :func:`max_pixels`.
    """
    if data:
        check_pixels(data, path)
    img = cv2.imdecode(np.frombuffer(data, np.uint8), flag) if data else None
    if img is None and flag == cv2.IMREAD_UNCHANGED:
        img = _decoded_by_tifffile(data)
    if img is None:
        raise undecodable(path, data)
    return img


def _decoded_by_tifffile(data: bytes) -> Optional[np.ndarray]:
    """The bands (H, W, C) of a TIFF; None without the package, or for anything else."""
    try:
        import tifffile
    except ImportError:
        return None
    try:
        img = tifffile.imread(io.BytesIO(data))
    except (tifffile.TiffFileError, ValueError, OSError):
        return None
    if img.ndim == 3 and img.shape[0] < min(img.shape[1:]):  # planes one after another
        img = np.moveaxis(img, 0, 2)
    return np.ascontiguousarray(img) if img.ndim in (2, 3) else None


def undecodable(path: PathLike, data: bytes, reason: str = '') -> CorruptFileError:
    """The error about an image file that cannot be read."""
    if data[:4] in (b'II*\0', b'MM\0*', b'II+\0', b'MM\0+'):
        reason += (
            "; a TIFF of 2 bands, of 5 or more, or of floating-point numbers needs color_type='unchanged' and "
            "imdecode_backend='tifffile' of LoadImageFromFile (pip install tifffile)"
        )
    return CorruptFileError(
        f'cannot decode the image {path} ({len(data)} bytes): it is empty, truncated or of an unknown format{reason}. '
        'Download it again, or allow max_corrupt_files=N in the training set; tools/check_dataset.py lists all such '
        'files.'
    )


def picture_of(img: np.ndarray) -> np.ndarray:
    """An image as loaded, (H, W) or (H, W, C) of any depth, as uint8 BGR (H, W, 3) for pictures.

    Of more than three bands the first three are shown, of one or two the first in grey; other depths than 8 bits are
    stretched from the 1st to the 99th percentile.
    """
    bands = img if img.ndim == 3 else img[..., None]
    bands = bands[..., : 3 if bands.shape[2] >= 3 else 1]
    if bands.dtype != np.uint8:
        values = np.nan_to_num(bands.astype(np.float32))
        low, high = np.percentile(values, (1, 99))
        bands = (np.clip((values - low) / max(high - low, 1e-6), 0, 1) * 255).astype(np.uint8)
    return np.ascontiguousarray(np.broadcast_to(bands, (*bands.shape[:2], 3)))


def read_picture(path: PathLike) -> np.ndarray:
    """Read an image file of any bands and depth as uint8 BGR (H, W, 3) for pictures."""
    data = read_bytes(path, 'image')
    check_pixels(data, path)
    img = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH) if data else None
    return picture_of(img if img is not None else decode_image(data, path, cv2.IMREAD_UNCHANGED))


def decode_label(data: bytes, path: PathLike) -> np.ndarray:
    """Decode a label map to ids as stored: uint8 (H, W).

    Palette PNGs give their indices (GTA5, Mapillary), 16-bit colour PNGs their first (red) channel (SYNTHIA's
    ``GT/LABELS``), grey pictures that were saved in colour, or with an opaque alpha channel, their grey value.

    Raises:
        CorruptFileError: undecodable, too large, or a colour picture instead of a map of ids.
        LabelIdError: values that are no ids.
    """
    check_pixels(data, path)
    if (
        data[:8] == b'\x89PNG\r\n\x1a\n' and data[24:25] == b'\x10'
    ):  # bit depth 16: Pillow would keep the high bytes only
        label = decode_image(data, path, cv2.IMREAD_UNCHANGED)
        label = label[..., 2] if label.ndim == 3 else label
    else:
        try:
            label = np.array(Image.open(io.BytesIO(data)))
        except (OSError, SyntaxError, ValueError) as error:
            raise CorruptFileError(
                f'cannot decode the label map {path} ({len(data)} bytes): {error}. Download or convert it again; '
                'tools/check_dataset.py lists all such files.'
            ) from error
        label = _only_plane(label, path) if label.ndim == 3 else label
    if label.dtype != np.uint8:
        if np.issubdtype(label.dtype, np.floating) and not (label == np.floor(label)).all():
            raise LabelIdError(f'the label map {path} holds fractions (or NaN): it is no map of class ids')
        if label.size and (label.min() < 0 or label.max() > 255):
            raise LabelIdError(
                f'the label map {path} holds ids up to {label.max()}; ids must be 0..254 and 255 for ignored pixels'
            )
        label = label.astype(np.uint8)
    return np.ascontiguousarray(label)


def _only_plane(label: np.ndarray, path: PathLike) -> np.ndarray:
    """The one plane of ids of a picture (H, W, C) whose colour planes agree and whose alpha is opaque."""
    planes = label[..., : 1 if label.shape[2] == 2 else 3]
    alpha = label[..., planes.shape[2] :]
    if (planes == planes[..., :1]).all() and (alpha == 255).all():
        return planes[..., 0]
    raise CorruptFileError(
        f'the label map {path} has {label.shape[2]} channels that differ: it is a colour picture, not a map of class '
        'ids. Convert it to one channel of ids (docs/guides/datasets.md)'
    )


class LabelReader:
    """Reads one data set's label files and translates their ids.

    Args:
        table: file id -> class id; ids that it does not list become 255. None: the file holds class ids already.
        num_classes: number of classes.
        known_ids: largest id that a file may hold besides 255 and, for class ids, the table's; None accepts every id
            that ``table`` ignores.
        strict: refuse ids outside; otherwise they become 255.

    Raises:
        ValueError: more than 255 classes, or ids of the table that do not fit into 8 bits.
    """

    def __init__(
        self, table: Optional[Mapping[int, int]], num_classes: int, known_ids: Optional[int] = None, strict: bool = True
    ) -> None:
        if num_classes > IGNORE:
            raise ValueError(
                f'{num_classes} classes: label maps hold ids of 8 bits, of which {IGNORE} marks ignored pixels, so '
                f'that a data set has at most {IGNORE} classes'
            )
        self.num_classes = num_classes
        self.strict = strict
        self.lut = lookup_array(table if table is not None else {i: i for i in range(num_classes)})
        highest = known_ids if known_ids is not None else num_classes - 1
        self._unexpected = np.zeros(256, np.uint8)
        self._unexpected[highest + 1 : IGNORE] = 1

    def then(self, mapping: Mapping[int, int], num_classes: int) -> LabelReader:
        """A reader that translates further: class id -> new id; unlisted and negative ones become 255."""
        reader = copy.copy(self)
        kept = lookup_array({old: new for old, new in mapping.items() if new >= 0})
        reader.lut, reader.num_classes = kept[self.lut], num_classes
        return reader

    def unexpected(self, raw: np.ndarray) -> list[int]:
        """File ids in ``raw`` that the data set does not have, ascending."""
        if not cv2.LUT(raw, self._unexpected).any():
            return []
        ids = np.unique(raw)
        return [int(i) for i in ids[self._unexpected[ids] > 0]]

    def translate(self, raw: np.ndarray, path: PathLike) -> np.ndarray:
        """File ids uint8 (H, W) -> class ids uint8 (H, W).

        Raises:
            LabelIdError: ids out of range, when ``strict``.
        """
        if self.strict:
            wrong = self.unexpected(raw)
            if wrong:
                raise LabelIdError(
                    f'label ids {wrong} in {path} are out of range: expected 0..{int(np.argmax(self._unexpected)) - 1} '
                    'and 255 for ignored pixels '
                    f'({self.num_classes} classes). Convert the labels, give the data set an id map, or set '
                    'strict_labels=False to ignore these pixels.'
                )
        return cv2.LUT(raw, self.lut)

    def read(self, path: PathLike, remedy: str = '') -> np.ndarray:
        """Read, decode and translate a label file: uint8 (H, W) class ids, 255 = ignored."""
        return self.translate(decode_label(read_bytes(path, 'label map', remedy), path), path)


def class_histogram(label: np.ndarray) -> np.ndarray:
    """Number of pixels of each id 0..255 in a uint8 map (H, W): int64 (256,)."""
    if label.size < 1 << 24:  # OpenCV counts in float32, which is exact up to 2^24
        return cv2.calcHist([np.ascontiguousarray(label)], [0], None, [256], [0, 256]).ravel().astype(np.int64)
    return np.bincount(label.ravel(), minlength=256)

"""Flow files: the released 16-bit code, plain arrays, Middlebury ``.flo`` and KITTI's 16-bit PNG."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Union

import cv2
import numpy as np

from ..ops.flow import decode_flow, encode_flow
from ..utils.checkpoint_io import replacing
from .labels import CorruptFileError

SUFFIXES = ('.npy', '.flo', '.png')
_FLO_MAGIC = 202021.25


def read_flow(path: Union[str, Path]) -> np.ndarray:
    """A flow file as float32 (2, H, W) in pixels; invalid pixels of KITTI files are 0.

    Args:
        path: ``.npy`` int16 (H, W, 2) with ten times the pixels, ``.npy`` float (H, W, 2) or (2, H, W) in pixels,
            ``.flo``, or KITTI's ``.png``.

    Raises:
        FileNotFoundError: no such file. CorruptFileError: cut off, of a wrong shape, or with values that are not
            finite.
    """
    path = str(path)
    if not os.path.isfile(path):
        raise FileNotFoundError(f'the flow file {path} does not exist')
    try:
        flow = _READERS[os.path.splitext(path)[1].lower()](path)
    except KeyError:
        raise CorruptFileError(f'{path}: flow files end in {", ".join(SUFFIXES)}') from None
    except (ValueError, EOFError, OSError) as error:
        raise CorruptFileError(f'{path} is no readable flow file: {error}') from error
    if flow.ndim != 3 or flow.shape[0] != 2 or min(flow.shape[1:]) < 1:
        raise CorruptFileError(f'{path}: a flow has shape (H, W, 2), found {flow.shape}')
    if not np.isfinite(flow).all():
        raise CorruptFileError(f'{path}: {int((~np.isfinite(flow)).sum())} values of the flow are not finite')
    return flow


def _read_npy(path: str) -> np.ndarray:
    values = np.load(path, allow_pickle=False)
    if values.ndim == 3 and values.shape[-1] == 2:
        if values.dtype == np.int16:
            return decode_flow(values)
        values = np.moveaxis(values, -1, 0)
    if values.dtype.kind != 'f':
        raise ValueError(f'found {values.dtype} of shape {values.shape}, expected int16 (H, W, 2) or float')
    return np.ascontiguousarray(values, np.float32)


def _read_flo(path: str) -> np.ndarray:
    with open(path, 'rb') as file:
        magic = np.fromfile(file, '<f4', 1)
        if magic.size != 1 or float(magic[0]) != _FLO_MAGIC:
            raise ValueError('the first four bytes are not those of a .flo file')
        width, height = (int(side) for side in np.fromfile(file, '<i4', 2))
        values = np.fromfile(file, '<f4', 2 * width * height)
    if values.size != 2 * width * height:
        raise ValueError(f'it ends early: {values.size} of {2 * width * height} numbers')
    return np.ascontiguousarray(np.moveaxis(values.reshape(height, width, 2), -1, 0))


def _read_kitti(path: str) -> np.ndarray:
    values = cv2.imread(path, cv2.IMREAD_ANYDEPTH | cv2.IMREAD_COLOR)
    if values is None or values.dtype != np.uint16:
        raise ValueError('it is no 16-bit PNG with three channels')
    valid, vertical, horizontal = np.moveaxis(values, -1, 0).astype(np.float32)  # OpenCV reads BGR
    return (np.stack([horizontal, vertical]) - 2.0**15) / 64.0 * (valid > 0)


_READERS = {'.npy': _read_npy, '.flo': _read_flo, '.png': _read_kitti}


def write_flow(path: Union[str, Path], flow: np.ndarray) -> None:
    """Write a flow (2, H, W) in the form that the suffix names; ``.npy`` is the released 16-bit code. Atomic."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary, open(temporary, 'wb') as file:
        if path.suffix == '.npy':
            np.save(file, encode_flow(flow))
        elif path.suffix == '.flo':
            np.array([_FLO_MAGIC], '<f4').tofile(file)
            np.array(flow.shape[:0:-1], '<i4').tofile(file)
            np.ascontiguousarray(np.moveaxis(flow, 0, -1), '<f4').tofile(file)
        elif path.suffix == '.png':
            code = np.clip(flow * 64.0 + 2.0**15, 0, 65535).round().astype(np.uint16)
            planes = np.stack([np.ones_like(code[0]), code[1], code[0]], -1)
            file.write(cv2.imencode('.png', planes)[1].tobytes())
        else:
            raise ValueError(f'{path}: flow files end in {", ".join(SUFFIXES)}')

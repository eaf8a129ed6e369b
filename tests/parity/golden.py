"""Where the parity vectors lie and how they are read."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Callable, Mapping

import numpy as np
import torch

DEFAULT = Path(__file__).resolve().parents[1] / 'golden'


def golden_files(topic: str, pattern: str) -> list[Path]:
    """Vector files of a topic, sorted by name.

    Args:
        topic: folder below ``$MMSEG_UDA_GOLDEN`` (default: ``tests/golden``).
        pattern: glob of the file names, such as ``stal_ohem_*.npz``.

    Raises:
        FileNotFoundError: the default folder holds no such file. A redirected folder may lack a family.
    """
    root = Path(os.environ.get('MMSEG_UDA_GOLDEN') or DEFAULT)
    found = sorted((root / topic).glob(pattern))
    if not found and root == DEFAULT:
        raise FileNotFoundError(f'no parity vector {pattern} in {root / topic}')
    return found


class Vector(dict[str, Any]):
    """The arrays of one file, which remembers what was asked for. Who goes through all of them has used all of them."""

    def __init__(self, path: Path, arrays: Mapping[str, Any]) -> None:
        super().__init__(arrays)
        self.path = path
        self.used: set[str] = set()

    def __getitem__(self, key: str) -> Any:
        self.used.add(key)
        return super().__getitem__(key)

    def get(self, key: str, default: Any = None) -> Any:
        self.used.add(key)
        return super().get(key, default)

    def pop(self, key: str, *default: Any) -> Any:
        self.used.add(key)
        return super().pop(key, *default)

    def items(self) -> Any:
        self.used.update(super().keys())
        return super().items()

    def values(self) -> Any:
        self.used.update(super().keys())
        return super().values()

    @property
    def unused(self) -> list[str]:
        return sorted(set(super().keys()) - self.used)


#: files that were opened since the list was cleared
OPENED: list[Vector] = []


def load(path: Path, convert: Callable[[np.ndarray], Any] = lambda array: array) -> Vector:
    """The arrays of one vector file, without pickles, each passed through ``convert``."""
    with np.load(path, allow_pickle=False) as data:
        vector = Vector(path, {key: convert(data[key]) for key in data.files})
    OPENED.append(vector)
    return vector


def tensors(path: Path) -> Vector:
    """The arrays of one vector file as tensors; texts stay as they are."""
    return load(path, lambda array: torch.from_numpy(array) if array.dtype.kind in 'fiub' else array)


def below(values: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """The entries whose keys begin with ``prefix``, without it."""
    return {key[len(prefix) :]: values[key] for key in values if key.startswith(prefix)}

"""Where the parity vectors lie and how they are read."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

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


def load(path: Path) -> dict[str, np.ndarray]:
    """The arrays of one vector file, without pickles."""
    with np.load(path, allow_pickle=False) as data:
        return {key: data[key] for key in data.files}

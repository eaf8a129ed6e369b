"""Building the training set of a run from its config."""

from __future__ import annotations

from typing import Any

from mmseg.datasets.builder import DATASETS

from ..utils.config import build_from_config
from .uda_dataset import UDADataset


def build_training_dataset(cfg: Any, seed: int) -> UDADataset:
    """Build ``cfg.data.train``.

    Args:
        cfg: a whole config (or dict). ``data.train`` is a ``UDADataset``, or any MMSeg data set config (or a list of
            them) for supervised training, which becomes the ``source`` stream.
        seed: seed of the run.

    Returns:
        The data set; ``dataset[position]`` is a pure function of (seed, position) for any position >= 0.

    Raises:
        KeyError: no ``data.train``, an unknown data set type or a misspelt option, with the nearest valid spelling.
    """
    data = cfg.get('data') or {}
    if not data.get('train'):
        raise KeyError('the config has no data.train: give a UDADataset (source, target) or a plain MMSeg data set')
    train = data['train']
    kind = DATASETS.get(train['type']) if isinstance(train, dict) and 'type' in train else None
    if kind is not None and issubclass(kind, UDADataset):
        return build_from_config(train, DATASETS, seed=seed)
    return UDADataset(source=train, seed=seed)

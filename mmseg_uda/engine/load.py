"""``mmseg_uda.load``: a trained network from an exported folder, a run, or a config and a checkpoint."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Mapping, Optional, Sequence, Union

import numpy as np
import torch
from mmseg.datasets.builder import DATASETS

from ..datasets.class_names import class_names
from . import environment
from .predict_inputs import test_steps
from .predictor import Predictor
from .test import load_model

#: files of an exported folder (:mod:`.export`)
CONFIG, WEIGHTS, SAFE_WEIGHTS = 'config.py', 'model.pth', 'model.safetensors'


def load(
    source: Union[str, Path],
    checkpoint: Union[None, str, Path] = None,
    device: Optional[str] = None,
    network: Optional[str] = None,
    cfg_options: Optional[Mapping[str, Any]] = None,
) -> Predictor:
    """A trained network, ready to predict::

        mask = mmseg_uda.load('exported').predict('image.jpg').mask

    Args:
        source: the folder of ``mmseg-uda export``, the work folder of a run, or a config file.
        checkpoint: weights; for a folder that holds none, or instead of its newest ones.
        device: ``cuda``, ``cuda:1``, ``cpu``; default: a GPU when there is one.
        network: ``student``, ``teacher`` ...; default: the one that the config tests with.
        cfg_options: changes of the config, as ``--cfg-options`` of the tools.

    Raises:
        FileNotFoundError: no such file, or a folder without config or weights. CheckpointError: weights that do not
            fit. ConfigError: a config that cannot be used.
    """
    config, weights = find_files(Path(source), None if checkpoint is None else Path(checkpoint))
    cfg = environment.load_config(str(config), dict(cfg_options or {}))
    steps = test_steps(cfg)
    place = torch.device(device or ('cuda' if torch.cuda.is_available() else 'cpu'))
    named = class_names(cfg.data.get('test'))
    model = load_model(cfg, str(weights), network, place, classes=named)
    classes = model.CLASSES or named
    palette = model.PALETTE or palette_of(cfg.data.get('test'), classes)
    return Predictor(model, steps, place, classes, palette)


def find_files(source: Path, checkpoint: Optional[Path] = None) -> tuple[Path, Path]:
    """Config and weights of an exported folder, of a run, or as given.

    Raises:
        FileNotFoundError: names what is missing. ValueError: a folder with several configs.
    """
    if not source.exists():
        raise FileNotFoundError(f"'{source}' does not exist: give an exported folder, a work folder or a config file")
    if source.is_file():
        if checkpoint is None:
            raise FileNotFoundError(f"'{source}' is a config file, which holds no weights: give the checkpoint as well")
        return source, checkpoint
    configs = [source / CONFIG] if (source / CONFIG).is_file() else sorted(source.glob('*.py'))
    if not configs:
        raise FileNotFoundError(f"'{source}' holds no config file: it is neither an exported folder nor a work folder")
    if len(configs) > 1:
        names = ', '.join(path.name for path in configs)
        raise ValueError(f"'{source}' holds several configs ({names}): give the config file and the checkpoint")
    weights = checkpoint or _newest_weights(source)
    if weights is None:
        raise FileNotFoundError(f"'{source}' holds no weights ({WEIGHTS}, latest.pth or iter_*.pth)")
    return configs[0], weights


def _newest_weights(folder: Path) -> Optional[Path]:
    fixed = [folder / name for name in (WEIGHTS, SAFE_WEIGHTS, 'latest.pth') if (folder / name).is_file()]
    numbered = [(int(match.group(1)), path) for path in folder.glob('iter_*.pth')
                if (match := re.fullmatch(r'iter_(\d+)\.pth', path.name))]  # fmt: skip
    return fixed[0] if fixed else max(numbered)[1] if numbered else None


def palette_of(data: Any, classes: Optional[Sequence[str]]) -> Optional[list[list[int]]]:
    """Colours of the classes: of the data set's config or class, else the random ones that MMSegmentation gives."""
    if classes is None:
        return None
    entry = data[0] if isinstance(data, (list, tuple)) and data else data
    entry = entry if isinstance(entry, Mapping) else {}
    kind = DATASETS.get(entry['type']) if isinstance(entry.get('type'), str) else None
    found = entry.get('palette') or getattr(kind, 'PALETTE', None)
    if found is not None and len(found) == len(classes):
        return [list(map(int, color)) for color in found]
    return np.random.RandomState(42).randint(0, 255, size=(len(classes), 3)).tolist()

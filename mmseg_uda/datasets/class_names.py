"""Class names of a data set config, without building the data set and without reading its files."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Mapping, Optional, Sequence, Union

from mmseg.datasets.builder import DATASETS

from .label_spaces import SPACES

#: where the parts of a training set stand in its config, in the order in which they name its classes
_STREAMS = ('source', 'target', 'labeled_target', 'paste')
#: where wrappers (``RepeatDataset``, ``ConcatDataset``, ``PseudoLabelDataset`` ...) hold what they wrap
_WRAPPED = ('dataset', 'datasets')


def class_names(cfg: Any) -> Optional[tuple[str, ...]]:
    """The classes that a data set of this config has.

    Args:
        cfg: config of a data set or of a training set of several streams, a list of them, or a built data set.

    Returns:
        ``classes`` of the config, else those of its ``label_space``, else those of its class, else those of the data
        set that it wraps; None where none of these says.
    """
    if isinstance(cfg, (list, tuple)):
        return next((names for names in map(class_names, cfg) if names is not None), None)
    if not isinstance(cfg, Mapping):
        return _as_names(getattr(cfg, 'CLASSES', None))
    kind = DATASETS.get(cfg['type']) if isinstance(cfg.get('type'), str) else cfg.get('type')
    label_space = cfg.get('label_space')
    own = cfg.get('classes') or (SPACES[label_space][0] if label_space in SPACES else getattr(kind, 'CLASSES', None))
    if own is not None:
        return _as_names(own)
    return class_names([cfg[key] for key in (*_STREAMS, *_WRAPPED) if cfg.get(key) is not None])


def _as_names(classes: Any) -> Optional[tuple[str, ...]]:
    if isinstance(classes, str) and not Path(classes).is_file():
        return None
    return tuple(read_classes(classes)) if classes is not None else None


def read_classes(classes: Union[str, Sequence[str]]) -> list[str]:
    """Class names as a list; a string is the path of a text file with one name a line, as in MMSegmentation.

    Raises:
        FileNotFoundError: no such file.
    """
    if not isinstance(classes, str):
        return list(classes)
    try:
        text = Path(classes).read_text(encoding='utf-8-sig')
    except FileNotFoundError:
        raise FileNotFoundError(
            f"classes='{classes}' names no file: give a list of names, or a text file with one name a line"
        ) from None
    return [line.strip() for line in text.splitlines() if line.strip()]

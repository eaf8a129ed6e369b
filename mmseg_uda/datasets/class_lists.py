"""Class names: of a data set before it is built, and whether two lists mean the same."""

from __future__ import annotations

from typing import Any, Mapping, Optional, Sequence, Union

import mmcv

from . import label_spaces


def class_names(cls: Any, options: Mapping[str, Any]) -> Optional[list[str]]:
    """The classes that a data set of class ``cls`` will have.

    Args:
        options: its config: ``classes`` (names, or a text file with one name a line) or ``label_space``.
    """
    given = options.get('classes')
    if given is not None:
        return read_classes(given)
    if getattr(cls, 'HAS_LABEL_SPACES', False):
        space = label_spaces.SPACES.get(options.get('label_space', 'city19'))
        return None if space is None else list(space[0])
    known = getattr(cls, 'CLASSES', None)
    return None if known is None else list(known)


def read_classes(classes: Union[str, Sequence[str]]) -> list[str]:
    """Class names as a list; a string is the path of a text file with one name a line.

    Raises:
        FileNotFoundError: no such file.
    """
    if not isinstance(classes, str):
        return list(classes)
    try:
        lines = mmcv.list_from_file(classes, encoding='utf-8-sig')
    except FileNotFoundError:
        raise FileNotFoundError(
            f"classes='{classes}' names no file: give a list of names, or a text file with one name a line"
        ) from None
    return [line.strip() for line in lines if line.strip()]


def same_classes(first: Sequence[str], second: Sequence[str]) -> bool:
    """Whether two lists name the same classes in the same order; case, ``_`` and ``-`` do not matter."""
    return [_plain(name) for name in first] == [_plain(name) for name in second]


def _plain(name: str) -> str:
    return ' '.join(str(name).lower().replace('_', ' ').replace('-', ' ').split())

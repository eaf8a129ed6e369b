"""Checkpoints that hold objects of packages which are not needed for their weights, such as the training files of
MMSegmentation 1.x, which keep mmengine's log history.

The unpickler below never imports what a file names. It knows the functions that rebuild tensors and plain containers;
a class of a known training framework becomes an inert placeholder, and anything else is refused.
"""

from __future__ import annotations

import pickle
import types
from typing import Any

from torch import _weights_only_unpickler

#: packages whose objects stand in training files without being part of the weights
FRAMEWORKS = ('mmengine', 'mmcv', 'mmseg', 'mmdet', 'mmcls', 'mmpretrain', 'numpy', 'addict', 'yapf')


class Placeholder:
    """Stands for an object that is not needed: it takes whatever the file gives it and does nothing."""

    def __new__(cls, *_: Any, **__: Any) -> Placeholder:
        return super().__new__(cls)

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        pass

    def __setitem__(self, key: Any, value: Any) -> None:
        pass

    def append(self, value: Any) -> None:
        """Take one item of a list-like object."""

    def extend(self, values: Any) -> None:
        """Take the items of a list-like object."""

    def __call__(self, *_: Any, **__: Any) -> Placeholder:
        return self


class InertUnpickler(pickle.Unpickler):
    """Builds tensors and plain containers, and placeholders for objects of :data:`FRAMEWORKS`.

    Raises:
        pickle.UnpicklingError: the file names anything else.
    """

    def find_class(self, module: str, name: str) -> Any:
        """The class or function that the file names, without importing it."""
        known = _weights_only_unpickler._get_allowed_globals().get(f'{module}.{name}')
        if known is not None:
            return known
        if module.split('.')[0] in FRAMEWORKS:
            return type(name.split('.')[-1], (Placeholder,), {})
        raise pickle.UnpicklingError(f'it names {module}.{name}')


#: a pickle module for ``torch.load``
inert_pickle = types.SimpleNamespace(
    __name__='inert_pickle',
    Unpickler=InertUnpickler,
    load=lambda file, **options: InertUnpickler(file, **options).load(),
)


def without_placeholders(value: Any) -> Any:
    """``value`` without entries of dicts, lists and tuples that are placeholders."""
    if isinstance(value, dict):
        return {k: without_placeholders(v) for k, v in value.items() if not isinstance(v, Placeholder)}
    if isinstance(value, (list, tuple)):
        return [without_placeholders(item) for item in value if not isinstance(item, Placeholder)]
    return value

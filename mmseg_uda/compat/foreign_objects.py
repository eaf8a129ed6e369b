"""Checkpoints that hold objects of packages which are not needed for their weights, such as the training files of
MMSegmentation 1.x, which keep mmengine's log history.

The unpickler below never imports what a file names and calls nothing but the few functions of :data:`KNOWN`, which
rebuild tensors and plain containers. A class of a known training framework becomes an inert placeholder; anything else
is refused. Torch's own safe unpickler has the same limits but no place for placeholders.
"""

from __future__ import annotations

import collections
import os
import pickle
import tarfile
import types
from typing import Any, Callable, Union

import torch
from torch import _weights_only_unpickler

#: packages whose objects stand in training files without being part of the weights
FRAMEWORKS = ('mmengine', 'mmcv', 'mmseg', 'mmdet', 'mmcls', 'mmpretrain', 'numpy', 'addict', 'yapf')
#: what a file may name besides dtypes and FRAMEWORKS; torch.load itself reads storages
KNOWN = (
    '_codecs.encode',
    'builtins.bytearray',
    'builtins.set',
    'collections.Counter',
    'collections.OrderedDict',
    'torch.Size',
    'torch.Tensor',
    'torch.device',
    'torch.nn.parameter.Parameter',
    'torch.serialization._get_layout',
    'torch._utils._rebuild_parameter',
    'torch._utils._rebuild_sparse_tensor',
    'torch._utils._rebuild_tensor',
    'torch._utils._rebuild_tensor_v2',
)


class Placeholder:
    """Stands for an object that is not needed: it takes whatever the file gives it and does nothing."""

    def __new__(cls, *_: Any, **__: Any) -> Placeholder:
        return super().__new__(cls)

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def __setitem__(self, key: Any, value: Any) -> None:
        pass

    def append(self, value: Any) -> None:
        """Take one item of a list-like object."""

    def extend(self, values: Any) -> None:
        """Take the items of a list-like object."""

    def add(self, value: Any) -> None:
        """Take one item of a set-like object."""

    def __call__(self, *_: Any, **__: Any) -> Placeholder:
        return self


def _known() -> dict[str, Any]:
    torch_names = _weights_only_unpickler._get_allowed_globals()
    found = {name: torch_names[name] for name in KNOWN if name in torch_names}
    return {**{name: value for name, value in torch_names.items() if isinstance(value, torch.dtype)}, **found}


def _is_placeholder(value: Any) -> bool:
    return isinstance(value, Placeholder) or (isinstance(value, type) and issubclass(value, Placeholder))


#: the readable unpickler of the standard library, whose opcodes can be overridden; its types are not published
_Readable: Any = pickle._Unpickler


class InertUnpickler(_Readable):
    """Builds tensors and plain containers, and placeholders for objects of :data:`FRAMEWORKS`.

    Pickle's own unpickler would call whatever lies on its stack and set attributes of functions and classes. Here every
    opcode that calls or sets looks at what it has first.

    Raises:
        pickle.UnpicklingError: the file names, calls or changes anything else.
    """

    dispatch: dict[int, Callable[[Any], None]] = dict(_Readable.dispatch)

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._known = _known()

    def find_class(self, module: str, name: str) -> Any:
        """The class or function that the file names, without importing it."""
        module = 'builtins' if module == '__builtin__' else module  # of protocol 2
        known = self._known.get(f'{module}.{name}')
        if known is not None:
            return known
        if module.split('.')[0] in FRAMEWORKS:
            return type(name.split('.')[-1], (Placeholder,), {})
        raise pickle.UnpicklingError(f'it names {module}.{name}')

    def _require_callable(self, function: Any) -> None:
        if not (_is_placeholder(function) or any(function is known for known in self._known.values())):
            raise pickle.UnpicklingError(f'it calls {function!r:.60}')

    def load_reduce(self) -> None:
        """Call a known function, or a placeholder."""
        self._require_callable(self.stack[-2])
        super().load_reduce()

    def load_newobj(self) -> None:
        """Make an instance of a known class, or a placeholder."""
        self._require_callable(self.stack[-2])
        super().load_newobj()

    def load_newobj_ex(self) -> None:
        """Make an instance of a known class, or a placeholder."""
        self._require_callable(self.stack[-3])
        super().load_newobj_ex()

    def load_build(self) -> None:
        """Attributes of ordered dicts are set, those of placeholders dropped, and others refused."""
        state, owner = self.stack.pop(), self.stack[-1]
        if isinstance(owner, Placeholder):
            return
        if type(owner) is not collections.OrderedDict or not isinstance(state, dict):
            raise pickle.UnpicklingError(f'it sets attributes of {type(owner).__name__}')
        owner.__dict__.update(state)  # torch keeps _metadata of a state dict there

    def refuse(self) -> None:
        """Opcodes of old protocols and of registries, which no checkpoint needs."""
        raise pickle.UnpicklingError('it holds an opcode that checkpoints do not need')

    dispatch[pickle.REDUCE[0]] = load_reduce
    dispatch[pickle.NEWOBJ[0]] = load_newobj
    dispatch[pickle.NEWOBJ_EX[0]] = load_newobj_ex
    dispatch[pickle.BUILD[0]] = load_build
    for _opcode in (pickle.INST, pickle.OBJ, pickle.EXT1, pickle.EXT2, pickle.EXT4):
        dispatch[_opcode[0]] = refuse


#: a pickle module for ``torch.load``
inert_pickle = types.SimpleNamespace(
    __name__='inert_pickle',
    Unpickler=InertUnpickler,
    load=lambda file, **options: InertUnpickler(file, **options).load(),
)


def is_plain_archive(path: Union[str, os.PathLike[Any]]) -> bool:
    """Whether ``torch.load`` unpickles this file itself: it hands programs (TorchScript) to another reader, and
    unpacks tar files of its first versions to the disk."""
    with open(path, 'rb') as file:
        zipped = file.read(4) == b'PK\x03\x04'  # what torch looks at
    if zipped:
        return 'constants.pkl' not in torch._C.PyTorchFileReader(str(path)).get_all_records()
    return not tarfile.is_tarfile(path)


def without_placeholders(value: Any) -> Any:
    """``value`` without entries of dicts, lists and tuples that are placeholders."""
    if isinstance(value, dict):
        return {k: without_placeholders(v) for k, v in value.items() if not (_is_placeholder(v) or _is_placeholder(k))}
    if isinstance(value, (list, tuple)):
        return [without_placeholders(item) for item in value if not _is_placeholder(item)]
    return value

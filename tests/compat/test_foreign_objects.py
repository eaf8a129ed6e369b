"""What a hostile file could make the reader of foreign training files do: nothing."""

from __future__ import annotations

import collections
import io
import pickle
import shutil
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch

from mmseg_uda.compat.foreign_objects import InertUnpickler, Placeholder, is_plain_archive, without_placeholders
from mmseg_uda.utils.checkpoint_io import CheckpointError, load_checkpoint_file, load_inert


def named(module: str, name: str) -> bytes:
    return pickle.GLOBAL + f'{module}\n{name}\n'.encode()


def text(value: str) -> bytes:
    return pickle.BINUNICODE + len(value).to_bytes(4, 'little') + value.encode()


def attributes(value: str) -> bytes:
    """(None, {value: 'x'}): what the opcode BUILD sets with setattr."""
    return pickle.NONE + pickle.EMPTY_DICT + text(value) + text('x') + pickle.SETITEM + pickle.TUPLE2


def load(program: bytes) -> Any:
    return InertUnpickler(io.BytesIO(program + pickle.STOP)).load()


TENSOR = named('torch._utils', '_rebuild_tensor_v2')
HISTORY = named('mmengine.logging', 'HistoryBuffer')
REFUSED = {
    'a function of the system': (named('posix', 'system') + text('true') + pickle.TUPLE1 + pickle.REDUCE, 'posix.system'),
    'a function inside a known class': (
        text('torch') + text('Tensor.apply_') + pickle.STACK_GLOBAL,
        r'torch\.Tensor\.apply_',
    ),
    'a second unpickler': (named('torch.storage', '_load_from_bytes'), '_load_from_bytes'),
    'a function that calls its argument': (named('torch._tensor', '_rebuild_from_type_v2'), '_rebuild_from_type_v2'),
    'a builtin': (named('builtins', 'getattr'), 'builtins.getattr'),
    'an attribute of a function': (TENSOR + attributes('__doc__') + pickle.BUILD, 'sets attributes of'),
    'an attribute of a class': (named('torch', 'Tensor') + attributes('field') + pickle.BUILD, 'sets attributes of'),
    'an attribute of a placeholder class': (HISTORY + attributes('field') + pickle.BUILD, 'sets attributes of'),
    'slots of an ordered dict': (
        named('collections', 'OrderedDict')
        + pickle.EMPTY_TUPLE
        + pickle.REDUCE
        + attributes('update')
        + pickle.BUILD,
        'sets attributes of OrderedDict',
    ),
    'a call of what is no function': (text('no') + pickle.EMPTY_TUPLE + pickle.REDUCE, "calls 'no'"),
    'an instance of what is no class': (text('no') + pickle.EMPTY_TUPLE + pickle.NEWOBJ, "calls 'no'"),
    'an old opcode': (pickle.MARK + text('x') + pickle.INST + b'mmengine\nHistory\n', 'opcode'),
    'another old opcode': (pickle.MARK + HISTORY + pickle.OBJ, 'opcode'),
    'a registry': (pickle.EXT1 + b'\x01', 'opcode'),
}  # fmt: skip


@pytest.mark.parametrize('name', REFUSED)
def test_a_file_can_call_and_change_nothing(name: str) -> None:
    program, message = REFUSED[name]
    before = torch._utils._rebuild_tensor_v2.__doc__
    with pytest.raises(pickle.UnpicklingError, match=message):
        load(program)
    assert torch._utils._rebuild_tensor_v2.__doc__ == before and not hasattr(torch.Tensor, 'field')


@pytest.mark.parametrize('module', ['numpy', 'numpy.testing._private.utils', 'mmengine.registry', 'mmcv'])
def test_names_of_frameworks_are_placeholders_whatever_they_are(module: str) -> None:
    called = load(named(module, 'runstring') + text('raise SystemExit') + pickle.TUPLE1 + pickle.REDUCE)
    assert isinstance(called, Placeholder) and type(called).__module__ != module
    made = load(HISTORY + pickle.EMPTY_TUPLE + pickle.NEWOBJ + attributes('__class__') + pickle.BUILD)
    assert isinstance(made, Placeholder) and not hasattr(made, 'field')
    filled = HISTORY + pickle.EMPTY_TUPLE + pickle.REDUCE + pickle.MARK + text('a') + text('b')
    for items in (pickle.APPENDS, pickle.SETITEMS, pickle.ADDITEMS):
        assert isinstance(load(filled + items), Placeholder)


def test_containers_and_attributes_of_state_dicts_survive() -> None:
    state = collections.OrderedDict(a=1)
    state._metadata = collections.OrderedDict({'': dict(version=1)})  # type: ignore[attr-defined]
    found = InertUnpickler(io.BytesIO(pickle.dumps([state, {1}, b'raw', (1, 2)], protocol=2))).load()
    assert found == [state, {1}, b'raw', (1, 2)] and found[0]._metadata == state._metadata  # type: ignore[attr-defined]


def test_placeholders_vanish_as_values_keys_and_classes() -> None:
    kind = type('History', (Placeholder,), {})
    value = {'a': [kind(), kind, 1], 'b': kind, kind: 2, 'c': {'d': (3, kind())}}
    assert without_placeholders(value) == {'a': [1], 'c': {'d': [3]}}


def test_files_that_torch_would_hand_on_are_not_read(tmp_path: Path) -> None:
    program, tar, good = tmp_path / 'program.pth', tmp_path / 'tar.pth', tmp_path / 'good.pth'
    torch.save({'state_dict': {'a': torch.ones(1)}}, good)
    shutil.copy(good, program)
    with zipfile.ZipFile(program, 'a') as archive:
        archive.writestr(f'{archive.namelist()[0].split("/")[0]}/constants.pkl', b'')
    with tarfile.open(tar, 'w') as old:
        old.add(good, 'storages')
    assert is_plain_archive(good) and not is_plain_archive(program) and not is_plain_archive(tar)
    assert load_inert(good) is not None
    for path in (program, tar):
        assert load_inert(path) is None
        with pytest.raises(CheckpointError, match=path.name):
            load_checkpoint_file(path)


def test_a_dict_that_holds_itself_is_refused(tmp_path: Path) -> None:
    content: dict[str, Any] = {'state_dict': {'a': torch.ones(1)}}
    content['self'] = content
    torch.save(content, tmp_path / 'loop.pth')
    assert load_inert(tmp_path / 'loop.pth') is None

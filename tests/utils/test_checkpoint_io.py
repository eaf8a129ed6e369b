"""Checkpoint files: weights only, atomic, plain meta data."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest
import torch

from mmseg_uda.utils import checkpoint_io
from mmseg_uda.utils.checkpoint_io import (
    TRUST_VARIABLE,
    CheckpointError,
    load_checkpoint_file,
    plain,
    save_checkpoint_file,
    state_dict_of,
)


class Malicious:
    """Runs a command when it is unpickled."""

    def __init__(self, target: Path) -> None:
        self.target = str(target)

    def __reduce__(self):
        return os.mkdir, (self.target,)


def test_a_malicious_pickle_is_refused_and_the_flag_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file, owned = tmp_path / 'evil.pth', tmp_path / 'owned'
    torch.save({'state_dict': {}, 'meta': Malicious(owned)}, file)
    with pytest.raises(
        CheckpointError, match=r'evil\.pth.*the object (?:posix|nt)\.mkdir\b.*could run code.*--trust-checkpoint'
    ):
        load_checkpoint_file(file)
    assert not owned.exists()
    monkeypatch.setenv(TRUST_VARIABLE, '1')
    load_checkpoint_file(file)
    assert owned.exists()


def test_broken_and_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match='nothing.pth'):
        load_checkpoint_file(tmp_path / 'nothing.pth')
    whole = tmp_path / 'whole.pth'
    save_checkpoint_file({'state_dict': {'a': torch.zeros(1000)}}, whole)
    cut = tmp_path / 'cut.pth'
    cut.write_bytes(whole.read_bytes()[:1500])
    with pytest.raises(CheckpointError, match=r'cut\.pth.*download or copy it again'):
        load_checkpoint_file(cut)
    torch.save([1, 2], tmp_path / 'list.pth')
    with pytest.raises(CheckpointError, match='list instead of a dict'):
        load_checkpoint_file(tmp_path / 'list.pth')


def test_meta_data_become_plain_and_load_weights_only(tmp_path: Path) -> None:
    meta = plain(
        {
            'best': np.float64(0.5),
            'ids': np.arange(3),
            'path': Path('a/b'),
            'CLASSES': ('road', 'car'),
            'n': np.int64(4),
            1: {2},
        }
    )
    assert meta == {'best': 0.5, 'ids': [0, 1, 2], 'path': 'a/b', 'CLASSES': ['road', 'car'], 'n': 4, '1': [2]}
    save_checkpoint_file({'meta': meta}, tmp_path / 'x.pth')
    assert load_checkpoint_file(tmp_path / 'x.pth', weights_only=True)['meta'] == meta


def test_stock_mmseg_checkpoints_with_numpy_scalars_load(tmp_path: Path) -> None:
    torch.save({'meta': {'best_score': np.float64(0.25)}, 'state_dict': {'w': torch.ones(2)}}, tmp_path / 'stock.pth')
    assert load_checkpoint_file(tmp_path / 'stock.pth')['meta']['best_score'] == 0.25


def test_an_error_while_saving_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / 'x.pth'
    save_checkpoint_file({'a': torch.ones(3)}, target)
    with pytest.raises(Exception, match='pickle'):
        save_checkpoint_file({'a': lambda: 0}, target)
    assert torch.equal(load_checkpoint_file(target)['a'], torch.ones(3))
    assert [path.name for path in tmp_path.iterdir()] == ['x.pth']


def test_files_have_the_permissions_of_ordinary_ones(tmp_path: Path) -> None:
    (tmp_path / 'ordinary').touch()
    save_checkpoint_file({'a': torch.ones(1)}, tmp_path / 'x.pth')
    assert (tmp_path / 'x.pth').stat().st_mode == (tmp_path / 'ordinary').stat().st_mode


def test_sigkill_in_the_middle_of_a_save_leaves_the_previous_checkpoint(tmp_path: Path) -> None:
    """A child process is killed by its own hand when half of the second checkpoint is on the disk."""
    target = tmp_path / 'latest.pth'
    program = textwrap.dedent("""
        import os, signal, sys, torch
        from mmseg_uda.utils import checkpoint_io
        target = sys.argv[1]
        checkpoint_io.save_checkpoint_file({'a': torch.ones(4)}, target)
        def half(obj, file):
            file.write(b'x' * 100000)
            file.flush()
            os.kill(os.getpid(), signal.SIGKILL)
        checkpoint_io.torch.save = half
        checkpoint_io.save_checkpoint_file({'a': torch.zeros(4)}, target)
    """)
    result = subprocess.run([sys.executable, '-c', program, str(target)], cwd=Path(__file__).parents[2])
    assert result.returncode == -signal.SIGKILL
    assert torch.equal(load_checkpoint_file(target)['a'], torch.ones(4))


def test_state_dict_is_found_in_all_usual_places() -> None:
    weight = torch.ones(1)
    for checkpoint in ({'state_dict': {'module.a': weight}}, {'model': {'a': weight}}, {'a': weight}):
        assert list(state_dict_of(checkpoint)) == ['a']


@pytest.mark.parametrize('code, text', [(errno.ENOSPC, 'the disk is full'), (errno.EIO, 'cannot write')])
def test_a_full_disk_is_named_and_the_old_file_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, text: str
) -> None:
    target = tmp_path / 'x.pth'
    save_checkpoint_file({'a': torch.ones(4)}, target)

    def full(self, data):
        self.error = OSError(code, os.strerror(code))
        raise self.error

    monkeypatch.setattr(checkpoint_io._Writer, 'write', full)
    with pytest.raises(OSError, match=rf"{text}.*'.*x\.pth'") as error:
        save_checkpoint_file({'a': torch.zeros(40000)}, target)
    assert error.value.errno == code
    assert torch.equal(load_checkpoint_file(target)['a'], torch.ones(4)) and len(list(tmp_path.iterdir())) == 1

"""One run per work folder, and going on with a config that has changed."""

from __future__ import annotations

import json
import logging
import os
import shutil
import signal
import socket
from pathlib import Path
from typing import Any

import pytest

from mmseg_uda.engine import work_folder
from mmseg_uda.engine.runner import UDARunner
from mmseg_uda.engine.work_folder import LOCK, owned
from mmseg_uda.utils.checkpoint_io import load_checkpoint_file
from mmseg_uda.utils.locks import LockedError
from tests.harness.processes import Pause, Tool, run

from .worlds import write_config


@pytest.fixture(scope='module')
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A config and a run of two of its four iterations in ``run``."""
    folder = tmp_path_factory.mktemp('world')
    config = write_config(folder, extra="evaluation['interval'] = 4\n")
    status, text = train(folder, config, folder / 'run')
    assert status == 0, text
    assert not (folder / 'run' / LOCK).exists()
    for path in (folder / 'run').glob('*4.pth'):
        path.unlink()
    return folder


def train(folder: Path, config: Path, work_dir: Path, *more: Any, **options: Any) -> tuple[int, str]:
    command = [config, '--work-dir', work_dir, '--device', 'cpu', '--auto-resume', *more]
    return run('train.py', *command, folder=folder, **options)


# ---- locks
# -------------------------------------------------------------------------------------------------------------------
def test_a_second_run_is_refused_while_the_first_goes_on(trained: Path, tmp_path: Path) -> None:
    config, work_dir = trained / 'tiny.py', tmp_path / 'run'
    pause = Pause(UDARunner, 'train', 2, tmp_path)
    tool = Tool('train.py', [config, '--work-dir', work_dir, '--device', 'cpu'], tmp_path / 'out', before=pause.before)
    pause.reached(tool)
    before = sorted(path.name for path in work_dir.iterdir())
    status, text = train(tmp_path, config, work_dir, '--cfg-options', 'optimizer.lr=1.0')
    last = text.splitlines()[-1]
    assert status == 2 and last.startswith('LockedError') and f'process {tool.pid}' in last and '--work-dir' in last
    assert sorted(path.name for path in work_dir.iterdir()) == before, 'the refused run has written'
    tool.signal(signal.SIGKILL)
    tool.wait()
    assert (work_dir / LOCK).exists()
    (work_dir / '.iter_4.pth.abc.tmp').touch()  # what a kill in the middle of a checkpoint leaves
    status, text = train(tmp_path, config, work_dir)  # the owner is gone
    assert status == 0 and not (work_dir / LOCK).exists() and not list(work_dir.glob('.*')), text


@pytest.mark.parametrize('tool, arguments', [('run_stages.py', ['stages.py']), ('active_loop.py', ['tiny.py'])])
def test_programs_of_several_stages_hold_their_folder_too(
    trained: Path, tmp_path: Path, tool: str, arguments: list[str]
) -> None:
    (trained / 'stages.py').write_text("stages = [dict(name='a', type='train', config='tiny.py')]\n")
    with owned(tmp_path / 'run'):
        command = [trained / arguments[0], '--work-dir', tmp_path / 'run', '--device', 'cpu']
        status, text = run(tool, *command, folder=tmp_path, before=work_folder._owned.clear)
    assert status == 2 and text.splitlines()[-1].startswith('LockedError'), text


def lock(folder: Path, **changes: Any) -> None:
    folder.mkdir(exist_ok=True)
    (folder / LOCK).write_text(json.dumps({**work_folder._describe(), **changes}))


def test_left_over_locks_are_taken_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = []
    for name, changes in {
        'dead': dict(pid=2**22 + 1),
        'number used again': dict(process='1'),
        'same batch job': dict(host='elsewhere', job='SLURM_JOB_ID=7'),
        'damaged': None,
        'silent': dict(host='elsewhere', job=None),
    }.items():
        folder = tmp_path / name
        lock(folder, **(changes or {}))
        if changes is None:
            (folder / LOCK).write_text('{"host":')
        if name in ('damaged', 'silent'):
            with pytest.raises(LockedError, match='elsewhere|None'), owned(folder):
                pass
            os.utime(folder / LOCK, (1, 1))
        monkeypatch.setenv('SLURM_JOB_ID', '7')
        with owned(folder, logging.getLogger('x')):
            holder = json.loads((folder / LOCK).read_text())
            taken.append((holder['host'], holder['pid']))
        assert not list(folder.iterdir())
    assert taken == [(socket.gethostname(), os.getpid())] * 5


def test_living_owners_keep_their_folder(tmp_path: Path) -> None:
    lock(tmp_path / 'run')
    with pytest.raises(LockedError, match=rf'process {os.getpid()} on '), owned(tmp_path / 'run'):
        pass
    lock(tmp_path / 'other machine', host='elsewhere', start='yesterday', command='train.py x.py')
    with pytest.raises(LockedError, match=r'on elsewhere, started yesterday \(train\.py x\.py\)'):
        with owned(tmp_path / 'other machine'):
            pass


# ---- another config
# -------------------------------------------------------------------------------------------------------------------
def resumed(trained: Path, tmp_path: Path, config: Path, *more: Any) -> tuple[int, str]:
    shutil.copytree(trained / 'run', tmp_path / 'run', symlinks=True)
    status, text = train(tmp_path, config, tmp_path / 'run', *more)
    return status, text[text.find('training from') - 4000 :] if status == 0 else text


def test_harmless_changes_are_not_mentioned(trained: Path, tmp_path: Path) -> None:
    options = [
        'log_config.interval=1',
        'evaluation.interval=3',
        'data.workers_per_gpu=1',
        'checkpoint_config.interval=1',
    ]
    status, text = resumed(trained, tmp_path, trained / 'tiny.py', '--cfg-options', *options)
    assert status == 0 and 'resumed' in text and 'changed since' not in text, text


def test_other_changes_are_said(trained: Path, tmp_path: Path) -> None:
    options = ['optimizer.lr=0.5', 'runner.max_iters=3']
    status, text = resumed(trained, tmp_path, trained / 'tiny.py', '--cfg-options', *options)
    assert status == 0 and 'optimizer.lr: 0.001 -> 0.5' in text and 'runner.max_iters: 4 -> 3' in text, text
    assert load_checkpoint_file(tmp_path / 'run' / 'latest.pth')['meta']['iter'] == 3


@pytest.mark.parametrize(
    'change, text',
    [
        (dict(more=['--cfg-options', 'optimizer.type=Adam']), "optimizer.type: 'AdamW' -> 'Adam'"),
        (dict(more=['--seed', '5']), 'seed: 0 -> 5'),
        (dict(uda="dict(type='ToySharedGraph')"), "uda.type: (absent) -> 'ToySharedGraph'"),
        (dict(image=True), "data lists.source.0: '4 images"),
    ],
    ids=['optimizer', 'seed', 'method', 'data'],
)
def test_another_run_is_refused_unless_told(trained: Path, tmp_path: Path, change: dict[str, Any], text: str) -> None:
    config = trained / 'tiny.py'
    if 'uda' in change:
        config = write_config(trained, 'other.py', extra="evaluation['interval'] = 4\n", uda=change['uda'])
    added = [trained / 'source' / part / f'extra{suffix}' for part, suffix in (('images', '.jpg'), ('labels', '.png'))]
    for path in added if change.get('image') else ():
        shutil.copy(next(path.parent.glob(f'*{path.suffix}')), path)
    try:
        more = change.get('more', [])
        status, output = resumed(trained, tmp_path, config, *more)
        last = output.splitlines()[-1]
        assert status == 2 and last.startswith('CheckpointError') and text in last and '--resume-changed' in last, (
            output
        )
        if 'uda' not in change:  # another method has other weights
            status, output = train(tmp_path, config, tmp_path / 'run', '--resume-changed', *more)
            assert status == 0 and text in output, output
    finally:
        for path in added:
            path.unlink(missing_ok=True)


def test_checkpoints_without_a_record_are_resumed_with_a_word(trained: Path, tmp_path: Path) -> None:
    from mmseg_uda.utils.checkpoint_io import save_checkpoint_file

    (tmp_path / 'run').mkdir()
    checkpoint = load_checkpoint_file(trained / 'run' / 'iter_2.pth')
    del checkpoint['meta']['data_lists']
    save_checkpoint_file(checkpoint, tmp_path / 'run' / 'iter_2.pth')
    status, text = train(tmp_path, trained / 'tiny.py', tmp_path / 'run')
    assert status == 0 and 'nothing is compared' in text, text

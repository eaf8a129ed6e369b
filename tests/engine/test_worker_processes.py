"""Worker processes that die, in every tool that has some."""

from __future__ import annotations

import multiprocessing
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from mmseg_uda.datasets.labels import LabelReader
from mmseg_uda.toy import world
from tests.datasets.worlds import folder_config, gta_config, make_folder, make_gta
from tests.harness.processes import Pause, Tool, run


def dies(*_: Any, **__: Any) -> None:
    """In a worker: what the system does to a process that takes too much memory."""
    if multiprocessing.parent_process() is not None:
        os.kill(os.getpid(), signal.SIGKILL)


def labels_kill() -> None:
    LabelReader.read = dies


def drawing_kills() -> None:
    world.draw = dies


def command(tool: str, folder: Path) -> list[Any]:
    if tool == 'make_toy_world.py':
        return ['--root', folder / 'toy', '--datasets', 'gta', '--scale', '0.02', '--workers', '2']
    make_gta(folder / 'gta', 8)
    if tool == 'convert_datasets/gta.py':
        return [folder / 'gta', '--nproc', '2']
    (folder / 'config.py').write_text(f'data = dict(train=dict(source={gta_config(folder / "gta")!r}))\n')
    return [folder / 'config.py', '--nproc', '2']


@pytest.mark.parametrize(
    'tool, what',
    [('class_stats.py', 'class statistics'), ('convert_datasets/gta.py', 'GTA5'), ('make_toy_world.py', 'toy gta')],
)
def test_a_killed_worker_is_an_error_that_names_the_work_and_the_remedy(tool: str, what: str, tmp_path: Path) -> None:
    (tmp_path / 'convert_datasets').mkdir()
    before = drawing_kills if 'toy' in tool else labels_kill
    status, text = run(tool, *command(tool, tmp_path), folder=tmp_path, before=before)
    last = text.splitlines()[-1]
    assert status == 2 and last.startswith(f'WorkerDiedError: {what}: ') and 'memory' in last and '1' in last, text
    assert not [path for path in tmp_path.rglob('.*') if 'gta' in path.name], 'a half data set stays'
    status, text = run(tool, *command(tool, tmp_path), folder=tmp_path)
    assert status == 0, text


def test_workers_end_with_a_killed_parent_and_leave_nothing(tmp_path: Path) -> None:
    """They would draw into the folder that the next build clears away."""
    pause = Pause(world, 'draw', 1, tmp_path)
    arguments = command('make_toy_world.py', tmp_path)
    tool = Tool('make_toy_world.py', arguments, tmp_path / 'killed.out', before=pause.before)
    try:
        pause.reached(tool)
        tool.signal(signal.SIGKILL, group=False)
        assert tool.wait() == -signal.SIGKILL
        for _ in range(2000):
            if not _group_lives(tool.pid):
                break
            multiprocessing.Event().wait(0.01)
        assert not _group_lives(tool.pid)
    finally:
        tool.stop()
    status, text = run('make_toy_world.py', *arguments, folder=tmp_path)
    assert status == 0, text
    assert sorted(path.name for path in (tmp_path / 'toy').iterdir()) == ['gta']


def _group_lives(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def test_ctrl_c_ends_the_work_without_traces_of_workers(tmp_path: Path) -> None:
    config = tmp_path / 'config.py'
    config.write_text(f'data = dict(train=dict(source={folder_config(make_folder(tmp_path, 64))!r}))\n')
    pause = Pause(LabelReader, 'read', 1, tmp_path)
    tool = Tool('class_stats.py', [config, '--nproc', '2'], tmp_path / 'out', before=pause.before)
    try:
        pause.reached(tool)
        tool.signal(signal.SIGINT)
        pause.release()
        assert tool.wait() == 130 and 'Traceback' not in tool.text, tool.text
    finally:
        tool.stop()

"""Signals to ``tools/train.py``: what every way of being stopped leaves, and that it goes on exactly."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any, Iterator

import pytest

from mmseg_uda.engine import evaluation
from mmseg_uda.engine.runner import UDARunner
from mmseg_uda.utils.checkpoint_io import load_checkpoint_file
from tests.harness.methods import assert_equal_state
from tests.harness.processes import Pause, Tool, ranks, run

from .worlds import write_config


@pytest.fixture(scope='module')
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a config of 6 iterations and the straight run of it."""
    folder = tmp_path_factory.mktemp('interruptions')
    config = write_config(folder, extra="runner['max_iters'] = 6\nevaluation['interval'] = 4\n")
    status, text = run('train.py', *command(config, folder / 'straight'), folder=folder)
    assert status == 0, text
    return folder


@pytest.fixture
def tools() -> Iterator[list[Tool]]:
    """Tools that are ended with the test."""
    started: list[Tool] = []
    yield started
    for tool in started:
        tool.stop()


def command(config: Path, folder: Path, workers: int = 0, *more: Any) -> list[Any]:
    return [config, '--work-dir', folder, '--device', 'cpu', *more, '--cfg-options', f'data.workers_per_gpu={workers}']


def checkpoints(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob('iter_*.pth'))


def goes_on_exactly(world: Path, folder: Path) -> str:
    """Resume and compare with the run that nobody stopped."""
    status, text = run('train.py', *command(world / 'tiny.py', folder, 0, '--auto-resume'), folder=world)
    assert status == 0 and 'resumed' in text, text
    same_end(world, folder)
    return text


def same_end(world: Path, folder: Path) -> None:
    straight, other = (load_checkpoint_file(run / 'iter_6.pth') for run in (world / 'straight', folder))
    for part in ('state_dict', 'engine'):
        assert_equal_state(straight[part], other[part], part)


@pytest.mark.parametrize('group', [True, False], ids=['group', 'process'])
@pytest.mark.parametrize('workers', [0, 2])
def test_sigterm_writes_a_checkpoint_after_the_iteration(
    world: Path, tmp_path: Path, tools: list[Tool], workers: int, group: bool
) -> None:
    """Batch systems signal the group: data workers must not die of it."""
    pause = Pause(UDARunner, 'train', 3, tmp_path)
    arguments = command(world / 'tiny.py', tmp_path / 'run', workers)
    tool = Tool('train.py', arguments, tmp_path / 'out', before=pause.before)
    tools.append(tool)
    pause.reached(tool)
    tool.signal(signal.SIGTERM, group)
    pause.release()
    assert tool.wait() == 128 + signal.SIGTERM, tool.text
    assert checkpoints(tmp_path / 'run') == ['iter_2.pth', 'iter_3.pth'] and 'Traceback' not in tool.text
    assert 'stopped after 3 of 6 iterations' in tool.text and '--auto-resume' in tool.text
    goes_on_exactly(world, tmp_path / 'run')


@pytest.mark.parametrize('number', [signal.SIGHUP, signal.SIGUSR1], ids=['SIGHUP', 'SIGUSR1'])
def test_other_stop_signals(world: Path, tmp_path: Path, tools: list[Tool], number: int) -> None:
    pause = Pause(UDARunner, 'train', 1, tmp_path)
    tool = Tool('train.py', command(world / 'tiny.py', tmp_path / 'run'), tmp_path / 'out', before=pause.before)
    tools.append(tool)
    pause.reached(tool)
    tool.signal(number)
    pause.release()
    assert tool.wait() == 128 + number and checkpoints(tmp_path / 'run') == ['iter_1.pth'], tool.text


def test_ctrl_c_once_is_orderly_and_twice_is_at_once(world: Path, tmp_path: Path, tools: list[Tool]) -> None:
    pause = Pause(UDARunner, 'train', 3, tmp_path)
    arguments = command(world / 'tiny.py', tmp_path / 'once', 2)
    tool = Tool('train.py', arguments, tmp_path / 'first', before=pause.before)
    tools.append(tool)
    pause.reached(tool)
    tool.signal(signal.SIGINT).signal(signal.SIGINT)  # as a launcher does that passes on what the terminal sent to all
    tool.until('Ctrl-C again')
    pause.release()
    assert tool.wait() == 128 + signal.SIGINT and 'Traceback' not in tool.text, tool.text
    assert 'SIGINT: stopped after 3 of 6 iterations' in tool.text
    goes_on_exactly(world, tmp_path / 'once')

    def impatient() -> None:
        from mmseg_uda.engine import signals

        signals.SAME_PRESS = 0.0
        pause.before()

    pause = Pause(UDARunner, 'train', 3, tmp_path)
    tool = Tool('train.py', command(world / 'tiny.py', tmp_path / 'twice', 2), tmp_path / 'second', before=impatient)
    tools.append(tool)
    pause.reached(tool)
    tool.signal(signal.SIGINT).until('Ctrl-C again')
    tool.signal(signal.SIGINT)
    assert tool.wait() == 128 + signal.SIGINT and tool.text.rstrip().endswith('interrupted'), tool.text
    assert checkpoints(tmp_path / 'twice') == ['iter_2.pth']


def test_an_evaluation_is_stopped_between_images_and_made_up_for(
    world: Path, tmp_path: Path, tools: list[Tool]
) -> None:
    pause = Pause(evaluation, '_test_inputs', 2, tmp_path)
    tool = Tool('train.py', command(world / 'tiny.py', tmp_path / 'run', 2), tmp_path / 'out', before=pause.before)
    tools.append(tool)
    pause.reached(tool)
    tool.signal(signal.SIGTERM)
    pause.release()
    assert tool.wait() == 143 and checkpoints(tmp_path / 'run')[-1] == 'iter_4.pth', tool.text
    assert not list((tmp_path / 'run').glob('best_*'))
    text = goes_on_exactly(world, tmp_path / 'run')
    assert 'the run was stopped in this evaluation' in text
    for folder in (world / 'straight', tmp_path / 'run'):
        assert [path.name for path in folder.glob('best_*')] == ['best_mIoU_iter_4.pth']
        assert sum('"mIoU"' in path.read_text() for path in folder.glob('*.log.json')) == 1
    best = (load_checkpoint_file(folder / 'best_mIoU_iter_4.pth') for folder in (world / 'straight', tmp_path / 'run'))
    assert_equal_state(*(checkpoint['state_dict'] for checkpoint in best), 'best')


@pytest.mark.parametrize('alone', [True, False], ids=['rank 1', 'all ranks'])
def test_ranks_agree_on_where_to_stop(world: Path, tmp_path: Path, tools: list[Tool], alone: bool) -> None:
    """The signal may reach one rank only, or each in another iteration."""
    arguments = [world / 'tiny.py', '--work-dir', tmp_path / 'run', '--no-validate']
    options = ['--cfg-options', 'data.samples_per_gpu=1', 'runner.max_iters=10000', 'data.workers_per_gpu=1']
    tools += ranks('train.py', [[*arguments, *options]] * 2, tmp_path)
    tools[0].wait_for((tmp_path / 'run' / 'iter_2.pth').exists, 'a checkpoint')
    for tool in tools[1:] if alone else tools:
        tool.signal(signal.SIGTERM)
    assert [tool.wait() for tool in tools] == [143, 143], tools[0].text + tools[1].text
    assert 'stopped after' in tools[0].text and 'Traceback' not in tools[0].text + tools[1].text
    last = max(int(name[5:-4]) for name in checkpoints(tmp_path / 'run'))
    assert f'stopped after {last} of 10000' in tools[0].text


def test_one_rank_that_is_told_to_stop_stops_the_evaluation_of_all(
    world: Path, tmp_path: Path, tools: list[Tool]
) -> None:
    pause = Pause(evaluation, '_test_inputs', 1, tmp_path)

    def rank_1_waits() -> None:
        if os.environ['RANK'] == '1':
            pause.before()

    arguments = [world / 'tiny.py', '--work-dir', tmp_path / 'run', '--cfg-options', 'data.samples_per_gpu=1']
    tools += ranks('train.py', [arguments] * 2, tmp_path, before=rank_1_waits)
    pause.reached(tools[1])
    tools[1].signal(signal.SIGTERM)
    pause.release()
    assert [tool.wait() for tool in tools] == [143, 143], tools[0].text + tools[1].text
    assert checkpoints(tmp_path / 'run')[-1] == 'iter_4.pth' and not list((tmp_path / 'run').glob('best_*'))
    assert load_checkpoint_file(tmp_path / 'run' / 'iter_4.pth')['meta']['hook_msgs'][evaluation.DUE] == 4


def test_a_full_disk_ends_with_its_reason_and_an_intact_checkpoint(world: Path, tmp_path: Path) -> None:
    """A limit on the size of files stands for the disk; the log files stay below it."""

    def limit() -> None:
        import resource

        save = UDARunner.save_checkpoint

        def full_at_4(self: UDARunner, *args: Any, **kwargs: Any) -> None:
            if self.completed == 4:
                resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
            save(self, *args, **kwargs)

        UDARunner.save_checkpoint = full_at_4

    arguments = command(world / 'tiny.py', tmp_path / 'run')
    status, text = run('train.py', *arguments, folder=tmp_path, before=limit)
    last = text.splitlines()[-1]
    assert status == 2 and last.startswith('OSError') and 'iter_4.pth' in last and 'too large' in last, text
    assert checkpoints(tmp_path / 'run') == ['iter_2.pth'] and not list((tmp_path / 'run').glob('.*tmp'))
    goes_on_exactly(world, tmp_path / 'run')

"""Processes that are killed by the system at any point, and several processes that buy together."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
from pathlib import Path
from typing import Any, Callable

import numpy as np
import pytest
import torch
from mmcv import Config

from mmseg_uda.active.cli import export
from mmseg_uda.active.exchange import import_labels
from mmseg_uda.active.loop import run_loop
from mmseg_uda.active.selection import Scorer
from mmseg_uda.active.session import ActiveSession
from mmseg_uda.engine.checkpoints import find_resumable
from mmseg_uda.engine.distributed import barrier
from mmseg_uda.engine.runner import UDARunner
from mmseg_uda.engine.stages import StageContext
from mmseg_uda.engine.train import train
from mmseg_uda.utils.checkpoint_io import load_checkpoint_file
from mmseg_uda.utils.config_text import config_text
from tests.harness import processes
from tests.harness.methods import assert_equal_state, run_ranks

from .test_loop import hook_config
from .test_selection import Network, content
from .world import image_config, make_world, region_config

CPU = torch.device('cpu')
LOGGER = logging.getLogger('active-test')
#: what a process may be killed before: replacing a file, a training iteration, scoring an image
POINTS = ((os, 'replace'), (UDARunner, 'train'), (Scorer, '__call__'))


@pytest.fixture(scope='module')
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_world(tmp_path_factory.mktemp('world'))


def killed_at(points: int, log: Path, work: Callable[[], Any]) -> None:
    """Do ``work``; before the given point of :data:`POINTS` the system ends this process (SIGKILL). ``log`` gets the
    point's name."""
    left = [points]

    def counting(name: str, original: Any) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            left[0] -= 1
            if left[0] == 0:
                with open(log, 'a') as file:
                    file.write(f'{name}\n')
                os.kill(os.getpid(), signal.SIGKILL)
            return original(*args, **kwargs)

        return call

    torch.set_num_threads(1)
    for target, name in POINTS:
        setattr(target, name, counting(name, getattr(target, name)))
    work()


def finish_in_spite_of_kills(log: Path, work: Callable[[], Any], seed: int, most: int) -> None:
    """Repeat ``work`` in processes of their own, killed at random points, until one comes to its end."""
    rng = np.random.default_rng(seed)
    context = multiprocessing.get_context('fork')
    for _ in range(100):
        process = context.Process(target=killed_at, args=(int(rng.integers(1, most + 1)), log, work))
        process.start()
        process.join()
        if process.exitcode == 0:
            return
        assert process.exitcode == -signal.SIGKILL, f'exit code {process.exitcode}'
    raise AssertionError('no process came to its end')


@pytest.mark.parametrize('config', [image_config, region_config])
def test_a_loop_killed_at_random_points_ends_with_the_same_label_set(config: Any, world: Path, tmp_path: Path) -> None:
    path = tmp_path / 'config.py'
    path.write_text(config_text(config(world, tmp_path / 'unused')))

    def loop(folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        run_loop(path, folder, StageContext(path, CPU, LOGGER))

    loop(tmp_path / 'straight')
    finish_in_spite_of_kills(tmp_path / 'kills', lambda: loop(tmp_path / 'killed'), seed=3, most=24)
    assert set((tmp_path / 'kills').read_text().split()) == {name for _, name in POINTS}
    assert content(tmp_path / 'killed' / 'active') == content(tmp_path / 'straight' / 'active')
    name = f'5_round_02/iter_{config(world, tmp_path).runner.max_iters}.pth'
    assert_equal_state(
        *(load_checkpoint_file(tmp_path / run / name)['state_dict'] for run in ('straight', 'killed')), 'last network'
    )


def test_a_run_killed_at_random_points_ends_with_the_same_regions(world: Path, tmp_path: Path) -> None:
    def run(folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        cfg = hook_config(world, folder)
        found = find_resumable(folder)
        cfg.resume_from = str(found) if found else None
        train(cfg, CPU, validate=False, meta={}, logger=LOGGER)

    run(tmp_path / 'straight')
    finish_in_spite_of_kills(tmp_path / 'kills', lambda: run(tmp_path / 'killed'), seed=0, most=12)
    assert {'train', '__call__'} <= set((tmp_path / 'kills').read_text().split())
    assert content(tmp_path / 'killed' / 'active') == content(tmp_path / 'straight' / 'active')
    assert_equal_state(
        *(load_checkpoint_file(tmp_path / run / 'iter_6.pth')['state_dict'] for run in ('straight', 'killed')),
        'network',
    )


def buy_one_round(cfg: Config) -> None:
    """Buy until the first round is entered, whatever a killed process has left."""
    session = ActiveSession(cfg)
    session.start()
    if session.next_round == 1:
        session.select(1, Network(), CPU, show=False)


def annotate_one_round(cfg: Config) -> None:
    """The same with labels that somebody hands in."""
    truth = str(cfg.active.pool.data_root) + '/ann'
    cfg.active.pool.ann_dir = None
    session = ActiveSession(cfg)
    if session.acquisition.level == 'region':
        session.start()
    while session.next_round <= 1:
        export(session, Network(), CPU, None)
        import_labels(session, Path(truth), ignore_extra=True)
    session.label_set.write_lists()


@pytest.mark.parametrize('work', [buy_one_round, annotate_one_round])
@pytest.mark.parametrize('config', [image_config, region_config])
def test_killed_between_any_two_files_nothing_is_lost_or_bought_twice(
    config: Any, work: Callable[..., None], world: Path, tmp_path: Path
) -> None:
    """Every single point: between two label files, between the last one and the manifest, between the manifest and
    the lists."""
    work(config(world, tmp_path / 'straight'))
    expected = files(tmp_path / 'straight')
    context = multiprocessing.get_context('fork')
    for point in range(1, 200):
        folder = tmp_path / str(point)
        arguments = (point, tmp_path / 'kills', lambda folder=folder: work(config(world, folder)))
        process = context.Process(target=killed_at, args=arguments)
        process.start()
        process.join()
        if process.exitcode == 0:
            assert point > 15
            break
        assert process.exitcode == -signal.SIGKILL, f'exit code {process.exitcode}'
        work(config(world, folder))
        assert files(folder) == expected, f'killed before point {point}'
    else:
        raise AssertionError('no process came to its end')


def files(folder: Path) -> dict[str, Any]:
    """The label set, its lists and the labels that were handed in."""
    texts = {
        str(path.relative_to(folder)): path.read_bytes()
        for kind in ('*.txt', 'labels/**/*.png')
        for path in sorted(folder.glob(kind))
    }
    return {**content(folder), **texts}


def buy_on_rank(rank: int, cfg: Config, rounds: tuple[int, ...]) -> None:
    """Buy rounds as one of several ranks."""
    if rank == 0:
        ActiveSession(cfg).start()
    barrier()
    session = ActiveSession(cfg)
    for number in rounds:
        session.select(number, Network(), CPU, show=False)


@pytest.mark.parametrize('config', [image_config, region_config])
def test_two_ranks_buy_what_one_process_buys(config: Any, world: Path, tmp_path: Path) -> None:
    buy_on_rank(0, config(world, tmp_path / 'one'), (1, 2))
    run_ranks(buy_on_rank, tmp_path / 'ranks', config(world, tmp_path / 'two'), (1, 2))
    run_ranks(buy_on_rank, tmp_path / 'ranks', config(world, tmp_path / 'mixed'), (1,))
    buy_on_rank(0, config(world, tmp_path / 'mixed'), (2,))  # one process goes on where two ranks stopped
    for folder in ('two', 'mixed'):
        assert content(tmp_path / folder) == content(tmp_path / 'one')


def test_a_stop_signal_in_a_round_waits_for_one_image_only(world: Path, tmp_path: Path) -> None:
    """The round goes on where it was stopped, and everything ends as in a run that nobody stopped."""
    for run, stop in (('straight', False), ('stopped', True)):
        folder = tmp_path / run
        folder.mkdir()
        config = tmp_path / f'{run}.py'
        config.write_text(config_text(hook_config(world, folder)))
        command = [config, '--work-dir', folder, '--device', 'cpu', '--no-validate', '--auto-resume']
        pause = processes.Pause(Scorer, '__call__', 2, tmp_path)
        tool = processes.Tool('train.py', command, tmp_path / f'{run}.out', before=pause.before if stop else None)
        if stop:
            pause.reached(tool)
            tool.signal(signal.SIGTERM)
            pause.release()
            assert tool.wait() == 143, tool.text
            assert content(folder / 'active') != content(tmp_path / 'straight' / 'active')
            tool = processes.Tool('train.py', command, tmp_path / 'again.out')
        assert tool.wait() == 0, tool.text
    assert content(tmp_path / 'stopped' / 'active') == content(tmp_path / 'straight' / 'active')
    states = (load_checkpoint_file(tmp_path / run / 'iter_6.pth')['state_dict'] for run in ('straight', 'stopped'))
    assert_equal_state(*states, 'network')

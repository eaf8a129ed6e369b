"""Ranks of one job that do not do the same: named before the first iteration, or ended in bounded time."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, Iterator

import pytest

from mmseg_uda.engine import distributed
from mmseg_uda.engine.identity import differences, flat
from mmseg_uda.engine.runner import UDARunner
from mmseg_uda.utils.rank_watch import HUNG
from tests.harness.methods import run_ranks
from tests.harness.processes import Pause, Tool, ranks

from .worlds import write_config


@pytest.fixture(scope='module')
def config(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_config(tmp_path_factory.mktemp('world'), uda="dict(type='ToyAdversarial')")


@pytest.fixture
def tools() -> Iterator[list[Tool]]:
    started: list[Tool] = []
    yield started
    for tool in started:
        tool.stop()


def start(tools: list[Tool], folder: Path, one: list[Any], two: list[Any], **options: Any) -> list[str]:
    tools += ranks(
        'train.py',
        [[*command, '--work-dir', folder / 'run', '--no-validate'] for command in (one, two)],
        folder,
        **options,
    )
    return [f'{tool.wait()}\n{tool.text}' for tool in tools]


@pytest.mark.parametrize(
    'change, named',
    [
        (['--cfg-options', 'optimizer.lr=0.5'], 'optimizer.lr is 0.5 instead of 0.001'),
        (['--seed', '4'], 'seed is 4 instead of 0'),
        (['--cfg-options', 'uda.step_early=True'], 'uda.step_early is True instead of (absent)'),
        (['--cfg-options', 'runner.max_iters=5'], 'runner.max_iters is 5 instead of 4'),
        (['--auto-resume'], 'command line.auto_resume is True instead of False'),
    ],
    ids=['lr', 'seed', 'method', 'max_iters', 'auto_resume'],
)
def test_ranks_with_another_setting_are_refused(
    config: Path, tmp_path: Path, tools: list[Tool], change: list[str], named: str
) -> None:
    for text in start(tools, tmp_path, [config], [config, *change]):
        assert text.startswith('2\n') and f'RankError: rank 1 does not run what rank 0 runs: {named}' in text, text
    assert not (tmp_path / 'run').exists()


def test_ranks_with_other_data_are_refused(config: Path, tmp_path: Path, tools: list[Tool]) -> None:
    """The same config on two machines whose data folders differ."""
    other = tmp_path / 'other'
    shutil.copytree(config.parent, other)
    next((other / 'target' / 'images').iterdir()).unlink()
    change = ['--cfg-options', f'data.train.target.data_root={other / "target"}']
    for text in start(tools, tmp_path, [config], [config, *change]):
        assert text.startswith('2\n') and 'rank 1 does not run what rank 0 runs: data lists.target.0 is' in text, text


def test_ranks_with_other_code_are_refused(config: Path, tmp_path: Path, tools: list[Tool]) -> None:
    def edited() -> None:
        import os

        from mmseg_uda.engine import identity

        if os.environ['RANK'] == '1':
            identity.code_version.__wrapped__.__globals__['code_version'].cache_clear()
            identity.Path = lambda *_: Path(config)  # its parents hold other modules

    for text in start(tools, tmp_path, [config], [config], before=edited):
        assert text.startswith('2\n') and 'code of mmseg_uda is' in text, text


def test_a_failure_of_rank_0_is_that_of_all(tmp_path: Path) -> None:
    def work(rank: int) -> str:
        def fail() -> None:
            raise FileNotFoundError('no data')

        with pytest.raises((FileNotFoundError, distributed.OtherRankError)) as error:
            distributed.on_main(fail)
        return str(error.value) + str(distributed.on_main(lambda: rank))

    assert run_ranks(work, tmp_path) == ['no data0', 'rank 0 ended with FileNotFoundError: no data0']


def test_a_rank_that_hangs_ends_the_job_with_its_number(config: Path, tmp_path: Path, tools: list[Tool]) -> None:
    pause = Pause(UDARunner, 'train', 3, tmp_path)

    def rank_1_hangs() -> None:
        import os

        if os.environ['RANK'] == '1':
            pause.before()

    command = [config, '--work-dir', tmp_path / 'run', '--no-validate', '--cfg-options', 'dist_params.timeout=5']
    tools += ranks('train.py', [command] * 2, tmp_path, before=rank_1_hangs)
    pause.reached(tools[1])
    assert tools[0].wait() == HUNG, tools[0].text
    last = tools[0].text.splitlines()[-1]
    assert 'rank 1 did not reach the exchange of gradients within 5 s after rank 0' in last and 'timeout' in last


def test_differences_name_leaves() -> None:
    old = dict(flat(dict(a=dict(b=1, c=[dict(d=1), dict(d=2)]), e=(1, 2), f=float('nan'), g={})))
    new = dict(flat(dict(a=dict(b=1, c=[dict(d=1), dict(d=3)]), e=[1, 2], f=float('nan'), h=None)))
    assert [str(change) for change in differences(old, new)] == [
        'a.c.1.d: 2 -> 3',
        'g: {} -> (absent)',
        'h: (absent) -> None',
    ]

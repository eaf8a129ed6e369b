"""Kills programs at random moments until they come to their end, and compares with a run that nobody killed:

``python -m tests.harness.kill_loop --kills 100 --seed 0``

SIGKILL and SIGTERM, to the process or to its whole group, over a training with evaluations and data workers,
extraction, new thresholds, the active loop and a recipe. Ends with status 1 when an end result differs in a bit. No
part of the suite: it takes minutes.
"""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable

import numpy as np
import torch

import mmseg_uda  # noqa: F401  (first: it prepares mmcv)
from mmseg_uda.utils.checkpoint_io import load_checkpoint_file
from mmseg_uda.utils.config_text import config_text
from tests.active.world import image_config, make_world
from tests.engine.worlds import write_config
from tests.harness.processes import Tool

SIGNALS = (signal.SIGKILL, signal.SIGTERM)
CPU = ['--device', 'cpu']


@dataclass
class Job:
    """A program that is killed.

    Attributes:
        command: tool and arguments for a folder.
        result: what counts at the end, by name.
        prepare: fills the folder before the first start.
        attempts: starts of one folder at most.
    """

    name: str
    command: Callable[[Path], list[Any]]
    result: Callable[[Path], dict[str, Any]]
    prepare: Callable[[Path], Any] = lambda folder: None
    attempts: int = 60
    kills: Counter[str] = field(default_factory=Counter)
    ends: int = 0

    def start(self, folder: Path) -> Tool:
        """Start the program."""
        tool, *arguments = self.command(folder)
        return Tool(tool, arguments, folder.with_suffix(f'.{time.monotonic_ns()}.out'))


def weights(path: Path) -> dict[str, Any]:
    """Everything of a checkpoint that decides how it goes on."""
    checkpoint = load_checkpoint_file(path)
    return {key: checkpoint[key] for key in ('state_dict', 'optimizer', 'engine')}


def files(folder: Path, *patterns: str) -> dict[str, Any]:
    """Bytes of files by name."""
    found = sorted(path for pattern in patterns for path in folder.glob(pattern))
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def same(left: Any, right: Any) -> bool:
    """Bit equality of nested results."""
    if torch.is_tensor(left):
        return torch.is_tensor(right) and torch.equal(left, right)
    if isinstance(left, dict):
        return isinstance(right, dict) and left.keys() == right.keys() and all(same(left[k], right[k]) for k in left)
    if isinstance(left, (list, tuple)):
        return len(left) == len(right) and all(map(same, left, right))
    return bool(left == right)


def labels(folder: Path) -> dict[str, Any]:
    """Label maps and their record."""
    return {**files(folder, 'labels/**/*.png'), 'record': json.loads((folder / 'manifest.json').read_text())['labels']}


def make_jobs(root: Path) -> list[Job]:
    """The programs, on a tiny world in ``root``."""
    extra = "runner['max_iters'] = 12\nevaluation['interval'] = 3\ndata['workers_per_gpu'] = 2\n"
    config = write_config(root, extra=extra)
    finished = Tool('train.py', [config, '--work-dir', root / 'model', *CPU], root / 'model.out')
    assert finished.wait() == 0, finished.text
    checkpoint = root / 'model' / 'iter_12.pth'
    extract = ['pseudo_labels.py', 'extract', config, checkpoint]
    ready = Tool(extract[0], [*extract[1:], '--out', root / 'ready', *CPU], root / 'ready.out')
    assert ready.wait() == 0, ready.text
    (root / 'recipe.py').write_text(
        "stages = [dict(name='first', type='train', config='tiny.py'), dict(name='labels', type='pseudo_labels', "
        "config='tiny.py', checkpoint='{first}/latest.pth'), dict(name='second', type='train', config='tiny.py', "
        "load_from='{first}/latest.pth', options={'runner.max_iters': 6})]\n"
    )
    active = image_config(make_world(root / 'active'), root / 'unused')
    (root / 'loop.py').write_text(config_text(active))
    last = f'5_round_02/iter_{active.runner.max_iters}.pth'

    def bought(folder: Path) -> dict[str, Any]:
        rounds = json.loads((folder / 'active' / 'manifest.json').read_text())['rounds']
        images = [(entry['round'], entry['images'], entry['pixels']) for entry in rounds]
        return {'bought': images, **files(folder, 'active/**/*.txt'), **weights(folder / last)}

    def train(folder: Path) -> list[Any]:
        return ['train.py', config, '--work-dir', folder, '--auto-resume', *CPU]

    return [
        Job('train', train, lambda folder: weights(folder / 'iter_12.pth')),
        Job('extract', lambda folder: [*extract, '--out', folder, *CPU], labels),
        Job(
            'threshold',
            lambda folder: ['pseudo_labels.py', 'threshold', folder, '--fraction', '0.2'],
            labels,
            lambda folder: shutil.copytree(root / 'ready', folder),
        ),
        Job('loop', lambda folder: ['active_loop.py', root / 'loop.py', '--work-dir', folder, *CPU], bought),
        Job(
            'recipe',
            lambda folder: ['run_stages.py', root / 'recipe.py', '--work-dir', folder, *CPU],
            lambda folder: {**labels(folder / '2_labels'), **weights(folder / '3_second' / 'iter_6.pth')},
        ),
    ]


def run_killed(job: Job, folder: Path, seconds: float, rng: np.random.Generator, budget: int) -> int:
    """Start ``job`` until it ends by itself, killing it ``budget`` times at most; returns how often it was killed."""
    job.prepare(folder)
    killed = 0
    for _ in range(job.attempts):
        tool = job.start(folder)
        try:
            if killed < budget:
                number, group = SIGNALS[rng.integers(2)], bool(rng.integers(2))
                end = time.monotonic() + rng.uniform(0.02, seconds)
                while time.monotonic() < end and not tool._ended():
                    time.sleep(0.005)
                if not tool._ended():
                    tool.signal(number, group)
                    killed += 1
                    job.kills[f'{number.name}, {"group" if group else "process"}'] += 1
            status = tool.wait()
        finally:
            tool.stop()
        if status == 0:
            return killed
        assert status in (-signal.SIGKILL, -signal.SIGTERM, 128 + signal.SIGTERM), f'{job.name}: {status}\n{tool.text}'
    raise AssertionError(f'{job.name} did not come to its end in {job.attempts} starts')


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--kills', type=int, default=100)
    parser.add_argument('--seed', type=int, default=0)
    args = parser.parse_args()
    rng = np.random.default_rng(args.seed)
    failures = []
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        jobs = make_jobs(root)
        straight: dict[str, tuple[dict[str, Any], float]] = {}
        for job in jobs:
            folder, begin = root / f'{job.name}_straight', time.monotonic()
            run_killed(job, folder, 0, rng, 0)
            straight[job.name] = job.result(folder), time.monotonic() - begin
        left, turn = args.kills, 0
        while left > 0:
            job = jobs[turn % len(jobs)]
            folder = root / f'{job.name}_{turn}'
            expected, seconds = straight[job.name]
            killed = run_killed(job, folder, seconds, rng, min(left, 6))
            left, turn = left - killed, turn + 1
            job.ends += 1
            if not same(job.result(folder), expected):
                failures.append(f'{job.name}, run {turn}')
            hidden = [str(path) for path in folder.rglob('.*') if path.name != '.lock']
            failures += [f'{job.name}, run {turn}: {path} is left over' for path in hidden]
            shutil.rmtree(folder)
    for job in jobs:
        print(f'{job.name:10s} {sum(job.kills.values()):4d} kills in {job.ends} runs: {dict(job.kills)}')
    print('\n'.join(failures) or f'all {turn} runs ended bit-equal to one that was not killed')
    sys.exit(bool(failures))


if __name__ == '__main__':
    main()

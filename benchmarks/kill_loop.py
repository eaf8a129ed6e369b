"""Kill jobs at random moments, start them again, and compare what they leave with an undisturbed run, bit for bit.

    PYTHONPATH=$PWD python benchmarks/kill_loop.py --kills 100 --work-dir /tmp/kill_loop

Jobs: a training with evaluations and data workers, an extraction of pseudo-labels, new thresholds for it, an active
loop, and a recipe of three stages, all on a few tiny pictures. Each kill is SIGKILL or SIGTERM, to the process group or
to the main process alone, after a random time. A job that is killed three times is then left to its end.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import re
import shutil
import signal
import sys
import time
import warnings
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Iterator, Optional

import torch

import mmseg_uda  # noqa: F401
from mmseg_uda.utils.checkpoint_io import load_checkpoint_file
from tests.active import world as active_world
from tests.datasets.worlds import blocks, make_folder
from tests.engine.test_stages import esl_recipe
from tests.harness import runs
from tests.harness.processes import Tool

SIGNALS = ('SIGKILL', 'SIGTERM')
KILLS_PER_RUN = 3
#: entries of JSON files that tell of a run and not of its result; ``model`` is a digest of a checkpoint and its times
VOLATILE = re.compile('time|date|seconds|host|folder|work_dir|checkpoint|config|path|commit|version|^model$')


@dataclass
class Job:
    """A command that goes on where it stopped when it is started again.

    Attributes:
        name: in the table.
        tool: file below ``tools``.
        arguments: of a run in a folder; ``{out}`` is the folder.
        start: folder whose copy a run starts from.
        seconds: how long an undisturbed run takes.
    """

    name: str
    tool: str
    arguments: list[str]
    start: Optional[Path] = None
    seconds: float = 1.0

    def begin(self, out: Path) -> None:
        """Bring ``out`` into the state before the first start."""
        shutil.rmtree(out, ignore_errors=True)
        out.parent.mkdir(parents=True, exist_ok=True)
        if self.start is not None:
            shutil.copytree(self.start, out)

    def call(self, out: Path) -> Tool:
        return Tool(
            self.tool,
            [argument.replace('{out}', str(out)) for argument in self.arguments],
            out.parent / f'{out.name}.{time.monotonic_ns()}.txt',
            dict(OMP_NUM_THREADS='1'),
        )


def make_jobs(root: Path) -> list[Job]:
    """Write the worlds and configs below ``root``."""
    world = runs.make_world(root / 'world')
    make_folder(world / 'pool', 30, blocks((0, 1, 2, 4)))
    hooks = dict(custom_hooks=[], data__workers_per_gpu=2, runner__max_iters=12)
    training = runs.config('mic', world, root, evaluation__interval=3, checkpoint_config__interval=2, **hooks)
    training.custom_imports = dict(imports=['tests.harness.runs'], allow_failed_imports=False)
    training.dump(str(root / 'mic.py'))
    training.data.train.target = dict(training.data.train.target[0], data_root=str(world / 'pool'))
    training.dump(str(root / 'pool.py'))
    looped = active_world.image_config(active_world.make_world(root / 'active'), root / 'unused', max_iters=4)
    looped.dump(str(root / 'loop.py'))
    recipe = esl_recipe(root / 'recipe')
    cpu = ['--device', 'cpu']
    train = ['--work-dir', '{out}', '--seed', '3', *cpu]
    weights = str(root / 'reference/training/iter_12.pth')
    return [
        Job('training', 'train.py', [str(root / 'mic.py'), *train, '--auto-resume']),
        Job('extraction', 'pseudo_labels.py', ['extract', str(root / 'pool.py'), weights, '--out', '{out}', *cpu]),
        Job(
            'threshold', 'pseudo_labels.py', ['threshold', '{out}', '--fraction', '0.2'], root / 'reference/extraction'
        ),
        Job('active loop', 'active_loop.py', [str(root / 'loop.py'), *train]),
        Job('recipe', 'run_stages.py', [str(recipe), *train, '--no-validate']),
    ]


def digest(folder: Path) -> dict[str, str]:
    """What a run leaves behind, by file: the newest checkpoint of each folder tensor by tensor, pictures, lists and
    tables."""
    found = {}
    for path in sorted(path for path in folder.rglob('*') if path.is_file() and not path.is_symlink()):
        name = str(path.relative_to(folder))
        if path.suffix in ('.png', '.txt', '.npz', '.npy'):
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
        elif path.suffix == '.json' and not path.name.endswith('.log.json'):
            plain = _without_volatile(json.loads(path.read_text()))
            found[name] = hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()
    for parent in {path.parent for path in folder.rglob('iter_*.pth')}:
        newest = max(parent.glob('iter_*.pth'), key=lambda path: int(path.stem[5:]))
        loaded = load_checkpoint_file(newest)
        total = hashlib.sha256()
        for name, value in _leaves({key: loaded[key] for key in ('state_dict', 'optimizer', 'engine')}):
            raw = (
                value.contiguous().view(-1).view(torch.uint8).numpy().tobytes()
                if torch.is_tensor(value)
                else repr(value)
            )
            total.update(name.encode() + (raw if isinstance(raw, bytes) else raw.encode()))
        found[str(newest.relative_to(folder))] = total.hexdigest()
    return found


def _without_volatile(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_volatile(item) for key, item in value.items() if not VOLATILE.search(key)}
    return [_without_volatile(item) for item in value] if isinstance(value, list) else value


def _leaves(value: Any, name: str = '') -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _leaves(item, f'{name}.{key}')
    elif isinstance(value, (list, tuple)):
        for number, item in enumerate(value):
            yield from _leaves(item, f'{name}[{number}]')
    else:
        yield name, value


def undisturbed(job: Job, out: Path) -> dict[str, str]:
    job.begin(out)
    start = time.monotonic()
    tool = job.call(out)
    if tool.wait() != 0:
        raise RuntimeError(f'{job.name} fails without any kill:\n{tool.text[-3000:]}')
    job.seconds = time.monotonic() - start
    return digest(out)


def disturbed(job: Job, out: Path, draw: random.Random, counts: Counter[tuple[str, str]]) -> dict[str, str]:
    """A run that is killed up to :data:`KILLS_PER_RUN` times and then left to its end."""
    job.begin(out)
    for _ in range(KILLS_PER_RUN):
        tool = job.call(out)
        end = time.monotonic() + draw.uniform(0, job.seconds)
        while time.monotonic() < end and not tool._ended():
            time.sleep(0.005)
        if tool._ended():
            break
        name, group = draw.choice(SIGNALS), draw.random() < 0.5
        tool.signal(getattr(signal, name), group)
        tool.wait()
        tool.stop()  # workers that the main process left
        counts[job.name, f'{name} {"group" if group else "single"}'] += 1
    tool = job.call(out)
    status = tool.wait()
    if status != 0:
        raise RuntimeError(f'{job.name} ends with status {status} after kills:\n{tool.text[-3000:]}')
    return digest(out)


def main() -> None:
    """Run the loop and print the table; status 1 when anything differs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--kills', type=int, default=100)
    parser.add_argument('--work-dir', required=True)
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--jobs', nargs='+', help='names of jobs (default: all)')
    args = parser.parse_args()
    warnings.simplefilter('ignore')
    torch.set_num_threads(1)
    root = Path(args.work_dir).resolve()
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    jobs = make_jobs(root)
    expected = {job.name: undisturbed(job, root / 'reference' / job.name) for job in jobs}
    for job in jobs:  # what differs between undisturbed runs can prove nothing
        again = undisturbed(job, root / 'again' / job.name)
        if again != expected[job.name]:
            raise RuntimeError(
                f'two undisturbed runs of {job.name} differ in {_differences(again, expected[job.name])}'
            )
        print(f'{job.name}: {job.seconds:.1f} s undisturbed, {len(again)} files compared', flush=True)
    jobs = [job for job in jobs if not args.jobs or job.name in args.jobs]
    draw, counts, ends, failures = random.Random(args.seed), Counter(), Counter(), []
    while sum(counts.values()) < args.kills:
        job = jobs[sum(ends.values()) % len(jobs)]
        ends[job.name] += 1
        out = root / 'disturbed' / job.name.replace(' ', '_')
        try:
            found = disturbed(job, out, draw, counts)
            wrong = _differences(found, expected[job.name])
        except RuntimeError as error:
            wrong = str(error)
        if wrong:
            failures.append(f'{job.name}, run {ends[job.name]}: {wrong}')
            print(f'FAILED {failures[-1]}', flush=True)
            shutil.copytree(out, root / f'failure_{len(failures)}', symlinks=True)
    print(_table(jobs, counts, ends))
    print(f'{sum(counts.values())} kills in {sum(ends.values())} runs, {len(failures)} runs failed or differ')
    sys.exit(bool(failures))


def _differences(found: dict[str, str], expected: dict[str, str]) -> list[str]:
    return sorted(name for name in {*found, *expected} if found.get(name) != expected.get(name))


def _table(jobs: list[Job], counts: Counter[tuple[str, str]], ends: Counter[str]) -> str:
    kinds = [f'{name} {whom}' for name in SIGNALS for whom in ('group', 'single')]
    lines = ['| job | runs | ' + ' | '.join(kinds) + ' |', '|---|---|' + '---|' * len(kinds)]
    for job in jobs:
        lines.append(f'| {job.name} | {ends[job.name]} | ' + ' | '.join(str(counts[job.name, k]) for k in kinds) + ' |')
    return '\n'.join(lines)


if __name__ == '__main__':
    main()

"""The demo: on the toy world, a model trained on one appearance fails on another, and adaptation repairs part of it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional, Sequence

import mmseg_uda_command

from ..options.demo import ROWS, parse_args
from ..toy import ensure_toy_world

#: where configs and tools lie: the checkout, or inside the installed package
HOME = mmseg_uda_command.home()


@dataclass(frozen=True)
class DemoRun:
    """One row of the demo's table.

    Attributes:
        name: row title.
        config: config file, relative to the folder of configs and tools.
        cost: relative time of an iteration, for scheduling the longest first.
        self_training: whether the run begins on labels alone, for a fifth of its length.
    """

    name: str
    config: str
    cost: float
    self_training: bool = False


RUNS = (
    DemoRun(ROWS[0], 'configs/source_only/toy_gta_to_toy_cityscapes.py', 1.0),
    DemoRun(ROWS[1], 'configs/dacs/toy_gta_to_toy_cityscapes.py', 2.5, self_training=True),
    DemoRun(ROWS[2], 'configs/source_only/toy_cityscapes_oracle.py', 1.0),
)


def main(argv: Optional[Sequence[str]] = None) -> None:
    """Run the demo and print the table and the report's path."""
    args = parse_args(argv)
    start = time.time()
    ensure_toy_world(Path('data') / 'toy', datasets=('gta', 'cityscapes'))
    folder = Path(args.work_dir).resolve() / f'seed{args.seed}'
    runs = [run for run in RUNS if run.name in args.rows]
    jobs = args.jobs or _default_jobs(len(runs))
    threads = max((os.cpu_count() or 1) // jobs, 1)
    print(
        f'training {", ".join(run.name for run in runs)}: {jobs} at a time with {threads} threads each; logs '
        f'under {folder}',
        flush=True,
    )
    with ThreadPoolExecutor(jobs) as pool:
        ordered = sorted(runs, key=lambda run: -run.cost)
        finished = {
            run: pool.submit(train_and_test, run, folder / _slug(run.name), args.seed, args.iters, threads)
            for run in ordered
        }
        results = {run.name: finished[run].result() for run in runs}
    print(render_table(results), flush=True)
    report = folder / 'report.html'
    titles = [f'{run.name}={folder / _slug(run.name)}' for run in runs]
    _call(
        [sys.executable, str(HOME / 'tools' / 'report.py'), *titles, '--out', str(report.resolve())],
        folder / 'report_output.txt',
        dict(os.environ),
    )
    print(f'report: {report}    ({(time.time() - start) / 60:.1f} minutes)', flush=True)


def _default_jobs(count: int) -> int:
    import torch

    return 1 if torch.cuda.is_available() else max(min(count, os.cpu_count() or 1), 1)


def _slug(name: str) -> str:
    return re.sub(r'\W+', '_', name.lower())


def train_and_test(run: DemoRun, folder: Path, seed: int, iters: Optional[int], threads: int) -> dict[str, float]:
    """Train one row (going on where an earlier call stopped) and test it on the target.

    Returns:
        Metrics of ``tools/test.py``, in [0, 1].

    Raises:
        RuntimeError: training or testing failed; names the log.
    """
    environment = dict(os.environ, OMP_NUM_THREADS=str(threads), MKL_NUM_THREADS=str(threads))
    options = [f'runner.max_iters={iters}', f'evaluation.interval={iters}'] if iters else []
    if iters and run.self_training:  # otherwise a shorter demo might end before it begins
        options.append(f'uda.source_iters={iters // 5}')
    overrides = ['--cfg-options', *options] if options else []
    folder.mkdir(parents=True, exist_ok=True)
    watcher = _Progress(run.name, folder)
    with watcher:
        _call(
            [
                sys.executable,
                str(HOME / 'tools' / 'train.py'),
                str(HOME / run.config),
                '--work-dir',
                str(folder),
                '--seed',
                str(seed),
                '--auto-resume',
                '--no-validate',
                *overrides,
            ],
            folder / 'train_output.txt',
            environment,
        )
    _call(
        [
            sys.executable,
            str(HOME / 'tools' / 'test.py'),
            str(HOME / run.config),
            str(folder / 'latest.pth'),
            '--work-dir',
            str(folder),
            '--eval',
            'mIoU',
        ],
        folder / 'test_output.txt',
        environment,
    )
    return json.loads((folder / 'test_latest.json').read_text())['metric']


def _call(command: Sequence[str], output: Path, environment: dict[str, str]) -> None:
    with open(output, 'w') as log:
        code = subprocess.run(command, env=environment, stdout=log, stderr=subprocess.STDOUT).returncode
    if code:
        tail = '\n'.join(output.read_text(errors='replace').splitlines()[-15:])
        raise RuntimeError(f'{" ".join(command[1:3])} failed with status {code}; the end of {output}:\n{tail}')


class _Progress:
    """Prints a run's newest log line (iteration, loss, ETA) now and then while it trains."""

    def __init__(self, name: str, folder: Path, interval: float = 20.0) -> None:
        self._name = name
        self._output = folder / 'train_output.txt'
        self._interval = interval
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: Any) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        last = ''
        while not self._done.wait(self._interval):
            text = self._output.read_text(errors='replace') if self._output.exists() else ''
            found = re.findall(r'Iter \[(\d+/\d+)\].*?eta: ([\d:]+), time: ([\d.]+).*?[ ,]loss: ([\d.]+)', text)
            if found and found[-1][0] != last:
                last, eta, rate, loss = found[-1]
                print(f'  {self._name:12s} iteration {last:>11s}  {rate} s/iter  loss {loss}  eta {eta}', flush=True)


def render_table(results: dict[str, dict[str, float]]) -> str:
    """Per-class IoU and mIoU in percent, one column per run."""
    names = list(results)
    classes = [key[4:] for key in next(iter(results.values())) if key.startswith('IoU.')]
    width = max(len(name) for name in [*classes, 'mIoU'])
    lines = [' ' * width + ''.join(f'{name:>13s}' for name in names)]
    for label, key in [*((name, f'IoU.{name}') for name in classes), ('mIoU', 'mIoU')]:
        if label == 'mIoU':
            lines.append('-' * len(lines[0]))
        lines.append(
            f'{label:<{width}s}'
            + ''.join(f'{100 * metrics.get(key, float("nan")):13.1f}' for metrics in results.values())
        )
    return '\n'.join(lines)

"""Does it adapt? A resumable queue of trainings and the tables made from their results.

    python benchmarks/study.py run [--jobs 2] [--only dacs mic] [--seeds 3 4]   # goes on where it stopped
    python benchmarks/study.py status    # what is done, what runs, how long to go
    python benchmarks/study.py demo work_dirs/demo   # keeps the figures of ``make demo`` as result files
    python benchmarks/study.py table [--check]   # docs/benchmarks/study.md, README and first page of the benchmarks
    python benchmarks/study.py plot       # its chart, and panels and film strips of the runs that lie here

Every run trains on one thread and leaves one file in benchmarks/results/study, or in the folder
MMSEG_UDA_STUDY_RESULTS; runs whose file is there are done. CamVid is read from MMSEG_UDA_CAMVID.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Optional, Sequence

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / 'benchmarks')]

from adaptation_study import plan  # noqa: E402
from adaptation_study.figures import RESULTS, WORK, result_path  # noqa: E402
from adaptation_study.worlds import Row, iterations_of  # noqa: E402
from provenance import commit_of, processor  # noqa: E402


def queue(only: Sequence[str], seeds: Optional[Sequence[int]]) -> list[tuple[Row, int]]:
    """Runs in the order in which they are wanted: first seeds of all rows, then further ones.

    Args:
        only: see :func:`~adaptation_study.plan.rows`.
        seeds: of every such row, planned or not; None: the planned ones.
    """
    wanted = [(row, seed) for row in plan.rows(only) for seed in (row.seeds if seeds is None else seeds)]
    return sorted(wanted, key=lambda run: run[1])


def done(row: Row, seed: int) -> bool:
    """Whether the result of a run is there."""
    return result_path(row, seed).is_file()


def run(only: Sequence[str], seeds: Optional[Sequence[int]], jobs: int, device: str = 'cpu') -> int:
    """Work through the queue with ``jobs`` processes side by side; returns the number of runs that failed."""
    waiting = [one for one in queue(only, seeds) if not done(*one)]
    if not waiting:
        print(f'all of these runs are in {RESULTS}; MMSEG_UDA_STUDY_RESULTS=FOLDER runs them anew')
    running: dict[subprocess.Popen[bytes], tuple[str, float]] = {}
    failed = 0
    while waiting or running:
        while waiting and len(running) < jobs:
            row, seed = waiting.pop(0)
            name = f'{row.name}_seed{seed}'
            (WORK / name).mkdir(parents=True, exist_ok=True)
            with open(WORK / name / 'output.txt', 'ab') as output:
                process = subprocess.Popen(
                    [sys.executable, __file__, 'one', row.name, str(seed)],
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    env={
                        **os.environ,
                        'OMP_NUM_THREADS': '1',
                        'MKL_NUM_THREADS': '1',
                        'MMSEG_UDA_STUDY_DEVICE': device,
                    },
                )
            running[process] = (name, time.monotonic())
            print(f'{time.strftime("%H:%M:%S")} {name} begins, {len(waiting)} waiting', flush=True)
        time.sleep(1)
        for process in [process for process in running if process.poll() is not None]:
            name, began = running.pop(process)
            minutes = (time.monotonic() - began) / 60
            failed += process.returncode != 0
            end = 'done' if process.returncode == 0 else f'FAILED, see {WORK / name / "output.txt"}'
            print(f'{time.strftime("%H:%M:%S")} {name} {end} after {minutes:.1f} minutes', flush=True)
    return failed


def status(only: Sequence[str], seeds: Optional[Sequence[int]]) -> None:
    """Print the state of every run and an estimate of the processor time that is left."""
    runs = queue(only, seeds)
    results = {
        (row.name, seed): json.loads(result_path(row, seed).read_text(encoding='utf-8'))
        for row, seed in runs
        if done(row, seed)
    }
    known = {
        row.name: results[row.name, seed]['cpu_s'] / iterations_of(row)
        for row, seed in runs
        if (row.name, seed) in results
    }
    left = 0.0
    for row, seed in runs:
        result = results.get((row.name, seed))
        if result is not None:
            best = ', '.join(f'{name} {value["mIoU"]:.1f}' for name, value in result['final'].items())
            print(f'done     {row.name} seed {seed}: {best} ({result["cpu_s"] / 60:.0f} min)')
            continue
        iteration = _last_iteration(WORK / f'{row.name}_seed{seed}')
        per_iteration = known.get(row.name) or (sum(known.values()) / len(known) if known else 0)
        left += per_iteration * (iterations_of(row) - iteration)
        print(f'{"running " if iteration else "waiting "} {row.name} seed {seed}: iteration {iteration}')
    estimate = f'about {left / 3600:.1f} hours of one core left' if known else 'hours left: known once a run is done'
    print(f'{len(results)} of {len(runs)} runs done; {estimate}')


def _last_iteration(folder: Path) -> int:
    iterations = [0]
    for path in folder.glob('*.log.json'):
        lines = path.read_text(encoding='utf-8').splitlines()
        iterations += [int(json.loads(line).get('iter', 0)) for line in lines[-1:]]
    return max(iterations)


def main(argv: Optional[Sequence[str]] = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest='command', required=True)
    for name in ('run', 'status'):
        sub = commands.add_parser(name)
        sub.add_argument('--only', nargs='+', default=(), help='rows of these names, or whose names contain one')
        sub.add_argument('--seeds', nargs='+', type=int, help='these, planned or not (default: the planned ones)')
        if name == 'run':
            sub.add_argument('--jobs', type=int, default=1, help='runs side by side, one thread each')
            sub.add_argument('--device', default='cpu', help='cpu, or cuda: the runs share one GPU')
    one = commands.add_parser('one')
    one.add_argument('row', choices=[row.name for row in plan.ROWS], metavar='row')
    one.add_argument('seed', type=int)
    table = commands.add_parser('table')
    table.add_argument('--check', action='store_true', help='compare with the page instead of writing it')
    commands.add_parser('plot')
    demo = commands.add_parser('demo')
    demo.add_argument('folder', type=Path, help='--work-dir of the demo')
    args = parser.parse_args(argv)
    if args.command in ('run', 'status') and not plan.rows(args.only):
        parser.error(f'--only {" ".join(args.only)}: no row has such a name, see benchmarks/adaptation_study/plan.py')
    if args.command == 'run':
        try:
            sys.exit(1 if run(args.only, args.seeds, args.jobs, args.device) else 0)
        except KeyboardInterrupt:
            print('interrupted: the runs write a checkpoint and end; the same command goes on from there')
            sys.exit(130)
    if args.command == 'status':
        return status(args.only, args.seeds)
    if args.command == 'one':
        from adaptation_study.one_run import run_one

        import mmseg_uda  # noqa: F401  (first: it prepares mmcv)

        print(run_one(next(row for row in plan.ROWS if row.name == args.row), args.seed))
        return
    from adaptation_study import chart, demo, page, pictures

    if args.command == 'plot':
        chart.plot()
        chart.plot_settings()
        print('\n'.join(pictures.draw()))
        return
    if args.command == 'demo':
        print('\n'.join(map(str, demo.collect(args.folder, dict(commit=commit_of(ROOT), device=processor())))))
        return
    sys.exit(page.write(check=args.check))


if __name__ == '__main__':
    main()

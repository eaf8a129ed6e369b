"""Figures of the study, from its result files alone."""

from __future__ import annotations

import json
import os
import statistics
from pathlib import Path
from typing import Any, Sequence

from .worlds import Row

ROOT = Path(__file__).resolve().parents[2]
#: another folder repeats the study: what lies there is done
_ELSEWHERE = os.environ.get('MMSEG_UDA_STUDY_RESULTS')
RESULTS = Path(_ELSEWHERE).absolute() if _ELSEWHERE else ROOT / 'benchmarks' / 'results' / 'study'
#: checkpoints and logs, not committed; runs go on from what lies here
WORK = RESULTS / 'work' if _ELSEWHERE else ROOT / 'work_dirs' / 'study'
#: see one_run.ADAPTED, which needs torch
ADAPTED = ' on target statistics'
Runs = Sequence[dict[str, Any]]


def result_path(row: Row, seed: int) -> Path:
    """Where the result of a run stands once it is done."""
    return RESULTS / f'{row.name}_seed{seed}.json'


def results() -> dict[str, list[dict[str, Any]]]:
    """Result files by row, in the order of their seeds."""
    found: dict[str, list[dict[str, Any]]] = {}
    for path in sorted(RESULTS.glob('*.json')):
        one = json.loads(path.read_text(encoding='utf-8'))
        found.setdefault(one['row'], []).append(one)
    return {name: sorted(runs, key=lambda run: run['seed']) for name, runs in found.items()}


def tested(run: dict[str, Any]) -> str:
    """The network that the method answers with at test time."""
    return str(next(iter(run['final'])))


def scores(runs: Runs, network: str = '', key: str = 'mIoU', suffix: str = '') -> list[float]:
    """A figure of the last evaluation, one value for each seed that has the network; by default the tested one."""
    names = [(run, (network or tested(run)) + suffix) for run in runs]
    return [run['final'][name][key] for run, name in names if name in run['final']]


def spread(values: Sequence[float]) -> str:
    """``mean +- standard deviation``; ``-`` where nothing ran."""
    if not values:
        return '-'
    mean = statistics.mean(values)
    return f'{mean:.1f}' if len(values) == 1 else f'{mean:.1f} ± {statistics.stdev(values):.1f}'


def gain(
    runs: Sequence[dict[str, Any]], baseline: Sequence[dict[str, Any]], suffix: str = '', reference: str = ''
) -> list[float]:
    """Differences to the baseline between tested networks, seed by seed where both have run; ``suffix`` and
    ``reference`` choose figures of both, :data:`ADAPTED` for instance."""
    before = {run['seed']: run['final'].get(tested(run) + reference) for run in baseline}
    after = {run['seed']: run['final'].get(tested(run) + suffix) for run in runs}
    return [value['mIoU'] - before[seed]['mIoU'] for seed, value in after.items() if value and before.get(seed)]


def unadapted(row: Row) -> str:
    """The source-only row of a row's world and streams."""
    several = {'targets': '2_', 'three_targets': '3_', 'large': 'large_'}.get(row.setting, '')
    return f'{row.world}_{several}source_only'


def final_names(runs: Runs) -> list[str]:
    """Networks that the runs of a row can answer with, the tested one first."""
    return [name for name in runs[0]['final'] if not name.endswith(ADAPTED)] if runs else []

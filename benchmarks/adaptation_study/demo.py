"""The demo's tables, from what ``make demo`` leaves: one result file for each seed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .figures import ROOT
from .tables import markdown

#: heads of the columns, by the folders of the demo's rows
TITLES = {'source_only': 'source-only', 'dacs': 'DACS', 'oracle': 'oracle'}
RESULTS = ROOT / 'benchmarks' / 'results' / 'demo'


def collect(folder: Path, origin: dict[str, Any]) -> list[Path]:
    """Keep the figures of a demo's work folder as result files.

    Args:
        folder: ``--work-dir`` of the demo.
        origin: commit, device and versions, written beside the figures.

    Raises:
        FileNotFoundError: no run of the demo ended there.
    """
    written = []
    for seed in sorted(folder.glob('seed*')):
        tests = {path.parent.name: path for path in sorted(seed.glob('*/test_latest.json'))}
        figures = {name: json.loads(path.read_text(encoding='utf-8'))['metric'] for name, path in tests.items()}
        percent = {
            name: {key: round(100 * value, 2) for key, value in metrics.items() if key.startswith(('IoU.', 'mIoU'))}
            for name, metrics in figures.items()
        }
        if percent:
            number = int(seed.name[len('seed') :])
            result = dict(seed=number, command=f'make demo ARGS="--seed {number}"', **origin, final=percent)
            RESULTS.mkdir(parents=True, exist_ok=True)
            path = RESULTS / f'{seed.name}.json'
            path.write_text(json.dumps(result, indent=1) + '\n', encoding='utf-8')
            written.append(path)
    if not written:
        raise FileNotFoundError(f'{folder}: no seed*/*/test_latest.json; give the --work-dir of tools/demo.py')
    return written


def results() -> list[dict[str, Any]]:
    """Result files by seed."""
    runs = [json.loads(path.read_text(encoding='utf-8')) for path in RESULTS.glob('seed*.json')]
    return sorted(runs, key=lambda run: run['seed'])


def columns(run: dict[str, Any]) -> list[str]:
    """Folders of the demo's rows in the order of its own table."""
    return [name for name in TITLES if name in run['final']]


def seeds_table() -> list[str]:
    """mIoU of every seed."""
    runs = results()
    if not runs:
        return []
    lines = [[f'seed {run["seed"]}', *(f'{run["final"][name]["mIoU"]:.1f}' for name in columns(run))] for run in runs]
    return markdown(['mIoU on the toy city (19 classes)', *titles(runs[0])], lines)


def titles(run: dict[str, Any]) -> list[str]:
    """Heads of the columns."""
    return [TITLES[name] for name in columns(run)]


def front() -> str:
    """Seeds, origin and classes of the first seed."""
    runs = results()
    if not runs:
        return ''
    first = runs[0]
    names = [key for key in first['final'][columns(first)[0]] if key.startswith('IoU.')]
    lines = [
        [key[4:] if key != 'mIoU' else '**mIoU**', *(f'{first["final"][name][key]:.1f}' for name in columns(first))]
        for key in [*names, 'mIoU']
    ]
    origins = sorted({f'commit {run["commit"]}, {run["device"]}' for run in runs})
    return '\n'.join(
        [
            *seeds_table(),
            '',
            f'({"; ".join(origins)}.) Classes of seed {first["seed"]}:',
            '',
            *markdown(['IoU', *titles(first)], lines),
        ]
    )

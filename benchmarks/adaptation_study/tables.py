"""Tables and pictures of the study, from its result files alone: no figure is typed by hand."""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any, Optional, Sequence

from . import plan

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / 'benchmarks' / 'results' / 'study'
PAGE = ROOT / 'docs' / 'benchmarks' / 'study.md'
README = ROOT / 'README.md'
CHART = ROOT / 'docs' / 'images' / 'study_gains.png'
BEGIN, END = '<!-- tables: python benchmarks/study.py table -->', '<!-- end of tables -->'
#: see one_run.ADAPTED, which needs torch
ADAPTED = ' on target statistics'
HEADINGS = {
    'uda': 'one target without labels',
    'targets': 'several targets',
    'few_labels': 'a few target labels',
    'active': 'bought labels',
    'why': 'why a row loses: parts switched off one at a time',
}


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


def scores(runs: Sequence[dict[str, Any]], network: str = '', key: str = 'mIoU', suffix: str = '') -> list[float]:
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


def unadapted(row: plan.Row) -> str:
    """The source-only row of a row's world and streams."""
    several = '2_' if row.setting == 'targets' else ''
    return f'{row.world}_{several}source_only'


def adabn_line(name: str, found: dict[str, list[dict[str, Any]]]) -> list[str]:
    """The line of source-only with statistics of the target, which is no run of its own."""
    runs = found.get(name, [])
    value = spread(scores(runs, suffix=ADAPTED))
    over = spread(gain(runs, runs, ADAPTED))
    cells = [
        'AdaBN: source-only with target statistics',
        value,
        '',
        'source-only',
        over,
        value,
        '',
        str(len(runs)),
        '',
        '',
    ]
    return ['| ' + ' | '.join(cells) + ' |'] if runs else []


def main_table(rows: Sequence[plan.Row], found: dict[str, list[dict[str, Any]]]) -> list[str]:
    """mIoU of the tested network and the teacher, gain over the baseline, seeds and time of every row."""
    lines = [
        '| method | mIoU | teacher | baseline | gain over it | with target statistics | over AdaBN | seeds '
        '| iterations | minutes of one core |',
        '|---|---|---|---|---|---|---|---|---|---|',
    ]
    titles = {row.name: row.title for row in plan.ROWS}
    for row in rows:
        runs = found.get(row.name, [])
        network = f' ({tested(runs[0]).replace("_", " ")})' if runs and tested(runs[0]) != 'student' else ''
        adabn = found.get(unadapted(row), []) if row.setting in ('uda', 'targets', 'why') else []
        cells = [
            row.title + (f' ({row.note})' if row.note else ''),
            spread(scores(runs)) + network,
            spread(scores(runs, 'teacher')) if any('teacher' in run['final'] for run in runs) else '',
            titles.get(row.baseline, ''),
            spread(gain(runs, found.get(row.baseline, []))) if row.baseline else '',
            spread(scores(runs, suffix=ADAPTED)),
            spread(gain(runs, adabn, ADAPTED, ADAPTED)) if adabn and row.name != unadapted(row) else '',
            str(len(runs)),
            str(plan.iterations_of(row)) if not row.rounds else f'{plan.iterations_of(row)} a round',
            f'{statistics.mean(run["cpu_s"] for run in runs) / 60:.0f}' if runs else '-',
        ]
        lines.append('| ' + ' | '.join(cells) + ' |')
        if row.name == unadapted(row):
            lines += adabn_line(row.name, found)
    return lines


def class_table(rows: Sequence[plan.Row], found: dict[str, list[dict[str, Any]]]) -> list[str]:
    """IoU of every class, tested network, mean over the seeds."""
    ran = [row for row in rows if found.get(row.name)]
    if not ran:
        return []
    names = [key[4:] for key in next(iter(found[ran[0].name][0]['final'].values())) if key.startswith('IoU.')]
    columns = []
    for row in ran:
        columns.append((row.title, found[row.name], ''))
        if row.name == unadapted(row):
            columns.append(('AdaBN', found[row.name], ADAPTED))
    lines = ['| IoU | ' + ' | '.join(title for title, _, _ in columns) + ' |', '|---|' + '---|' * len(columns)]
    for name in names:
        values = [statistics.mean(scores(runs, key=f'IoU.{name}', suffix=suffix)) for _, runs, suffix in columns]
        lines.append(f'| {name} | ' + ' | '.join(f'{value:.1f}' for value in values) + ' |')
    return lines


def page_tables() -> str:
    """Everything between the marks of the page."""
    found, lines = results(), [BEGIN, '']
    for world, facts in plan.WORLDS.items():
        for setting, heading in HEADINGS.items():
            rows = [row for row in plan.ROWS if row.world == world and row.setting == setting]
            if not any(found.get(row.name) for row in rows):
                continue
            lines += [f'### {facts.title}: {heading}', '', *main_table(rows, found), '']
            compared = {row.baseline for row in rows} if setting == 'why' else set()
            before = [row for row in plan.ROWS if row.name in compared and row not in rows]
            lines += [*class_table([*before, *rows], found), '']
    runs = [run for row in found.values() for run in row]
    hours = sum(run['cpu_s'] for run in runs) / 3600
    wanted = sum(len(row.seeds) for row in plan.ROWS)
    devices = sorted({run['device'] for run in runs})
    commits = sorted({str(run['commit']) for run in runs})
    lines += [
        f'{len(runs)} of {wanted} planned runs, {hours:.1f} hours of one core ({"; ".join(devices)}), '
        f'commits {", ".join(commits)}. `-` = not run yet. Every file in `benchmarks/results/study` names its command.',
        '',
        END,
    ]
    return '\n'.join(lines)


def front_table() -> str:
    """Everything between the marks of the README: one target without labels, both worlds, rows that have run."""
    found = results()
    rows: dict[str, dict[str, plan.Row]] = {}
    for row in plan.ROWS:
        if row.setting == 'uda' and found.get(row.name):
            rows.setdefault(row.title, {})[row.world] = row
    heads = [
        f'{facts.title.split(":")[0]}{part}' for facts in plan.WORLDS.values() for part in ('', ', target statistics')
    ]
    lines = ['| mIoU | ' + ' | '.join(heads) + ' |', '|---|' + '---|' * len(heads)]
    for title, worlds in sorted(rows.items(), key=lambda item: item[0] == 'oracle'):  # the upper bound comes last
        runs = [found.get(worlds[world].name, []) if world in worlds else [] for world in plan.WORLDS]
        cells = [spread(scores(one, suffix=suffix)) for one in runs for suffix in ('', ADAPTED)]
        lines.append(f'| {title} | ' + ' | '.join(cells) + ' |')
    return '\n'.join([BEGIN, *lines, END])


def between_marks(text: str, fresh: str) -> str:
    """A page with new tables."""
    begin, end = text.index(BEGIN), text.index(END) + len(END)
    return text[:begin] + fresh + text[end:]


def write(check: bool = False) -> int:
    """Bring the tables of the page and of the README up to date, or say whether they are; returns an exit status."""
    stale = []
    for path, tables in ((PAGE, page_tables()), (README, front_table())):
        text = path.read_text(encoding='utf-8')
        fresh = between_marks(text, tables)
        if fresh != text:
            stale.append(path.name)
            if not check:
                path.write_text(fresh, encoding='utf-8')
    if check:
        print(f'{", ".join(stale)}: run study.py table' if stale else 'the tables agree with the results')
    return int(check and bool(stale))


def plot(path: Optional[Path] = None) -> None:
    """Bars of the gains over source-only, with the standard deviation over the seeds."""
    import matplotlib

    matplotlib.use('Agg')
    from matplotlib import pyplot as plt

    found = results()
    figure, axes = plt.subplots(1, len(plan.WORLDS), figsize=(5 * len(plan.WORLDS), 4), constrained_layout=True)
    for axis, (world, facts) in zip(axes, plan.WORLDS.items()):
        baseline, oracle = (found.get(f'{world}_{name}', []) for name in ('source_only', 'oracle'))
        rows = [row for row in plan.ROWS if row.world == world and row.setting == 'uda' and found.get(row.name)]
        shown = [row for row in rows if row.title not in ('source-only', 'oracle')]
        bars = [('AdaBN', [], gain(baseline, baseline, ADAPTED))]
        bars += [(row.title, *(gain(found[row.name], baseline, suffix) for suffix in ('', ADAPTED))) for row in shown]
        for place, (_, plain, adapted) in enumerate(bars):
            _bar(axis, place - 0.2, plain, '#4477aa', 'as trained')
            _bar(axis, place + 0.2, adapted, '#ccbb44', 'with target statistics')
        axis.set_yticks(range(len(bars)), [title for title, _, _ in bars])
        axis.axvline(0, color='black', linewidth=0.8)
        axis.invert_yaxis()
        axis.set_title(facts.title, fontsize=10)
        axis.set_xlabel(f'mIoU over source-only ({spread(scores(baseline))}; oracle {spread(scores(oracle))})')
    handles, labels = axes[-1].get_legend_handles_labels()
    named = dict(zip(labels, handles))
    figure.legend(named.values(), named.keys(), loc='outside lower center', ncols=2, frameon=False)
    figure.savefig(path or CHART, dpi=110)


def _bar(axis: Any, place: float, values: Sequence[float], color: str, label: str) -> None:
    """The mean of some gains, with the standard deviation where there are several seeds."""
    if values:
        error = statistics.stdev(values) if len(values) > 1 else None
        axis.barh(place, statistics.mean(values), 0.38, xerr=error, color=color, capsize=3, label=label)

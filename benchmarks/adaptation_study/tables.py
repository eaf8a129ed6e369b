"""Tables of the study: lines of Markdown from its figures, none typed by hand."""

from __future__ import annotations

import statistics
from typing import Mapping, Sequence

from . import plan
from .figures import ADAPTED, Runs, final_names, gain, scores, spread, tested, unadapted
from .worlds import Row, iterations_of

Found = Mapping[str, Runs]


def markdown(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A table; no lines without rows."""
    lines = [head, ['---'] * len(head), *rows] if rows else []
    return ['| ' + ' | '.join(cells) + ' |' for cells in lines]


def main_table(rows: Sequence[Row], found: Found) -> list[str]:
    """mIoU of the tested network and the teacher, gain over the baseline, seeds and time of every row."""
    head = ['method', 'mIoU', 'teacher', 'baseline', 'gain over it', 'with target statistics', 'over AdaBN', 'seeds']
    titles = {row.name: row.title for row in plan.ROWS}
    lines = []
    for row in rows:
        runs = found.get(row.name, [])
        network = f' ({tested(runs[0]).replace("_", " ")})' if runs and tested(runs[0]) != 'student' else ''
        adabn = found.get(unadapted(row), []) if row.setting not in ('few_labels', 'active') else []
        cells = [
            row.title + (f' ({row.note})' if row.note else ''),
            spread(scores(runs)) + network,
            spread(scores(runs, 'teacher')) if any('teacher' in run['final'] for run in runs) else '',
            titles.get(row.baseline, ''),
            spread(gain(runs, found.get(row.baseline, []))) if row.baseline else '',
            spread(scores(runs, suffix=ADAPTED)),
            spread(gain(runs, adabn, ADAPTED, ADAPTED)) if adabn and row.name != unadapted(row) else '',
            str(len(runs)),
            str(iterations_of(row)) if not row.rounds else f'{iterations_of(row)} a round',
            f'{statistics.mean(run["cpu_s"] for run in runs) / 60:.0f}' if runs else '-',
        ]
        lines.append(cells)
        if runs and row.name == unadapted(row):  # the same runs with statistics of the target: no training of its own
            value, over = spread(scores(runs, suffix=ADAPTED)), spread(gain(runs, runs, ADAPTED))
            title = 'AdaBN: source-only with target statistics'
            lines.append([title, value, '', 'source-only', over, value, '', str(len(runs)), '', ''])
    return markdown([*head, 'iterations', 'minutes of one core'], lines)


def ranking(rows: Sequence[Row], found: Found) -> list[str]:
    """Methods by mIoU with target statistics, and whether each is above its baseline by more than the spread."""
    titles = {row.name: row.title for row in plan.ROWS}
    entries: list[tuple[list[float], list[str]]] = []
    for row in rows:
        values = scores(found.get(row.name, []), suffix=ADAPTED)
        if not values:
            continue
        own = row.name == unadapted(row)
        over = [] if own else gain(found[row.name], found.get(row.baseline, []), ADAPTED, ADAPTED)
        cells = ['AdaBN' if own else row.title, spread(values), '' if own else titles[row.baseline]]
        entries.append((values, [*cells, '' if own else spread(over), '' if own else verdict(over), str(len(values))]))
    entries.sort(key=lambda entry: -statistics.mean(entry[0]))
    head = ['', 'method', 'with target statistics', 'baseline', 'gain over it', 'that is', 'seeds']
    return markdown(head, [[str(place), *cells] for place, (_, cells) in enumerate(entries, start=1)])


def verdict(gains: Sequence[float]) -> str:
    """Whether gains, one for each seed, are more than their standard deviation away from nothing."""
    if len(gains) < 2:
        return 'one seed' if gains else 'no common seed'
    mean, deviation = statistics.mean(gains), statistics.stdev(gains)
    return 'within the spread' if abs(mean) <= deviation else 'above' if mean > 0 else 'below'


def class_table(rows: Sequence[Row], found: Found) -> list[str]:
    """IoU of every class, tested network, mean over the seeds."""
    return _by_key(rows, found, 'IoU.', 'IoU')


def target_table(rows: Sequence[Row], found: Found) -> list[str]:
    """mIoU on every target, tested network, mean over the seeds."""
    return _by_key(rows, found, 'mIoU.', 'mIoU')


def _by_key(rows: Sequence[Row], found: Found, prefix: str, head: str) -> list[str]:
    """Figures whose names begin with ``prefix``: a line for each, a column for every row that ran."""
    columns = []
    for row in rows:
        if found.get(row.name):
            columns.append((row.title, found[row.name], ''))
            if row.name == unadapted(row):
                columns.append(('AdaBN', found[row.name], ADAPTED))
    if not columns:
        return []
    figures = next(iter(columns[0][1][0]['final'].values()))
    lines = []
    for name in [key[len(prefix) :] for key in figures if key.startswith(prefix)]:
        values = [statistics.mean(scores(runs, key=prefix + name, suffix=suffix)) for _, runs, suffix in columns]
        lines.append([name, *(f'{value:.1f}' for value in values)])
    return markdown([head, *(title for title, _, _ in columns)], lines)


def curve_table(rows: Sequence[Row], found: Found) -> list[str]:
    """Tested network / teacher at every evaluation, mean over the seeds; rows of one training."""
    lines, iterations = [], []
    for row in rows:
        runs = [run for run in found.get(row.name, []) if len(run['curve']) > 1]
        if not runs:
            continue
        iterations = [point['iter'] for point in runs[0]['curve']]
        networks = [name for name in dict.fromkeys((tested(runs[0]), 'teacher')) if name in runs[0]['curve'][0]]
        means = [
            [statistics.mean(run['curve'][place][name] for run in runs) for name in networks]
            for place in range(len(iterations))
        ]
        lines.append([row.title, *(' / '.join(f'{value:.1f}' for value in values) for values in means)])
    return markdown(['mIoU at iteration', *(str(iteration) for iteration in iterations)], lines)


def network_table(rows: Sequence[Row], found: Found) -> list[str]:
    """All networks that a run can answer with, where there are others than student and teacher."""
    lines = []
    for row in rows:
        runs = found.get(row.name, [])
        names = final_names(runs)
        if set(names) <= {'student', 'teacher'}:
            continue
        for name in names:
            if name == 'student' != names[0]:
                continue  # another name of one of the others
            cells = [spread(scores(runs, name)), spread(scores(runs, name, suffix=ADAPTED))]
            lines.append([row.title, name.replace('_', ' ') + ' (tested)' * (name == names[0]), *cells])
    return markdown(['method', 'network', 'mIoU', 'with target statistics'], lines)


def label_table(rows: Sequence[Row], found: Found) -> list[str]:
    """Accuracy of stored pseudo-labels in percent, mean over the seeds: those that are kept, and at equal shares."""
    ran = [row for row in rows if any(run.get('labels') for run in found.get(row.name, []))]
    if not ran:
        return []
    columns = [[run['labels'] for run in found[row.name] if run.get('labels')] for row in ran]
    lines = [
        [share, *(f'{statistics.mean(labels[share] for labels in column):.1f}' for column in columns)]
        for share in columns[0][0]
    ]
    return markdown(['accuracy of the labels, surest share of all pixels', *(row.title for row in ran)], lines)


def round_table(rows: Sequence[Row], found: Found) -> list[str]:
    """mIoU after every purchase of whole images, mean over the seeds."""
    lines, images = [], []
    for row in rows:
        runs = found.get(row.name, [])
        if row.rounds and runs:
            images = [point['images'] for point in runs[0]['rounds']]
            lines.append([row.title, *(spread([run['rounds'][i]['mIoU'] for run in runs]) for i in range(len(images)))])
    return markdown(['mIoU with', *(f'{count} images' for count in images)], lines)

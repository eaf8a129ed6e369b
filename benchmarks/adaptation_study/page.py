"""The pages that carry tables of the study: everything between their marks is made anew."""

from __future__ import annotations

from pathlib import Path
from typing import Sequence

from . import demo, plan
from .figures import ADAPTED, ROOT, results, scores, spread
from .tables import (
    Found,
    class_table,
    curve_table,
    label_table,
    main_table,
    markdown,
    network_table,
    ranking,
    round_table,
    target_table,
)
from .worlds import WORLDS, Row

PAGE = ROOT / 'docs' / 'benchmarks' / 'study.md'
FRONT = ROOT / 'docs' / 'benchmarks' / 'README.md'
README = ROOT / 'README.md'
HEADINGS = {
    'uda': 'one target without labels',
    'large': 'one target without labels, images of 512x256',
    'targets': 'two targets',
    'three_targets': 'three targets',
    'few_labels': 'a few target labels',
    'active': 'bought labels',
    'why': 'why a row loses: parts switched off one at a time',
}


def blocks(rows: Sequence[Row], found: Found) -> list[list[str]]:
    """The tables under one heading."""
    setting = rows[0].setting
    compared = {row.baseline for row in rows} if setting == 'why' else set()
    before = [row for row in plan.ROWS if row.name in compared and row not in rows]
    return [
        main_table(rows, found),
        ranking(rows, found) if setting == 'uda' else [],
        round_table(rows, found),
        label_table(rows, found),
        target_table(rows, found) if setting.endswith('targets') else [],
        network_table(rows, found),
        class_table([*before, *rows], found),
        curve_table([*before, *rows], found),
    ]


def study_tables() -> str:
    """The tables of the study's page."""
    found, lines = results(), []
    for world, facts in WORLDS.items():
        for setting, heading in HEADINGS.items():
            rows = [row for row in plan.ROWS if row.world == world and row.setting == setting]
            if any(found.get(row.name) for row in rows):
                lines += [f'### {facts.title}: {heading}', '']
                lines += [line for block in blocks(rows, found) if block for line in (*block, '')]
    runs = [run for row in found.values() for run in row]
    hours = sum(run['cpu_s'] for run in runs) / 3600
    wanted = {(row.name, seed) for row in plan.ROWS for seed in row.seeds}
    ran = {(name, run['seed']) for name, of_row in found.items() for run in of_row}
    further = f' and {len(ran - wanted)} further ones' if ran - wanted else ''
    devices = sorted({run['device'] for run in runs})
    commits = sorted({str(run['commit']) for run in runs})
    lines += [
        f'{len(ran & wanted)} of {len(wanted)} planned runs{further}, {hours:.1f} hours of one core '
        f'({"; ".join(devices)}), commits {", ".join(commits)}. `-` = not run yet. '
        'Every file in `benchmarks/results/study` names its command.',
        '',
    ]
    return '\n'.join(['', *lines])


def front_table() -> str:
    """One target without labels, both worlds, rows that have run."""
    found = results()
    rows: dict[str, dict[str, Row]] = {}
    for row in plan.ROWS:
        if row.setting == 'uda' and found.get(row.name):
            rows.setdefault(row.title, {})[row.world] = row
    heads = [f'{facts.title.split(":")[0]}{part}' for facts in WORLDS.values() for part in ('', ', target statistics')]
    lines = []
    for title, worlds in sorted(rows.items(), key=lambda item: item[0] == 'oracle'):  # the upper bound comes last
        runs = [found.get(worlds[world].name, []) if world in worlds else [] for world in WORLDS]
        lines.append([title, *(spread(scores(one, suffix=suffix)) for one in runs for suffix in ('', ADAPTED))])
    return '\n'.join(markdown(['mIoU', *heads], lines))


def between_marks(text: str, name: str, fresh: str) -> str:
    """A page with new lines between the marks ``name``."""
    begin, end = f'<!-- {name}: python benchmarks/study.py table -->', f'<!-- end of {name} -->'
    before, rest = text.split(begin)
    _, after = rest.split(end)
    return '\n'.join([before + begin, fresh, end + after])


def pages() -> list[tuple[Path, str]]:
    """Pages with fresh tables."""
    study = between_marks(PAGE.read_text(encoding='utf-8'), 'tables', study_tables())
    readme = between_marks(README.read_text(encoding='utf-8'), 'tables', front_table())
    readme = between_marks(readme, 'demo', '\n'.join(demo.seeds_table()))
    front = between_marks(FRONT.read_text(encoding='utf-8'), 'demo', demo.front())
    return [(PAGE, study), (README, readme), (FRONT, front)]


def write(check: bool = False) -> int:
    """Bring all tables up to date, or say whether they are; returns an exit status."""
    stale = [(path, text) for path, text in pages() if path.read_text(encoding='utf-8') != text]
    for path, text in stale:
        if not check:
            path.write_text(text, encoding='utf-8')
    if check:
        names = ', '.join(str(path.relative_to(ROOT)) for path, _ in stale)
        print(f'{names}: run study.py table' if stale else 'the tables agree with the results')
    return int(check and bool(stale))

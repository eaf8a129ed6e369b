"""The files that list methods and configs: check them, or write what is missing.

    python tools/catalogue.py --check
    python tools/catalogue.py --write

Every folder of ``configs/`` is a method. It needs a ``README.md``, a ``metafile.yml`` with an entry for each of its
configs (recipes of stages apart), a page ``docs/methods/<folder>.md``, and a line in ``model-index.yml``, in
``docs/README.md`` and in the table of ``README.md``. ``--write`` adds lines and entries and leaves existing ones alone;
what only its author can write (pages, results) is named.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path
from typing import Optional, Sequence

import yaml

ROOT = Path(__file__).resolve().parents[1]


def methods(root: Path) -> list[str]:
    """The folders of configs, in order."""
    return sorted({path.parent.name for path in (root / 'configs').glob('[!_]*/*.py')})


def leaves(root: Path, method: str) -> list[str]:
    """Configs of a method that have an entry in its metafile."""
    return sorted(p.name for p in (root / 'configs' / method).glob('*.py') if not p.stem.endswith('_stages'))


def title(root: Path, method: str) -> str:
    """First heading of the method's page."""
    return (root / 'docs' / 'methods' / f'{method}.md').read_text(encoding='utf-8').split('\n')[0].lstrip('# ')


def missing_files(root: Path) -> list[str]:
    """Files that an author has to write."""
    wanted = [
        path
        for method in methods(root)
        for path in (f'configs/{method}/README.md', f'configs/{method}/metafile.yml', f'docs/methods/{method}.md')
    ]
    return [path for path in wanted if not (root / path).is_file()]


def model_index(root: Path) -> str:
    """The whole of ``model-index.yml``."""
    return ''.join(['Import:\n', *(f'  - configs/{method}/metafile.yml\n' for method in methods(root))])


def documentation_index(root: Path) -> str:
    """``docs/README.md`` with a line for the page and the config folder of every method."""
    text = (root / 'docs' / 'README.md').read_text(encoding='utf-8')
    folders = ', '.join(f'[{method}](../configs/{method}/README.md)' for method in methods(root))
    text = re.sub(r'(has a page on its files: )[^\n]*', lambda found: f'{found[1]}{folders}.', text)
    for method in methods(root):
        text = _with_line(text, f'](methods/{method}.md)', f'- [{title(root, method)}](methods/{method}.md)')
    return text


def readme(root: Path) -> str:
    """``README.md`` with a row for every method."""
    text = (root / 'README.md').read_text(encoding='utf-8')
    for method in methods(root):
        page, configs = f'docs/methods/{method}.md', f'configs/{method}'
        row = f'| {title(root, method)} | UDA | [`{configs}`]({configs}) | [page]({page}) |'
        text = _with_line(text, f'({page})', row)
    return text


def _with_line(text: str, mark: str, line: str) -> str:
    """``text``; without ``mark`` in it, ``line`` is added where its neighbours in the alphabet stand."""
    if mark in text:
        return text
    pattern = re.escape(mark).replace(re.escape(re.findall(r'/(\w+)\.md', mark)[0]), r'\w+')
    rows = {re.findall(r'/(\w+)\.md\)', row)[-1]: row for row in text.split('\n') if re.search(pattern, row)}
    before = [name for name in rows if name < re.findall(r'/(\w+)\.md', mark)[0]]
    if before:
        return text.replace(rows[max(before)], f'{rows[max(before)]}\n{line}', 1)
    return text.replace(rows[min(rows)], f'{line}\n{rows[min(rows)]}', 1)


def metafile(root: Path, method: str) -> str:
    """A method's metafile with an entry for every config; entries of configs that are gone are left out."""
    path = root / 'configs' / method / 'metafile.yml'
    head, _, body = path.read_text(encoding='utf-8').partition('\nModels:\n')
    entries = re.split(r'(?m)^- Name: ', body)[1:]
    known: dict[str, str] = {}
    for entry in entries:
        known.setdefault(re.findall(r'Config: \S*/(\S+)', entry)[0], entry)
    collection = yaml.safe_load(head)['Collections'][0]['Name']
    for name in leaves(root, method):
        if name not in known:
            known[name] = _entry(root, method, name, collection)
    kept = [entry.rstrip('\n') + '\n' for name, entry in known.items() if name in leaves(root, method)]
    return '- Name: '.join([f'{head.rstrip()}\nModels:\n', *kept])


def _entry(root: Path, method: str, name: str, collection: str) -> str:
    from mmcv import Config

    config = f'configs/{method}/{name}'
    cfg = Config.fromfile(str(root / config))
    streams = [(key, cfg.data.train.get(key)) for key in ('source', 'labeled_target', 'target')]
    data = [
        f'{part.type.replace("Dataset", "")}{" (no labels)" if key == "target" else ""}'
        for key, value in streams
        if value
        for part in (value if isinstance(value, (list, tuple)) else [value])
    ]
    lines = [
        f'{method}_{Path(name).stem}',
        f'  In Collection: {collection}',
        f'  Config: {config}',
        '  Metadata:',
        f'    Training Data: {", ".join(data) or cfg.data.train.type}',
        f'    Iterations: {cfg.runner.max_iters}',
        f'    Batch Size: {cfg.data.samples_per_gpu}',
    ]
    return '\n'.join(lines) + '\n'


def wanted(root: Path) -> dict[str, str]:
    """What the listing files should hold, by path."""
    return {
        'model-index.yml': model_index(root),
        'docs/README.md': documentation_index(root),
        'README.md': readme(root),
        **{f'configs/{method}/metafile.yml': metafile(root, method) for method in methods(root)},
    }


def main(args: Optional[Sequence[str]] = None, root: Path = ROOT) -> int:
    """Exit status 0 when everything is listed."""
    parser = argparse.ArgumentParser(description=(__doc__ or '').split('\n')[0])
    kind = parser.add_mutually_exclusive_group(required=True)
    kind.add_argument('--check', action='store_true', help='name what is missing; exit status 1')
    kind.add_argument('--write', action='store_true', help='add missing lines and entries')
    write = parser.parse_args(args).write
    absent = missing_files(root)
    for path in absent:
        print(f'missing: {path}')
    if absent:
        return 1
    listing = wanted(root).items()
    differing = [(path, text) for path, text in listing if (root / path).read_text(encoding='utf-8') != text]
    for path, text in differing:
        if write:
            (root / path).write_text(text, encoding='utf-8')
        print(f'{"written" if write else "incomplete"}: {path}')
    if differing and not write:
        print('python tools/catalogue.py --write adds what can be added')
    return int(bool(differing) and not write)


if __name__ == '__main__':
    sys.exit(main())

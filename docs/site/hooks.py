"""What mkdocs does beyond Markdown: navigation from the index page, links into the repository, equations, the API.

The pages are written for the repository, where links may lead to any file. On the site, every file that a page links to
becomes a page below ``repository/``: Markdown as it is, source text as a block of code, folders as their ``README.md``
or a list. Equations (``$...$``, blocks of ``math``) become MathML while the site is built, so that a reader's browser
needs neither a script nor a server for them.
"""

from __future__ import annotations

import html
import json
import logging
import os
import posixpath
import re
from pathlib import Path
from typing import Any, Iterator
from urllib.parse import unquote

from latex2mathml.converter import convert
from mkdocs.structure.files import File

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / 'docs'
LOG = logging.getLogger('mkdocs.hooks')
LINK = re.compile(r'(\]\()([^)\s#]+)((?:#[^)\s]*)?\))')
ENTRY = re.compile(r'\[([^\]]+)\]\(([^)#]+)\)')
LANGUAGES = {'.py': 'python', '.sh': 'bash', '.json': 'json', '.yml': 'yaml', '.txt': 'text', '': 'text'}
#: folders of the package whose modules have pages of the API, in the order of the navigation
API = ('methods', 'components', 'models', 'datasets', 'ops', 'engine', 'active', 'utils', 'compat', 'toy')
#: set to 0 for a build in seconds, without the API
WITH_API = os.environ.get('MMSEG_UDA_DOCS_API', '1') != '0'


def on_config(config: Any) -> Any:
    """The navigation: sections and links of docs/README.md, then the API."""
    sections: dict[str, list[dict[str, str]]] = {}
    section = ''
    for line in (DOCS / 'README.md').read_text(encoding='utf-8').splitlines():
        if line.startswith('## '):
            section = line[3:].strip()
        if not (section and line.startswith('- ')):
            continue
        for place, (title, link) in enumerate(ENTRY.findall(line)):
            target = (DOCS / unquote(link)).resolve()
            if (place == 0 and line.startswith('- [')) or DOCS in target.parents:
                sections.setdefault(section, []).append({title: site_path(target)})
    nav: list[Any] = [{'Home': 'README.md'}, *({name: pages} for name, pages in sections.items())]
    if WITH_API:
        nav.append({'API': [{name: [{module.stem: page} for module, page in pages]} for name, pages in api_pages()]})
    config.nav = nav
    config.watch.append(str(ROOT / 'mmseg_uda'))
    return config


def api_pages() -> Iterator[tuple[str, list[tuple[Path, str]]]]:
    """Folders of the package with their public modules and the pages of these."""
    for name in API:
        folder = ROOT / 'mmseg_uda' / name
        modules = sorted(path for path in folder.rglob('*.py') if not path.name.startswith('_'))
        yield (
            name,
            [(path, f'api/{path.relative_to(ROOT / "mmseg_uda").with_suffix(".md").as_posix()}') for path in modules],
        )


def site_path(path: Path) -> str:
    """Where a file or folder of the repository stands on the site, as a source path of mkdocs."""
    if path.is_dir() and path != DOCS:
        path = path / 'README.md'
    if DOCS in path.parents:
        return path.relative_to(DOCS).as_posix()
    name = path.relative_to(ROOT).as_posix()
    return f'repository/{name}' if name.endswith('.md') or path.suffix in ('.png', '.jpg') else f'repository/{name}.md'


def repository_path(site: str) -> Path:
    """The reverse of :func:`site_path`, for pages."""
    if not site.startswith('repository/'):
        return DOCS / site
    path = ROOT / site[len('repository/') :]
    return path if path.exists() or path.name == 'README.md' else path.with_suffix('')


def linked(text: str, folder: Path) -> Iterator[Path]:
    """Files and folders of the repository that a page in ``folder`` links to."""
    for _, target, _ in LINK.findall(text):
        if not re.match(r'[a-z]+:', target):
            path = (folder / unquote(target)).resolve()
            if path.exists() and ROOT in path.parents:
                yield path


def page_text(path: Path) -> str:
    """Markdown of a file or folder outside ``docs``."""
    if path.name == 'README.md' and not path.exists():
        names = sorted(child.name for child in path.parent.iterdir() if not child.name.startswith(('_', '.')))
        return f'# {path.parent.relative_to(ROOT)}\n\n' + '\n'.join(f'- [{name}]({name})' for name in names) + '\n'
    text = path.read_text(encoding='utf-8')
    if path.suffix == '.ipynb':
        cells = [(cell['cell_type'], ''.join(cell['source'])) for cell in json.loads(text)['cells']]
        return '\n\n'.join(source if kind == 'markdown' else f'```python\n{source}\n```' for kind, source in cells)
    if path.suffix == '.md':
        return text
    name = path.relative_to(ROOT).as_posix()
    language = LANGUAGES.get(path.suffix, 'text')
    return f'---\nsearch:\n  exclude: true\n---\n# {name}\n\n``````{language}\n{text}\n``````\n'


def on_files(files: Any, config: Any) -> Any:
    """Add a page for everything outside ``docs`` that pages link to, and those of the API."""
    waiting = [DOCS / file.src_uri for file in files.documentation_pages()]
    seen = set()
    while waiting:
        page = waiting.pop()
        text = page.read_text(encoding='utf-8') if DOCS in page.parents else page_text(page)
        if page.suffix not in ('.md', '.ipynb'):
            continue
        for path in linked(text, page.parent):
            site = site_path(path)
            if site in seen or not site.startswith('repository/'):
                continue
            seen.add(site)
            target = path / 'README.md' if path.is_dir() else path
            if target.suffix in ('.png', '.jpg'):
                files.append(File.generated(config, site, abs_src_path=str(target)))
                continue
            files.append(File.generated(config, site, content=page_text(target)))
            waiting.append(target)
    for _, pages in api_pages() if WITH_API else ():
        for module, page in pages:
            name = '.'.join(module.relative_to(ROOT).with_suffix('').parts)
            files.append(File.generated(config, page, content=f'::: {name}\n'))
    for file in files.documentation_pages():
        if file.src_uri.startswith(('repository/', 'api/')) and not listed(file.src_uri, config.nav):
            file.inclusion = type(file.inclusion).NOT_IN_NAV
    return files


def listed(page: str, nav: Any) -> bool:
    """Whether the navigation has a page."""
    if isinstance(nav, dict):
        return any(listed(page, value) for value in nav.values())
    return any(listed(page, value) for value in nav) if isinstance(nav, list) else nav == page


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Let links that leave ``docs`` lead to the pages made of their targets."""
    here = page.file.src_uri
    folder = repository_path(here).parent

    def on_site(found: re.Match[str]) -> str:
        target = found[2]
        path = (folder / unquote(target)).resolve()
        if re.match(r'[a-z]+:', target) or not path.exists() or ROOT not in (path, *path.parents):
            return found[0]
        return f'{found[1]}{posixpath.relpath(site_path(path), posixpath.dirname(here) or ".")}{found[3]}'

    return LINK.sub(on_site, markdown)


def on_page_content(content: str, page: Any, **_: Any) -> str:
    """Replace equations by MathML."""

    def mathml(found: re.Match[str]) -> str:
        block = found[1] == 'div'
        source = html.unescape(found[2]).strip()[2:-2].strip()
        result = convert(source, display='block' if block else 'inline')
        unknown = re.findall(r'>(\\[a-zA-Z]+)<', result)
        if unknown:
            LOG.warning(f'{page.file.src_uri}: the equation {source} has {unknown}, which cannot be shown')
        return result

    return re.sub(r'<(span|div) class="arithmatex">(.*?)</\1>', mathml, content, flags=re.DOTALL)

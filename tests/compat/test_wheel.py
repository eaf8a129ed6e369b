"""The built wheel alone, in a folder without the checkout: commands, configs by name, a training."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import mmseg_uda_command

ROOT = Path(__file__).resolve().parents[2]


def built(folder: Path, *options: str) -> list[Path]:
    """Build distributions from what git tracks or would track, as an empty clone has it."""
    listed = subprocess.run(
        ['git', 'ls-files', '--cached', '--others', '--exclude-standard'], cwd=ROOT, capture_output=True, text=True
    )
    copy = folder / 'checkout'
    names = listed.stdout.splitlines() if listed.returncode == 0 else [
        path.relative_to(ROOT).as_posix() for path in ROOT.rglob('*') if path.is_file() and '.venv' not in path.parts
    ]  # fmt: skip
    for name in names:
        if name.startswith(('tests/', 'docs/', 'benchmarks/')) or not (ROOT / name).is_file():
            continue
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        (copy / name).write_bytes((ROOT / name).read_bytes())
    command = [sys.executable, 'setup.py', '-q', *options, '--dist-dir', str(folder / 'dist')]
    subprocess.run(command, cwd=copy, check=True, capture_output=True)
    return sorted((folder / 'dist').iterdir())


@pytest.fixture(scope='module')
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, unpacked as an installation does it."""
    folder = tmp_path_factory.mktemp('wheel')
    (wheel,) = built(folder, 'bdist_wheel')
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / 'site')
        names = set(archive.namelist())
    assert {'mmseg_uda/.mim/model-index.yml', 'mmseg_uda/.mim/tools/train.py', 'mmseg_uda_command.py'} <= names
    shipped = {name[len('mmseg_uda/.mim/') :] for name in names if name.startswith('mmseg_uda/.mim/configs/')}
    assert shipped >= {path.relative_to(ROOT).as_posix() for path in (ROOT / 'configs').rglob('*.py')}
    assert not any('__pycache__' in name for name in names)
    return folder / 'site'


def run(site: Path, folder: Path, *arguments: str) -> str:
    environment = {**os.environ, 'PYTHONPATH': str(site), 'OMP_NUM_THREADS': '1'}
    command = [sys.executable, '-m', 'mmseg_uda_command', *arguments]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return done.stdout


def test_commands_and_configs_are_listed_without_the_package(installed: Path, tmp_path: Path) -> None:
    program = (
        'import sys, mmseg_uda_command as c; c.main(sys.argv[1:]); '
        'assert not {"torch", "mmcv", "mmseg_uda"} & set(sys.modules), "heavy imports"'
    )
    environment = {**os.environ, 'PYTHONPATH': str(installed)}
    for arguments, wanted in (([], 'predict'), (['configs', 'toy', 'dacs/'], 'dacs/toy_gta_to_toy_cityscapes.py')):
        command = [sys.executable, '-c', program, *arguments]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode == 0 and wanted in done.stdout, done.stderr


def test_the_wheel_alone_trains_and_tests_a_config_by_its_name(installed: Path, tmp_path: Path) -> None:
    config = 'source_only/toy_gta_to_toy_cityscapes.py'
    small = ['model.backbone.init_cfg=None', 'runner.max_iters=1', 'data.workers_per_gpu=0', 'data.samples_per_gpu=1']
    # without the drawing of whole toy data sets: two images of each stream suffice
    run(installed, tmp_path, 'toy-world', '--datasets', 'gta', 'cityscapes', '--scale', '0.02', '--workers', '1')
    run(installed, tmp_path, 'train', config, '--work-dir', 'run', '--no-validate', '--cfg-options', *small)
    assert (tmp_path / 'run' / 'iter_1.pth').is_file()
    run(installed, tmp_path, 'test', config, 'run/iter_1.pth', '--work-dir', 'run', '--eval', 'mIoU',
        '--cfg-options', *small[:1], 'data.workers_per_gpu=0')  # fmt: skip
    metrics = json.loads((tmp_path / 'run' / 'test_iter_1.json').read_text())['metric']
    assert 0 <= metrics['mIoU'] <= 1


def test_every_command_has_a_tool_and_every_tool_a_command() -> None:
    tools = {path.relative_to(ROOT / 'tools').as_posix() for path in (ROOT / 'tools').rglob('*.py')}
    own = {name for name in tools if not name.startswith('install/') and name not in ('catalogue.py', 'config_keys.py')}
    assert set(mmseg_uda_command.COMMANDS.values()) == own
    assert all(mmseg_uda_command.summary(ROOT / 'tools' / name) for name in own)


def test_a_misspelt_command_names_the_nearest() -> None:
    with pytest.raises(SystemExit, match='did you mean train'):
        mmseg_uda_command.main(['trian'])

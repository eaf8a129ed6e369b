"""What a user gets who has no checkout: an sdist that builds, its wheel installed into an empty environment, all commands.

``make wheel-check`` runs this file. The environment holds nothing but the wheel; the heavy libraries are those of this
interpreter, put on its path, so that nothing is downloaded.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

import mmseg_uda_command

ROOT = Path(__file__).resolve().parents[2]
CONFIG = 'source_only/toy_gta_to_toy_cityscapes.py'
#: two images of each stream instead of whole toy data sets; one random network
SMALL = ['model.backbone.init_cfg=None', 'data.workers_per_gpu=0', 'data.samples_per_gpu=1']
#: the commands of the walk, all run by one interpreter
WALK = """
import sys
from mmseg_uda_command import main
for arguments in {commands!r}:
    try:
        main(arguments)
    except SystemExit as end:
        assert not end.code, (arguments, end.code)
import json
from pathlib import Path

import mmseg_uda
import numpy as np
import onnxruntime
import torch
from mmseg.apis import inference_segmentor, init_segmentor

print('package:', mmseg_uda.__file__)
stock = init_segmentor('exported/config.py', 'exported/model.pth', device='cpu')
image = str(next(Path({pictures!r}).rglob('*.png')))
mask = mmseg_uda.load('exported').predict(image).mask
assert (inference_segmentor(stock, image)[0] == mask).all(), 'MMSegmentation and mmseg_uda.load differ'
images = torch.randn(1, 3, 64, 96)
about = json.load(open('exported/processing.json'))
graph = onnxruntime.InferenceSession('exported/model.onnx')
(scores,) = graph.run(None, {{about['input']['name']: images.numpy()}})
with torch.no_grad():
    expected = stock.encode_decode(images, [dict(ori_shape=(64, 96, 3))]).numpy()
assert np.allclose(scores, expected, atol=1e-3), abs(scores - expected).max()
"""


def checked(*command: object, folder: Path) -> str:
    """Output of a command that has to succeed, run without this checkout on its path."""
    variables = {name: value for name, value in os.environ.items() if name != 'PYTHONPATH'}
    done = subprocess.run(
        [str(part) for part in command],
        cwd=folder,
        env={**variables, 'OMP_NUM_THREADS': '1', 'PIP_DISABLE_PIP_VERSION_CHECK': '1'},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
    return done.stdout


def clone(folder: Path) -> Path:
    """What git tracks or would track, as an empty clone has it."""
    listed = subprocess.run(
        ['git', 'ls-files', '--cached', '--others', '--exclude-standard'], cwd=ROOT, capture_output=True, text=True
    )
    names = listed.stdout.splitlines() if listed.returncode == 0 else [
        path.relative_to(ROOT).as_posix() for path in ROOT.rglob('*') if path.is_file() and '.venv' not in path.parts
    ]  # fmt: skip
    for name in names:
        if not name.startswith(('tests/', 'docs/', 'benchmarks/')) and (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes((ROOT / name).read_bytes())
    return folder


def empty_environment(folder: Path) -> Path:
    """The interpreter of a new environment that sees the libraries of this one, but no package that is installed in
    editable mode here."""
    has_pip = importlib.util.find_spec('pip') is not None
    venv.create(folder, with_pip=not has_pip)
    python = folder / ('Scripts/python.exe' if os.name == 'nt' else 'bin/python')
    site = sorted(folder.glob('[lL]ib/**/site-packages'))[0]
    libraries = [path for path in sys.path if path.endswith(('site-packages', 'dist-packages'))]
    (site / 'libraries.pth').write_text('\n'.join(libraries) + '\n')
    return python


@pytest.fixture(scope='module')
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The interpreter of an environment with the wheel, which was built from the sdist."""
    folder = tmp_path_factory.mktemp('wheel')
    checkout = clone(folder / 'checkout')
    checked(sys.executable, 'setup.py', '-q', 'sdist', '--dist-dir', folder / 'dist', folder=checkout)
    (archive,) = (folder / 'dist').glob('*.tar.gz')
    shutil.unpack_archive(archive, folder / 'unpacked')
    (source,) = (folder / 'unpacked').iterdir()
    checked(sys.executable, 'setup.py', '-q', 'bdist_wheel', '--dist-dir', folder / 'dist', folder=source)
    (wheel,) = (folder / 'dist').glob('*.whl')
    with zipfile.ZipFile(wheel) as content:
        names = set(content.namelist())
    assert {'mmseg_uda/.mim/model-index.yml', 'mmseg_uda/.mim/tools/train.py', 'mmseg_uda_command.py'} <= names
    shipped = {name[len('mmseg_uda/.mim/') :] for name in names if name.startswith('mmseg_uda/.mim/configs/')}
    assert shipped >= {path.relative_to(ROOT).as_posix() for path in (ROOT / 'configs').rglob('*.py')}
    assert not any('__pycache__' in name for name in names)
    python = empty_environment(folder / 'env')
    has_pip = importlib.util.find_spec('pip') is not None
    pip = [sys.executable, '-m', 'pip', '--python', python] if has_pip else [python, '-m', 'pip']
    checked(*pip, 'install', '-q', '--no-deps', '--no-index', wheel, folder=folder)
    return python


def test_commands_and_configs_are_listed_without_the_package(python: Path, tmp_path: Path) -> None:
    assert 'predict' in checked(python.parent / 'mmseg-uda', folder=tmp_path)
    program = (
        'import sys, mmseg_uda_command as c; c.main(sys.argv[1:]); '
        'assert not {"torch", "mmcv", "mmseg_uda"} & set(sys.modules), "heavy imports"'
    )
    listed = checked(python, '-c', program, 'configs', 'toy', 'dacs/', folder=tmp_path)
    assert 'dacs/toy_gta_to_toy_cityscapes.py' in listed


def test_the_wheel_alone_trains_tests_predicts_and_exports_from_another_folder(python: Path, tmp_path: Path) -> None:
    pictures = 'data/toy/cityscapes/leftImg8bit/val'
    commands = [
        ['toy-world', '--datasets', 'gta', 'cityscapes', '--scale', '0.02', '--workers', '1'],
        ['train', CONFIG, '--work-dir', 'run', '--no-validate', '--cfg-options', *SMALL, 'runner.max_iters=2'],
        ['test', CONFIG, 'run/iter_2.pth', '--work-dir', 'run', '--eval', 'mIoU', '--cfg-options', *SMALL[:2]],
        ['predict', CONFIG, 'run/iter_2.pth', pictures, '--out', 'pictures', '--cfg-options', *SMALL[:2]],
        ['export', CONFIG, 'run/iter_2.pth', '--out', 'exported', '--onnx', '--cfg-options', *SMALL[:2]],
    ]
    printed = checked(python, '-c', WALK.format(commands=commands, pictures=pictures), folder=tmp_path)
    package = Path(printed.split('package: ')[-1].split('\n')[0])
    assert python.parent.parent in package.parents
    metrics = json.loads((tmp_path / 'run' / 'test_iter_2.json').read_text())['metric']
    assert 0 <= metrics['mIoU'] <= 1
    images = {path.stem for path in (tmp_path / pictures).rglob('*.png')}
    assert {path.stem for path in (tmp_path / 'pictures').rglob('*.png')} == images != set()


def test_every_command_has_a_tool_and_every_tool_a_command() -> None:
    tools = {path.relative_to(ROOT / 'tools').as_posix() for path in (ROOT / 'tools').rglob('*.py')}
    own = {name for name in tools if not name.startswith('install/') and name not in ('catalogue.py', 'config_keys.py')}
    assert set(mmseg_uda_command.COMMANDS.values()) == own
    assert all(mmseg_uda_command.summary(ROOT / 'tools' / name) for name in own)


def test_a_misspelt_command_names_the_nearest() -> None:
    with pytest.raises(SystemExit, match='did you mean train'):
        mmseg_uda_command.main(['trian'])

"""What SECURITY.md claims, point by point, through the tools that a user starts."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import socket
import sys
import types
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

import tests.engine.toy_methods  # noqa: F401  (networks of the configs, which a report builds in this process)
import tests.harness.synthetic  # noqa: F401
from mmseg_uda.datasets.pseudo_label_files import Origin, list_hash
from mmseg_uda.datasets.pseudo_label_store import PseudoLabelStore
from mmseg_uda.datasets.soft_labels import read_soft_label
from mmseg_uda.engine import report
from mmseg_uda.models.pretrained import resolve_checkpoint
from mmseg_uda.utils.checkpoint_io import CheckpointError, load_checkpoint_file, save_checkpoint_file
from tests.datasets.test_pixel_limit import bomb
from tests.engine.worlds import write_config
from tests.harness.processes import ROOT, run

#: first words of every point of SECURITY.md -> the test of it
CLAIMS = {
    'A report reads the configs': 'test_a_report_runs_nothing',
    'Resuming compares the config': 'test_resuming_does_not_run_the_config_of_the_checkpoint',
    'Every checkpoint is opened by one function': 'tests/compat/test_repository.py',
    'A pickle that would call anything else': 'test_no_way_in_unpickles_foreign_objects',
    'Objects of training frameworks': 'test_objects_of_frameworks_are_neither_imported_nor_called',
    'A published checkpoint of an older project': 'test_the_flag_lets_foreign_objects_in',
    'Our own checkpoints hold tensors and plain types': 'test_own_checkpoints_load_anywhere',
    'Arrays and JSON records': 'test_arrays_are_read_without_pickle',
    'Entries of split lists and keys': 'test_names_that_leave_the_folder_are_refused',
    'Links inside of a pseudo-label folder': 'tests/engine/test_pseudo_label_folders.py',
    'Class statistics name files only': 'test_statistics_open_no_file_by_their_names',
    'Every reader looks at the size': 'test_large_images_are_refused_by_every_tool',
    'Text from logs, metrics and file names': 'test_reports_escape_text',
    'Nothing is downloaded': 'test_training_and_testing_open_no_connection',
    'A download whose name carries': 'test_downloads_are_checked_against_their_name',
    'A weight file that leaves a parameter': 'tests/models/test_pretrained.py',
}


class Touch:
    """A pickle that makes a file when it is read."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)

    def __reduce__(self) -> Any:
        return os.mknod, (self.path,)


@pytest.fixture(scope='module')
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A config and a short run of it in ``run``."""
    folder = tmp_path_factory.mktemp('world')
    config = write_config(folder, extra="runner['max_iters'] = 2\n")
    status, text = run('train.py', config, '--work-dir', folder / 'run', '--device', 'cpu', folder=folder)
    assert status == 0, text
    return folder


def test_every_point_has_its_test() -> None:
    text = (ROOT / 'SECURITY.md').read_text(encoding='utf-8')
    points = [' '.join(point.split()) for point in re.findall(r'^- (.*?)(?=^- |^$|\Z)', text, re.M | re.S)]
    for point in points:
        assert sum(point.startswith(claim) for claim in CLAIMS) == 1, f'no test for: {point}'
    assert len(points) == len(CLAIMS)
    for test in CLAIMS.values():
        assert test in globals() or (ROOT / test).is_file(), test


def received(world: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(world / 'run', tmp_path / 'received', symlinks=True))


def test_a_report_runs_nothing(world: Path, tmp_path: Path) -> None:
    folder, owned = received(world, tmp_path), tmp_path / 'owned'
    for name in ('0.py', 'tiny.py', 'mmcv.py', 'conftest.py'):
        (folder / name).write_text(f'open({str(owned)!r}, "w")\n')
    command = ['report.py', folder, '--images', '1', '--device', 'cpu', '--imports', 'tests.harness.synthetic']
    status, text = run(*command, folder=tmp_path)
    assert status == 0 and 'report.html' in text and not owned.exists(), text
    checkpoint = load_checkpoint_file(folder / 'iter_2.pth')
    (folder / 'own_parts.py').write_text(f'open({str(owned)!r}, "w")\n')
    for old, new in (('TinyBackbone', 'OwnBackbone'), ('tests.harness.synthetic', 'own_parts')):
        checkpoint['meta']['config'] = checkpoint['meta']['config'].replace(old, new)
    save_checkpoint_file(checkpoint, folder / 'iter_2.pth')
    status, text = run(*command, folder=tmp_path)  # a class of a module that only the run names
    last = text.splitlines()[-1]
    assert status == 2 and 'OwnBackbone is not in the' in last and '--imports own_parts' in last, text
    assert not owned.exists()


def test_resuming_does_not_run_the_config_of_the_checkpoint(world: Path, tmp_path: Path) -> None:
    folder, owned = received(world, tmp_path), tmp_path / 'owned'
    checkpoint = load_checkpoint_file(folder / 'iter_2.pth')
    checkpoint['meta']['config'] = f'open({str(owned)!r}, "w")\n' + checkpoint['meta']['config']
    save_checkpoint_file(checkpoint, folder / 'iter_2.pth')
    command = [world / 'tiny.py', '--work-dir', folder, '--device', 'cpu', '--auto-resume', '--no-validate']
    status, text = run('train.py', *command, '--cfg-options', 'runner.max_iters=3', folder=tmp_path)
    assert status == 0 and 'resumed' in text and 'not compared' in text and not owned.exists(), text


def pretrained_config(world: Path, file: Path) -> Path:
    backbone = dict(type='ResNetV1c', depth=18, base_channels=8, stem_channels=8)
    extra = f"""
        model['backbone'] = {backbone!r}
        model['decode_head']['in_channels'] = 64
        model['pretrained'] = {str(file)!r}
    """
    return write_config(world, 'pretrained.py', extra)


def ways_in(world: Path, file: Path, out: Path) -> dict[str, list[Any]]:
    """Every tool that opens a checkpoint, with its arguments."""
    config, device = world / 'tiny.py', ['--device', 'cpu']
    train = ['train.py', config, '--work-dir', out / 'run', '--no-validate', *device]
    return {
        'resume': [*train, '--resume-from', file],
        'load': [*train, '--load-from', file],
        'pretrained': ['train.py', pretrained_config(world, file), *train[2:]],
        'test': ['test.py', config, file, '--work-dir', out, *device],
        'predict': ['predict.py', config, file, world / 'target' / 'images', '--out', out / 'predicted', *device],
        'extract': ['pseudo_labels.py', 'extract', config, file, '--out', out / 'labels', *device],
        'convert': ['convert_checkpoint.py', 'to-ours', file, out / 'converted.pth'],
    }


@pytest.mark.parametrize('way', ['resume', 'load', 'pretrained', 'test', 'predict', 'extract'])
def test_no_way_in_unpickles_foreign_objects(world: Path, tmp_path: Path, way: str) -> None:
    owned, file = tmp_path / 'owned', tmp_path / 'evil.pth'
    checkpoint = load_checkpoint_file(world / 'run' / 'iter_2.pth')
    torch.save({**checkpoint, 'more': Touch(owned)}, file)
    tool, *arguments = ways_in(world, file, tmp_path)[way]
    status, text = run(tool, *arguments, folder=tmp_path)
    assert not owned.exists()
    last = text.splitlines()[-1]
    assert status == 2 and 'evil.pth' in last and re.search(r'the object \w+\.mknod', last), text


def test_objects_of_frameworks_are_neither_imported_nor_called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    owned, file = tmp_path / 'owned', tmp_path / 'history.pth'
    module = types.ModuleType('mmengine.history')

    class History:
        def __reduce__(self) -> Any:
            return History, (1,)

    History.__module__, History.__qualname__, module.History = module.__name__, 'History', History
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, 'mmengine', types.ModuleType('mmengine'))
        patch.setitem(sys.modules, 'mmengine.history', module)
        for name, more in (('history.pth', {}), ('evil.pth', {'more': Touch(owned)})):
            torch.save({'state_dict': {'a': torch.ones(1)}, 'log': History(), **more}, tmp_path / name)
    assert list(load_checkpoint_file(file)) == ['state_dict'] and 'mmengine.history' not in sys.modules
    with pytest.raises(CheckpointError, match=r'evil\.pth'):
        load_checkpoint_file(tmp_path / 'evil.pth')
    assert not owned.exists()


def test_auto_resume_steps_over_foreign_objects(world: Path, tmp_path: Path) -> None:
    folder, owned = received(world, tmp_path), tmp_path / 'owned'
    torch.save({**load_checkpoint_file(folder / 'iter_2.pth'), 'more': Touch(owned)}, folder / 'iter_9.pth')
    command = [world / 'tiny.py', '--work-dir', folder, '--device', 'cpu', '--auto-resume', '--no-validate']
    status, text = run('train.py', *command, folder=tmp_path)
    assert status == 0 and 'passes over iter_9.pth' in text and not owned.exists(), text


def test_the_flag_lets_foreign_objects_in(world: Path, tmp_path: Path) -> None:
    owned, file = tmp_path / 'owned', tmp_path / 'trusted.pth'
    torch.save({**load_checkpoint_file(world / 'run' / 'iter_2.pth'), 'more': Touch(owned)}, file)
    tool, *arguments = ways_in(world, file, tmp_path)['test']
    status, text = run(tool, *arguments, '--trust-checkpoint', folder=tmp_path)
    assert status == 0 and owned.exists(), text


def test_own_checkpoints_load_anywhere(world: Path) -> None:
    for path in (world / 'run').glob('*.pth'):
        torch.load(path, weights_only=True)


def test_arrays_are_read_without_pickle(tmp_path: Path) -> None:
    owned = tmp_path / 'owned'
    np.save(tmp_path / 'soft.npy', np.array([Touch(owned)], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match=r'cannot read the soft pseudo-label .*soft\.npy'):
        read_soft_label(tmp_path / 'soft.npy')
    assert not owned.exists()


@pytest.mark.parametrize('name', ['/etc/passwd', '../x', 'a/../../x', '~/x', 'C:\\x', '..\\x'])
def test_names_that_leave_the_folder_are_refused(tmp_path: Path, name: str) -> None:
    config = write_config(tmp_path, extra="data['train']['source']['split'] = 'list.txt'\n")
    (tmp_path / 'source' / 'list.txt').write_text(f'0\n{name}\n')
    status, text = run('train.py', config, '--work-dir', tmp_path / 'run', '--device', 'cpu', folder=tmp_path)
    assert status == 2 and 'leaves the data root' in text.splitlines()[-1], text
    folder, key = tmp_path / 'labels', '0'
    store = PseudoLabelStore.create(folder, Origin('weights', list_hash([key, name]), ('a', 'b')), [key])
    store.write(key, torch.zeros(4, 4, dtype=torch.int64), torch.zeros(4, 4))
    (folder / 'images.txt').write_text(f'{key}\n{name}\n')
    status, text = run('pseudo_labels.py', 'threshold', folder, folder=tmp_path)
    assert status == 2 and 'leaves the pseudo-label folder' in text.splitlines()[-1], text


def test_statistics_open_no_file_by_their_names(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    outside = tmp_path / 'outside.png'
    cv2.imwrite(str(outside), np.zeros((4, 4), np.uint8))
    entries = [{'file': str(outside), '0': 16}, {'file': '../outside.png', '0': 16}]
    import json

    (tmp_path / 'source' / 'sample_class_stats.json').write_text(json.dumps(entries))
    opened: list[str] = []

    def watch() -> None:
        import sys

        def hook(event: str, arguments: Any) -> None:
            if event == 'open' and 'outside' in str(arguments[0]):
                os.write(1, b'OPENED\n')

        sys.addaudithook(hook)

    status, text = run('class_stats.py', config, '--nproc', '0', folder=tmp_path, before=watch)
    assert status == 0 and 'OPENED' not in text and not opened, text


@pytest.mark.parametrize('tool', ['train', 'test', 'predict', 'check', 'stats'])
def test_large_images_are_refused_by_every_tool(world: Path, tmp_path: Path, tool: str) -> None:
    config = write_config(tmp_path)
    parts = {'train': 'source/images', 'test': 'target/images', 'predict': 'target/images', 'check': 'source/images'}
    for path in (tmp_path / parts.get(tool, 'source/labels')).iterdir():
        path.write_bytes(bomb())
    checkpoint, device = world / 'run' / 'latest.pth', ['--device', 'cpu']
    command = {
        'train': ['train.py', config, '--work-dir', tmp_path / 'run', *device],
        'test': ['test.py', config, checkpoint, '--work-dir', tmp_path, *device],
        'predict': ['predict.py', config, checkpoint, tmp_path / 'target/images', '--out', tmp_path / 'out', *device],
        'check': ['check_dataset.py', config, '--nproc', '0'],
        'stats': ['class_stats.py', config, '--nproc', '0'],
    }[tool]
    status, text = run(*command, folder=tmp_path)
    assert status in (1, 2) and 'MMSEG_UDA_MAX_PIXELS' in text and 'has 1600000000 pixels' in text, text


def test_reports_escape_text(world: Path, tmp_path: Path) -> None:
    folder = tmp_path / '<script>alert(1)</script>'.replace('/', '_')
    shutil.copytree(world / 'run', folder, symlinks=True)
    log = next(folder.glob('*.log.json'))
    log.write_text(log.read_text().replace('IoU.a', 'IoU.<img src=x>'))
    text = report.main([str(folder), '--images', '0', '--device', 'cpu']).read_text()
    assert '<script>alert' not in text and '<img src=x' not in text and '&lt;img src=x' in text


def test_training_and_testing_open_no_connection(world: Path, tmp_path: Path) -> None:
    def no_network() -> None:
        def refuse(*_: Any) -> None:
            os.write(1, b'CONNECTED\n')
            raise OSError('no network')

        socket.socket.connect = refuse  # type: ignore[method-assign,assignment]
        socket.getaddrinfo = refuse  # type: ignore[assignment]

    train = [world / 'tiny.py', '--work-dir', tmp_path / 'run', '--device', 'cpu']
    test = [world / 'tiny.py', tmp_path / 'run' / 'latest.pth', '--work-dir', tmp_path, '--device', 'cpu']
    for tool, arguments in (('train.py', train), ('test.py', test)):
        status, text = run(tool, *arguments, folder=tmp_path, before=no_network)
        assert status == 0 and 'CONNECTED' not in text, text


def test_downloads_are_checked_against_their_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of a folder stand for a server."""
    monkeypatch.setattr(torch.hub, 'get_dir', lambda: str(tmp_path / 'hub'))
    data = b'weights'
    digits = hashlib.sha256(data).hexdigest()[:8]
    (tmp_path / f'good-{digits}.pth').write_bytes(data)
    (tmp_path / 'bad-01234567.pth').write_bytes(data)
    fetch = torch.hub.download_url_to_file

    def local(url: str, *arguments: Any, **options: Any) -> Any:
        return fetch((tmp_path / url.rsplit('/', 1)[1]).as_uri(), *arguments, **options)

    monkeypatch.setattr(torch.hub, 'download_url_to_file', local)
    assert resolve_checkpoint(f'https://example.com/good-{digits}.pth').read_bytes() == data
    with pytest.raises(CheckpointError, match=r'bad-01234567\.pth gave is not the file of that name'):
        resolve_checkpoint('https://example.com/bad-01234567.pth')
    assert not (tmp_path / 'hub' / 'checkpoints' / 'bad-01234567.pth').exists()

"""``tools/report.py`` on run folders that somebody else may have written: nothing in them is executed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from mmcv import Config

from mmseg_uda.engine import report
from mmseg_uda.engine.report_runs import read_run
from mmseg_uda.utils.checkpoint_io import load_checkpoint_file, save_checkpoint_file
from mmseg_uda.utils.config_errors import ConfigError
from mmseg_uda.utils.config_text import config_text, read_config_text
from tests.harness import synthetic  # noqa: F401  (the runs' backbone)
from tests.harness.processes import ROOT, run

from .worlds import write_config


@pytest.fixture(scope='module')
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A work folder with a log and a checkpoint."""
    folder = tmp_path_factory.mktemp('world')
    config = write_config(folder, extra="runner['max_iters'] = 2\n")
    status, text = run('train.py', config, '--work-dir', folder / 'run', '--device', 'cpu', folder=folder)
    assert status == 0, text
    return folder / 'run'


@pytest.fixture
def received(trained: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(trained, tmp_path / 'received', symlinks=True))


def make_report(folder: Path) -> str:
    return report.main([str(folder), '--images', '1', '--device', 'cpu']).read_text()


def test_files_of_the_folder_are_not_executed(received: Path) -> None:
    owned = received.parent / 'owned'
    program = f'open({str(owned)!r}, "w")\n'
    for name in ('0.py', 'config.py', 'tiny.py', 'zz.py', 'sitecustomize.py'):
        (received / name).write_text(program)
    assert make_report(received).count('data:image/jpeg') == 3
    checkpoint = load_checkpoint_file(received / 'latest.pth')
    for text in (program, f'x = __import__("pathlib").Path({str(owned)!r}).touch()\n', 'import os\n', 'x = [' * 5000):
        checkpoint['meta']['config'] = text
        save_checkpoint_file(checkpoint, received / 'latest.pth')
        with pytest.raises(ConfigError, match='would have to be executed'):
            make_report(received)
    del checkpoint['meta']['config']
    save_checkpoint_file(checkpoint, received / 'latest.pth')
    with pytest.raises(ConfigError, match=r'5 \*\.py files .*--images 0'):
        make_report(received)
    for name in ('0.py', 'config.py', 'zz.py', 'sitecustomize.py'):
        (received / name).unlink()
    with pytest.raises(ConfigError, match=r'tiny\.py is no resolved config'):
        make_report(received)
    assert not owned.exists()


def test_the_copy_of_the_config_serves_older_checkpoints(received: Path) -> None:
    checkpoint = load_checkpoint_file(received / 'latest.pth')
    del checkpoint['meta']['config']
    save_checkpoint_file(checkpoint, received / 'latest.pth')
    assert make_report(received).count('data:image/jpeg') == 3


@pytest.mark.parametrize(
    'name', ['daformer/gta_to_cityscapes_daformer_mitb5', 'ripu', 'coast', 'quadmix', 'dstc', 'source_only']
)
def test_published_configs_come_back_as_they_were(name: str) -> None:
    path = ROOT / 'configs' / f'{name}.py'
    path = path if path.is_file() else sorted((ROOT / 'configs' / name.split('/')[0]).glob('*.py'))[0]
    cfg = Config.fromfile(str(path))
    wanted = cfg._cfg_dict.to_dict()
    assert read_config_text(config_text(cfg), path)._cfg_dict.to_dict() == wanted
    if '/' in name:  # pretty-printing takes seconds
        assert read_config_text(cfg.pretty_text, path)._cfg_dict.to_dict() == wanted


def test_odd_values_come_back_as_they_were() -> None:
    values = dict(
        a=(1, (2.5, -3)), b={1: 'x', (2, 3): None}, c=float('inf'), d='it\'s \\d "q"\n', e={1, 2}, f=-1e-7, g=[True, ()]
    )
    text = config_text(Config({**values, 'root': Path('x')}))
    assert read_config_text(text, 'x')._cfg_dict.to_dict() == values


def test_damaged_logs_and_results_are_named(received: Path) -> None:
    log = next(received.glob('*.log.json'))
    whole = log.read_text()
    log.write_text(f'3\n"text"\n[1]\n{"[" * 100_000}\nnull\n{whole}{{"mode": "trai')  # lines that are no records
    assert read_run(str(received)).loss == [(2, pytest.approx(read_run(str(received)).loss[0][1]))]
    log.write_text(whole + '{"mode": "train", "iter": "three", "loss": 1.0}\n')
    with pytest.raises(ValueError, match=rf'line {len(whole.splitlines()) + 1} of .*log\.json. is damaged'):
        read_run(str(received))
    log.write_text(whole)
    for text in ('', '[]', '{}', '{"metric": 3}', '{"metric": {"mIoU": "high"}}', '[' * 100_000):
        (received / 'test_latest.json').write_text(text)
        with pytest.raises(ValueError, match=r'test_latest\.json. is no test result .* tools/test\.py again'):
            read_run(str(received))
    (received / 'test_latest.json').write_text(json.dumps(dict(metric=dict(mIoU=0.5))))
    assert read_run(str(received)).metrics == dict(mIoU=0.5)

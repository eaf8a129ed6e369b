"""Several targets from end to end: one training, one test and one report for all of them."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from mmcv import Config

from mmseg_uda.datasets.builder import build_training_dataset
from mmseg_uda.engine import report, test, train
from mmseg_uda.engine.evaluation import harmonic_mean
from mmseg_uda.engine.evaluation_sets import named_test_sets
from tests.datasets.worlds import blocks, make_folder

from .worlds import write_config

SECOND = """
    data['train']['target'] = [dict(data['train']['target']), dict(data['train']['target'], data_root={root!r})]
    tests = [dict(data['test'], name='first'), dict(data['test'], data_root={root!r}, name='second')]
    data.update(val=tests, test=tests)
    evaluation = dict(interval=2, metric='mIoU', save_best='mIoU.harmonic')
    runner = dict(type='IterBasedRunner', max_iters=2)
"""


@pytest.fixture(scope='module')
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp('world')
    make_folder(folder / 'other', label=blocks((0, 3, 4, 255)))
    config = write_config(folder, extra=SECOND.format(root=str(folder / 'other')), uda="dict(type='MinEnt')")
    train.main([str(config), '--work-dir', str(folder / 'run'), '--seed', '3', '--device', 'cpu'])
    return folder


@pytest.mark.parametrize(
    'values, expected',
    [
        ([0.5, 0.5], 0.5),
        ([0.2, 0.6], 0.3),
        ([0.2, float('nan'), 0.6], 0.3),
        ([0.0, 0.6], 0.0),
        ([float('nan')], float('nan')),
    ],
)
def test_harmonic_mean(values: list[float], expected: float) -> None:
    assert harmonic_mean(values) == pytest.approx(expected, nan_ok=True)


def test_one_test_run_scores_every_target_and_their_means(trained: Path, tmp_path: Path) -> None:
    checkpoint = trained / 'run' / 'latest.pth'
    metrics = test.main(
        [
            str(trained / 'tiny.py'),
            str(checkpoint),
            '--device',
            'cpu',
            '--show-dir',
            str(tmp_path),
            '--work-dir',
            str(tmp_path),
        ]
    )
    scores = [metrics['mIoU.first'], metrics['mIoU.second']]
    assert metrics['mIoU'] == pytest.approx(np.mean(scores))
    assert metrics['mIoU.harmonic'] == pytest.approx(harmonic_mean(scores))
    assert {path.name for path in tmp_path.iterdir() if path.is_dir()} == {'first', 'second'}
    assert len(list((tmp_path / 'second').iterdir())) == 4


def test_the_best_checkpoint_follows_the_chosen_mean(trained: Path) -> None:
    assert list((trained / 'run').glob('best_mIoU.harmonic_iter_*.pth'))


def test_report_shows_every_target(trained: Path, tmp_path: Path) -> None:
    run = tmp_path / 'run'
    shutil.copytree(trained / 'run', run)
    test.main([str(trained / 'tiny.py'), str(run / 'latest.pth'), '--device', 'cpu'])
    flags = [
        '--out',
        str(tmp_path / 'r.html'),
        '--images',
        '2',
        '--worst',
        '1',
        '--device',
        'cpu',
        '--panel-image',
        str(tmp_path / 'p.png'),
    ]
    out = report.main([f'mine={run}', *flags])
    text = out.read_text()
    assert re.findall(r'class="part" colspan="3">(\w+)', text) == ['first', 'second']
    assert re.findall(r'class="part" colspan="4">(\w+)', text) == ['first', 'second'], 'images with errors'
    assert text.count('data:image/jpeg') == 2 * 2 * 3 + 2 * 4
    assert all(f'<td>mIoU{name}<td>' in text for name in ('', '.first', '.second', '.harmonic'))
    assert cv2.imread(str(tmp_path / 'p.png')).shape[0] > 4 * 240 + 3 * 28


def test_repeated_file_names_keep_their_folders(trained: Path, tmp_path: Path) -> None:
    for drive in ('1', '2'):
        shutil.copytree(trained / 'target' / 'images', tmp_path / 'data/images' / drive)
    extra = f"data['test'].update(data_root={str(tmp_path / 'data')!r}, ann_dir=None)"
    config = write_config(trained, 'drives.py', extra=extra)
    test.main(
        [
            str(config),
            str(trained / 'run' / 'latest.pth'),
            '--format-only',
            '--show-dir',
            str(tmp_path / 'out'),
            '--device',
            'cpu',
        ]
    )
    assert len(list((tmp_path / 'out/1').glob('*.png'))) == len(list((tmp_path / 'out/2').glob('*.png'))) == 4


def test_a_target_without_images_or_with_other_classes_is_refused(trained: Path, tmp_path: Path) -> None:
    (tmp_path / 'empty/images').mkdir(parents=True)
    cfg = Config.fromfile(str(trained / 'tiny.py'))
    cfg.data.train.target[1].data_root = str(tmp_path / 'empty')
    with pytest.raises(
        ValueError,
        match=rf'data.train.target\[1\]: .*no image with suffix .* in {tmp_path}/empty/images. Check data_root',
    ):
        build_training_dataset(cfg, seed=0)
    cfg = Config.fromfile(str(trained / 'tiny.py'))
    cfg.data.train.target[1].classes = ['a', 'b', 'c']
    with pytest.raises(ValueError, match=r'target2: 3 classes .*Use the same label_space .*data.train.target\[1\]'):
        build_training_dataset(cfg, seed=0)
    cfg.data.train.target = []
    with pytest.raises(ValueError, match='data.train.target is an empty list: give one data set for every target'):
        build_training_dataset(cfg, seed=0)
    del cfg.data.train['target']
    cfg.uda = dict(type='MDis')
    cfg.dump(str(tmp_path / 'no_target.py'))
    with pytest.raises(ValueError, match='target'):
        train.main([str(tmp_path / 'no_target.py'), '--work-dir', str(tmp_path / 'run'), '--device', 'cpu'])


def test_the_name_of_the_harmonic_mean_is_reserved(trained: Path) -> None:
    cfg = Config.fromfile(str(trained / 'tiny.py'))
    cfg.data.test[1].name = 'harmonic'
    with pytest.raises(ValueError, match=r"data.test\[1\].name: 'harmonic'"):
        named_test_sets(cfg)

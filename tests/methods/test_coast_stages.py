"""CoaST's stages run from one recipe on tiny images of two targets: warm-up, soft labels, self-training, new labels,
further training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mmcv import Config

from mmseg_uda.datasets.builder import build_training_dataset
from mmseg_uda.datasets.pseudo_label_files import PseudoLabelError
from mmseg_uda.datasets.pseudo_label_store import PseudoLabelStore
from mmseg_uda.engine.stages import main, recipe_stages
from mmseg_uda.engine.step import TrainStep
from mmseg_uda.utils.checkpoint_io import load_checkpoint_file
from tests.datasets.worlds import NORM, make_cityscapes, make_gta
from tests.harness.synthetic import tiny_model

NEW_LABELS_AT, ITERATIONS = 2, 3
CONFIGS = Path(__file__).resolve().parents[2] / 'configs' / 'coast'


def _crops(**more: Any) -> list[dict[str, Any]]:
    return [
        dict(
            type='TrainingCrops',
            img_scale=(64, 32),
            exact='bilinear',
            ratio_range=(1.0, 1.5),
            crop_size=(32, 64),
            cat_max_ratio=1.0,
            img_norm_cfg=NORM,
            **more,
        )
    ]


def _target(root: Path, **more: Any) -> dict[str, Any]:
    return dict(type='CityscapesDataset', data_root=str(root), img_dir='leftImg8bit/train', pipeline=_crops(**more))


def _write_recipe(root: Path) -> Path:
    make_gta(root / 'gta')
    for name in ('city', 'town'):
        make_cityscapes(root / name, 3)
    source = dict(type='GTADataset', data_root=str(root / 'gta'), img_dir='images', ann_dir='labels', pipeline=_crops())
    optimizer = dict(type='SGD', lr=1e-2)
    common = dict(
        model=tiny_model(19),
        optimizer_config=dict(),
        lr_config=dict(policy='PolyHorizon', horizon=10, power=0.9),
        runner=dict(type='IterBasedRunner', max_iters=NEW_LABELS_AT),
        checkpoint_config=dict(by_epoch=False, interval=1),
    )
    plain = [_target(root / name) for name in ('city', 'town')]
    Config(
        dict(
            common,
            uda=dict(type='CoaSTWarmUp', discriminator=dict(type='StridedDiscriminator', ndf=2)),
            optimizer=dict(segmentor=optimizer, discriminator=dict(type='Adam', lr=1e-4)),
            data=dict(samples_per_gpu=1, workers_per_gpu=0, train=dict(type='UDADataset', source=source, target=plain)),
        )
    ).dump(str(root / 'warmup.py'))
    strong = [
        dict(
            type='PseudoLabelDataset',
            folder='',
            soft=True,
            dataset=_target(root / name, strong=dict(label_mode='official')),
        )
        for name in ('city', 'town')
    ]
    Config(
        dict(
            common,
            uda=dict(type='CoaST', loss_mode='official'),
            optimizer=optimizer,
            data=dict(
                samples_per_gpu=1, workers_per_gpu=0, train=dict(type='UDADataset', source=source, target=strong)
            ),
        )
    ).dump(str(root / 'coast.py'))
    (root / 'recipe.py').write_text(f"""
def labels(stage, config):
    return [dict(name=f'{{stage}}_labels{{i}}', type='pseudo_labels', config='warmup.py', checkpoint=f'{{{{{{stage}}}}}}/latest.pth', soft=True,
                 criterion='max_prob', fraction=1.0, levels='compact', data=f'data.train.target.{{i}}', test_with=f'domain{{i}}') for i in range(2)]

def folders(stage):
    return {{f'data.train.target.{{i}}.folder': f'{{{{{{stage}}_labels{{i}}}}}}' for i in range(2)}}

stages = [
    dict(name='warmup', type='train', config='warmup.py'), *labels('warmup', 'warmup.py'),
    dict(name='first', type='train', config='coast.py', load_from='{{warmup}}/latest.pth', options=folders('warmup')), *labels('first', 'coast.py'),
    dict(name='second', type='train', config='coast.py', resume_from='{{first}}/latest.pth',
         options={{**folders('first'), 'runner.max_iters': {ITERATIONS}}}),
]
""")
    return root / 'recipe.py'


@pytest.fixture(scope='module')
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str], dict[str, Path]]:
    root = tmp_path_factory.mktemp('coast')
    arguments = [str(_write_recipe(root)), '--work-dir', str(root / 'work'), '--device', 'cpu', '--no-validate']
    return root, arguments, main(arguments)


def test_all_stages_run_and_training_goes_on_with_new_labels(run: tuple[Path, list[str], dict[str, Path]]) -> None:
    _, arguments, folders = run
    store = PseudoLabelStore.open(folders['warmup_labels1'])
    soft = np.load(store.path('soft', store.keys[0]))
    assert soft.dtype == np.float16 and soft.shape[0] == 19
    np.testing.assert_allclose(soft.astype(np.float32).sum(axis=0), 1, atol=0.01)
    assert store.labels is not None and store.labels['total_share'] == 1.0
    first, second = (load_checkpoint_file(folders[name] / 'latest.pth') for name in ('first', 'second'))
    assert (first['meta']['iter'], second['meta']['iter']) == (NEW_LABELS_AT, ITERATIONS)
    assert not (folders['second'] / f'iter_{NEW_LABELS_AT}.pth').exists()
    warm = load_checkpoint_file(folders['warmup'] / 'latest.pth')['state_dict']
    assert {key for key in warm if key.startswith('domain_heads.')} == {
        key for key in second['state_dict'] if key.startswith('domain_heads.')
    }
    before = {path: path.stat().st_mtime_ns for path in folders['second'].glob('*.pth')}
    main(arguments)
    assert before == {path: path.stat().st_mtime_ns for path in folders['second'].glob('*.pth')}, (
        'a finished recipe ran again'
    )


class Killed(BaseException):
    """What no part of the package catches."""


def test_a_recipe_killed_in_every_stage_ends_as_the_straight_one(
    run: tuple[Path, list[str], dict[str, Path]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dies in the middle of every training, between two images, and before the label maps of every folder; runs again
    each time."""
    _, arguments, folders = run
    dead: set[tuple[str, ...]] = set()

    def die_once(*place: str) -> None:
        if place not in dead:
            dead.add(place)
            raise Killed(place)

    step, write, threshold = TrainStep.__call__, PseudoLabelStore.write, PseudoLabelStore.write_labels

    def mortal_step(self: TrainStep, batches: Any, iteration: int) -> Any:
        if iteration >= 1:  # in the last stage before it has a checkpoint of its own
            die_once(type(self.method).__name__, str(iteration))
        return step(self, batches, iteration)

    def mortal_write(self: PseudoLabelStore, key: str, *maps: Any) -> None:
        if key == self.keys[1]:
            die_once(self.folder.name, 'image')
        write(self, key, *maps)

    def mortal_labels(self: PseudoLabelStore, *options: Any) -> Any:
        die_once(self.folder.name, 'labels')
        return threshold(self, *options)

    monkeypatch.setattr(TrainStep, '__call__', mortal_step)
    monkeypatch.setattr(PseudoLabelStore, 'write', mortal_write)
    monkeypatch.setattr(PseudoLabelStore, 'write_labels', mortal_labels)
    again = None
    while again is None:
        try:
            again = main([*arguments[:2], str(tmp_path / 'work'), *arguments[3:]])
        except Killed:
            pass
    assert len(dead) == 3 + 2 * 4, dead
    for name in ('warmup', 'first', 'second'):
        left, right = (load_checkpoint_file(found[name] / 'latest.pth')['state_dict'] for found in (folders, again))
        assert left.keys() == right.keys() and all((left[key] == right[key]).all() for key in left), name
    for name in ('warmup_labels0', 'first_labels1'):
        stores = [PseudoLabelStore.open(found[name]) for found in (folders, again)]
        assert stores[0].labels == stores[1].labels
        for key in stores[0].keys:
            assert stores[0].path('soft', key).read_bytes() == stores[1].path('soft', key).read_bytes()


def _training_set(targets: list[dict[str, Any]], root: Path) -> None:
    source = dict(type='GTADataset', data_root=str(root / 'gta'), img_dir='images', ann_dir='labels', pipeline=_crops())
    build_training_dataset(dict(data=dict(train=dict(type='UDADataset', source=source, target=targets))), 0)


def test_unusable_targets_are_refused(run: tuple[Path, list[str], dict[str, Path]], tmp_path: Path) -> None:
    root, _, folders = run
    city = _target(root / 'city')
    (tmp_path / 'leftImg8bit/train').mkdir(parents=True)
    with pytest.raises(ValueError, match='no image with suffix .*leftImg8bit'):
        _training_set([city, _target(tmp_path)], root)
    with pytest.raises(ValueError, match='target2: 7 classes'):
        _training_set([city, dict(_target(root / 'town'), label_space='super7')], root)
    pseudo = dict(type='PseudoLabelDataset', folder=str(folders['warmup_labels0']))
    with pytest.raises(ValueError, match='needs StrongAugment'):
        _training_set([dict(pseudo, dataset=city, soft=True)], root)
    with pytest.raises(PseudoLabelError, match='7'):
        _training_set([dict(pseudo, dataset=dict(_target(root / 'city', strong=dict()), label_space='super7'))], root)


@pytest.mark.parametrize('setting', ['gta_to_cityscapes_idd_7cls', 'gta_to_cityscapes_mapillary_idd_19cls'])
def test_configs_after_the_paper_differ_in_three_switches(setting: str) -> None:
    released, paper = (Config.fromfile(str(CONFIGS / f'coast_{setting}{kind}.py')) for kind in ('', '_paper'))
    assert (released.uda.loss_mode, released.uda.styliser.mode) == ('official', 'official')
    released.merge_from_dict({'uda.loss_mode': 'paper', 'uda.styliser.mode': 'clean'})
    for target in released.data.train.target:
        strong = target.dataset.pipeline[0].strong
        assert strong.label_mode == 'official'
        strong.label_mode = 'exact'
    for part in ('model', 'uda', 'data', 'optimizer', 'lr_config', 'runner', 'evaluation'):
        assert released[part] == paper[part], part
    stages = {
        kind: recipe_stages(Config.fromfile(str(CONFIGS / f'{setting}{kind}_stages.py'))) for kind in ('', '_paper')
    }
    assert [{**stage, 'config': stage['config'].replace('_paper', '')} for stage in stages['_paper']] == stages['']
    assert stages['_paper'][-1]['config'] == f'coast_{setting}_paper.py'
    assert stages[''][-1]['options']['runner.max_iters'] == released.runner.max_iters, 'the last round ends the run'

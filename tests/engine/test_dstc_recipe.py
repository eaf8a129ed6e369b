"""DSTC's recipe trains both warm-ups and co-trains from them, and goes on where it was cut short."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from mmcv import Config

from mmseg_uda.compat.keys import below
from mmseg_uda.engine import environment
from mmseg_uda.engine.stages import main
from mmseg_uda.engine.test import main as run_test
from mmseg_uda.utils.checkpoint_io import load_checkpoint_file, save_checkpoint_file
from tests.active.test_processes import finish_in_spite_of_kills
from tests.datasets.worlds import NORM, make_cityscapes, make_gta
from tests.harness.methods import assert_equal_state
from tests.harness.synthetic import tiny_model

BRANCHES = {'source': '', 'target': 'uda.target_branch.'}
RECIPE = """stages = [
    dict(name='source', type='train', config='st.py', options={'data.train.labeled_target': None}),
    dict(name='target', type='train', config='st.py', options={'data.train.source': None}),
    dict(name='dstc', type='train', config='dstc.py',
         options=dict(uda=dict(init=dict(source='{source}/latest.pth', target='{target}/latest.pth')),
         runner=dict(max_iters=4))),
]
"""
FINETUNE = """    dict(name='finetune', type='train', config='st.py', load_from='{source}/latest.pth',
         options={'data.train.source': None, 'optimizer.lr': 0.0, 'optimizer.weight_decay': 0.0})]
"""


def write_recipe(root: Path) -> Path:
    """The recipe with a few tiny images, the first of two target images labelled."""
    make_gta(root / 'gta')
    make_cityscapes(root / 'city', 2)
    crops = [dict(type='TrainingCrops', img_scale=(64, 32), crop_size=(32, 64), exact='bilinear', cat_max_ratio=1.0)]
    for kind, name in (('labeled', 'aachen/aachen_000000_000019'), ('unlabeled', 'ulm/ulm_000001_000019')):
        (root / f'city/{kind}.txt').write_text(f'{name}\n')
    target = dict(type='CityscapesDataset', data_root=str(root / 'city'), img_dir='leftImg8bit/train', pipeline=crops)
    train = dict(
        type='UDADataset',
        source=dict(type='GTADataset', data_root=str(root / 'gta'), img_dir='images', ann_dir='labels', pipeline=crops),
        target=dict(split='unlabeled.txt', **target),
        labeled_target=dict(split='labeled.txt', ann_dir='gtFine/train', **target),
    )
    test_steps = [
        dict(type='ExactResize', size=(64, 32), interpolation='bilinear'), dict(type='RandomFlip'), dict(type='Normalize', **NORM),
        dict(type='ImageToTensor', keys=['img']), dict(type='Collect', keys=['img']),
    ]  # fmt: skip
    test_pipeline = [
        dict(type='LoadImageFromFile'),
        dict(type='MultiScaleFlipAug', img_scale=(64, 32), flip=False, transforms=test_steps),
    ]
    Config(dict(
        model=tiny_model(19, norm='BN'), uda=dict(type='DSTC', init=dict(source='none.pth', target='none.pth')),
        data=dict(samples_per_gpu=2, workers_per_gpu=0, train=train, test=dict(target, ann_dir='gtFine/train', pipeline=test_pipeline)),
        optimizer=dict(type='SGD', lr=0.05, momentum=0.9),
        optimizer_config=dict(), lr_config=dict(policy='PolyHorizon', horizon=10, power=0.9),
        runner=dict(type='IterBasedRunner', max_iters=2), checkpoint_config=dict(by_epoch=False, interval=1),
    )).dump(str(root / 'dstc.py'))  # fmt: skip
    (root / 'st.py').write_text(
        "_base_ = ['dstc.py']\nuda = dict(_delete_=True, type='SourceOnly')\ndata = dict(train=dict(target=None))\n"
    )
    (root / 'recipe.py').write_text(RECIPE)
    return root / 'recipe.py'


def weights(path: Path) -> dict[str, Any]:
    return load_checkpoint_file(path)['state_dict']


def test_recipe_runs_resumes_and_shares_its_source_stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(environment, 'environment_text', lambda: '')  # asks compilers for their versions
    arguments = [str(write_recipe(tmp_path)), '--work-dir', str(tmp_path / 'work'), '--device', 'cpu', '--no-validate']
    folders = main(arguments)
    final = weights(folders['dstc'] / 'iter_4.pth')
    for name, prefix in BRANCHES.items():
        warm_up, trained = weights(folders[name] / 'iter_2.pth'), below(final, prefix)
        assert warm_up.keys() <= trained.keys()
        assert any(not torch.equal(value, trained[key]) for key, value in warm_up.items())
        # two references and labelled or mixed passes in each of the 4 iterations, on top of the warm-up's two
        counter = 'backbone.stages.0.1.num_batches_tracked'
        assert int(trained[counter]) == int(warm_up[counter]) + 4 * 4
    for left_over in ('iter_3.pth', 'iter_4.pth', 'latest.pth', 'stage.json'):
        (folders['dstc'] / left_over).unlink()
    main(arguments)
    again = weights(folders['dstc'] / 'iter_4.pth')
    assert final.keys() == again.keys() and all(torch.equal(final[key], again[key]) for key in final)

    # tools/test.py asks any of the three; the target branch unless told otherwise; a plain config sees the source
    # branch
    for key, cls, score in (
        ('decode_head.conv_seg.bias', 0, 50.0),
        ('uda.target_branch.decode_head.conv_seg.bias', 2, 5.0),
    ):
        final[key][cls] = score  # the source branch is sure of road, the target branch prefers buildings
    save_checkpoint_file(dict(state_dict=final), tmp_path / 'both.pth')

    def ious(config: str, *options: str) -> list[bool]:
        paths = [str(tmp_path / config), str(tmp_path / 'both.pth'), '--work-dir', str(tmp_path / 'tested')]
        metrics = run_test([*paths, '--device', 'cpu', *options])
        return [metrics['IoU.road'] > 0, metrics['IoU.building'] > 0]

    found = {name: ious('dstc.py', '--test-with', name) for name in ('source_branch', 'target_branch', 'ensemble')}
    assert found == dict(source_branch=[True, False], target_branch=[False, True], ensemble=[True, False])
    assert ious('dstc.py') == found['target_branch'] and ious('st.py') == found['source_branch']

    # the source warm-up does not depend on the number of labels: the fine-tuning recipe takes it as it is and starts
    # from its weights
    shutil.copytree(folders['source'], tmp_path / 'other/1_source')
    before = (tmp_path / 'other/1_source/iter_2.pth').stat().st_mtime_ns
    (tmp_path / 'other.py').write_text(RECIPE.split("    dict(name='target'")[0] + FINETUNE)
    folders = main([str(tmp_path / 'other.py'), '--work-dir', str(tmp_path / 'other'), *arguments[3:]])
    assert (folders['source'] / 'iter_2.pth').stat().st_mtime_ns == before
    start, tuned = weights(folders['source'] / 'iter_2.pth'), weights(folders['finetune'] / 'iter_2.pth')
    changed = {key.rsplit('.', 1)[1] for key, value in start.items() if not torch.equal(value, tuned[key])}
    assert changed == {'running_mean', 'running_var', 'num_batches_tracked'}, (
        'without a learning rate only statistics change'
    )


def test_a_recipe_killed_at_random_points_ends_with_the_same_networks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environment, 'environment_text', lambda: '')
    recipe = str(write_recipe(tmp_path))

    def run(folder: Path) -> None:
        main([recipe, '--work-dir', str(folder), '--device', 'cpu', '--no-validate'])

    run(tmp_path / 'straight')
    finish_in_spite_of_kills(tmp_path / 'kills', lambda: run(tmp_path / 'killed'), seed=0, most=14)
    assert {'train', 'replace'} <= set((tmp_path / 'kills').read_text().split())
    for name in ('1_source/iter_2.pth', '2_target/iter_2.pth', '3_dstc/iter_4.pth'):
        assert_equal_state(*(weights(tmp_path / run_name / name) for run_name in ('straight', 'killed')), name)

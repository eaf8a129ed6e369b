"""Recipes run their stages once, in order, resume, and refuse what cannot work. ESL's three stages run end to end."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any, Mapping

import pytest
import torch
from mmcv import Config

from mmseg_uda.datasets.pseudo_label_store import PseudoLabelStore
from mmseg_uda.engine.stages import STAGES, StageContext, StageError, main, recipe_stages, run_stages
from mmseg_uda.utils.checkpoint_io import load_checkpoint_file
from tests.datasets.worlds import NORM, make_cityscapes, make_gta
from tests.harness.synthetic import tiny_model

CALLS: list[tuple[str, str]] = []


@STAGES.register_module(name='note')
def note_stage(stage: Mapping[str, Any], folder: Path, context: StageContext) -> None:
    """Writes its text, or fails half-way."""
    CALLS.append((stage['name'], stage['text']))
    (folder / 'half.txt').write_text(stage['text'])
    if stage['text'] == 'fail':
        raise OSError('the disk is full')
    (folder / 'note.txt').write_text(stage['text'])


def context(tmp_path: Path, seed: int = 0) -> StageContext:
    (tmp_path / 'c.py').write_text('x = 1\n')
    CALLS.clear()
    return StageContext(tmp_path / 'recipe.py', torch.device('cpu'), logging.getLogger('stages'), seed)


def note(name: str, text: str) -> dict[str, str]:
    return dict(name=name, type='note', config='c.py', text=text)


def test_stages_run_once_and_know_earlier_folders(tmp_path: Path) -> None:
    stages = [note('a', 'first'), note('b', '{a}/note.txt')]
    folders = run_stages(stages, tmp_path / 'w', context(tmp_path))
    assert Path(CALLS[1][1]).read_text() == 'first'
    assert folders == {'a': tmp_path / 'w/1_a', 'b': tmp_path / 'w/2_b'}
    run_stages(stages, tmp_path / 'w', context(tmp_path))
    assert CALLS == []


def test_a_failed_stage_runs_again_and_the_finished_ones_do_not(tmp_path: Path) -> None:
    with pytest.raises(OSError):
        run_stages([note('a', 'ok'), note('b', 'fail')], tmp_path / 'w', context(tmp_path))
    run_stages([note('a', 'ok'), note('b', 'now')], tmp_path / 'w', context(tmp_path))
    assert CALLS == [('b', 'now')]


def test_finished_stages_with_other_settings_are_refused_until_restarted(tmp_path: Path) -> None:
    run_stages([note('a', 'old'), note('b', 'same')], tmp_path / 'w', context(tmp_path))
    changed = [note('a', 'new'), note('b', 'same')]
    with pytest.raises(StageError, match='--restart-from a'):
        run_stages(changed, tmp_path / 'w', context(tmp_path))
    with pytest.raises(StageError, match='other settings'):
        run_stages([note('a', 'old'), note('b', 'same')], tmp_path / 'w', context(tmp_path, seed=1))
    run_stages(changed, tmp_path / 'w', context(tmp_path), restart_from='a')
    assert [name for name, _ in CALLS] == ['a', 'b'], 'a later stage depends on an earlier one'


def test_options_of_a_stage_add_to_those_of_the_command(tmp_path: Path) -> None:
    shared = context(tmp_path)
    (tmp_path / 'c.py').write_text('evaluation = dict(interval=5, metric="mIoU")\nrunner = dict(max_iters=9)\n')
    shared.train_options.update({'evaluation.interval': 7, 'runner.max_iters': 8})
    options = dict(evaluation=dict(test_with=['x']), runner=dict(max_iters=3))
    cfg = shared.config(dict(name='a', type='train', config='c.py', options=options))
    assert dict(cfg.evaluation) == dict(interval=7, metric='mIoU', test_with=['x']) and cfg.runner.max_iters == 3


@pytest.mark.parametrize(
    'stages, message',
    [
        ([], 'no stages'),
        ([dict(name='a', type='note')], "no 'config'"),
        ([dict(name='a', type='trian', config='c.py')], "did you mean 'train'"),
        ([note('a', ''), note('a', '')], "two stages are called 'a'"),
        ([note('a', '{b}/x'), note('b', '')], 'no earlier stage'),
        ([dict(name='a', type='note', config='d.py')], 'does not exist'),
    ],
)
def test_wrong_recipes_are_refused_before_anything_runs(
    tmp_path: Path, stages: list[dict[str, Any]], message: str
) -> None:
    with pytest.raises(StageError, match=message):
        run_stages(stages, tmp_path / 'w', context(tmp_path))
    assert CALLS == []


def _pipeline(size: tuple[int, int], labelled: bool) -> list[dict[str, Any]]:
    labels = [dict(type='LoadAnnotations')] if labelled else []
    return [
        dict(type='LoadImageFromFile'),
        *labels,
        dict(type='ExactResize', size=size),
        dict(type='RandomFlip', prob=0.0),
        dict(type='Normalize', **NORM),
        dict(type='DefaultFormatBundle'),
        dict(type='Collect', keys=['img', 'gt_semantic_seg'] if labelled else ['img']),
    ]


def esl_recipe(root: Path) -> Path:
    """ESL on a few tiny images: AdvEnt, entropy pseudo-labels, AdvEnt with them."""
    make_gta(root / 'gta')
    make_cityscapes(root / 'city', 4)
    source = dict(
        type='GTADataset',
        data_root=str(root / 'gta'),
        img_dir='images',
        ann_dir='labels',
        pipeline=_pipeline((72, 40), True),
    )
    target = dict(
        type='CityscapesDataset',
        data_root=str(root / 'city'),
        img_dir='leftImg8bit/train',
        pipeline=_pipeline((64, 32), False),
    )
    advent = dict(
        model=tiny_model(19),
        uda=dict(type='AdvEnt', discriminator=dict(type='FCDiscriminator', ndf=2)),
        data=dict(samples_per_gpu=1, workers_per_gpu=0, train=dict(type='UDADataset', source=source, target=target)),
        optimizer=dict(segmentor=dict(type='SGD', lr=1e-2), discriminator=dict(type='Adam', lr=1e-4)),
        optimizer_config=dict(),
        lr_config=dict(policy='PolyHorizon', horizon=10, power=0.9),
        runner=dict(type='IterBasedRunner', max_iters=2),
        checkpoint_config=dict(by_epoch=False, interval=1),
    )
    Config(advent).dump(str(root / 'advent.py'))
    (root / 'retrain.py').write_text(
        "_base_ = ['advent.py']\nuda = dict(target_ce=1.0)\ndata = dict(train=dict(target=dict(\n    _delete_=True, "
        f"type='PseudoLabelDataset', folder='set by the recipe', dataset={target!r})))\n"
    )
    (root / 'recipe.py').write_text("""stages = [
    dict(name='advent', type='train', config='advent.py'),
    dict(name='labels', type='pseudo_labels', config='advent.py', checkpoint='{advent}/iter_*.pth', levels='compact'),
    dict(name='retrain', type='train', config='retrain.py', options={'data.train.target.folder': '{labels}'}),
]
""")
    return root / 'recipe.py'


def test_esl_end_to_end(tmp_path: Path) -> None:
    recipe = esl_recipe(tmp_path)
    arguments = [str(recipe), '--work-dir', str(tmp_path / 'work'), '--device', 'cpu', '--no-validate']
    folders = main(arguments)
    store = PseudoLabelStore.open(folders['labels'])
    assert not store.missing() and 0.4 < store.labels['total_share'] <= 1
    final = folders['retrain'] / 'iter_2.pth'
    weights = load_checkpoint_file(final)['state_dict']
    assert any(key.startswith('uda.discriminators.decode.') for key in weights)
    # a run that was killed in the middle of the last stage ends with the same weights
    final.unlink()
    (folders['retrain'] / 'latest.pth').unlink()
    (folders['retrain'] / 'stage.json').unlink()
    times = {name: json.loads((folders[name] / 'stage.json').read_text()) for name in ('advent', 'labels')}
    main(arguments)
    again = load_checkpoint_file(final)['state_dict']
    assert weights.keys() == again.keys() and all(torch.equal(weights[key], again[key]) for key in weights)
    assert times == {name: json.loads((folders[name] / 'stage.json').read_text()) for name in ('advent', 'labels')}


def test_a_recipe_template_takes_its_setting_from_the_recipe() -> None:
    stage = dict(name='warmup', type='train', config='warmup_{setting}.py', options={'x': '{setting}'})
    assert recipe_stages(Config(dict(setting='a_to_b', stages=[stage]))) == [dict(stage, config='warmup_a_to_b.py')]
    with pytest.raises(StageError, match=r"stage 'warmup' names warmup_\{setting\}.py; add setting = '...'"):
        recipe_stages(Config(dict(stages=[stage])))

"""What config, network and data must agree on is compared before the first iteration, and the message names it."""

from __future__ import annotations

import logging
import textwrap
from pathlib import Path
from typing import Any

import mmcv
import numpy as np
import pytest
import torch

from mmseg_uda.engine import environment, test, train
from mmseg_uda.engine.config_checks import first_whole_iteration
from mmseg_uda.methods.self_training import SelfTraining
from mmseg_uda.utils.config_errors import ConfigError
from tests.datasets.worlds import write_label

from .worlds import write_config

AUX = "dict(type='FCNHead', in_channels=16, in_index=2, channels=8, num_convs=1, {}loss_decode=dict({}))"
CE = "type='CrossEntropyLoss'"


def aux(options: str = 'num_classes=5, ', loss: str = CE) -> str:
    return f'model.update(auxiliary_head={AUX.format(options, loss)})'


@pytest.fixture(scope='module')
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp('checks')


def start(folder: Path, extra: str, name: str = 'tiny.py', **options: Any) -> None:
    """What ``tools/train.py`` does once its command line is read."""
    config = write_config(folder, name, extra=extra, **options)
    cfg = environment.load_config(str(config))
    cfg.work_dir = str(folder / 'run')
    (folder / 'run').mkdir(exist_ok=True)
    train.train(cfg, torch.device('cpu'), str(config), logger=logging.getLogger('checks'))


REFUSED = {
    # the classes of every head
    aux('num_classes=4, '): r'model\.auxiliary_head\.num_classes=4, but the data set has 5 classes',
    f'model.update(auxiliary_head=[{AUX.format("num_classes=5, ", CE)}, {AUX.format("num_classes=2, ", CE)}])': (
        r'model\.auxiliary_head\[1\]\.num_classes=2'
    ),
    # pixels without a class
    aux('num_classes=5, ignore_index=0, '): r'model\.auxiliary_head: ignore_index=0, but labels mark',
    aux(loss="type='DiceLoss', ignore_index=0"): r'auxiliary_head\.loss_decode \(DiceLoss\): ignore_index=0',
    # weights of classes
    aux(loss=f'{CE}, class_weight=[1.0, 2.0]'): 'class_weight has 2 values, but the head has 5 channels',
    aux(loss=f'{CE}, use_sigmoid=True, class_weight=[1.0] * 5'): 'along the width of the image',
    # class lists
    "data['val'].update(classes=['b', 'a', 'c', 'd', 'e'])": r'data\.val .* the same classes in another order',
    "data['val'].update(classes=['a', 'b', 'c'])": r'data\.val .* fewer classes \(3 instead of 5\)',
    "data['test'].update(classes=['a', 'b', 'c', 'd', 'sky'])": r"data\.test .*number 4 is 'sky' instead of 'e'",
    "data['val'] = dict(type='RepeatDataset', times=2, dataset=dict(data['val'], classes=['x'] * 5))": r'data\.val .*classes',
    # options of data sets that nothing heeds
    "data['train']['source'].update(ignore_index=0)": r'data\.train\.source: ignore_index=0, but labels mark',
    "data['val'].update(palette=[[1, 2, 3]])": r'data\.val \(target\): palette has 1 colours for 5 classes',
    "data['train']['source']['pipeline'].insert(5, dict(type='Pad', size=(32, 32), seg_pad_val=0))": (
        r'data\.train\.source: Pad has seg_pad_val=0, so that padding would be trained as a class'
    ),
    "data['train']['source']['pipeline'].insert(3, dict(type='RandomRotate', prob=1.0, degree=9, seg_pad_val=3))": (
        r'data\.train\.source: RandomRotate has seg_pad_val=3'
    ),
    "model['decode_head'].update(num_classes=1)": r'model\.decode_head\.num_classes=1: a network of one class',
    "data['val'] = [data['val'], dict(data['val'], type='CustomDataset', img_suffix='.bmp', palette=[[0, 0, 0]] * 5)]": (
        r"data\.val \(custom\): no image with the suffix '\.bmp' in .*images.*img_suffix"
    ),
    "data['val'].update(classes=['a', 'a', 'c', 'd', 'e'])\ndata['train']['source'].update(classes=['a', 'a', 'c', 'd', 'e'])\n"
    "data['train']['target'].update(classes=['a', 'a', 'c', 'd', 'e'])\ndata['test'].update(classes=['a', 'a', 'c', 'd', 'e'])": (
        r"data\.train\.source: two classes are called 'a'"
    ),
    # counting
    'checkpoint_config.update(by_epoch=True)': r'checkpoint_config\.by_epoch=True: runs count iterations',
    'evaluation.update(by_epoch=True)': r'evaluation\.by_epoch=True',
    'lr_config.update(by_epoch=True)': r'lr_config\.by_epoch=True',
    "lr_config.update(warmup='linear', warmup_by_epoch=True)": r'lr_config\.warmup_by_epoch=True',
    'checkpoint_config.update(interval=100, save_last=False)': 'saves no checkpoint in 4 iterations',
    "runner = dict(type='EpochBasedRunner', max_epochs=3)": 'runs count iterations, not epochs',
    "workflow = [('train', 1), ('val', 1)]": 'workflow=',
    "custom_hooks = [dict(type='CheckpointHook', interval=2)]": r'CheckpointHook counts epochs',
    # evaluation
    "evaluation.update(save_best='mIou')": r"evaluation\.save_best='mIou' is no metric.*did you mean 'mIoU'",
    "evaluation.update(save_best='mIoU.harmonic')": 'save_best',
    "evaluation.update(metric=['mIoU', 'cityscapes'])": r"evaluation\.metric='cityscapes'",
    "data['val'].update(ann_dir=None)": r'data\.val \(target\) has no labels',
    "data['val'].update(ignore_index=0)": r'data\.val \(target\): ignore_index=0',
    "model.update(test_cfg=dict(mode='slide', crop_size=(16, 16)))": r"test_cfg: mode='slide' needs stride",
    "model.update(test_cfg=dict(mode='whole', average='softmax'))": r'test_cfg\.average must be one of scores',
    "model.update(test_cfg=dict(mode='slide', crop_size=(16, 16), stride=(16, 20)))": 'stride of 16x20 .* leave gaps',
    "model.update(test_cfg=dict(mode='sliding'))": r"test_cfg\.mode must be 'whole' or 'slide'",
    "data['val'] = dict(type='MultiImageMixDataset', dataset=data['val'], pipeline=[])": 'MultiImageMixDataset mixes images',
}


@pytest.mark.parametrize('extra', REFUSED)
def test_disagreements_are_refused_before_the_first_iteration(extra: str, world: Path) -> None:
    with pytest.raises(ConfigError, match=REFUSED[extra]) as error:
        start(world, extra)
    assert 'tiny.py' in str(error.value)
    assert not list((world / 'run').glob('*.pth'))


ON_TARGET = {
    "data['train']['target'].update(crop_pseudo_margins=[30, 240, 30, 30])": (
        "dict(type='DACS')",
        r'data\.train\.target: crop_pseudo_margins=.* leave 0% .*crop_pseudo_margins=None',
    ),
    'pass': (
        "dict(type='DACS', pseudo_weight_ignore_top=1, pseudo_weight_ignore_bottom=8)",
        r'pseudo_weight_ignore_top=1 and pseudo_weight_ignore_bottom=8 leave 44% of the rows',
    ),
}


@pytest.mark.parametrize('extra', ON_TARGET)
def test_margins_that_leave_little_are_refused(extra: str, world: Path) -> None:
    uda, message = ON_TARGET[extra]
    with pytest.raises(ConfigError, match=message):
        start(world, extra, uda=uda)


@pytest.mark.parametrize('threshold, share', [(0.0, 0.75), (1.0, 0.0)])
def test_the_share_of_target_pixels_with_weight_is_logged(threshold: float, share: float, tmp_path: Path) -> None:
    uda = f"dict(type='DACS', pseudo_threshold={threshold}, pseudo_weight_ignore_bottom=4)"
    start(tmp_path, 'runner.update(max_iters=2)', uda=uda)
    log = next((tmp_path / 'run').glob('*.log.json')).read_text()
    assert f'"target.share": {share}' in log


ACCEPTED = [
    "data['train'] = dict(type='RepeatDataset', times=40000, dataset=data['train'])",
    'evaluation.update(pre_eval=True, by_epoch=False, efficient_test=False)',
    "data['val'].update(classes=['A', 'B', 'c', 'd', 'e'])",
    aux('num_classes=5, out_channels=5, ', f'{CE}, class_weight=[1.0] * 5'),
    "evaluation.update(metric=['mIoU', 'mDice'], save_best='mDice')",
    "evaluation.update(save_best='IoU.b')",
    "evaluation.update(imgfile_prefix='predictions')",
]


@pytest.mark.parametrize('extra', ACCEPTED)
def test_what_stock_configs_say_runs(extra: str, world: Path, caplog: pytest.LogCaptureFixture) -> None:
    start(world, f'{extra}\nrunner.update(max_iters=2)\ncheckpoint_config.update(interval=2)')
    assert (world / 'run' / 'latest.pth').exists()


@pytest.mark.parametrize(
    'separate, names', [(True, {'mIoU', 'mIoU.target', 'mIoU.target2', 'mIoU.harmonic'}), (False, {'mIoU'})]
)
def test_lists_of_folders_are_validation_sets(separate: bool, names: set[str], tmp_path: Path) -> None:
    extra = f"""
        folders = dict(data_root={str(tmp_path)!r}, img_dir=['target/images', 'source/images'],
                       ann_dir=['target/labels', 'source/labels'], separate_eval={separate})
        data['val'].update(folders)
        data['test'].update(folders)
        runner.update(max_iters=2)
    """
    start(tmp_path, '\n'.join(line.strip() for line in extra.splitlines()))
    assert list((tmp_path / 'run').glob('best_mIoU_iter_*.pth'))
    found = test.main(
        [
            str(tmp_path / 'tiny.py'), str(tmp_path / 'run' / 'latest.pth'), '--device', 'cpu',
            '--show-dir', str(tmp_path / 'show'),
        ]
    )  # fmt: skip
    assert names == {key for key in found if key.startswith('mIoU')}
    assert len(list((tmp_path / 'show').rglob('*.png'))) == 8


def test_labels_of_another_size_are_found_at_the_start(tmp_path: Path) -> None:
    write_config(tmp_path)
    for path in (tmp_path / 'target' / 'labels').iterdir():
        write_label(path, np.full((7, 29), 1, np.uint8))
    with pytest.raises(ConfigError, match=r'0\.png.*label map'):
        start(tmp_path, '')


def test_an_evaluation_that_never_comes_is_said(world: Path, caplog: pytest.LogCaptureFixture) -> None:
    start(world, 'runner.update(max_iters=2)\nevaluation.update(interval=100)')
    assert 'never evaluated' in caplog.text


@pytest.mark.parametrize(
    'uda, said',
    [
        (
            "dict(type='DACS', source_iters=9)",
            'uda.source_iters=9: the run has 2 iterations and learns from labels alone',
        ),
        ("dict(type='QuadMix', start_iter=9)", 'uda.start_iter=9: the run has 2 iterations and is never QuadMix'),
    ],
)
def test_a_part_that_never_begins_is_said(uda: str, said: str, world: Path, caplog: pytest.LogCaptureFixture) -> None:
    start(world, 'runner = dict(type="IterBasedRunner", max_iters=2)', uda=uda)
    assert said in caplog.text


def test_what_is_counted_and_timed_comes_after_all_parts_have_begun() -> None:
    assert first_whole_iteration({}) == first_whole_iteration(dict(source_iters=0, start_iter=None)) == 0
    assert first_whole_iteration(dict(source_iters=100, start_iter=75)) == 100


def test_labels_that_count_from_zero_and_from_one_are_said(world: Path, caplog: pytest.LogCaptureFixture) -> None:
    start(world, "data['val'].update(reduce_zero_label=True)\nrunner.update(max_iters=1)")
    assert 'data.val (target) has reduce_zero_label=True, data.train.source has not' in caplog.text


@pytest.mark.parametrize('heeds', [True, False])
def test_margins_that_a_method_does_not_heed_are_said(
    heeds: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SelfTraining, 'heeds_margins', heeds)
    extra = "data['train']['target'].update(crop_pseudo_margins=[1, 0, 0, 0])\nrunner.update(max_iters=1)"
    start(tmp_path, extra, uda="dict(type='DACS')")
    assert ('DACS does not heed crop_pseudo_margins' in caplog.text) != heeds


OWN = """
    from mmseg.models.builder import SEGMENTORS
    from mmseg.models.segmentors import EncoderDecoder

    @SEGMENTORS.register_module(force=True)
    class SegmentorWithExtra(EncoderDecoder):
        def forward_train(self, img, img_metas, gt_semantic_seg):
            losses = super().forward_train(img, img_metas, gt_semantic_seg)
            losses['loss_extra'] = sum(p.square().mean() for p in self.backbone.parameters())
            return losses
"""


@pytest.fixture
def own_segmentor(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / 'own_segmentor.py').write_text(textwrap.dedent(OWN))
    monkeypatch.syspath_prepend(str(tmp_path))
    return "custom_imports['imports'].append('own_segmentor')\nmodel.update(type='SegmentorWithExtra')\nrunner.update(max_iters=2)"


@pytest.mark.parametrize('uda', ['', "dict(type='DACS')"], ids=['source_only', 'dacs'])
def test_a_loss_of_the_users_forward_train_counts(
    uda: str, own_segmentor: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    start(tmp_path, f'{own_segmentor}\nlog_config.update(interval=1)', uda=uda)
    assert '"loss_extra": ' in next((tmp_path / 'run').glob('*.log.json')).read_text()
    said = 'SegmentorWithExtra.forward_train counts in passes on images with labels'
    assert (said in caplog.text) == bool(uda)


def test_methods_that_would_never_call_it_refuse(own_segmentor: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r'SegmentorWithExtra\.forward_train adds to the training.*AdvEnt drives'):
        start(tmp_path, own_segmentor, uda="dict(type='AdvEnt')")


@pytest.mark.parametrize('given', [[], ['--eval', 'mIoU']])
def test_out_writes_label_maps_or_counts(given: list[str], world: Path) -> None:
    start(world, 'runner.update(max_iters=2)')
    files = [str(world / 'tiny.py'), str(world / 'run' / 'latest.pth'), '--device', 'cpu']
    metrics = test.main([*files, '--out', str(world / 'out' / 'results.pkl'), *given])
    results = mmcv.load(str(world / 'out' / 'results.pkl'))
    assert len(results) == 4
    if given:
        assert all(len(counts) == 4 and len(counts[0]) == 5 for counts in results) and 'mIoU' in metrics
    else:
        assert all(label.dtype == np.uint8 and label.ndim == 2 for label in results) and metrics == {}
    with pytest.raises(SystemExit):
        test.main([*files, '--out', 'results.txt'])


def test_format_only_takes_mmsegmentations_name_of_the_folder(world: Path) -> None:
    start(world, 'runner.update(max_iters=2)')
    test.main(
        [
            str(world / 'tiny.py'), str(world / 'run' / 'latest.pth'), '--device', 'cpu', '--format-only',
            '--eval-options', f'imgfile_prefix={world / "formatted"}',
        ]
    )  # fmt: skip
    assert len(list((world / 'formatted').glob('*.png'))) == 4

"""Weights of networks with other classes, of other programs, and the state that hooks bring to a run."""

from __future__ import annotations

import logging
import sys
import types
from pathlib import Path
from typing import Any, Iterator

import mmcv
import pytest
import torch
from mmcv.runner import HOOKS, Hook
from mmseg.models import build_segmentor

from mmseg_uda.engine import environment, train
from mmseg_uda.engine.runner import UDARunner
from mmseg_uda.engine.weights import load_student
from mmseg_uda.utils.checkpoint_io import CheckpointError, load_checkpoint_file, load_inert
from mmseg_uda.utils.class_lists import classes_of
from tests.harness.methods import Setup, assert_equal_state
from tests.harness.synthetic import tiny_model
from tests.models.networks import FCN_HEAD, plain_config

from .worlds import write_config


def network(classes: int) -> Any:
    torch.manual_seed(classes)
    return build_segmentor(
        mmcv.ConfigDict(plain_config(auxiliary=dict(FCN_HEAD, num_classes=classes), num_classes=classes))
    )


def test_classifiers_of_other_classes_are_left_out_and_said(caplog: pytest.LogCaptureFixture) -> None:
    own, pretrained = network(5), network(19)
    before = {key: value.clone() for key, value in own.state_dict().items()}
    state = {**pretrained.state_dict(), 'uda.teacher.model.backbone.conv1.weight': torch.zeros(1)}
    load_student(own, state, 'city.pth', logging.getLogger('weights'), other_classes=True)
    for key, value in own.state_dict().items():
        kept = before if 'conv_seg' in key else pretrained.state_dict()
        assert torch.equal(value, kept[key]), key
    assert (
        'city.pth is of a network with other classes: 4 layers' in caplog.text and 'decode_head.conv_seg' in caplog.text
    )


def test_other_mismatches_stay_errors() -> None:
    own, pretrained = network(5), network(19)
    wrong = dict(pretrained.state_dict())
    wrong['backbone.conv1.weight'] = torch.zeros(9, 3, 3, 3)
    with pytest.raises(CheckpointError, match='conv1'):
        load_student(own, wrong, 'x.pth', other_classes=True)
    wrong = dict(pretrained.state_dict())
    wrong['decode_head.conv_seg.weight'] = torch.zeros(19, 7, 1, 1)
    with pytest.raises(CheckpointError, match='conv_seg'):
        load_student(own, wrong, 'x.pth', other_classes=True)
    with pytest.raises(CheckpointError, match='conv_seg'):
        load_student(own, pretrained.state_dict(), 'x.pth')


def test_point_rend_takes_the_classes_in_and_gives_them_out() -> None:
    def model(classes: int) -> Any:
        head = dict(
            type='PointHead', in_channels=[8], in_index=[0], channels=8, num_fcs=2, num_classes=classes,
            coarse_pred_each_layer=True, align_corners=False, loss_decode=dict(type='CrossEntropyLoss'),
        )  # fmt: skip
        coarse = dict(FCN_HEAD, num_classes=classes)
        cfg = dict(plain_config(), type='CascadeEncoderDecoder', num_stages=2, decode_head=[coarse, head])
        return build_segmentor(mmcv.ConfigDict(cfg))

    own = model(3)
    load_student(own, model(19).state_dict(), 'points.pth', other_classes=True)


def test_same_number_of_other_classes_is_said(caplog: pytest.LogCaptureFixture) -> None:
    own = network(5)
    own.CLASSES = ['a', 'b', 'c', 'd', 'e']
    meta = dict(CLASSES=('A', 'b', 'sky', 'd', 'e'))
    load_student(own, network(5).state_dict(), 'x.pth', logging.getLogger('weights'), other_classes=True, meta=meta)
    assert "x.pth' has other classes (number 2 is 'sky' instead of 'c')" in caplog.text


# ---- hooks ---------------------------------------------------------------------------------------------------------
@HOOKS.register_module(name='CountingHook', force=True)
class CountingHook(Hook):
    """A hook with a buffer in the model and a number of its own."""

    def __init__(self) -> None:
        self.seen = 0

    def before_run(self, runner: Any) -> None:
        runner.model.register_buffer('sum_of_iterations', torch.zeros(()))

    def after_train_iter(self, runner: Any) -> None:
        self.seen += 1
        runner.model.sum_of_iterations += runner.iter

    def state_dict(self) -> dict[str, int]:
        return dict(seen=self.seen)

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.seen = state['seen']


@pytest.mark.parametrize('kind', ['EMAHook', 'CountingHook'])
def test_hooks_with_state_resume_exactly(kind: str, tmp_path: Path) -> None:
    config = write_config(tmp_path, extra=f'custom_hooks = [dict(type={kind!r})]', uda="dict(type='DACS')")

    def run(folder: str, max_iters: int, resume: Any = None) -> UDARunner:
        cfg = environment.load_config(str(config))
        cfg.work_dir, cfg.runner.max_iters, cfg.resume_from = str(tmp_path / folder), max_iters, resume
        if folder == 'without':
            cfg.custom_hooks = []
        return train.train(cfg, torch.device('cpu'), str(config), False, logger=logging.getLogger('weights'))

    straight = run('straight', 4)
    half = str(tmp_path / 'straight' / 'iter_2.pth')
    resumed = run('resumed', 4, half)
    states = [load_checkpoint_file(tmp_path / name / 'iter_4.pth') for name in ('straight', 'resumed')]
    assert any('ema_' in key or 'sum_of' in key for key in states[0]['state_dict'])
    assert_equal_state(states[0]['state_dict'], states[1]['state_dict'], kind)
    assert states[0]['hooks'] == states[1]['hooks']
    seen = [hook.seen for runner in (straight, resumed) for hook in runner.hooks if isinstance(hook, CountingHook)]
    assert seen == ([4, 4] if kind == 'CountingHook' else [])
    with pytest.raises(CheckpointError, match='does not fit this config'):
        run('without', 4, half)


# ---- files of other programs ---------------------------------------------------------------------------------------
@pytest.fixture
def history() -> Iterator[Any]:
    """A class of a package that is not installed, as MMSegmentation 1.x keeps it in its training files."""
    names = ['mmengine', 'mmengine.logging', 'mmengine.logging.history_buffer']
    modules = {name: types.ModuleType(name) for name in names}
    kind = type('HistoryBuffer', (), {})
    kind.__module__ = names[-1]
    modules[names[-1]].HistoryBuffer = kind  # type: ignore[attr-defined]
    sys.modules.update(modules)
    yield kind
    for name in names:
        sys.modules.pop(name, None)


@pytest.mark.parametrize('zipped', [True, False])
@pytest.mark.parametrize('trusted', [True, False])
def test_training_files_of_mmsegmentation_1_hold_weights(
    zipped: bool, trusted: bool, history: Any, tmp_path: Path
) -> None:
    instance = history()
    instance.values = [torch.ones(3)]
    content = dict(
        meta=dict(dataset_meta=dict(classes=('sky', 'road'), palette=[[1, 2, 3], [4, 5, 6]])),
        state_dict=dict(weight=torch.arange(4.0)),
        message_hub=dict(log_scalars={'train/loss': instance}, list=[instance, 1]),
    )
    path = tmp_path / 'mmseg1x.pth'
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    for name in [name for name in sys.modules if name.startswith('mmengine')]:
        del sys.modules[name]
    loaded = load_checkpoint_file(path, weights_only=not trusted)
    assert torch.equal(loaded['state_dict']['weight'], torch.arange(4.0))
    assert loaded['message_hub'] == dict(log_scalars={}, list=[1])
    assert classes_of(loaded['meta']) == ['sky', 'road']
    assert not any(name.startswith('mmengine') for name in sys.modules)


class Opens:
    """Would read a file when it is unpickled."""

    def __reduce__(self) -> Any:
        return open, ('/dev/null',)


def test_placeholders_let_no_function_through(tmp_path: Path) -> None:
    torch.save(dict(state_dict=dict(weight=torch.ones(1)), meta=Opens()), tmp_path / 'evil.pth')
    assert load_inert(tmp_path / 'evil.pth') is None
    with pytest.raises(CheckpointError, match='--trust-checkpoint'):
        load_checkpoint_file(tmp_path / 'evil.pth', weights_only=True)


def test_binary_networks_start_from_two_class_networks() -> None:
    setup = Setup(None, model=tiny_model(2), num_classes=2)
    model = tiny_model(2)
    model['decode_head'].update(out_channels=1, threshold=0.5)
    one = build_segmentor(mmcv.ConfigDict(model))
    load_student(one, setup.build()[0].student.state_dict(), 'two.pth', other_classes=True)

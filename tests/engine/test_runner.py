"""The runner: checkpoints, resume, retention, SIGTERM, loading into and from stock MMSegmentation."""

from __future__ import annotations

import json
import logging
import os
import re
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from mmcv.runner import CheckpointHook, Hook
from mmcv.runner.hooks import TextLoggerHook
from mmseg.apis import inference_segmentor, init_segmentor
from mmseg.models import build_segmentor

from mmseg_uda.engine.checkpoints import find_resumable
from mmseg_uda.engine.runner import UDARunner
from mmseg_uda.engine.weights import load_student
from mmseg_uda.utils.checkpoint_io import CheckpointError, load_checkpoint_file
from tests.harness.methods import Setup
from tests.harness.synthetic import tiny_model

from . import toy_methods  # noqa: F401  (registers the methods)

SHARED = dict(type='ToySharedGraph')
ADVERSARIAL = dict(type='ToyAdversarial')


def _with_checkpoints(setup: Setup, folder: Path, **options: Any) -> UDARunner:
    runner = setup.runner(folder)
    runner.register_checkpoint_hook(dict(by_epoch=False, **options))
    return runner


def test_checkpoints_hold_completed_iterations_and_old_ones_go(tmp_path: Path) -> None:
    runner = _with_checkpoints(Setup(SHARED, max_iters=6), tmp_path, interval=1, max_keep_ckpts=2)
    Setup(SHARED).train(runner)
    assert sorted(path.name for path in tmp_path.glob('*.pth')) == ['iter_5.pth', 'iter_6.pth', 'latest.pth']
    assert os.readlink(tmp_path / 'latest.pth') == 'iter_6.pth'
    assert load_checkpoint_file(tmp_path / 'iter_5.pth')['meta']['iter'] == 5
    assert not list(tmp_path.glob('.*'))


def test_lr_of_every_iteration_survives_a_resume(tmp_path: Path) -> None:
    class Rates(Hook):
        def __init__(self) -> None:
            self.rates: list[float] = []

        def after_train_iter(self, runner: Any) -> None:
            self.rates.append(runner.current_lr()[0])

    setup, all_rates, later_rates = Setup(SHARED), Rates(), Rates()
    straight = _with_checkpoints(setup, tmp_path, interval=2)
    straight.register_hook(all_rates)
    setup.train(straight)
    resumed = setup.runner(tmp_path / 'resumed')
    resumed.register_hook(later_rates)
    resumed.resume(str(tmp_path / 'iter_4.pth'))
    setup.train(resumed)
    assert later_rates.rates == all_rates.rates[4:]


def test_mmdetection5712_resume_finds_optimizers_of_every_network(tmp_path: Path) -> None:
    setup = Setup(ADVERSARIAL)
    runner = _with_checkpoints(setup, tmp_path, interval=3)
    setup.train(runner)
    state = load_checkpoint_file(tmp_path / 'iter_3.pth')
    assert set(state['optimizer']) == {'segmentor', 'discriminator'}
    assert {key.split('.')[0] for key in state['state_dict']} == {'backbone', 'decode_head', 'uda'}


def test_resume_with_another_method_is_refused(tmp_path: Path) -> None:
    setup = Setup(ADVERSARIAL)
    setup.train(_with_checkpoints(setup, tmp_path, interval=6))
    with pytest.raises(CheckpointError, match=r"(?s)iter_6\.pth' does not fit this config.*--load-from"):
        Setup(SHARED).runner(tmp_path / 'other').resume(str(tmp_path / 'iter_6.pth'))


def test_resume_from_bare_weights_points_at_load_from(tmp_path: Path) -> None:
    model = build_segmentor(tiny_model())
    torch.save({'state_dict': model.state_dict()}, tmp_path / 'weights.pth')
    runner = Setup(SHARED).runner(tmp_path / 'run')
    with pytest.raises(CheckpointError, match=r'cannot be resumed.*--load-from'):
        runner.resume(str(tmp_path / 'weights.pth'))
    runner.load_checkpoint(str(tmp_path / 'weights.pth'))
    assert torch.equal(runner.model.student.decode_head.conv_seg.weight, model.decode_head.conv_seg.weight)


def test_a_checkpoint_of_another_model_is_refused(tmp_path: Path) -> None:
    runner = Setup(SHARED).runner(tmp_path)
    with pytest.raises(CheckpointError, match=r'lacks \d+ of \d+ keys.*convert_checkpoint'):
        load_student(runner.model, {'backbone.layer1.weight': torch.zeros(1)}, 'other.pth')
    wrong = {key: value[:1] for key, value in runner.model.state_dict().items()}
    with pytest.raises(CheckpointError, match="'other.pth' does not fit the model"):
        load_student(runner.model, wrong, 'other.pth')


def test_auto_resume_passes_over_a_broken_file(tmp_path: Path) -> None:
    setup = Setup(SHARED)
    setup.train(_with_checkpoints(setup, tmp_path, interval=2))
    assert find_resumable(tmp_path) == tmp_path / 'iter_6.pth'
    (tmp_path / 'iter_6.pth').write_bytes(b'broken')
    assert find_resumable(tmp_path) == tmp_path / 'iter_4.pth'
    assert find_resumable(tmp_path / 'nothing') is None


def test_auto_resume_passes_over_what_is_no_checkpoint_of_a_run(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    setup = Setup(SHARED)
    setup.train(_with_checkpoints(setup, tmp_path, interval=6))
    good = load_checkpoint_file(tmp_path / 'iter_6.pth')
    (tmp_path / 'iter_20.pth').mkdir()
    (tmp_path / 'iter_19.pth').symlink_to(tmp_path / 'gone.pth')
    (tmp_path / 'iter_18.pth').write_text('from somewhere else')
    (tmp_path / 'iter_17.pth').touch()
    torch.save(good['state_dict'], tmp_path / 'iter_16.pth')
    torch.save({key: value for key, value in good.items() if key != 'engine'}, tmp_path / 'iter_15.pth')
    torch.save({**good, 'meta': {}}, tmp_path / 'iter_14.pth')
    torch.save(good['state_dict']['decode_head.conv_seg.weight'], tmp_path / 'iter_13.pth')
    (tmp_path / 'iter_x.pth').touch()
    with caplog.at_level('WARNING'):
        assert find_resumable(tmp_path, logging.getLogger('passing')) == tmp_path / 'iter_6.pth'
    lines = [record.getMessage() for record in caplog.records if record.name == 'passing']
    assert [re.search(r'iter_(\d+)', line).group(1) for line in lines] == [str(n) for n in range(20, 12, -1)]
    assert all('\n' not in line for line in lines) and 'is a folder' in lines[0] and 'does not exist' in lines[1]


def test_sigterm_writes_a_checkpoint_that_resumes(tmp_path: Path) -> None:
    class Kill(Hook):
        def after_train_iter(self, runner: Any) -> None:
            if runner.iter == 2:
                os.kill(os.getpid(), signal.SIGTERM)

    setup = Setup(SHARED)
    before = signal.getsignal(signal.SIGTERM)
    runner = setup.runner(tmp_path)
    runner.register_hook(Kill())
    with pytest.raises(SystemExit) as stopped:
        setup.train(runner)
    assert stopped.value.code == 143 and signal.getsignal(signal.SIGTERM) is before
    again = setup.runner(tmp_path)
    again.resume(str(tmp_path / 'iter_3.pth'))
    setup.train(again)
    assert again.iter == 6


def test_mmcv_loggers_see_averages_without_a_transfer_per_iteration(tmp_path: Path) -> None:
    setup = Setup(SHARED)
    runner = setup.runner(tmp_path)
    runner.flush_interval = 3
    flushes = []
    flush = runner.step.flush
    runner.step.flush = lambda: (flushes.append(runner.completed), flush())[1]
    runner.register_logger_hooks(dict(interval=3, hooks=[dict(type='TextLoggerHook', by_epoch=False)]))
    runner.register_timer_hook(dict(type='IterTimerHook'))
    from tests.harness.synthetic import SyntheticLoader

    runner.run([SyntheticLoader(setup.data, 2)])
    assert set(flushes) == {3, 6}
    log = next(tmp_path.glob('*.log.json')).read_text()
    assert '"decode.loss_ce"' in log and '"iter": 6' in log
    assert any(isinstance(hook, TextLoggerHook) for hook in runner.hooks)
    assert not any(isinstance(hook, CheckpointHook) for hook in runner.hooks)


@pytest.mark.parametrize('present', [(0, 1), (0, 1, 5), (3,)])
def test_a_loss_is_logged_while_it_exists(tmp_path: Path, present: tuple[int, ...]) -> None:
    """mmcv would repeat the last value of a loss of a warm-up until the end of the run."""
    setup = Setup(dict(type='ToySometimes', present=present))
    runner = setup.runner(tmp_path)
    runner.register_logger_hooks(dict(interval=2, hooks=[dict(type='TextLoggerHook', by_epoch=False)] * 2))
    runner.register_timer_hook(dict(type='IterTimerHook'))
    setup.train(runner)
    lines = [json.loads(line) for line in next(tmp_path.glob('*.log.json')).read_text().splitlines()]
    logged = {line['iter']: line.get('sometimes') for line in lines if line.get('mode') == 'train'}
    for end in (2, 4, 6):
        values = [iteration + 1 for iteration in present if end - 2 <= iteration < end]
        assert logged[end] == (pytest.approx(sum(values) / len(values)) if values else None)


def test_the_log_buffer_stays_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """mmcv keeps every value of an iteration-based run."""
    monkeypatch.setattr('mmseg_uda.engine.runner.LONGEST_AVERAGE', 2)
    setup = Setup(SHARED, max_iters=12)
    runner = setup.runner(tmp_path)
    runner.register_logger_hooks(dict(interval=2, hooks=[dict(type='TextLoggerHook', by_epoch=False)]))
    runner.register_timer_hook(dict(type='IterTimerHook'))
    logs = setup.train(runner)
    assert {len(values) for values in runner.log_buffer.val_history.values()} <= {2, 3, 4}
    last = json.loads(next(tmp_path.glob('*.log.json')).read_text().splitlines()[-1])
    assert last['loss'] == pytest.approx((logs[10]['loss'] + logs[11]['loss']) / 2, abs=1e-5)


def test_tensorboard_is_one_line_in_the_config(tmp_path: Path) -> None:
    setup = Setup(SHARED)
    runner = setup.runner(tmp_path)
    runner.register_logger_hooks(dict(interval=2, hooks=[dict(type='TensorboardLoggerHook', by_epoch=False)]))
    setup.train(runner)
    assert any(path.stat().st_size > 100 for path in (tmp_path / 'tf_logs').iterdir())


def test_a_validation_workflow_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match='evaluation hook'):
        Setup(SHARED).runner(tmp_path).run([None], [('train', 1), ('val', 1)])


def test_our_checkpoints_load_in_stock_mmseg(tmp_path: Path) -> None:
    """``init_segmentor`` of mmseg takes the plain ``model`` part of the config and our checkpoint as it is."""
    from mmcv import Config

    setup = Setup(ADVERSARIAL)
    runner = _with_checkpoints(setup, tmp_path, interval=6)
    runner.meta.update(CLASSES=('a', 'b', 'c', 'd', 'e'), PALETTE=[[i, i, i] for i in range(5)])
    setup.train(runner)
    pipeline = [
        dict(type='LoadImageFromFile'),
        dict(
            type='MultiScaleFlipAug',
            img_scale=(64, 32),
            flip=False,
            transforms=[
                dict(type='Resize', keep_ratio=True),
                dict(type='Normalize', mean=[0, 0, 0], std=[1, 1, 1], to_rgb=True),
                dict(type='ImageToTensor', keys=['img']),
                dict(type='Collect', keys=['img']),
            ],
        ),
    ]
    config = Config(dict(model=tiny_model(), data=dict(test=dict(pipeline=pipeline))))
    stock = init_segmentor(config, str(tmp_path / 'latest.pth'), device='cpu')
    assert stock.CLASSES == ['a', 'b', 'c', 'd', 'e']
    for name, value in runner.model.student.state_dict().items():
        assert torch.equal(stock.state_dict()[name], value)
    image = (torch.rand(32, 64, 3) * 255).byte().numpy()
    assert inference_segmentor(stock, image)[0].shape == (32, 64)

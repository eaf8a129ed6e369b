"""Module modes and bit-equality of every method in a real run: evaluations, checkpoints, logs, workers and resumes change
nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from mmcv.runner import HOOKS, Hook
from torch import nn

from mmseg_uda.components.ema import EMATeacher
from mmseg_uda.engine.inference import inference_mode
from mmseg_uda.engine.runner import UDARunner
from mmseg_uda.models.modes import STOCHASTIC_LAYERS, set_training_modes
from mmseg_uda.registry import UDA
from tests.harness.methods import Setup, assert_equal_state
from tests.harness.runs import METHODS, ModalBackbone, config, make_world, modes, references, run
from tests.methods.test_video import VARIANTS as VIDEO
from tests.methods.test_video import options as video_options

WITH_DROP_OUT = ('stal',)  # its teacher labels with drop-out, as the released code does


@pytest.fixture(scope='module')
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_world(tmp_path_factory.mktemp('world'))


@HOOKS.register_module()
class WatchReferences(Hook):
    """Copies the frozen references before the first iteration."""

    before: dict[str, Any]

    def before_run(self, runner: Any) -> None:
        self.before = references(runner.model)


def test_every_method_of_the_package_is_here() -> None:
    own = {cls for cls in UDA.module_dict.values() if cls.__module__.startswith('mmseg_uda.methods.')}
    blocks = [uda or dict(type='SourceOnly') for _, uda, _ in METHODS.values()]
    covered = {UDA.get(uda['type']) for uda in (*blocks, *VIDEO.values())}
    assert own - covered <= {UDA.get('SelfTraining')}  # DACS with other option names


@pytest.mark.parametrize('name', VIDEO)
def test_evaluations_change_no_video_method(name: str) -> None:
    """Clips come from memory here; modes and weights with and without an evaluation after every iteration."""
    states, seen = [], []
    for evaluates in (False, True):
        setup = Setup(VIDEO[name], **video_options(name, norm='BN'))
        method, step = setup.build()
        for iteration in range(3):
            seen.append({key: module.training for key, module in method.named_modules()})
            step([setup.data.batch([2 * iteration, 2 * iteration + 1])], iteration)
            if evaluates:
                with inference_mode(method, torch.device('cpu')):
                    pass
        states.append(method.state_dict())
    assert_equal_state(*states, what='with and without evaluations')
    assert all(modes == seen[0] for modes in seen)
    check_modes(name, method, seen[0])


def outcome(runner: UDARunner) -> dict[str, Any]:
    """Everything that a checkpoint holds, flat."""
    state = dict(runner.model.state_dict())
    for network, optimizer in runner.step.optimizers.items():
        for number, values in optimizer.state_dict()['state'].items():
            state.update({f'{network}.{number}.{key}': value for key, value in values.items()})
    return state


def is_random(module: nn.Module) -> bool:
    return isinstance(module, nn.modules.dropout._DropoutNd) or type(module).__name__ in STOCHASTIC_LAYERS


def check_modes(name: str, method: Any, seen: dict[str, bool]) -> None:
    """The modes of one iteration are those that the method documents."""
    modules = dict(method.named_modules())
    under = lambda prefix: [key for key in modules if key == prefix or key.startswith(f'{prefix}.')]  # noqa: E731
    for backbone in (key for key, module in modules.items() if isinstance(module, ModalBackbone)):
        assert not seen[f'{backbone}.stages.0.1'], f'norm_eval is ignored in {backbone}'
    for reference in method.frozen_references:
        assert not any(seen[key] for key in under(reference)), f'{reference} is in training mode'
    teachers = [f'{key}.model' for key, module in modules.items() if isinstance(module, EMATeacher)]
    for teacher in teachers:
        random = [key for key in under(teacher) if is_random(modules[key])]
        labels_clips = teacher.startswith('labeler.')  # the network of the video tests has no random layers
        assert random or labels_clips, f'{teacher}: nothing whose mode matters'
        assert [seen[key] for key in random] == [name in WITH_DROP_OUT] * len(random), teacher
        assert seen[teacher] == (not labels_clips and name not in ('dacs_running', 'stal_eval'))
    student = [key for key in under('student') if not key.endswith('backbone.stages.0.1')]
    assert all(seen[key] for key in student)


@pytest.mark.parametrize('name', METHODS)
def test_nothing_around_the_iterations_changes_them(name: str, world: Path, tmp_path: Path) -> None:
    watch = [dict(type='RecordModes'), dict(type='WatchReferences')]
    plain = run(config(name, world, tmp_path / 'plain', log_config__interval=5, custom_hooks=watch))
    expected, first = outcome(plain), modes(plain)[0]
    check_modes(name, plain.model, first)
    before = next(hook for hook in plain.hooks if isinstance(hook, WatchReferences)).before
    assert_equal_state(before, references(plain.model), 'frozen references')
    assert plain.step.records.skipped == 0
    busy = dict(evaluation__interval=2, checkpoint_config__interval=1, data__workers_per_gpu=2)
    others = {
        'evaluations every 2': config(name, world, tmp_path / 'busy', **busy),
        'evaluations every 3': config(name, world, tmp_path / 'three', evaluation__interval=3),
        'resumed before an evaluation': config(
            name, world, tmp_path / 'early', evaluation__interval=2, resume_from=str(tmp_path / 'busy/iter_1.pth')
        ),
        'resumed after an evaluation': config(
            name, world, tmp_path / 'late', evaluation__interval=4, resume_from=str(tmp_path / 'busy/iter_4.pth')
        ),
    }
    for what, cfg in others.items():
        runner = run(cfg)
        assert_equal_state(expected, outcome(runner), what)
        for iteration, seen in modes(runner).items():
            assert seen == first, f'{what}: other modes in iteration {iteration}'
        assert_equal_state(before, references(runner.model), f'{what}: frozen references')


def test_modes_do_not_depend_on_what_was_done_before_the_run(world: Path, tmp_path: Path) -> None:
    """Code between the building of a runner and its run, and hooks that leave the model in eval mode."""

    @HOOKS.register_module(force=True)
    class ForgetfulHook(Hook):
        def before_run(self, runner: Any) -> None:
            runner.model.teacher.model.train()
            runner.model.imnet.train()

        def after_train_iter(self, runner: Any) -> None:
            runner.model.eval()

    hooks = [dict(type='ForgetfulHook'), dict(type='RecordModes')]
    runner = run(config('daformer', world, tmp_path, runner__max_iters=3, custom_hooks=hooks))
    for seen in modes(runner).values():
        check_modes('daformer', runner.model, seen)


def test_an_evaluation_leaves_every_module_as_it_was(world: Path, tmp_path: Path) -> None:
    """Also modules that somebody has put into another mode than the method's ``train()`` would."""
    runner = run(config('mic', world, tmp_path, runner__max_iters=1))
    runner.model.student.decode_head.eval()
    before = {name: module.training for name, module in runner.model.named_modules()}
    with pytest.raises(RuntimeError, match='in the middle'), inference_mode(runner.model, torch.device('cpu')):
        assert not any(module.training for module in runner.model.modules())
        raise RuntimeError('in the middle')
    assert before == {name: module.training for name, module in runner.model.named_modules()}
    set_training_modes(runner.model)
    check_modes('mic', runner.model, {name: module.training for name, module in runner.model.named_modules()})

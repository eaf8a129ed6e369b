"""An iteration with a value that is not finite leaves nothing behind, whatever the method and wherever the value is."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any, Iterator, Sequence

import pytest
import torch
from mmcv.runner import HOOKS, Hook

from mmseg_uda import builder
from mmseg_uda.engine.step import TrainStep
from mmseg_uda.methods.base import LossTerm
from tests.harness.methods import Setup, assert_equal_state, run_ranks
from tests.harness.runs import METHODS, config, make_world, run
from tests.harness.synthetic import tiny_model
from tests.methods.test_video import VARIANTS as VIDEO
from tests.methods.test_video import options as video_options

NAN, INF, HUGE = float('nan'), float('inf'), 1e38
#: iteration -> what is wrong in it: an input (``image`` stands for the streams in turn), the first term's gradient, the
#: last term's weight or loss. The first iteration of a run is among them; the others find teachers, banks and
#: optimisers with a history.
PLAN = {
    0: ('loss', NAN),
    2: ('image', NAN),
    3: ('image', NAN),
    5: ('image', NAN),
    6: ('image', INF),
    7: ('weight', INF),
    9: ('weight', NAN),
    10: ('gradient', NAN),
    11: ('gradient', HUGE),
    13: ('image', HUGE),
    14: ('image', HUGE),
}
MAX_ITERS = 16
#: methods with every kind of state
OF_EVERY_KIND = ('source_only', 'esl_online', 'dacs_running', 'mic', 'quadmix', 'coast', 'dstc', 'stal')


@HOOKS.register_module()
class Faults(Hook):
    """Spoils the iterations of ``plan``, and watches that those which are skipped change nothing."""

    def __init__(self, plan: dict[str, tuple[str, float]]) -> None:
        self.plan = {int(iteration): fault for iteration, fault in plan.items()}
        self.skipped: list[int] = []
        self._before: dict[str, Any] = {}

    def before_run(self, runner: Any) -> None:
        genuine = runner.model.training_losses
        runner.model.training_losses = lambda batch: self._spoil(genuine(batch), runner.iter)

    def before_train_iter(self, runner: Any) -> None:
        where, value = self.plan.get(runner.iter, ('', 0.0))
        if where == 'image':
            keys = [key for key in runner.data_batch if key.endswith('img')]
            runner.data_batch[keys[runner.iter % len(keys)]][0, 0, 5, 7] = value
        self._before = outcome(runner)

    def _spoil(self, events: Iterator[Any], iteration: int) -> Iterator[Any]:
        where, value = self.plan.get(iteration, ('', 0.0))
        if where not in ('weight', 'loss', 'gradient'):
            yield from events
            return
        held, first = None, True
        for event in events:  # one is held back, to know the last
            if held is not None:
                yield self._spoiled(held, where, value) if first and where == 'gradient' else held
                first = False
            held = event
        yield held if where == 'gradient' and not first else self._spoiled(held, where, value)

    @staticmethod
    def _spoiled(term: Any, where: str, value: float) -> LossTerm:
        if where == 'weight':
            return replace(term, weight=term.weight * value)
        if where == 'loss':
            return replace(term, loss=term.loss * value)
        loss = term.loss * 1.0
        loss.register_hook(lambda gradient: gradient * value)
        return replace(term, loss=loss)

    def after_train_iter(self, runner: Any) -> None:
        after = outcome(runner)
        assert all(torch.isfinite(value).all() for value in after.values() if torch.is_tensor(value)), runner.iter
        if runner.step.records.skipped > len(self.skipped):
            self.skipped.append(runner.iter)
            assert_equal_state(self._before, after, f'iteration {runner.iter} ({self.plan.get(runner.iter)})')


class _Skipping:
    """A training step that does nothing in some iterations."""

    def __init__(self, step: TrainStep, at: Sequence[int]) -> None:
        self._step = step
        self._at = at

    def __call__(self, batches: Any, iteration: int) -> None:
        if iteration not in self._at:
            self._step(batches, iteration)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._step, name)


@HOOKS.register_module()
class LeaveOut(Hook):
    """Leaves iterations out cleanly."""

    def __init__(self, at: Sequence[int]) -> None:
        self.at = at

    def before_run(self, runner: Any) -> None:
        runner.step = _Skipping(runner.step, self.at)


@pytest.fixture(scope='module')
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_world(tmp_path_factory.mktemp('world'))


def outcome(runner: Any) -> dict[str, Any]:
    """Everything that a checkpoint holds, flat."""
    state = {key: value.clone() for key, value in runner.model.state_dict().items()}
    for network, optimizer in runner.step.optimizers.items():
        for number, values in optimizer.state_dict()['state'].items():
            state.update({f'{network}.{number}.{key}': copy.deepcopy(value) for key, value in values.items()})
    return state


def train(name: str, world: Path, folder: Path, *hooks: dict[str, Any], **changes: Any) -> Any:
    changes = {'runner__max_iters': MAX_ITERS, 'checkpoint_config__interval': 100, **changes}
    return run(config(name, world, folder, custom_hooks=list(hooks), **changes))


def device_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    """What happens on CUDA with fused optimisers: the host learns nothing."""

    def step_unless(self: TrainStep, optimizer: Any, bad: torch.Tensor, skipped: Any) -> None:
        assert skipped is None
        if bad.item() == 0:
            optimizer.step()

    monkeypatch.setattr(TrainStep, '_on_host', lambda self, bad: None)
    monkeypatch.setattr(TrainStep, '_guarded_step', step_unless)


@pytest.mark.parametrize(
    'name, decides',
    [
        *((name, 'host') for name in METHODS),
        *((name, 'device') for name in OF_EVERY_KIND),
        ('mic', 'device, with teachers copied to the host'),
    ],
)
def test_a_fault_leaves_nothing_behind(
    name: str, decides: str, world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A skipped iteration changes nothing, and the run goes on as if it had not been; huge values that do no harm may
    be trained on."""
    if decides.startswith('device'):
        device_decides(monkeypatch)
    changes = dict(optimizer_config=dict(teacher_copy='host')) if 'teachers' in decides else {}
    plan = {str(iteration): fault for iteration, fault in PLAN.items()}
    runner = train(name, world, tmp_path / 'faulty', dict(type='Faults', plan=plan), **changes)
    skipped = next(hook for hook in runner.hooks if isinstance(hook, Faults)).skipped
    assert set(skipped) >= {iteration for iteration, (_, value) in PLAN.items() if value != HUGE}
    assert set(skipped) <= set(PLAN)
    clean = train(name, world, tmp_path / 'clean', dict(type='LeaveOut', at=skipped))
    assert_equal_state(outcome(clean), outcome(runner), 'the rest of the run')


@pytest.mark.parametrize('value', [NAN, INF])
@pytest.mark.parametrize('name', ['source_only', 'mic', 'dstc', 'stal', 'advent'])
def test_a_fault_for_ever_ends_the_run_in_the_state_before_it(
    name: str, value: float, world: Path, tmp_path: Path
) -> None:
    """Of three good iterations a checkpoint is left; the files of the input are named."""
    plan = {str(iteration): ('image', value) for iteration in range(3, MAX_ITERS)}
    options = dict(optimizer_config__max_non_finite=3, checkpoint_config__interval=1)
    with pytest.raises(
        FloatingPointError, match=r"non-finite input \w*img of '.*\.jpg'.* 4 iterations in a row"
    ) as end:
        train(name, world, tmp_path / 'faulty', dict(type='Faults', plan=plan), **options)
    assert str(world) in str(end.value)
    newest = torch.load(tmp_path / 'faulty/latest.pth', weights_only=True)
    assert newest['meta']['iter'] == 6
    first = torch.load(tmp_path / 'faulty/iter_3.pth', weights_only=True)
    assert_equal_state(first['state_dict'], newest['state_dict'], 'after three skipped iterations')


@pytest.mark.parametrize('name', VIDEO)
def test_video_methods_leave_nothing_behind(name: str) -> None:
    """The same with both frames of clips. (A flow that is not finite is an error where its file is read.)"""
    setup = Setup(VIDEO[name], **video_options(name, norm='BN'))
    method, step = setup.build()
    keys = [None if name == 'source_only' else 'target_img', None, 'img', 'key_frame', None]
    keys += [] if name == 'source_only' else ['target_key_frame', None]
    for iteration, key in enumerate(keys):
        batch = setup.data.batch([2 * iteration, 2 * iteration + 1])
        if key is not None:
            batch[key][0, 0, 5, 7] = INF if key == 'img' else NAN
        before = {name: value.clone() for name, value in method.state_dict().items()}
        step([batch], iteration)
        if key is not None:
            assert_equal_state(before, method.state_dict(), f'{key} of iteration {iteration}')
    step.flush()
    assert step.records.skipped == sum(key is not None for key in keys)


@HOOKS.register_module()
class Corrupt(Hook):
    """After an iteration, writes NaN into a parameter or buffer, as a broken memory module would."""

    def __init__(self, tensor: str, after: int) -> None:
        self.tensor = tensor
        self.after = after

    def before_train_iter(self, runner: Any) -> None:
        if runner.iter == self.after:
            tensors = {**dict(runner.model.named_parameters()), **dict(runner.model.named_buffers())}
            tensors[self.tensor].data.view(-1)[0] = NAN


@pytest.mark.parametrize(
    'tensor, key',
    [
        ('student.decode_head.conv_seg.weight', 'decode_head.conv_seg.weight'),
        ('teacher.model.backbone.stages.2.1.running_var', 'uda.teacher.model.backbone.stages.2.1.running_var'),
    ],
)
def test_a_checkpoint_never_holds_what_is_not_finite(tensor: str, key: str, world: Path, tmp_path: Path) -> None:
    """The checkpoint before stays, and the error names the tensor as the file would have."""
    hook = dict(type='Corrupt', tensor=tensor, after=2)
    with pytest.raises(FloatingPointError, match=rf'after 4 iterations: state_dict.{key}'):
        train('dacs', world, tmp_path, hook, checkpoint_config__interval=2, runner__max_iters=6)
    assert [path.name for path in sorted(tmp_path.glob('iter_*'))] == ['iter_2.pth']
    assert (tmp_path / 'latest.pth').resolve().name == 'iter_2.pth'


def test_optimiser_states_are_looked_at(world: Path, tmp_path: Path) -> None:
    runner = train('source_only', world, tmp_path, runner__max_iters=1)
    state = runner.step.optimizers['segmentor'].state
    next(iter(state.values()))['exp_avg_sq'].view(-1)[0] = INF
    with pytest.raises(FloatingPointError, match=r'optimizer.state.0.exp_avg_sq holds'):
        runner.save_checkpoint(str(tmp_path))


class Counting(torch.nn.Module):
    """Counts its forward passes in plain Python, which reaches checkpoints as extra state."""

    def __init__(self) -> None:
        super().__init__()
        self.passes = 0

    def get_extra_state(self) -> dict[str, int]:
        return {'passes': self.passes}

    def set_extra_state(self, state: dict[str, int]) -> None:
        self.passes = state['passes']

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.passes += 1
        return x


@pytest.mark.parametrize('decides', ['host', 'device'])
def test_extra_states_are_put_back(decides: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if decides == 'device':
        device_decides(monkeypatch)
    setup = Setup(None, ('source',))
    build = builder.build_train_model

    def with_counter(*args: Any, **options: Any) -> Any:
        method = build(*args, **options)
        method.student.backbone.stages[0].append(Counting())
        return method

    monkeypatch.setattr('tests.harness.methods.build_train_model', with_counter)
    method, step = setup.build()
    counter = method.student.backbone.stages[0][-1]
    for iteration in range(4):
        batch = setup.data.batch([0, 1])
        if iteration == 2:
            batch['img'][0, 0, 0, 0] = NAN
        step([batch], iteration)
    assert counter.passes == 3


@pytest.mark.parametrize('name', ['mic', 'dstc'])
def test_ranks_skip_together(name: str, tmp_path: Path) -> None:
    """A bad image on one rank is undone on both."""
    states = run_ranks(_one_bad_image, tmp_path, name)
    assert_equal_state(states[0], states[1], 'rank 0 and rank 1')


def _one_bad_image(rank: int, name: str) -> dict[str, Any]:
    streams, uda, _ = METHODS[name]
    uda = {key: value for key, value in (uda or {}).items() if not key.startswith('imnet')}
    setup = Setup(uda, streams, model=tiny_model())
    method, step = setup.build()
    for iteration in range(4):
        batch = setup.data.batch([2 * iteration + rank])
        if iteration == 2 and rank == 1:
            batch['target_img'][0, 0, 0, 0] = NAN
        before = {key: value.clone() for key, value in method.state_dict().items()}
        step([batch], iteration)
        if iteration == 2:
            assert_equal_state(before, method.state_dict(), f'rank {rank}')
    step.flush()
    assert step.records.skipped == 1
    return {key: value for key, value in method.state_dict().items() if 'running' not in key}

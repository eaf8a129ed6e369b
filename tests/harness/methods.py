"""The checks. A method's test file calls them with its ``uda`` config; see ``tests/methods/test_source_only.py``."""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import tempfile
import traceback
from collections import Counter
from pathlib import Path
from typing import Any, Iterator, Optional, Sequence, Union
from unittest import mock

import torch
import torch.distributed as dist
from mmcv import Config
from torch import Tensor
from torch.utils._pytree import tree_leaves

from mmseg_uda.builder import build_train_model
from mmseg_uda.engine.dry_run import Tally, dry_steps
from mmseg_uda.engine.example_batch import example_batch, without_downloads
from mmseg_uda.engine.optimizers import as_mmcv, build_optimizers
from mmseg_uda.engine.runner import UDARunner
from mmseg_uda.engine.step import StepOptions, TrainStep
from mmseg_uda.methods.base import UDASegmentor
from mmseg_uda.utils.host_copy import HostCopy
from mmseg_uda.utils.rng import seed_everything

from .synthetic import SIZE, AddExtras, SyntheticLoader, SyntheticStreams, tiny_model

OPTIMIZER = dict(type='AdamW', lr=1e-3, weight_decay=0.01)


class Setup:
    """A method with its training step and synthetic data.

    Args:
        uda: the ``uda`` config, or None for source-only.
        streams: names of the streams in a batch.
        model: config of the student (default: :func:`tiny_model`).
        optimizer, options: as in a config (``optimizer``, ``optimizer_config``).
        max_iters: length of the run that schedules inside the method see.
        add_extras, num_classes, size: see :class:`SyntheticStreams`.
    """

    def __init__(
        self,
        uda: Optional[dict[str, Any]],
        streams: Sequence[str] = ('source', 'target'),
        model: Optional[dict[str, Any]] = None,
        optimizer: Optional[dict[str, Any]] = None,
        options: Optional[dict[str, Any]] = None,
        max_iters: int = 6,
        add_extras: Optional[AddExtras] = None,
        num_classes: int = 5,
        size: tuple[int, int] = SIZE,
    ) -> None:
        self.config = Config(
            dict(
                model=model or tiny_model(num_classes),
                runner=dict(type='IterBasedRunner', max_iters=max_iters),
                **({} if uda is None else dict(uda=uda)),
            )
        )
        self.optimizer = optimizer or OPTIMIZER
        self.options = options
        self.max_iters = max_iters
        self.data = SyntheticStreams(streams, num_classes, size, add_extras)

    def build(self) -> tuple[UDASegmentor, TrainStep]:
        """A fresh method (equal weights every time) and its step."""
        seed_everything('harness')
        method = build_train_model(self.config, seed=1)
        method.init_weights()
        return method, TrainStep(
            method, build_optimizers(self.optimizer, method.networks()), StepOptions.from_config(self.options), seed=1
        )

    def runner(self, work_dir: Path, max_iters: Optional[int] = None) -> UDARunner:
        """A runner with checkpoints in ``work_dir`` and no other hook than a learning-rate policy."""
        method, step = self.build()
        runner = UDARunner(
            model=method,
            optimizer=as_mmcv(step.optimizers),
            work_dir=str(work_dir),
            logger=logging.getLogger('harness'),
            meta=dict(seed=1),
            max_iters=max_iters or self.max_iters,
            step=step,
        )
        runner.register_lr_hook(dict(policy='poly', power=1.0, min_lr=0.0, by_epoch=False))
        return runner

    def train(self, runner: UDARunner, batch_size: int = 2) -> list[dict[str, float]]:
        """Run to the end and return the log entry of every iteration."""
        entries: list[dict[str, float]] = []
        flush = runner.step.flush

        def remembering() -> list[dict[str, float]]:
            new = flush()
            entries.extend(new)
            return new

        runner.step.flush = remembering  # type: ignore[method-assign]
        accumulate = runner.step.options.cumulative_iters
        runner.run([SyntheticLoader(self.data, batch_size, accumulate=accumulate, start_iteration=runner.iter)])
        return entries


def check_batch_sizes(
    uda: Optional[dict[str, Any]], streams: Sequence[str] = ('source', 'target'), **options: Any
) -> None:
    """Train two iterations and predict once at batch sizes 1, 2 and 3."""
    for batch_size in (1, 2, 3):
        setup = Setup(uda, streams, **options)
        method, step = setup.build()
        before = {key: value.clone() for key, value in method.student.state_dict().items()}
        for iteration in range(2):
            step([setup.data.batch(range(iteration * batch_size, (iteration + 1) * batch_size))], iteration)
        logs = step.flush()
        assert len(logs) == 2 and all(torch.isfinite(torch.tensor(list(entry.values()))).all() for entry in logs), logs
        assert step.records.skipped == 0
        assert any(not torch.equal(value, before[key]) for key, value in method.student.state_dict().items()), (
            'nothing was trained'
        )
        batch = setup.data.batch(range(batch_size))
        method.eval()
        with torch.no_grad():
            image_key = next(key for key in batch if key == 'img' or key.endswith('_img'))
            result = method(img=[batch[image_key][:1]], img_metas=[batch[f'{image_key}_metas'][:1]], return_loss=False)
        assert result[0].shape == tuple(batch[image_key].shape[2:])


def check_exact_resume(
    uda: Optional[dict[str, Any]],
    streams: Sequence[str] = ('source', 'target'),
    tmp_path: Optional[Path] = None,
    **options: Any,
) -> None:
    """6 iterations equal 3, a checkpoint, a new process's worth of objects, and 3 more: weights, method state,
    optimisers, logs."""
    folder = Path(tmp_path or tempfile.mkdtemp())
    setup = Setup(uda, streams, **options)
    straight = setup.runner(folder / 'straight')
    logs = setup.train(straight)
    first = setup.runner(folder / 'half')
    first._should_stop = lambda: first.completed == 3  # as SIGTERM would
    try:
        setup.train(first)
    except SystemExit:
        assert (folder / 'half' / 'iter_3.pth').is_file()
    resumed = setup.runner(folder / 'half')
    torch.rand(7)  # whatever state the global generators are in must not matter
    resumed.resume(str(folder / 'half' / 'iter_3.pth'))
    assert resumed.iter == 3
    later = setup.train(resumed)
    assert_equal_state(straight.model.state_dict(), resumed.model.state_dict(), 'model')
    for name, optimizer in straight.step.optimizers.items():
        assert_equal_state(
            _flat(optimizer.state_dict()), _flat(resumed.step.optimizers[name].state_dict()), f'optimizer {name}'
        )
    assert logs[3:] == later


def check_two_ranks(
    uda: Optional[dict[str, Any]],
    streams: Sequence[str] = ('source', 'target'),
    tmp_path: Optional[Path] = None,
    tolerance: float = 2e-5,
    iterations: int = 3,
    **options: Any,
) -> None:
    """Two gloo ranks with one image each train the same networks as one process with two images (the ranks agree
    exactly)."""
    folder = Path(tmp_path or tempfile.mkdtemp())
    options.setdefault('optimizer', dict(type='SGD', lr=0.05, momentum=0.9))
    setup = Setup(uda, streams, **options)
    method, step = setup.build()
    for iteration in range(iterations):
        step([setup.data.batch([2 * iteration, 2 * iteration + 1])], iteration)
    states = run_ranks(_train_rank, folder, setup, iterations)
    assert_equal_state(states[0], states[1], 'rank 0 and rank 1')
    for name, value in _trained(method).items():
        difference = (value - states[0][name]).abs().max().item()
        assert difference <= tolerance, f'{name}: two ranks differ from one process by {difference:.3g}'


def _train_rank(rank: int, setup: Setup, iterations: int) -> dict[str, Tensor]:
    method, step = setup.build()
    for iteration in range(iterations):
        step([setup.data.batch([2 * iteration + rank])], iteration)
    return _trained(method)


def _trained(method: UDASegmentor) -> dict[str, Tensor]:
    """The parameters of all networks that the method trains."""
    networks = method.networks().items()
    return {
        f'{network}.{name}': value.detach().clone()
        for network, module in networks
        for name, value in module.named_parameters()
    }


def run_ranks(function: Any, folder: Path, *args: Any, world_size: int = 2) -> list[Any]:
    """Run ``function(rank, *args)`` in ``world_size`` gloo ranks and return what they return, in rank order."""
    folder.mkdir(parents=True, exist_ok=True)
    store = folder / 'gloo_store'
    store.unlink(missing_ok=True)
    context = multiprocessing.get_context('fork')
    processes = [
        context.Process(target=_rank_main, args=(rank, world_size, store, folder, function, args))
        for rank in range(world_size)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
    alive = [process for process in processes if process.is_alive()]
    for process in alive:
        process.kill()
    errors = [path.read_text() for path in sorted(folder.glob('rank*.error'))]
    assert not errors, errors[0]
    assert not alive, f'{len(alive)} ranks hang'
    return [torch.load(folder / f'rank{rank}.pt', weights_only=False) for rank in range(world_size)]


def _rank_main(rank: int, world_size: int, store: Path, folder: Path, function: Any, args: tuple[Any, ...]) -> None:
    torch.set_num_threads(1)
    try:
        dist.init_process_group('gloo', init_method=f'file://{store}', rank=rank, world_size=world_size)
        torch.save(function(rank, *args), folder / f'rank{rank}.pt')
        dist.barrier()
        dist.destroy_process_group()
    except BaseException:
        (folder / f'rank{rank}.error').write_text(f'rank {rank}:\n{traceback.format_exc()}')
        raise


def assert_equal_state(left: dict[str, Any], right: dict[str, Any], what: str) -> None:
    """Assert that two state dicts are bit-equal."""
    assert left.keys() == right.keys(), f'{what}: keys differ: {sorted(set(left) ^ set(right))[:5]}'
    for key, value in left.items():
        same = torch.equal(value, right[key]) if torch.is_tensor(value) else value == right[key]
        assert same, f'{what}: {key} differs'


def _flat(state: Any, prefix: str = '') -> dict[str, Any]:
    if isinstance(state, dict):
        return {k: v for key, value in state.items() for k, v in _flat(value, f'{prefix}.{key}').items()}
    if isinstance(state, (list, tuple)):
        return {k: v for i, value in enumerate(state) for k, v in _flat(value, f'{prefix}[{i}]').items()}
    return {prefix: state}


def check_no_waits(
    uda: Optional[dict[str, Any]], streams: Sequence[str] = ('source', 'target'), **options: Any
) -> Tally:
    """Run steps on tensors without data: where one asks the device for a number, or mixes devices, is an error.
    :func:`check_config_no_waits` does so with a whole config.

    Returns:
        What the last step launched and held.
    """
    setup = Setup(uda, streams, **options)
    method, _ = setup.build()
    tally = dry_steps(method, setup.data.batch(range(2)), iterations=(0, 3, 4))
    assert all(p.device.type == 'meta' for p in method.parameters())
    assert tally.peak > tally.held > 0
    return tally


@contextlib.contextmanager
def answered_copies() -> Iterator[None]:
    """Copies to the host (:class:`HostCopy`), where the host waits on purpose, hold zeros: what else waits is found."""

    def zeros(self: Any, values: Tensor) -> None:
        self._ready, self._values = None, torch.zeros(values.shape, dtype=values.dtype)

    with mock.patch.object(HostCopy, '__init__', zeros):
        yield


class Reached:
    """Watches which modules a loss reaches: what is computed with a graph and gets no gradient is computed for nobody.

    Args:
        method: its iterations are watched from now on, each from its ``begin_iteration``.
    """

    def __init__(self, method: UDASegmentor) -> None:
        self._calls: list[list[Any]] = []  # name, number of gradients
        begin = method.begin_iteration

        def beginning(*args: Any) -> None:
            self._calls.clear()
            begin(*args)

        method.begin_iteration = beginning  # type: ignore[method-assign]
        for name, module in method.named_modules():
            if not list(module.children()):
                module.register_forward_hook(self._hook(name))

    def _hook(self, name: str) -> Any:
        def called(module: Any, inputs: Any, output: Any) -> None:
            outputs = [value for value in tree_leaves(output) if isinstance(value, Tensor) and value.requires_grad]
            if outputs:
                call = [name, 0]
                self._calls.append(call)
            for value in outputs:
                value.register_hook(lambda gradient: call.__setitem__(1, call[1] + 1))

        return called

    def missed(self) -> dict[str, int]:
        """How many calls of a module no loss has reached, of the modules with such calls."""
        return dict(Counter(name for name, gradients in self._calls if not gradients))


def check_config_no_waits(config: Union[str, Path, Config]) -> Tally:
    """:func:`check_no_waits` with a whole config or its file, at the sizes that users train: its image sizes, images per
    GPU and networks. Neither data nor pretrained weights are needed. Also checks that the losses reach all that is
    computed with a graph.

    The first iteration fills teachers and banks, the last one of the run is counted, in which everything has begun that
    begins late.
    """
    cfg = config if isinstance(config, Config) else Config.fromfile(str(config))
    with tempfile.TemporaryDirectory() as folder:
        cfg = without_downloads(cfg, Path(folder))
        method = build_train_model(cfg, seed=1)
    options = StepOptions.from_config(cfg.get('optimizer_config'))
    last = int(cfg.runner.max_iters) - 1
    reached = Reached(method)
    tally = dry_steps(method, example_batch(cfg, method), options, iterations=(0, last))
    assert not reached.missed(), f'computed for nobody: {reached.missed()}'
    return tally

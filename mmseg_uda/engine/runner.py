"""mmcv's iteration-based runner on this package's training step: its hooks work, its pitfalls are gone."""

from __future__ import annotations

import platform
import shutil
import time
from pathlib import Path
from typing import Any, Callable, Mapping, Optional, Sequence

import mmcv
import torch
from mmcv.runner import RUNNERS, IterBasedRunner
from mmcv.runner.log_buffer import LogBuffer

from ..models.modes import set_training_modes
from ..utils.checkpoint_io import (
    CheckpointError,
    load_checkpoint_file,
    plain,
    replacing,
    save_checkpoint_file,
    state_dict_of,
)
from ..utils.class_lists import check_same_classes
from . import hook_state
from .checkpoints import check_resumable
from .data import to_device
from .distributed import barrier, gather_objects
from .finite import refuse_non_finite
from .signals import StopRequest
from .step import TrainStep
from .terminal import note
from .weights import load_student, to_cpu
from .zero_watch import ZeroWatch

#: seconds between two agreements of the ranks on whether to stop
AGREE_EVERY = 2.0
#: values of each name that a log buffer keeps: no logger averages more iterations
LONGEST_AVERAGE = 10_000


class DeferredLogBuffer(LogBuffer):
    """A log buffer that fetches values from the device when a logger asks for averages, and forgets old ones.

    Averages are over the last ``n`` iterations. mmcv's are over the last ``n`` values of each name: a loss that a
    method no longer has would be logged with its last value until the end.
    """

    def __init__(self, step: TrainStep, watch: ZeroWatch) -> None:
        super().__init__()
        self._step = step
        self._watch = watch
        self._recorded: dict[str, None] = {}

    def pull(self) -> None:
        """Take over what the step has recorded; a value that an iteration lacks counts zero times."""
        entries = self._step.flush()
        self._watch.look(entries)
        for entry in entries:
            self._recorded.update(dict.fromkeys(entry))
            self.update(entry)
            self.update({name: 0.0 for name in self._recorded if name not in entry}, count=0)

    def average(self, n: int = 0) -> None:
        self.pull()
        for name in list(self.n_history):
            if not any(self.n_history[name][-n:]):
                del self.val_history[name], self.n_history[name]
                self.output.pop(name, None)
            elif len(self.n_history[name]) > 2 * LONGEST_AVERAGE:
                del self.val_history[name][:-LONGEST_AVERAGE], self.n_history[name][:-LONGEST_AVERAGE]
        super().average(n)


class _Batches:
    """Endless iterator over device batches with the attributes that mmcv hooks read from a loader."""

    def __init__(self, loader: Any, device: torch.device, channels_last: bool) -> None:
        self._loader = loader
        self._iterator: Any = None
        self._device = device
        self._channels_last = channels_last
        self.epoch = 0

    @property
    def dataset(self) -> Any:
        """The training set."""
        return self._loader.dataset

    def restart(self, batch: int) -> None:
        """Drop what was loaded ahead and go on with batch number ``batch``: for hooks that change what the training
        set shows."""
        self._loader.batch_sampler.start_batch = batch
        self._iterator = None

    def __next__(self) -> dict[str, Any]:
        if self._iterator is None:
            self._iterator = iter(self._loader)
        return to_device(next(self._iterator), self._device, self._channels_last)

    def __len__(self) -> int:
        return len(self._loader.dataset)


@RUNNERS.register_module()
class UDARunner(IterBasedRunner):
    """Trains a method with :class:`~mmseg_uda.engine.step.TrainStep`.

    Differences from mmcv's runner: the step is the engine's; checkpoints are atomic, weights-only, hold the number of
    *completed* iterations and can be resumed exactly; a stop signal (:mod:`~mmseg_uda.engine.signals`) ends the run
    after a checkpoint; nothing sleeps;
    nothing executes text from a checkpoint.

    Args:
        step: the training step; its ``method`` is ``model``.
        flush_interval: iterations between two looks at the recorded losses.
        channels_last: memory format of images.
        kwargs: of mmcv's runner.
    """

    def __init__(
        self, *args: Any, step: TrainStep, flush_interval: int = 50, channels_last: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.step = step
        self.flush_interval = flush_interval
        self.channels_last = channels_last
        self.zero_watch = ZeroWatch(flush_interval, self.logger)
        self.log_buffer = DeferredLogBuffer(step, self.zero_watch)
        self.hook_state = hook_state.HookState(self.hooks)
        self._completed = 0
        self.stop = StopRequest()
        self.go_on = 'start the same command again with --auto-resume'
        #: the checkpoint that the run goes on from
        self.resumed_from: Optional[Path] = None
        self._agreed_to_stop = False
        self._next_agreement = 1
        self._agreed_at = (0, time.monotonic())

    @property
    def completed(self) -> int:
        """Iterations whose optimiser step is done."""
        return self._completed

    # ---- the loop
    # ---------------------------------------------------------------------------------------------------------------
    def train(self, data_loader: Any, **kwargs: Any) -> None:
        if not self.model.training:  # a foreign hook forgot to
            set_training_modes(self.model)
        self.mode = 'train'
        self.data_loader = data_loader
        self._epoch = data_loader.epoch
        batches = [next(data_loader) for _ in range(self.step.options.cumulative_iters)]
        self.data_batch = batches[0]
        self.call_hook('before_train_iter')
        self.step(batches, self._iter)
        self.outputs = {'num_samples': len(batches)}
        self._completed = self._iter + 1
        if self._completed % self.flush_interval == 0 or self._completed == self._max_iters:
            self.log_buffer.pull()
        self.call_hook('after_train_iter')
        del self.data_batch
        self._inner_iter += 1
        self._iter += 1

    def run(
        self,
        data_loaders: Sequence[Any],
        workflow: Sequence[tuple[str, int]] = (('train', 1),),
        max_iters: Optional[int] = None,
        **kwargs: Any,
    ) -> None:
        """Train until ``max_iters``.

        Raises:
            ValueError: a workflow other than training, or no ``max_iters``.
            SystemExit: after a stop signal, once the checkpoint is written; the status is 128 + its number.
        """
        if [tuple(flow)[0] for flow in workflow] != ['train']:
            raise ValueError(
                f"workflow={list(workflow)}: only [('train', 1)] is supported; validation runs in the evaluation hook"
            )
        if self._max_iters is None:
            raise ValueError(
                "config key runner.max_iters is missing: runner = dict(type='IterBasedRunner', max_iters=40000)"
            )
        note(self.logger, 'training from iteration %d to %d, work_dir: %s', self._iter, self._max_iters, self.work_dir)
        batches = self.data_loader = _Batches(data_loaders[0], self.step.device, self.channels_last)
        with self.stop:
            self.call_hook('before_run')
            self.hook_state.restore(self.model)
            self.call_hook('before_epoch')
            if self._agreed_to_stop:
                self._save_and_exit()
            set_training_modes(self.model)
            while self._iter < self._max_iters:
                self.train(batches)
                if self._should_stop():
                    self._save_and_exit()
        self.zero_watch.end()
        self.call_hook('after_epoch')
        self.call_hook('after_run')

    def stop_now(self) -> None:
        """Stop after this iteration; all ranks call it."""
        self._agreed_to_stop = True

    def _should_stop(self) -> bool:
        if self.world_size == 1 or self._agreed_to_stop:
            return bool(self.stop) or self._agreed_to_stop
        # the signal meets the ranks in different iterations: they agree on one, every other second, because asking
        # costs a collective
        if self._completed < self._next_agreement:
            return False
        iteration, when = self._agreed_at
        self._agreed_at = (self._completed, time.monotonic())
        pace = (self._agreed_at[1] - when) / max(self._completed - iteration, 1)
        gathered = gather_objects((bool(self.stop), pace))
        slowest = max(seconds for _, seconds in gathered)
        self._next_agreement = self._completed + min(max(int(AGREE_EVERY / max(slowest, 1e-3)), 1), 50)
        return any(wish for wish, _ in gathered)

    def _save_and_exit(self) -> None:
        if self.rank == 0:
            self.save_checkpoint(self.work_dir)
            self.logger.warning(
                '%s: stopped after %d of %d iterations, checkpoint %s is written. To go on, %s',
                self.stop.name,
                self._completed,
                self._max_iters,
                Path(self.work_dir) / f'iter_{self._completed}.pth',
                self.go_on,
            )
        barrier()
        raise SystemExit(self.stop.status)

    # ---- checkpoints
    # ------------------------------------------------------------------------------------------------------------
    def save_checkpoint(
        self,
        out_dir: str,
        filename_tmpl: str = 'iter_{}.pth',
        meta: Optional[dict[str, Any]] = None,
        save_optimizer: bool = True,
        create_symlink: bool = True,
    ) -> None:
        """Write a checkpoint atomically: an ordinary MMSeg checkpoint whose extra state stands under ``uda.*``.

        Raises:
            FloatingPointError: a tensor holds NaN or inf; nothing is written.
        """
        meta = {
            **(meta or {}),
            **(self.meta or {}),
            'epoch': self._epoch + 1,
            'iter': self._completed,
            'time': self.timestamp,
            'mmcv_version': mmcv.__version__,
        }
        checkpoint: dict[str, Any] = {'meta': plain(meta), 'state_dict': to_cpu(self.model.state_dict())}
        if save_optimizer:
            checkpoint['optimizer'] = (
                {name: optimizer.state_dict() for name, optimizer in self.optimizer.items()}
                if isinstance(self.optimizer, dict)
                else self.optimizer.state_dict()
            )
            checkpoint['engine'] = plain(self.step.state_dict())
            checkpoint[hook_state.KEY] = plain(hook_state.HookState(self.hooks).state_dict())
        filename = filename_tmpl.format(self._completed)
        refuse_non_finite(checkpoint, self._completed)
        save_checkpoint_file(checkpoint, Path(out_dir) / filename)
        if create_symlink:
            _point_latest(Path(out_dir), filename)

    def load_checkpoint(
        self, filename: str, map_location: Any = 'cpu', strict: bool = False, revise_keys: Any = None
    ) -> dict[str, Any]:
        """Load weights (``load_from``): keys that are missing or unexpected are listed, method state (``uda.*``) is
        optional, and classifiers of another number of classes are left out.

        Raises:
            CheckpointError: most of the student's keys are missing.
        """
        checkpoint = load_checkpoint_file(filename, map_location)
        state, meta = state_dict_of(checkpoint), checkpoint.get('meta')
        load_student(self.model, state, filename, self.logger, other_classes=True, meta=meta)
        return checkpoint

    def resume(
        self,
        checkpoint: Any,
        resume_optimizer: bool = True,
        map_location: Any = 'cpu',
        check: Optional[Callable[[Mapping[str, Any]], None]] = None,
    ) -> None:
        """Continue a run exactly: weights, method state, optimisers, scaler, counters and the position in the data.

        Args:
            check: gets the checkpoint's meta data before anything is loaded from it, and may raise.

        Raises:
            CheckpointError: the file belongs to another model or method, or is not one of this package's training
                checkpoints.
        """
        loaded = load_checkpoint_file(checkpoint, map_location)
        check_resumable(loaded, checkpoint)
        if check is not None:
            check(loaded['meta'])
        check_same_classes(loaded['meta'], getattr(self.model, 'CLASSES', None), checkpoint)
        state = state_dict_of(loaded)
        later = self.hook_state.of_hooks(self.model, state)
        self.hook_state.keep(checkpoint, later, loaded.get(hook_state.KEY) or {})
        try:
            self.model.load_state_dict({k: v for k, v in state.items() if k not in later}, strict=True)
            if resume_optimizer:
                self._load_optimizers(loaded['optimizer'])
        except (RuntimeError, KeyError, ValueError) as error:
            text = str(error)
            raise CheckpointError(
                f"'{checkpoint}' does not fit this config ({text[:600]}): resume with the config that wrote it, or use "
                '--load-from to start from its weights'
            ) from error
        self.step.load_state_dict(loaded['engine'])
        self.resumed_from = Path(checkpoint)
        self._iter = self._completed = self._inner_iter = int(loaded['meta']['iter'])
        self._epoch = 0
        self.meta: dict[str, Any] = {**(self.meta or {})}
        self.meta.setdefault('hook_msgs', {}).update(loaded['meta'].get('hook_msgs') or {})
        note(self.logger, 'resumed %s after %d iterations', checkpoint, self._iter)

    def _load_optimizers(self, states: Any) -> None:
        if isinstance(self.optimizer, dict):
            if set(states) != set(self.optimizer):
                raise KeyError(f'optimizers {sorted(states)} instead of {sorted(self.optimizer)}')
            for name, optimizer in self.optimizer.items():
                optimizer.load_state_dict(states[name])
        else:
            self.optimizer.load_state_dict(states)


def _point_latest(folder: Path, filename: str) -> None:
    """Make ``latest.pth`` name ``filename``, atomically."""
    with replacing(folder / 'latest.pth') as temporary:
        if platform.system() == 'Windows':
            shutil.copy(folder / filename, temporary)
        else:
            temporary.unlink()
            temporary.symlink_to(filename)

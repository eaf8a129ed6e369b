"""One training iteration: backward policy, precision, gradient reduction, finite guard and optimiser steps."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import Any, ContextManager, Mapping, Optional, Sequence

import torch
from mmcv.runner import get_dist_info
from torch import Tensor
from torch.optim import Optimizer

from ..methods.base import LossTerm, OptimizerStep, UDASegmentor
from ..models.checkpointing import CheckpointedBlock
from ..models.compiling import mark_iteration
from ..models.modes import set_training_modes
from ..utils.rng import StepRng, seed_everything
from .distributed import all_reduce_gradients
from .gradients import added_at_once, total_norm
from .inputs import files_of, non_finite_inputs
from .records import StepRecords
from .step_options import PRECISIONS, StepOptions
from .undo import IterationUndo


@dataclass
class _Pass:
    """What one iteration has met so far."""

    names: list[str] = field(default_factory=list)
    losses: list[Tensor] = field(default_factory=list)
    logs: dict[str, Tensor] = field(default_factory=dict)
    pending: list[LossTerm] = field(default_factory=list)
    #: log name -> the term that gave it, and the terms whose backward pass is done; of the current micro-batch
    logged: dict[str, str] = field(default_factory=dict)
    done: list[str] = field(default_factory=list)
    stepped: set[str] = field(default_factory=set)
    inputs: list[str] = field(default_factory=list)
    bad_inputs: list[Tensor] = field(default_factory=list)
    skipped: Optional[bool] = None  # as far as the host knows


class TrainStep:
    """Runs iterations of a method.

    Args:
        method: the method to train.
        optimizers: one per entry of ``method.networks()``.
        options: see :class:`StepOptions`.
        seed: base seed of the random numbers of every iteration.

    The only host-device synchronisations are those of :meth:`flush`, which the runner calls at log intervals (on CUDA
    with fused optimisers; others need to know on the host whether to step).

    An iteration with a non-finite input, loss or gradient, or whose forward passes left a non-finite value in a
    buffer, is skipped as a whole: no optimiser steps, and :class:`~mmseg_uda.engine.undo.IterationUndo` puts back
    whatever else it has changed.
    """

    def __init__(
        self,
        method: UDASegmentor,
        optimizers: dict[str, Optimizer],
        options: Optional[StepOptions] = None,
        seed: int = 0,
    ) -> None:
        set_training_modes(method)
        self.method = method
        self.optimizers = optimizers
        self.options = options or StepOptions()
        if method.steps_within_iteration:
            self._refuse_accumulation()
        self.seed = seed
        self.rank, self.world_size = get_dist_info()
        self.parameters = {
            name: [p for group in optimizer.param_groups for p in group['params']]
            for name, optimizer in optimizers.items()
        }
        self.device = next(iter(self.parameters.values()))[0].device
        self.records = StepRecords(self.options.max_non_finite)
        optimised = [p for parameters in self.parameters.values() for p in parameters]
        self.undo = IterationUndo(method, optimised, teachers_on_host=self.options.teacher_copy == 'host')
        self.scaler = self._build_scaler()
        self.mark_iteration = mark_iteration(method)
        self.is_checkpointed = any(isinstance(module, CheckpointedBlock) for module in method.modules())
        #: a context around all passes of an iteration: a weight is cast to lower precision once and not in every pass
        self.shares_casts = PRECISIONS[self.options.precision] is not None and casts_keep_gradients(self.device.type)

    def _build_scaler(self) -> Optional[Any]:
        if self.options.precision != 'fp16':
            return None
        if self.device.type != 'cuda':
            raise ValueError("optimizer_config.precision='fp16' needs a CUDA device; use 'bf16' or 'fp32' on this one")
        scale = self.options.loss_scale
        start = (
            2.0**16
            if scale == 'dynamic'
            else float(scale if not isinstance(scale, Mapping) else scale.get('init_scale', 2.0**16))
        )
        return torch.cuda.amp.GradScaler(init_scale=start)

    def autocast(self) -> ContextManager[Any]:
        """The precision context in which a method computes."""
        dtype = PRECISIONS[self.options.precision]
        return contextlib.nullcontext() if dtype is None else torch.autocast(self.device.type, dtype=dtype)

    def _no_autocast(self) -> ContextManager[Any]:
        """Full precision inside :meth:`autocast`."""
        if PRECISIONS[self.options.precision] is None:
            return contextlib.nullcontext()
        return torch.autocast(self.device.type, enabled=False)

    # ---- one iteration
    # ----------------------------------------------------------------------------------------------------------
    def __call__(self, batches: Sequence[Mapping[str, Any]], iteration: int) -> None:
        """Run iteration ``iteration`` (0-based) on ``batches`` (one per micro-batch, on the device, images
        normalised)."""
        if len(batches) != self.options.cumulative_iters:
            raise ValueError(f'{len(batches)} batches for cumulative_iters={self.options.cumulative_iters}')
        for optimizer in self.optimizers.values():
            optimizer.zero_grad(set_to_none=True)
        self.mark_iteration()
        state = _Pass()
        self.undo.begin()
        for k, batch in enumerate(batches):
            seed_everything(self.seed, 'iteration', iteration, k, self.rank)
            rng = StepRng(self.seed, iteration, k * self.world_size + self.rank, batch_size_of(batch))
            if k == 0:
                self.method.begin_iteration(iteration, rng)
            self.method.rng = rng
            names, flags = non_finite_inputs(batch)
            state.inputs += names
            state.bad_inputs += flags
            self._run_method(batch, state)
        self._step([name for name in self.optimizers if name not in state.stepped], state)
        self.method.end_iteration()
        self.undo.end(self.records.bad(self.device), state.skipped)
        self.records.add(
            iteration, state.names, state.losses, state.logs, files_of(batches), state.inputs, state.bad_inputs
        )

    def _run_method(self, batch: Mapping[str, Any], state: _Pass) -> None:
        events = self.method.training_losses(batch)
        self._check_generator(events)
        state.logged.clear()
        state.done.clear()
        with self.autocast() if self.shares_casts else contextlib.nullcontext():
            while True:
                with self.autocast():  # the method computes inside next()
                    event = next(events, None)
                if event is None:
                    break
                self._check_event(event)
                with self._no_autocast():
                    self._handle(event, state)
        self._flush_pending(state)

    def _handle(self, event: Any, state: _Pass) -> None:
        """Backward passes and steps of what a method has yielded."""
        if isinstance(event, OptimizerStep):
            self._step_in_between(event, state)
            torch.clear_autocast_cache()  # weights have changed
            return
        self._note(event, state)
        state.pending.append(event)
        if self.options.backward == 'sequential':
            self._backward([event], state, keep_graph=event.keep_graph)
            state.pending.clear()
        elif not event.keep_graph:
            self._flush_pending(state)

    def _check_generator(self, events: Any) -> None:
        if not hasattr(events, '__next__'):
            raise TypeError(
                f'{self.method.title}.training_losses must be a generator of loss terms, it returned '
                f'{_described(events)}'
            )

    def _check_event(self, event: Any) -> None:
        if not isinstance(event, (LossTerm, OptimizerStep)):
            raise TypeError(
                f'{self.method.title}.training_losses must yield LossTerm or OptimizerStep, it yielded '
                f'{_described(event)}'
            )

    def _note(self, term: LossTerm, state: _Pass) -> None:
        scale = 1.0 / self.options.cumulative_iters
        weighted = (term.weight * term.loss).detach().float() * scale
        state.names.append(term.name)
        state.losses.append(weighted)
        for key, value in (term.log or {term.name: term.loss}).items():
            if key in state.logged:
                raise ValueError(
                    f"loss terms '{state.logged[key]}' and '{term.name}' of {self.method.title} both log "
                    f"'{key}': give one of them another name or prefix"
                )
            state.logged[key] = term.name
            value = value.detach().float() * scale
            state.logs[key] = state.logs[key] + value if key in state.logs else value

    def _flush_pending(self, state: _Pass) -> None:
        """Backward of the terms that share a graph: one pass per set of networks that may be updated."""
        groups: dict[Optional[tuple[str, ...]], list[LossTerm]] = {}
        for term in state.pending:
            groups.setdefault(term.updates, []).append(term)
        for i, terms in enumerate(groups.values()):
            self._backward(terms, state, keep_graph=i + 1 < len(groups))
        state.pending.clear()

    def _backward(self, terms: Sequence[LossTerm], state: _Pass, keep_graph: bool) -> None:
        parts = [term.weight * term.loss for term in terms if term.loss.requires_grad]
        if not parts:
            return
        total = torch.stack([part.float() for part in parts]).sum() / self.options.cumulative_iters
        if self.scaler is not None:
            total = self.scaler.scale(total)
        updates = terms[0].updates
        inputs: Optional[list[Tensor]] = None  # None: all leaves of the graph
        if updates is not None and not set(updates) >= set(self.optimizers):
            self._check_networks(updates, f"loss term '{terms[0].name}'")
            inputs = [p for name in updates for p in self.parameters[name]]
        try:
            with self._adding_gradients():
                total.backward(retain_graph=keep_graph, inputs=inputs)
        except RuntimeError as error:
            if 'second time' in str(error):
                raise RuntimeError(self._forgotten_keep_graph(terms, state.done)) from error
            raise
        state.done += [term.name for term in terms]

    def _adding_gradients(self) -> ContextManager[None]:
        """Around a backward pass. With checkpointed blocks little else is alive then, and the two sets of gradients
        that the fast way holds would set the peak."""
        if self.is_checkpointed:
            return contextlib.nullcontext()
        return added_at_once([p for parameters in self.parameters.values() for p in parameters])

    def _forgotten_keep_graph(self, terms: Sequence[LossTerm], done: Sequence[str]) -> str:
        """Torch would advise ``retain_graph=True``, which a method cannot set."""
        name, where = terms[0].name, self.method.title
        if not done:
            return f"loss term '{name}' of {where} reaches into the graph of an earlier iteration: detach what it keeps"
        first, others = done[-1], list(done[:-1])
        hint = f', or the one among {others} whose forward pass it shares,' if others else ''
        return (
            f"loss terms '{first}' and '{name}' of {where} share a graph, which was freed after '{first}': "
            f"yield '{first}'{hint} with keep_graph=True"
        )

    def _check_networks(self, names: Sequence[str], where: str) -> None:
        unknown = [name for name in names if name not in self.optimizers]
        if unknown:
            raise KeyError(
                f"{where} of {self.method.title} names network '{unknown[0]}', the method has {sorted(self.optimizers)}"
            )

    # ---- stepping
    # ---------------------------------------------------------------------------------------------------------------
    def _refuse_accumulation(self) -> None:
        if self.options.cumulative_iters > 1:
            raise ValueError(
                f'{self.method.title} steps optimisers in the middle of an iteration: set '
                'optimizer_config.cumulative_iters=1'
            )

    def _step_in_between(self, event: OptimizerStep, state: _Pass) -> None:
        self._refuse_accumulation()
        self._check_networks(event.networks, 'OptimizerStep')
        self._flush_pending(state)
        for name in event.networks:
            self.undo.before_early_step(self.optimizers[name])
        self._step(list(event.networks), state)
        state.stepped.update(event.networks)
        for name in event.networks:
            self.optimizers[name].zero_grad(set_to_none=True)

    def _step(self, names: Sequence[str], state: _Pass) -> None:
        if not names:
            return
        parameters = [p for name in names for p in self.parameters[name]]
        bad = torch.maximum(self.records.bad(self.device), self._non_finite(state))
        if self.world_size > 1:
            bad = all_reduce_gradients(parameters, bad)
        unscaled = False
        for name in names:
            grads = [p.grad for p in self.parameters[name] if p.grad is not None]
            if not grads:
                continue
            if self.scaler is not None:
                self.scaler.unscale_(self.optimizers[name])
                unscaled = True
            norm = total_norm(grads, float((self.options.grad_clip or {}).get('norm_type', 2)))
            bad = torch.maximum(bad, (~torch.isfinite(norm)).float())
            if self.options.grad_clip is not None:
                clip = (float(self.options.grad_clip['max_norm']) / (norm + 1e-6)).clamp(max=1.0)
                torch._foreach_mul_(grads, clip)
                state.logs['grad_norm' if len(self.optimizers) == 1 else f'grad_norm.{name}'] = norm
        self.records.mark(bad)
        state.skipped = self._on_host(bad)
        for name in names:
            self._guarded_step(self.optimizers[name], bad, state.skipped)
        if self.scaler is not None and unscaled:
            self.scaler.update()

    def _non_finite(self, state: _Pass) -> Tensor:
        """Whether an input, a loss or what the forward passes left in a buffer is not finite; float32 scalar."""
        spoiled = self.undo.non_finite(self.device)
        self.records.note_buffers(spoiled)
        flags = [spoiled > 0, *(flag.any().to(self.device) for flag in state.bad_inputs)]
        if state.losses:
            flags.append(~torch.isfinite(torch.stack(state.losses)).all())
        return torch.stack(flags).any().float()

    def _on_host(self, bad: Tensor) -> Optional[bool]:
        """Whether to skip, as the host knows it; None where only the device does (CUDA with fused optimisers)."""
        groups = [group for optimizer in self.optimizers.values() for group in optimizer.param_groups]
        if self.device.type == 'cuda' and all(group.get('fused') for group in groups):
            return None
        return bool(bad.item() > 0)

    def _guarded_step(self, optimizer: Optimizer, bad: Tensor, skipped: Optional[bool]) -> None:
        """Step unless ``bad``; where the host does not know (``skipped`` is None), the fused optimiser decides on the
        device. The gradients of fp16 are unscaled before, so that the scaler has no part in it."""
        if skipped is not None:
            if not skipped:
                optimizer.step()
            return
        # fused optimisers read these two attributes of GradScaler's protocol and do nothing where found_inf is set
        optimizer.grad_scale, optimizer.found_inf = None, (bad > 0).float()  # type: ignore[attr-defined]
        try:
            optimizer.step()
        finally:
            del optimizer.grad_scale, optimizer.found_inf  # type: ignore[attr-defined]

    # ---- logging and state
    # ------------------------------------------------------------------------------------------------------
    def flush(self) -> list[dict[str, float]]:
        """Log values of the iterations since the last call, oldest first; one device-to-host transfer.

        Raises:
            FloatingPointError: more than ``max_non_finite`` consecutive iterations were not finite; names the losses
                and the files.
        """
        return self.records.flush()

    def state_dict(self) -> dict[str, Any]:
        """Engine state of a checkpoint: the fp16 scaler and the count of skipped iterations."""
        state: dict[str, Any] = {'records': self.records.state_dict()}
        if self.scaler is not None:
            state['scaler'] = self.scaler.state_dict()
        return state

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Inverse of :meth:`state_dict`; a scaler state without a scaler is ignored (the precision was changed)."""
        self.records.load_state_dict(state.get('records', {}))
        if self.scaler is not None and 'scaler' in state:
            self.scaler.load_state_dict(state['scaler'])


def casts_keep_gradients(device_type: str) -> bool:
    """Whether a weight that autocast has cast without gradients gets them in a later pass; older torch forgot them."""
    if device_type not in ('cpu', 'cuda'):
        return False
    weight = torch.ones(2, 2, device=device_type, requires_grad=True)
    with torch.autocast(device_type, dtype=torch.bfloat16):
        with torch.no_grad():
            weight @ weight
        return bool((weight @ weight).requires_grad)


def _described(value: Any) -> str:
    """What a method gave instead of loss terms, and what to write instead."""
    if isinstance(value, Mapping):
        return f"a dict with {sorted(map(str, value))}: write `yield LossTerm.from_losses('source', losses)`"
    if isinstance(value, Tensor):
        return "a tensor: write `yield LossTerm('source', loss)`"
    return f'{type(value).__name__}: write `yield LossTerm(...)` in it'


def batch_size_of(batch: Mapping[str, Any]) -> int:
    """Images of one stream of a batch."""
    return next((value.shape[0] for key, value in batch.items() if key == 'img' or key.endswith('_img')), 1)

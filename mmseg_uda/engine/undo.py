"""Undoing a skipped iteration as a whole."""

from __future__ import annotations

import copy
from collections import defaultdict
from typing import Any, Iterator, Mapping, Optional, Sequence

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from ..methods.base import UDASegmentor
from ..utils.undo import UndoableBuffers


class IterationUndo:
    """Puts back what an iteration changes outside the optimisers: the forward passes of a skipped iteration have
    already renewed batch statistics, banks, class confidences, templates and teachers when its loss or gradient turns
    out not to be finite.

    Covered is everything that a checkpoint holds: all buffers, the parameters that no optimiser steps (teachers), the
    plain attributes that modules name in ``python_state``, ``get_extra_state`` of modules, and what
    :meth:`before_early_step` is told of. Frozen references never change.

    Cost of an iteration that counts: the buffers and the teachers' parameters are copied when it begins (one
    concatenation per dtype); big banks (:class:`~mmseg_uda.utils.undo.UndoableBuffers`) note the rows that they
    overwrite. Where the host knows at the end that all is well (CPU, optimisers that are not fused), nothing more
    happens. Where it must not wait for the device (CUDA with fused optimisers), the device chooses between old and
    new values: one ``where`` per dtype over the concatenated state. The host waits only after an iteration that
    changed what the device cannot put back: a buffer or an optimiser's state that was allocated anew, a
    ``python_state`` (all of which happens when a run begins), or with modules that have an extra state of their own.

    Args:
        method: the method.
        optimised: the parameters that optimisers step.
        teachers_on_host: copy the teachers' parameters to the host instead: the device is spared their size, and the
            host asks it at the end of every iteration whether to skip.
    """

    def __init__(self, method: UDASegmentor, optimised: Sequence[nn.Parameter], teachers_on_host: bool = False) -> None:
        self._method = method
        references = [getattr(method, name, None) for name in method.frozen_references]
        frozen = {id(module) for reference in references if reference is not None for module in reference.modules()}
        modules = [module for module in method.modules() if id(module) not in frozen]
        self._with_buffers = [module for module in modules if module._buffers]
        self._banks = [module for module in modules if isinstance(module, UndoableBuffers)]
        self._with_python_state = [module for module in modules if getattr(module, 'python_state', ())]
        self._with_extra_state = [
            module for module in modules if type(module).get_extra_state is not nn.Module.get_extra_state
        ]
        trained = {id(p) for network in method.networks().values() for p in network.parameters()}
        trained.update(id(p) for p in optimised)
        self._followers = [p for module in modules for p in module.parameters(recurse=False) if id(p) not in trained]
        self._teachers_on_host = teachers_on_host
        self._parameters = _FlatCopy(teachers_on_host)
        self._buffers = _FlatCopy()
        self._before: dict[tuple[nn.Module, str], Optional[Tensor]] = {}
        self._python: dict[tuple[nn.Module, str], Any] = {}
        self._extra: list[tuple[nn.Module, Any]] = []
        self._early: list[_EarlyStep] = []

    def leave_out_teachers(self) -> None:
        """Copy no teachers: for dry runs, which count the memory of the device."""
        self._followers = []

    @torch.no_grad()
    def begin(self) -> None:
        """Remember the state; an iteration begins."""
        self._before = dict(self._current_buffers())
        self._buffers.take([buffer for buffer in self._before.values() if buffer is not None])
        self._parameters.take(self._followers)
        self._python = dict(self._current_python_state())
        self._extra = [(module, copy.deepcopy(module.get_extra_state())) for module in self._with_extra_state]
        self._early = []
        for bank in self._banks:
            bank.start_noting()

    def _current_buffers(self) -> Iterator[tuple[tuple[nn.Module, str], Optional[Tensor]]]:
        for module in self._with_buffers:
            noted = module.noted if isinstance(module, UndoableBuffers) else ()
            for name, buffer in module._buffers.items():
                if name not in noted:
                    yield (module, name), buffer

    def _current_python_state(self) -> Iterator[tuple[tuple[nn.Module, str], Any]]:
        for module in self._with_python_state:
            for name in module.python_state:
                yield (module, name), getattr(module, name)

    @torch.no_grad()
    def before_early_step(self, optimizer: Optimizer) -> None:
        """Remember parameters and state of an optimiser that steps before the iteration is known to be well."""
        self._early.append(_EarlyStep(optimizer))

    @torch.no_grad()
    def non_finite(self, device: torch.device) -> Tensor:
        """Whether a finite value of a buffer has become non-finite since :meth:`begin`; float32 scalar of 0 or 1."""
        found = [*self._buffers.spoiled(), *(flag for bank in self._banks for flag in bank.non_finite())]
        replaced = [
            (before, now)
            for key, now in self._current_buffers()
            if now is not (before := self._before.get(key)) and now is not None and now.is_floating_point()
        ]
        found += [~torch.isfinite(now).all() for _, now in replaced]
        return (
            torch.stack([flag.to(device) for flag in found]).any().float() if found else torch.zeros((), device=device)
        )

    @torch.no_grad()
    def end(self, bad: Tensor, skipped: Optional[bool]) -> None:
        """Undo the iteration if it is to be skipped.

        Args:
            bad: scalar on the device, positive = skip.
            skipped: the same where the host knows it, else None.
        """
        if skipped is None and (self._teachers_on_host or self._with_extra_state or self._device_cannot()):
            skipped = bool(bad.item() > 0)
        if skipped:
            self._put_back()
        elif skipped is None:
            flag = bad > 0
            self._buffers.put_back(flag)
            self._parameters.put_back(flag)
            for early in reversed(self._early):
                early.put_back(flag)
            for bank in self._banks:
                bank.take_back(flag)
        for bank in self._banks:
            bank.stop_noting()
        self._early = []

    def _device_cannot(self) -> bool:
        return (
            any(now is not self._before.get(key) for key, now in self._current_buffers())
            or dict(self._current_python_state()) != self._python
            or any(bank.needs_host for bank in self._banks)
            or any(early.needs_host for early in self._early)
        )

    def _put_back(self) -> None:
        for (module, name), buffer in self._before.items():
            module._buffers[name] = buffer
        self._buffers.put_back()
        self._parameters.put_back()
        for early in reversed(self._early):
            early.put_back()
        for bank in self._banks:
            bank.take_back()
        for (module, name), value in self._python.items():
            setattr(module, name, value)
        for module, value in self._extra:
            module.set_extra_state(value)


class _FlatCopy:
    """A copy of tensors as one flat tensor per dtype and device, there or on the host."""

    def __init__(self, on_host: bool = False) -> None:
        self._on_host = on_host
        self._groups: dict[Any, list[Tensor]] = {}
        self._copies: dict[Any, Tensor] = {}

    def take(self, tensors: Sequence[Tensor]) -> None:
        groups: dict[Any, list[Tensor]] = defaultdict(list)
        for tensor in tensors:
            if tensor.numel():
                groups[tensor.dtype, tensor.device].append(tensor)
        self._groups = dict(groups)
        for key, group in groups.items():
            size = sum(tensor.numel() for tensor in group)
            copied = self._copies.get(key)
            if copied is None or copied.numel() != size:
                copied = self._copies[key] = self._empty(size, *key)
            flat = [tensor.detach().reshape(-1) for tensor in group]
            if self._on_host:
                copied.copy_(torch.cat(flat), non_blocking=True)
            else:
                torch.cat(flat, out=copied)

    def _empty(self, size: int, dtype: torch.dtype, device: torch.device) -> Tensor:
        if self._on_host:
            return torch.empty(size, dtype=dtype, pin_memory=device.type == 'cuda')
        return torch.empty(size, dtype=dtype, device=device)

    def spoiled(self) -> list[Tensor]:
        """Bool scalars: whether tensors of a dtype hold values that were finite and are not any more."""
        found = []
        for key, group in self._groups.items():
            if key[0].is_floating_point:
                now = torch.cat([tensor.detach().reshape(-1) for tensor in group])
                found.append((torch.isfinite(self._copies[key]) & ~torch.isfinite(now)).any())
        return found

    def put_back(self, bad: Optional[Tensor] = None) -> None:
        """Write the copies back, where ``bad`` (bool scalar on the device; None = certainly)."""
        for key, group in self._groups.items():
            chosen = self._copies[key].to(key[1], non_blocking=True)
            if bad is not None:
                now = torch.cat([tensor.detach().reshape(-1) for tensor in group])
                chosen = torch.where(bad, chosen, now, out=now)
            parts = [part.view_as(like) for part, like in zip(chosen.split([t.numel() for t in group]), group)]
            copy_all([tensor.detach() for tensor in group], parts)


class _EarlyStep:
    """Parameters and state of one optimiser before a step."""

    def __init__(self, optimizer: Optimizer) -> None:
        self._optimizer = optimizer
        self._parameters = [p for group in optimizer.param_groups for p in group['params']]
        self._values = [p.detach().clone() for p in self._parameters]
        self._states = [_cloned(optimizer.state.get(p)) for p in self._parameters]

    @property
    def needs_host(self) -> bool:
        """Whether the optimiser has begun to keep a state since then."""
        now = (self._optimizer.state.get(p) for p in self._parameters)
        return any(state and not before for state, before in zip(now, self._states))

    def put_back(self, bad: Optional[Tensor] = None) -> None:
        """Write everything back, where ``bad`` (bool scalar on the device; None = certainly)."""
        if bad is None:
            copy_all([p.detach() for p in self._parameters], self._values)
            for parameter, state in zip(self._parameters, self._states):
                self._optimizer.state.pop(parameter, None)
                if state is not None:
                    self._optimizer.state[parameter] = state
            return
        for parameter, value, state in zip(self._parameters, self._values, self._states):
            parameter.detach().copy_(torch.where(bad, value, parameter.detach()))
            for key, before in (state or {}).items():
                if torch.is_tensor(before):
                    now = self._optimizer.state[parameter][key]
                    now.copy_(torch.where(bad.to(now.device), before, now))


def _cloned(state: Optional[Mapping[str, Any]]) -> Optional[dict[str, Any]]:
    if state is None:
        return None
    return {key: value.clone() if torch.is_tensor(value) else copy.copy(value) for key, value in state.items()}


def copy_all(targets: Sequence[Tensor], sources: Sequence[Tensor]) -> None:
    """``target.copy_(source)`` for all pairs, in one launch where this torch offers it."""
    if hasattr(torch, '_foreach_copy_'):
        torch._foreach_copy_(list(targets), list(sources))
        return
    for target, source in zip(targets, sources):
        target.copy_(source)

"""Exponential-moving-average (mean) teacher."""

from __future__ import annotations

import copy
from typing import Any, Iterable

import torch
from torch import Tensor, nn

from ..ops.ema import ema_alpha, ema_update_


class EMATeacher(nn.Module):
    """A copy of a network whose parameters follow the student's.

    Rule (Tarvainen and Valpola 2017, eq. 1, with the warm-up of DACS): alpha_t = min(1 - 1/(t+1), alpha),
    teacher = alpha_t * teacher + (1 - alpha_t) * student, for parameters. The first update copies the student,
    buffers included (weights that were loaded after construction bring their BN statistics).

    Args:
        student: the network to follow; deep-copied, gradients off. A network with a method ``become_teacher`` is told.
        alpha: cap of the EMA rate in [0, 1).
        buffers: ``own`` leaves buffers (BN statistics) to the teacher's own forward passes, as in the DAFormer
            family; ``copy`` takes the student's at every update; ``ema`` averages floating-point ones like
            parameters.
        delay: iterations by which t lags behind in the rule. 1 is the DACS release of 2020, which updates after the
            step, so that the teacher equals the student once more after the first one.

    State: the network under ``model.*`` and ``initialized`` (bool), so that a resumed run neither copies nor warms up
        again.
    """

    initialized: Tensor
    python_state = ('_ready',)

    def __init__(self, student: nn.Module, alpha: float = 0.999, buffers: str = 'own', delay: int = 0) -> None:
        super().__init__()
        if not 0 <= alpha < 1:
            raise ValueError(f'EMA alpha must lie in [0, 1), got {alpha}')
        if buffers not in ('own', 'copy', 'ema'):
            raise ValueError(f"buffers must be 'own', 'copy' or 'ema', got '{buffers}'")
        if delay < 0:
            raise ValueError(f'EMA delay must not be negative, got {delay}')
        self.alpha = alpha
        self.delay = delay
        self.buffers_policy = buffers
        self.model = copy.deepcopy(student)
        self.model.requires_grad_(False)
        become_teacher = getattr(self.model, 'become_teacher', None)
        if callable(become_teacher):
            become_teacher()
        self.register_buffer('initialized', torch.zeros((), dtype=torch.bool))
        self._ready = False  # ``initialized`` for the host: asking the buffer would wait for the device every iteration

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self.model(*args, **kwargs)

    def _load_from_state_dict(self, *args: Any, **kwargs: Any) -> None:
        super()._load_from_state_dict(*args, **kwargs)
        self._ready = bool(self.initialized)

    @torch.no_grad()
    def update(self, student: nn.Module, iteration: int) -> None:
        """Follow ``student``; called once per iteration with the 0-based iteration number t."""
        if not self._ready:
            _copy(self.model.parameters(), student.parameters())
            _copy(self.model.buffers(), student.buffers())
            self.initialized.fill_(True)
            self._ready = True
        else:
            ema_update_(list(self.model.parameters()), list(student.parameters()), self._rate(iteration))
        self._update_buffers(student, iteration)

    @torch.no_grad()
    def restart(self, student: nn.Module) -> None:
        """Set the parameters to the student's and keep the buffers (the published warm start of QuadMix)."""
        if self._ready:
            _copy(self.model.parameters(), student.parameters())

    def _rate(self, iteration: int) -> float:
        return ema_alpha(max(iteration - self.delay, 0), self.alpha)

    def _update_buffers(self, student: nn.Module, iteration: int) -> None:
        if self.buffers_policy == 'own':
            return
        for mine, theirs in zip(self.model.buffers(), student.buffers()):
            if self.buffers_policy == 'ema' and mine.is_floating_point():
                mine.lerp_(theirs, 1 - self._rate(iteration))
            else:
                mine.copy_(theirs)


def _copy(targets: Iterable[Tensor], sources: Iterable[Tensor]) -> None:
    for target, source in zip(targets, sources):
        target.copy_(source)

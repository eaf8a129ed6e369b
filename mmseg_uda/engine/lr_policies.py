"""Learning-rate policies that mmcv lacks."""

from __future__ import annotations

from typing import Any

from mmcv.runner import HOOKS
from mmcv.runner.hooks.lr_updater import LrUpdaterHook

from ..ops.ael import poly_lr
from ..ops.layer_decay import warmup_linear_factor


@HOOKS.register_module()
class PolyHorizonLrUpdaterHook(LrUpdaterHook):
    """Polynomial decay towards a horizon that is not the end of the run: base * (1 - iteration / horizon)^power.

    The ADVENT lineage decays over 250 000 iterations and stops at 120 000, where the rate is still 0.555 of its start.
    Config: ``lr_config = dict(policy='PolyHorizon', horizon=250000, power=0.9)``.

    Args:
        horizon: iteration at which the rate would be 0.
        power: exponent.
        kwargs: options of mmcv's ``LrUpdaterHook``.
    """

    def __init__(self, horizon: int, power: float = 0.9, **kwargs: Any) -> None:
        if horizon < 1:
            raise ValueError(f'lr_config.horizon must be positive, got {horizon}')
        super().__init__(**{**kwargs, 'by_epoch': False})
        self.horizon = horizon
        self.power = power

    def before_run(self, runner: Any) -> None:
        if runner.max_iters > self.horizon:
            raise ValueError(f'runner.max_iters={runner.max_iters} is beyond lr_config.horizon={self.horizon}')
        super().before_run(runner)

    def get_lr(self, runner: Any, base_lr: float) -> float:
        """The rate of the iteration that is about to run."""
        return poly_lr(base_lr, runner.iter, self.horizon, self.power)


@HOOKS.register_module()
class WarmupLinearLrUpdaterHook(LrUpdaterHook):
    """VFM-UDA's schedule: a linear warm-up from ``start`` to the full rate, then base * (1 - iteration / max_iters).

    The rate jumps down by the share of the warm-up at its end, which mmcv's ``poly`` with ``warmup='linear'`` does
    not do. Config: ``lr_config = dict(policy='WarmupLinear', warmup_steps=1500)``.

    Args:
        warmup_steps: iterations of the warm-up.
        start: factor of the first iteration.
        kwargs: options of mmcv's ``LrUpdaterHook``.
    """

    def __init__(self, warmup_steps: int = 1500, start: float = 1e-3, **kwargs: Any) -> None:
        if warmup_steps < 0 or not 0 <= start <= 1:
            raise ValueError(f'lr_config needs warmup_steps >= 0 and start in [0, 1], got {warmup_steps} and {start}')
        if kwargs.get('warmup') is not None:
            raise ValueError("lr_config.policy='WarmupLinear' has a warm-up of its own: leave warmup out")
        super().__init__(**{**kwargs, 'by_epoch': False})
        self.warmup_steps = warmup_steps
        self.start = start

    def get_lr(self, runner: Any, base_lr: float) -> float:
        """The rate of the iteration that is about to run."""
        return base_lr * warmup_linear_factor(runner.iter, self.warmup_steps, runner.max_iters, self.start)

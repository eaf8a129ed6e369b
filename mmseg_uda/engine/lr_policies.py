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

    def get_regular_lr(self, runner: Any) -> Any:
        """As usual, but groups that hold ``constant_lr`` keep their rate
        (:class:`~mmseg_uda.engine.repeated_sgd.FusionRates`)."""
        rates = super().get_regular_lr(runner)
        optimizers = runner.optimizer if isinstance(runner.optimizer, dict) else {None: runner.optimizer}
        for name, optimizer in optimizers.items():
            of, base = (rates, self.base_lr) if name is None else (rates[name], self.base_lr[name])
            for i, group in enumerate(optimizer.param_groups):
                if group.get('constant_lr'):
                    of[i] = base[i]
        return rates


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


def warmup_then_linear(step: int, warmup_iters: int, warmup_ratio: float, max_iters: int) -> float:
    """Factor of the base rate at a 0-based step: from ``warmup_ratio`` to 1 in ``warmup_iters`` steps, then linearly to
    0 at ``max_iters``."""
    if step < warmup_iters:
        return warmup_ratio + (1 - warmup_ratio) * step / warmup_iters
    return (max_iters - step) / (max_iters - warmup_iters)


@HOOKS.register_module()
class WarmupThenLinearLrUpdaterHook(LrUpdaterHook):
    """Linear warm-up to the base rate, and only then the linear decay (the transformers of UDASS video); mmcv's
    ``poly`` decays during the warm-up as well.

    Config: ``lr_config = dict(policy='WarmupThenLinear', ramp_iters=1500, ramp_ratio=1e-6)``.

    Args:
        ramp_iters: length of the warm-up.
        ramp_ratio: factor at its start.
        kwargs: options of mmcv's ``LrUpdaterHook``.
    """

    def __init__(self, ramp_iters: int, ramp_ratio: float = 1e-6, **kwargs: Any) -> None:
        if ramp_iters < 0 or not 0 <= ramp_ratio <= 1:
            raise ValueError(
                f'lr_config needs ramp_iters >= 0 and ramp_ratio in [0, 1], got {ramp_iters} and {ramp_ratio}'
            )
        super().__init__(**{**kwargs, 'by_epoch': False})
        self.ramp_iters, self.ramp_ratio = ramp_iters, ramp_ratio

    def get_lr(self, runner: Any, base_lr: float) -> float:
        """The rate of the iteration that is about to run."""
        ramp = min(self.ramp_iters, runner.max_iters - 1)
        return base_lr * warmup_then_linear(runner.iter, ramp, self.ramp_ratio, runner.max_iters)

"""Learning-rate policies that mmcv lacks."""

from __future__ import annotations

from typing import Any

from mmcv.runner import HOOKS
from mmcv.runner.hooks.lr_updater import LrUpdaterHook

from ..ops.ael import poly_lr


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

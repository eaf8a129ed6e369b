"""SGD as the AdaptSegNet code family runs it, which lists a parameter once for every module around it."""

from __future__ import annotations

from typing import Any, Callable, Iterable, Optional

import torch
from mmcv.runner.optimizer import OPTIMIZER_BUILDERS, OPTIMIZERS
from mmcv.runner.optimizer.default_constructor import DefaultOptimizerConstructor
from torch import nn
from torch.optim import Optimizer


def listed_times(name: str) -> int:
    """How often the published generator lists a parameter of the backbone: once per module around it.

    Args:
        name: relative to the backbone: ``conv1.weight`` stands once, ``layer1.0.conv1.weight`` three times,
            ``layer1.0.downsample.0.weight`` four times.
    """
    return name.count('.')


@OPTIMIZERS.register_module()
class RepeatedSGD(Optimizer):
    """SGD with momentum whose groups may hold ``repeats``: so often is the whole update of a step applied.

    Every repeat renews momentum and weight decay with the same gradient
    (:func:`mmseg_uda.ops.dstc.repeated_sgd_update`), which makes the effective rate about ``repeats`` times as large.
    ``repeats=1`` is ordinary SGD.

    Args:
        params: parameters or groups.
        lr, momentum, weight_decay: as in ``torch.optim.SGD``.
        repeats: default of the groups.
    """

    def __init__(
        self, params: Iterable[Any], lr: float, momentum: float = 0.0, weight_decay: float = 0.0, repeats: int = 1
    ) -> None:
        if lr < 0 or not 0 <= momentum < 1 or weight_decay < 0 or repeats < 1:
            raise ValueError(
                f'RepeatedSGD needs lr >= 0, momentum in [0, 1), weight_decay >= 0, repeats >= 1; got {lr}, '
                f'{momentum}, {weight_decay}, {repeats}'
            )
        super().__init__(params, dict(lr=lr, momentum=momentum, weight_decay=weight_decay, repeats=repeats))

    @torch.no_grad()
    def step(self, closure: Optional[Callable[[], Any]] = None) -> Any:
        """One step; parameters without a gradient stay."""
        loss = closure() if closure is not None else None
        for group in self.param_groups:
            params = [param for param in group['params'] if param.grad is not None]
            fresh = [param for param in params if 'momentum_buffer' not in self.state[param]]
            old = [param for param in params if 'momentum_buffer' in self.state[param]]
            for part, has_buffer in ((fresh, False), (old, True)):
                if part:
                    self._update(part, group, has_buffer)
        return loss

    def _update(self, params: list[torch.Tensor], group: dict[str, Any], has_buffer: bool) -> None:
        grads = [param.grad for param in params if param.grad is not None]
        buffers = [self.state[param]['momentum_buffer'] for param in params] if has_buffer else []
        for _ in range(group['repeats']):
            direction = torch._foreach_add(grads, params, alpha=group['weight_decay'])
            if has_buffer:
                torch._foreach_mul_(buffers, group['momentum'])
                torch._foreach_add_(buffers, direction)
            else:  # on its first step every repeat starts with its own momentum
                buffers = list(direction)
            torch._foreach_add_(params, buffers, alpha=-group['lr'])
        for param, buffer in zip(params, buffers):
            self.state[param]['momentum_buffer'] = buffer


@OPTIMIZER_BUILDERS.register_module()
class RepeatedParameters(DefaultOptimizerConstructor):
    """mmcv's default constructor for :class:`RepeatedSGD`: ``repeats`` of backbone parameters as :func:`listed_times`
    says.

    Heads are listed once. ``paramwise_cfg`` works as usual.
    """

    def add_params(
        self, params: list[dict[str, Any]], module: nn.Module, prefix: str = '', is_dcn_module: Any = None
    ) -> None:
        """Add one group per parameter."""
        super().add_params(params, module, prefix, is_dcn_module)
        if prefix:
            return
        names = {id(param): name for name, param in module.named_parameters()}
        for group in params:
            head, _, name = names[id(group['params'][0])].partition('.')
            group['repeats'] = listed_times(name) if head == 'backbone' else 1


@OPTIMIZER_BUILDERS.register_module()
class FusionRates(RepeatedParameters):
    """:class:`RepeatedParameters` with the rates that TPS and the video part of UDASS really use: the fusion layer ten
    times the decaying rate, the classifiers ten times the base rate, which never decays (their update routine knows two
    groups of three). Needs ``lr_config.policy='PolyHorizon'``.
    """

    def add_params(
        self, params: list[dict[str, Any]], module: nn.Module, prefix: str = '', is_dcn_module: Any = None
    ) -> None:
        """Add one group per parameter."""
        super().add_params(params, module, prefix, is_dcn_module)
        if prefix:
            return
        names = {id(param): name for name, param in module.named_parameters()}
        for group in params:
            part = names[id(group['params'][0])].split('.')[0]
            if part != 'backbone':
                group['lr'] = 10 * self.base_lr
                group['constant_lr'] = part != 'fusion'

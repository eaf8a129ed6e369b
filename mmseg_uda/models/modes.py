"""How a teacher runs: without random layers, with or without batch statistics."""

from __future__ import annotations

import contextlib
from typing import Iterator

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

#: stochastic depth and DropBlock of mmcv, timm, torchvision and forks, which differ as types
STOCHASTIC_LAYERS = ('DropPath', 'StochasticDepth', 'DropBlock2d')
#: see :func:`reference_mode`
BN_STATISTICS = ('train', 'train_frozen_stats', 'eval')


def set_teacher_mode(network: nn.Module, training: bool) -> None:
    """Train or eval mode, with drop-out and stochastic depth off in any case."""
    network.train(training)
    for module in network.modules():
        if isinstance(module, nn.modules.dropout._DropoutNd) or type(module).__name__ in STOCHASTIC_LAYERS:
            module.eval()


@contextlib.contextmanager
def kept_running_statistics(network: nn.Module) -> Iterator[None]:
    """Training passes inside use the batch's statistics as ever, and leave the running ones of batch norm alone."""
    norms = [module for module in network.modules() if isinstance(module, _BatchNorm) and module.track_running_stats]
    for module in norms:
        module.track_running_stats = False
    try:
        yield
    finally:
        for module in norms:
            module.track_running_stats = True


@contextlib.contextmanager
def reference_mode(network: nn.Module, statistics: str) -> Iterator[None]:
    """Let a network that is being trained label images: no random layers; its modes are put back afterwards.

    Args:
        network: the network.
        statistics: of batch norm: ``train``: those of the batch, which renew the running ones;
            ``train_frozen_stats``: those of the batch, running ones kept; ``eval``: running ones.
    """
    modes = [(module, module.training) for module in network.modules()]
    set_teacher_mode(network, statistics != 'eval')
    try:
        with kept_running_statistics(network) if statistics == 'train_frozen_stats' else contextlib.nullcontext():
            yield
    finally:
        for module, training in modes:
            module.training = training

"""Which modules run in training mode: the one way to set it, and the exceptions (teachers, references, evaluation)."""

from __future__ import annotations

import contextlib
from typing import Iterator

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

#: stochastic depth and DropBlock of mmcv, timm, torchvision and forks, which differ as types
STOCHASTIC_LAYERS = ('DropPath', 'StochasticDepth', 'DropBlock2d')
#: see :func:`reference_mode`
BN_STATISTICS = ('train', 'train_frozen_stats', 'eval')


def set_training_modes(model: nn.Module) -> None:
    """Put a method into the modes in which its iterations run, whatever they were.

    A module is born with ``training=True``, but not in the modes of its ``train()`` override: those put the
    reference networks into eval mode, switch off the teachers' random layers, and honour a backbone's ``norm_eval``
    and ``frozen_stages``. Everything that begins to train calls this function: the training step when it is built,
    the runner when a run starts, and the runner again should a hook have left the model in eval mode.
    """
    model.train()


@contextlib.contextmanager
def kept_modes(model: nn.Module) -> Iterator[None]:
    """What is done to the modes of ``model`` inside ends with the block: every module has its own mode again."""
    modes = [(module, module.training) for module in model.modules()]
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


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
    with kept_modes(network):
        set_teacher_mode(network, statistics != 'eval')
        with kept_running_statistics(network) if statistics == 'train_frozen_stats' else contextlib.nullcontext():
            yield

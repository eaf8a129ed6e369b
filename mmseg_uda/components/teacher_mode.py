"""How a teacher runs: without random layers, with or without batch statistics."""

from __future__ import annotations

from torch import nn

#: stochastic depth and DropBlock of mmcv, timm, torchvision and forks, which differ as types
STOCHASTIC_LAYERS = ('DropPath', 'StochasticDepth', 'DropBlock2d')


def set_teacher_mode(network: nn.Module, training: bool) -> None:
    """Train or eval mode, with drop-out and stochastic depth off in any case."""
    network.train(training)
    for module in network.modules():
        if isinstance(module, nn.modules.dropout._DropoutNd) or type(module).__name__ in STOCHASTIC_LAYERS:
            module.eval()

"""Running statistics of batch norm, computed anew on given images (AdaBN, Li et al. 2016, arXiv:1603.04779)."""

from __future__ import annotations

import contextlib
from typing import Any, Callable, Iterable, Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from .modes import kept_modes, kept_running_statistics


class PooledMoments:
    """Mean and variance of each channel over any number of batches, as if they were one batch.

    Sums are float64 and stay on the device; nothing waits for the host.
    """

    def __init__(self) -> None:
        self.count: float = 0.0
        self.mean: Any = 0.0
        self.squares: Any = 0.0  # sum of squared distances from the mean

    def add(self, values: Tensor) -> None:
        """Take in values (B, C) or (B, C, ...)."""
        axes = [axis for axis in range(values.dim()) if axis != 1]
        variance, mean = torch.var_mean(values.detach().float(), axes, correction=0)  # (C,), (C,)
        count = values.numel() / values.shape[1]
        distance = mean.double() - self.mean
        total = self.count + count
        self.squares = self.squares + variance.double() * count + distance**2 * (self.count * count / total)
        self.mean = self.mean + distance * (count / total)
        self.count = total

    @property
    def variance(self) -> Tensor:
        """Unbiased variance (C,), float64, as batch norm keeps it."""
        squares: Tensor = self.squares / max(self.count - 1, 1)
        return squares


def adaptable_norms(network: nn.Module) -> dict[str, _BatchNorm]:
    """Batch norm layers that normalise by their batch in training, by name.

    Frozen ones (``norm_eval``, ``frozen_stages``) train with the statistics that they have, and keep them.
    """
    return {
        name: module
        for name, module in network.named_modules()
        if isinstance(module, _BatchNorm) and module.track_running_stats and module.training
    }


@contextlib.contextmanager
def _watched(norms: dict[str, _BatchNorm]) -> Iterator[dict[str, PooledMoments]]:
    moments = {name: PooledMoments() for name in norms}
    handles = [
        module.register_forward_pre_hook(lambda _, inputs, name=name: moments[name].add(inputs[0]))
        for name, module in norms.items()
    ]
    try:
        yield moments
    finally:
        for handle in handles:
            handle.remove()


def recompute_statistics(
    network: nn.Module, names: Sequence[str], batches: Iterable[Any], forward: Callable[[Any], Any]
) -> int:
    """Replace the running statistics of batch norm by those of some images.

    The images pass as in evaluation, but every layer named normalises by its batch, so that the layers behind it see
    what they will see with the new statistics.

    Args:
        network: whose layers they are; its weights, modes and other layers stay as they are.
        names: of the layers, see :func:`adaptable_norms`.
        batches: what ``forward`` takes, one after another.
        forward: passes a batch through the network.

    Returns:
        the number of layers with new statistics; layers that no image reached keep theirs.
    """
    modules = dict(network.named_modules())
    norms = {name: modules[name] for name in names if isinstance(modules.get(name), _BatchNorm)}
    with kept_modes(network), torch.no_grad():
        network.eval()
        for module in norms.values():
            module.train()
        with kept_running_statistics(network), _watched(norms) as moments:
            for batch in batches:
                forward(batch)
        reached = {name: found for name, found in moments.items() if found.count}
        for name, found in reached.items():
            norms[name].running_mean.copy_(found.mean)
            norms[name].running_var.copy_(found.variance)
    return len(reached)

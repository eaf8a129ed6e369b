"""Running statistics of batch norm, computed anew on given images (AdaBN, Li et al. 2016, arXiv:1603.04779)."""

from __future__ import annotations

import contextlib
from typing import Any, Callable, Iterable, Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from .modes import kept_modes


class PooledMoments:
    """Mean and variance of each channel over any number of batches, as if they were one batch.

    Sums are float64 and stay on the device; nothing waits for the host.
    """

    def __init__(self) -> None:
        self.count: float = 0.0
        self.mean: Any = 0.0
        self.squares: Any = 0.0  # sum of squared distances from the mean

    def add(self, mean: Tensor, variance: Tensor, count: int) -> None:
        """Take in mean (C,) and unbiased variance (C,) of a batch with ``count`` values a channel."""
        distance = mean.double() - self.mean
        total = self.count + count
        self.squares = self.squares + variance.double() * (count - 1) + distance**2 * (self.count * count / total)
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


def _batch(module: _BatchNorm, values: Tensor) -> tuple[Tensor, Tensor, int]:
    """Mean (C,), unbiased variance (C,) and number of values a channel of what a layer of momentum 1 was given.

    They are counted where it stores none, as inside ``kept_running_statistics``, or those of all ranks.
    """
    count = values.numel() // values.shape[1]
    if module.track_running_stats and not isinstance(module, nn.SyncBatchNorm):
        assert module.running_mean is not None and module.running_var is not None
        return module.running_mean, module.running_var, count
    variance, mean = torch.var_mean(values.detach().float(), [axis for axis in range(values.dim()) if axis != 1])
    return mean, variance, count


@contextlib.contextmanager
def _watched(norms: dict[str, _BatchNorm]) -> Iterator[dict[str, PooledMoments]]:
    """The moments of what passes through the layers, which are left as they were.

    A layer of momentum 1 stores the batch's moments, which it computes anyway.
    """
    moments = {name: PooledMoments() for name in norms}
    kept = {
        name: (module.momentum, {key: buffer.clone() for key, buffer in module.named_buffers(recurse=False)})
        for name, module in norms.items()
    }
    handles = [
        module.register_forward_hook(lambda module, inputs, _, name=name: moments[name].add(*_batch(module, inputs[0])))
        for name, module in norms.items()
    ]
    for module in norms.values():
        module.momentum = 1.0
        module.reset_running_stats()  # 0 times what was not finite is not 0
    try:
        yield moments
    finally:
        for handle in handles:
            handle.remove()
        for name, (momentum, buffers) in kept.items():
            norms[name].momentum = momentum
            for key, buffer in buffers.items():
                norms[name].get_buffer(key).copy_(buffer)


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
        with _watched(norms) as moments:
            for batch in batches:
                forward(batch)
        reached = {name: found for name, found in moments.items() if found.count}
        for name, found in reached.items():
            norms[name].running_mean.copy_(found.mean)
            norms[name].running_var.copy_(found.variance)
    return len(reached)

"""Channel statistics as style: the image and feature stylisation of CoaST (arXiv 2210.01578)."""

from __future__ import annotations

from torch import Tensor

from .precision import single_precision

EPS = 1e-5


def instance_stats(x: Tensor, eps: float = EPS) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of every image and channel.

    Args:
        x: (B, C, H, W) float; the statistics are computed in float32 or wider.
        eps: added to the unbiased variance; a map of one pixel has variance 0.

    Returns:
        mean and std, both (B, C, 1, 1).
    """
    wide = single_precision(x)
    mean = wide.mean(dim=(2, 3), keepdim=True)
    divisor = max(1, x.shape[2] * x.shape[3] - 1)
    variance = (wide - mean).square().sum(dim=(2, 3), keepdim=True) / divisor
    return mean, (variance + eps).sqrt()


def restyle(x: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """Give every image and channel of ``x`` the statistics ``mean`` and ``std``.

    Args:
        x: (B, C, H, W) float; the gradient also runs through its own statistics.
        mean, std: (B, C, 1, 1) or scalars; no gradient reaches them.
    """
    own_mean, own_std = instance_stats(x)
    return ((x - own_mean) / own_std * std.detach() + mean.detach()).to(x.dtype)

"""Batch statistics over all ranks, so that R ranks with B images compute what one rank with R*B images computes."""

from __future__ import annotations

import torch
import torch.distributed as dist
from mmcv.runner import get_dist_info
from torch import Tensor

from ..ops.semi_supervised import ONE_PROCESS, Ranks


@torch.no_grad()
def _total(value: Tensor) -> Tensor:
    value = value.clone()
    dist.all_reduce(value)
    return value


@torch.no_grad()
def _gather(value: Tensor) -> Tensor:
    sent = value.detach().contiguous()
    if value.dtype == torch.bool:
        sent = sent.to(torch.uint8)
    parts = [torch.empty_like(sent) for _ in range(dist.get_world_size())]
    dist.all_gather(parts, sent)
    return torch.cat(parts).to(value.dtype)


def current_ranks() -> Ranks:
    """Collectives of the running job; :data:`ONE_PROCESS` without one."""
    world_size = get_dist_info()[1]
    return ONE_PROCESS if world_size == 1 else Ranks(world_size, _total, _gather)


def gather_with_gradient(value: Tensor, ranks: Ranks) -> Tensor:
    """Concatenate along the batch axis over the ranks, with gradients to this rank's part only.

    A loss of the whole batch may then be computed on every rank: the engine's mean of the ranks' gradients is its gradient, because this
    rank's part is scaled by the number of ranks.
    """
    if ranks.world_size == 1:
        return value
    everything = ranks.gather(value)
    own = get_dist_info()[0] * len(value)
    scaled = value.detach() + (value - value.detach()) * ranks.world_size
    return torch.cat([everything[:own], scaled, everything[own + len(value) :]])

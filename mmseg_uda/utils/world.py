"""Batch statistics over all ranks, so that R ranks with B images compute what one rank with R*B images computes."""

from __future__ import annotations

import torch
import torch.distributed as dist
from mmcv.runner import get_dist_info
from torch import Tensor

from ..ops.world import ALONE, World
from .rank_watch import entering


@torch.no_grad()
def _total(value: Tensor) -> Tensor:
    value = value.clone()
    entering('statistics of the batch')
    dist.all_reduce(value)
    return value


@torch.no_grad()
def _gather(value: Tensor) -> Tensor:
    sent = value.detach().contiguous()
    if value.dtype == torch.bool:
        sent = sent.to(torch.uint8)
    entering('statistics of the batch')
    parts = [torch.empty_like(sent) for _ in range(dist.get_world_size())]
    dist.all_gather(parts, sent)
    return torch.cat(parts).to(value.dtype)


def current_world() -> World:
    """Collectives of the running job; :data:`ALONE` without one."""
    world_size = get_dist_info()[1]
    return ALONE if world_size == 1 else World(world_size, _total, _gather)


def gather_with_gradient(value: Tensor, world: World) -> Tensor:
    """Concatenate along the batch axis over the ranks, with gradients to this rank's part only.

    A loss of the whole batch may then be computed on every rank: the engine's mean of the ranks' gradients is its
    gradient, because this rank's part is scaled by the number of ranks.
    """
    if world.world_size == 1:
        return value
    everything = world.gather(value)
    own = get_dist_info()[0] * len(value)
    # equal to value, but its gradient is world_size times as large: value - value.detach() is 0 with gradient 1
    scaled = value.detach() + (value - value.detach()) * world.world_size
    return torch.cat([everything[:own], scaled, everything[own + len(value) :]])

"""The group of processes that compute one batch together."""

from __future__ import annotations

from typing import Callable, NamedTuple

from torch import Tensor


class World(NamedTuple):
    """How statistics of the batch are taken over all processes; the default is a single process.

    Attributes:
        world_size: number of processes.
        total: sum of a tensor over the processes.
        gather: concatenation of the processes' tensors along their first axis, in rank order.
    """

    world_size: int = 1
    total: Callable[[Tensor], Tensor] = lambda value: value
    gather: Callable[[Tensor], Tensor] = lambda value: value


ALONE = World()

"""The few collectives that training needs."""

from __future__ import annotations

from typing import Any, Callable, Iterable, Optional, Sequence, TypeVar

import torch
import torch.distributed as dist
from mmcv.runner import get_dist_info
from torch import Tensor, nn

from ..utils.rank_watch import entering

Result = TypeVar('Result')


def is_distributed() -> bool:
    """Whether more than one process takes part."""
    return get_dist_info()[1] > 1


@torch.no_grad()
def broadcast_module(module: nn.Module, source: int = 0) -> None:
    """Give every rank the parameters and buffers of rank ``source``, in place."""
    entering('the exchange of the first weights')
    for tensor in [*module.parameters(), *module.buffers()]:
        dist.broadcast(tensor.data, source)


@torch.no_grad()
def all_reduce_gradients(parameters: Sequence[nn.Parameter], flag: Tensor) -> Tensor:
    """Average the gradients of all ranks with one collective.

    Everything travels in one flat float32 buffer: the gradients (zeros where a rank has none), one presence count per
    parameter and ``flag``. A parameter that got no gradient on any rank keeps ``grad = None``, so that weight decay
    and momentum treat it as they do in one process.

    Args:
        parameters: the same list on every rank.
        flag: scalar, summed over the ranks (this rank met a non-finite loss).

    Returns:
        The summed flag, float32 scalar.
    """
    device = parameters[0].device
    present = [p.grad is not None for p in parameters]
    grads = [p.grad if p.grad is not None else torch.zeros_like(p) for p in parameters]
    presence = torch.tensor(present, dtype=torch.float32, device=device)
    flat = torch.cat([g.reshape(-1).float() for g in grads] + [presence, flag.reshape(1).float().to(device)])
    entering('the exchange of gradients')
    dist.all_reduce(flat)
    count = len(parameters)
    counts, total_flag = flat[-count - 1 : -1], flat[-1]
    flat = flat[: -count - 1].div_(dist.get_world_size())
    # the host looks at the counts only on a rank that misses a gradient: in the usual step nothing waits for the device
    elsewhere = present if all(present) else [value > 0 for value in counts.tolist()]
    start = 0
    for parameter, grad, anywhere in zip(parameters, grads, elsewhere):
        part = flat[start : start + grad.numel()].view_as(grad)
        start += grad.numel()
        if anywhere:
            parameter.grad = grad.copy_(part)
    return total_flag


def gather_objects(value: Any) -> list[Any]:
    """``value`` of every rank, in rank order, on every rank."""
    if not is_distributed():
        return [value]
    gathered: list[Any] = [None] * dist.get_world_size()
    entering('an exchange of results')
    dist.all_gather_object(gathered, value)
    return gathered


class OtherRankError(RuntimeError):
    """Rank 0 has failed in what it does for all; the message is that of its error."""


def on_main(function: Callable[[], Result]) -> Result:
    """Call ``function`` on rank 0 and give every rank its result; where it fails, every rank fails.

    Raises:
        OtherRankError: on the other ranks, when ``function`` has raised; rank 0 raises what it raised.
    """
    result: Any = None
    error: Optional[Exception] = None
    if get_dist_info()[0] == 0:
        try:
            result = function()
        except Exception as raised:
            error = raised
    result, text = gather_objects((result, None if error is None else f'{type(error).__name__}: {error}'))[0]
    if error is not None:
        raise error
    if text is not None:
        raise OtherRankError(f'rank 0 ended with {text}')
    return result


def barrier() -> None:
    """Wait for all ranks."""
    if is_distributed():
        entering('a common point of all ranks')
        dist.barrier()


def check_same_parameters(parameters: Iterable[nn.Parameter]) -> None:
    """Fail early, and on every rank, when the ranks train different parameter lists.

    Raises:
        RuntimeError: ranks differ in the number or shapes of parameters, which would hang or corrupt the gradient
            reduction.
    """
    shapes = [tuple(p.shape) for p in parameters]
    gathered = gather_objects(shapes)
    if any(other != gathered[0] for other in gathered):
        counts = [len(other) for other in gathered]
        raise RuntimeError(
            f'the ranks train different parameters (counts {counts}): all ranks must build the same config'
        )

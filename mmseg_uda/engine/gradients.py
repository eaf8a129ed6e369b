"""Gradients of all parameters, in few launches."""

from __future__ import annotations

import contextlib
from typing import Iterator, Sequence

import torch
from torch import Tensor, nn


@contextlib.contextmanager
def added_at_once(parameters: Sequence[nn.Parameter]) -> Iterator[None]:
    """Around a backward pass: its gradients are added to those of earlier passes in one launch for all parameters.

    Autograd would add them one parameter after the other, a thousand launches for a MiT-B5. The sums are the same bit
    for bit; the gradients of the two passes are alive at the same time.
    """
    before = [(parameter, parameter.grad) for parameter in dict.fromkeys(parameters) if parameter.grad is not None]
    for parameter, _ in before:
        parameter.grad = None
    try:
        yield
    finally:
        renewed = [(grad, parameter.grad) for parameter, grad in before if parameter.grad is not None]
        if renewed:
            torch._foreach_add_([old for old, _ in renewed], [new for _, new in renewed])
        for parameter, grad in before:
            parameter.grad = grad


def total_norm(grads: Sequence[Tensor], norm_type: float) -> Tensor:
    """The norm of all gradients together, a float32 scalar."""
    norms = torch._foreach_norm(list(grads), norm_type)
    return torch.linalg.vector_norm(torch.stack([norm.float() for norm in norms]), norm_type)

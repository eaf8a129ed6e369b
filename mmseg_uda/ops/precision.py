"""Arithmetic in float32 where inputs may come in half precision."""

from __future__ import annotations

import contextlib
from typing import ContextManager

import torch
from torch import Tensor


def single_precision(values: Tensor) -> Tensor:
    """Half-precision values as float32: 1e-10 is 0 in float16, and sums over pixels leave its range. Others as they
    are."""
    return values.float() if values.dtype in (torch.float16, torch.bfloat16) else values


def full_precision(device: torch.device) -> ContextManager[None]:
    """A context without autocast on ``device``; tensors without data (``meta``) know none."""
    return contextlib.nullcontext() if device.type == 'meta' else torch.autocast(device.type, enabled=False)

"""No checkpoint holds a value that is not finite."""

from __future__ import annotations

from typing import Any, Iterator, Mapping

import torch
from torch import Tensor


def refuse_non_finite(checkpoint: Mapping[str, Any], iterations: int) -> None:
    """Look at every floating-point tensor of a checkpoint before it is written.

    Raises:
        FloatingPointError: NaN or inf; names the first such tensor and counts the others.
    """
    bad = [name for name, tensor in _tensors(checkpoint) if not torch.isfinite(tensor).all()]
    if bad:
        more = f' (and {len(bad) - 1} more)' if len(bad) > 1 else ''
        raise FloatingPointError(
            f'no checkpoint is written after {iterations} iterations: {bad[0]}{more} holds NaN or inf. Earlier '
            'checkpoints stay as they are: resume from the last one with a lower learning rate, or with precision '
            'bf16 or fp32'
        )


def _tensors(value: Any, name: str = '') -> Iterator[tuple[str, Tensor]]:
    if torch.is_tensor(value):
        if value.is_floating_point() or value.is_complex():
            yield name, value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _tensors(item, f'{name}.{key}' if name else str(key))
    elif isinstance(value, (list, tuple)):
        for number, item in enumerate(value):
            yield from _tensors(item, f'{name}[{number}]')

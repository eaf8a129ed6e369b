"""Activation checkpointing for any backbone: blocks forget their inner activations and compute them again in backward.

One way for ResNet, Mix Transformer, Swin, ConvNeXt and every timm network: a block is a module with children that
stands in a list or sequence of the backbone. Losses and gradients are those without checkpointing; the second
computation repeats the drop-out of the first and leaves the running statistics of batch norm alone, which the first
one has renewed.
"""

from __future__ import annotations

import contextlib
import functools
from typing import Any, ContextManager, Iterable, Iterator

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint

CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)


class CheckpointedBlock:
    """Mixed into the class of a block, before it."""

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The block's forward pass; with gradients, only its inputs are kept."""
        if not torch.is_grad_enabled():
            return super().forward(*args, **kwargs)  # type: ignore[misc]

        repeat = _second_computation(self)  # type: ignore[arg-type]

        def contexts() -> tuple[ContextManager[Any], ContextManager[Any]]:
            return contextlib.nullcontext(), repeat

        run = functools.partial(super().forward, **kwargs)  # type: ignore[misc]
        return checkpoint(run, *args, use_reentrant=False, context_fn=contexts)


def _second_computation(block: nn.Module) -> ContextManager[None]:
    """A context in which a block computes again what it computes now.

    Modes are those of now, and batch norm that tracks its statistics now renews them by nothing. Not by
    ``track_running_stats=False``, with which it saves other tensors and checkpointing refuses the block.
    """
    modes = [(module, module.training) for module in block.modules()]
    norms: list[Any] = [module for module in block.modules() if isinstance(module, _BatchNorm)]
    tracked = [(norm, norm.track_running_stats) for norm in norms]
    renewed = [n for n in norms if n.training and n.track_running_stats and n.num_batches_tracked is not None]

    @contextlib.contextmanager
    def as_before() -> Iterator[None]:
        modes_now = [(module, module.training) for module, _ in modes]
        tracked_now = [(norm, norm.track_running_stats) for norm in norms]
        before = [(norm, norm.momentum, norm.num_batches_tracked.clone()) for norm in renewed]
        _set('training', modes)
        _set('track_running_stats', tracked)
        _set('momentum', [(norm, 0.0) for norm in renewed])
        try:
            yield
        finally:
            _set('training', modes_now)
            _set('track_running_stats', tracked_now)
            for norm, momentum, count in before:
                norm.momentum = momentum
                norm.num_batches_tracked.copy_(count)

    return as_before()


def _set(attribute: str, values: Iterable[tuple[nn.Module, Any]]) -> None:
    for module, value in values:
        setattr(module, attribute, value)


@functools.lru_cache(maxsize=None)
def _checkpointed(kind: type) -> type:
    return type(f'Checkpointed{kind.__name__}', (CheckpointedBlock, kind), {'__doc__': kind.__doc__})


def checkpoint_blocks(backbone: nn.Module) -> int:
    """Checkpoint every block of a backbone; returns how many there are.

    Raises:
        ValueError: the backbone has no blocks: nothing would be saved.
    """
    blocks = repeated_blocks(backbone)
    for block in (block for block in blocks if not isinstance(block, CheckpointedBlock)):
        block.__class__ = _checkpointed(type(block))  # type: ignore[arg-type]
    if not blocks:
        raise ValueError(
            f'engine.activation_checkpointing: {type(backbone).__name__} has no list of blocks to checkpoint: '
            'leave the option out'
        )
    return len(blocks)


def repeated_blocks(module: nn.Module, listed: bool = False) -> list[nn.Module]:
    """The innermost modules with parameters and children of their own that stand in lists."""
    inner = [
        block for child in module.children() for block in repeated_blocks(child, listed=isinstance(module, CONTAINERS))
    ]
    if inner:
        return inner
    has_children = next(module.children(), None) is not None
    if not listed or isinstance(module, CONTAINERS) or not has_children or next(module.parameters(), None) is None:
        return []
    return [module]

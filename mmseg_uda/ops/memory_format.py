"""Memory formats of images, maps and the weights of convolutions."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def memory_format_of(values: Tensor) -> torch.memory_format:
    """``channels_last`` if the tensor (B, C, H, W) is stored like that, else ``contiguous_format``."""
    last = values.dim() == 4 and values.is_contiguous(memory_format=torch.channels_last) and not values.is_contiguous()
    return torch.channels_last if last else torch.contiguous_format


def stored_for(network: nn.Module, maps: Tensor) -> Tensor:
    """Maps (B, C, H, W) in the memory format of a network's first convolution.

    A convolution converts an input of another format itself, in each pass, forward and backward. What several networks
    see is converted once.
    """
    first = next((p for p in network.parameters() if p.dim() == 4), None)
    return maps if first is None else maps.contiguous(memory_format=memory_format_of(first))

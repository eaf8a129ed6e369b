"""Rein (arXiv 2312.04265): a frozen transformer whose patch tokens are refined after every block."""

from __future__ import annotations

import math
from typing import Any, Optional

import torch
from mmseg.models.builder import BACKBONES
from torch import Tensor, nn

from ...ops.rein import rein_refine
from .timm_build import normed
from .timm_encoder import TimmEncoder


class Rein(nn.Module):
    """Learned tokens of every block and the layers that they share.

    Args:
        layers, channels: blocks and width of the transformer.
        tokens: learned tokens of every block.
        rank: of the tokens as a product of two matrices; None = tokens without such a bound.
        patch: patch of the encoder, enters the range of the first weights.
        scale: first factor of the change.
    """

    def __init__(
        self,
        layers: int,
        channels: int,
        tokens: int = 100,
        rank: Optional[int] = 16,
        patch: int = 16,
        scale: float = 0.001,
    ) -> None:
        super().__init__()
        bound = math.sqrt(6 / (3 * patch**2 + math.sqrt(channels * rank if rank else channels)))
        if rank:
            self.learnable_tokens_a = nn.Parameter(torch.empty(layers, tokens, rank).uniform_(-bound, bound))
            self.learnable_tokens_b = nn.Parameter(torch.empty(layers, rank, channels).uniform_(-bound, bound))
        else:
            self.learnable_tokens = nn.Parameter(torch.empty(layers, tokens, channels).uniform_(-bound, bound))
        self.rank = rank
        self.scale = nn.Parameter(torch.tensor(scale))
        self.mlp_token2feat = nn.Linear(channels, channels)
        self.mlp_delta_f = nn.Linear(channels, channels)
        for layer in (self.mlp_token2feat, self.mlp_delta_f):
            nn.init.kaiming_uniform_(layer.weight, a=math.sqrt(5))

    def tokens_of(self, layer: int) -> Tensor:
        """The learned tokens of a block (m, C)."""
        if self.rank:
            return self.learnable_tokens_a[layer] @ self.learnable_tokens_b[layer]
        return self.learnable_tokens[layer]

    def forward(self, tokens: Tensor, layer: int, prefix: int) -> Tensor:
        """Tokens (B, prefix + N, C) after block ``layer``; class and register tokens pass unchanged."""
        special, patches = tokens[:, :prefix], tokens[:, prefix:]
        first, second = (
            (self.mlp_token2feat.weight, self.mlp_token2feat.bias),
            (self.mlp_delta_f.weight, self.mlp_delta_f.bias),
        )
        return torch.cat([special, rein_refine(patches, self.tokens_of(layer), first, second, self.scale)], 1)


@BACKBONES.register_module()
class ReinEncoder(TimmEncoder):
    """A frozen plain transformer of timm with :class:`Rein` behind every block.

    Args:
        rein: options of :class:`Rein` (``tokens``, ``rank``, ``scale``).
        kwargs: options of :class:`~mmseg_uda.models.backbones.timm_encoder.TimmEncoder` but ``frozen`` and ``lora``.
    """

    def __init__(self, model_name: Optional[str] = None, rein: Optional[dict[str, Any]] = None, **kwargs: Any) -> None:
        refused = [key for key in ('frozen', 'lora') if kwargs.get(key)]
        if refused:
            raise ValueError(f'ReinEncoder freezes the transformer already: leave {refused[0]} out')
        super().__init__(model_name, **kwargs)
        if not self.plain or not hasattr(self.model, '_pos_embed'):
            raise ValueError(f"ReinEncoder needs a plain transformer, '{self.model_name}' is none")
        self.model.requires_grad_(False)
        self._frozen_modules = [self.model]
        self.rein = Rein(self.depth, self.embed_dims[-1], patch=int(self.stride or 16), **(rein or {}))

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Normalised images (B, 3, H, W) -> maps (B, C, h, w) of ``out_indices``."""
        tokens, rope, grid = self.embed(self._fitted(x))
        prefix = self.model.num_prefix_tokens
        maps = []
        for i, block in enumerate(self.model.blocks):
            tokens = self.rein(self.run_block(block, tokens, rope), i, prefix)
            if i in self.out_indices:
                maps.append(tokens[:, prefix:].transpose(1, 2).unflatten(2, grid))
        if self.final_norm:
            chosen = maps if self.final_norm is True else maps[-1:]
            maps[-len(chosen) :] = [normed(self.model.norm, m) for m in chosen]
        return tuple(maps)

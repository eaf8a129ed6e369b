"""timm's vision transformers with a named rule for the interpolation of their positions.

Imported only when it is needed: timm is an extra.
"""

from __future__ import annotations

from typing import Any

import torch
from timm.models.eva import Eva
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor

from ...ops.position_embedding import resize_position_table


def _with_positions(network: Any, x: Tensor) -> Tensor:
    """Patch tokens (B, h, w, C) -> tokens (B, prefix + h * w, C) with class and register tokens and positions."""
    batch, height, width, _ = x.shape
    given = [token for token in (network.cls_token, network.reg_token) if token is not None]
    tokens = [token.expand(batch, -1, -1) for token in given]
    prefix = 0 if network.no_embed_class else network.num_prefix_tokens
    grid = network.patch_embed.grid_size
    positions = resize_position_table(network.pos_embed, grid, (height, width), prefix, network.position_rule)
    x = x.flatten(1, 2)  # (B, h * w, C)
    if network.no_embed_class:
        return torch.cat([*tokens, x + positions], dim=1)
    return torch.cat([*tokens, x], dim=1) + positions


class RuledVisionTransformer(VisionTransformer):
    """``VisionTransformer`` whose ``position_rule`` says how positions are interpolated."""

    def _pos_embed(self, x: Tensor) -> Tensor:
        return self.pos_drop(_with_positions(self, x))


class RuledEva(Eva):
    """``Eva`` (EVA-02, Perception Encoder ...) whose ``position_rule`` says how absolute positions are
    interpolated."""

    def _pos_embed(self, x: Tensor) -> tuple[Tensor, Any]:
        rope: Any = self.rope
        rotary = None if rope is None else rope.get_embed(shape=tuple(x.shape[1:3]))
        return self.pos_drop(_with_positions(self, x)), rotary


def use_rule(network: Any, rule: str) -> None:
    """Make ``network`` interpolate its positions by ``rule``; timm's own code does so by ``antialias``.

    Raises:
        ValueError: a network without a table of absolute positions, or of a class that places it elsewhere.
    """
    if rule == 'antialias':
        return
    ruled = {VisionTransformer: RuledVisionTransformer, Eva: RuledEva}.get(type(network))
    if ruled is None or network.pos_embed is None or not network.dynamic_img_size:
        raise ValueError(
            f"pos_embed_resize='{rule}': {type(network).__name__} has no table of absolute positions that it resizes "
            "per input; leave pos_embed_resize at 'auto'"
        )
    if isinstance(network, Eva) and network.patch_drop is not None:
        raise ValueError(f"pos_embed_resize='{rule}' does not go together with patch_drop_rate")
    network.__class__ = ruled  # another method on the same parameters
    network.position_rule = rule

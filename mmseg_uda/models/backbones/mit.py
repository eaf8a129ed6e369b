"""Mix Transformer (MiT) of SegFormer with fused attention, by the names ``mit_b0`` to ``mit_b5``."""

from __future__ import annotations

from typing import Any, Optional, Sequence

import torch
import torch.nn.functional as F
from mmcv.cnn.bricks import DropPath
from mmcv.runner import ModuleList
from mmseg.models.backbones.mit import EfficientMultiheadAttention, MixVisionTransformer, TransformerEncoderLayer
from mmseg.models.builder import BACKBONES
from mmseg.models.utils import nchw_to_nlc, nlc_to_nchw
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from ...compat.keys_mit import mit_to_mmseg
from ...ops.residual import scaled_residual
from ..pretrained import load_pretrained

#: embed_dims, depths of the published sizes
SIZES: dict[str, tuple[int, tuple[int, ...]]] = {
    'mit_b0': (32, (2, 2, 2, 2)),
    'mit_b1': (64, (2, 2, 2, 2)),
    'mit_b2': (64, (3, 4, 6, 3)),
    'mit_b3': (64, (3, 4, 18, 3)),
    'mit_b4': (64, (3, 8, 27, 3)),
    'mit_b5': (64, (3, 6, 40, 3)),
}
ORIGINAL_EPS = 1e-5


class FusedEfficientAttention(EfficientMultiheadAttention):
    """SegFormer's spatially reduced attention through ``scaled_dot_product_attention``.

    Same parameters and the same function as MMSeg's module, which materialises the attention matrix of every head.
    """

    def forward(self, x: Tensor, hw_shape: tuple[int, int], identity: Optional[Tensor] = None) -> Tensor:
        """Tokens (B, N, C) of a map of size ``hw_shape`` -> ``identity`` (default ``x``) + attention, (B, N, C)."""
        return (x if identity is None else identity) + self.dropout_layer(self.attend(x, hw_shape))

    def attend(self, x: Tensor, hw_shape: tuple[int, int]) -> Tensor:
        """The attention alone: (B, N, C) -> (B, N, C)."""
        keys = x
        if self.sr_ratio > 1:
            keys = self.norm(nchw_to_nlc(self.sr(nlc_to_nchw(x, hw_shape))))
        parts = [self.embed_dims, 2 * self.embed_dims]  # one split, whose backward is one kernel, instead of two slices
        weights, bias = self.attn.in_proj_weight.split(parts), self.attn.in_proj_bias
        biases = (None, None) if bias is None else bias.split(parts)
        query = F.linear(x, weights[0], biases[0])  # (B, N, C)
        key, value = F.linear(keys, weights[1], biases[1]).chunk(2, dim=-1)  # (B, M, C) each
        dropout = self.attn.dropout if self.training else 0.0
        out = F.scaled_dot_product_attention(
            self._split(query), self._split(key), self._split(value), dropout_p=dropout
        )
        return self.proj_drop(self.attn.out_proj(out.transpose(1, 2).flatten(2)))

    def _split(self, tokens: Tensor) -> Tensor:
        return tokens.unflatten(2, (self.num_heads, -1)).transpose(1, 2)


class MiTBlock(TransformerEncoderLayer):
    """MMSeg's encoder layer whose activation checkpointing (``with_cp``) also works in current torch."""

    def forward(self, x: Tensor, hw_shape: tuple[int, int], kept: Optional[Tensor] = None) -> Tensor:
        """Tokens (B, N, C) of a map of size ``hw_shape`` -> (B, N, C).

        Args:
            kept: factors of the two residual branches, (2, B, 1, 1): stochastic depth that was drawn for all blocks at
                once; None leaves it to the branches.
        """
        if self.with_cp and torch.is_grad_enabled():
            return checkpoint(self._block, x, hw_shape, kept, use_reentrant=False)
        return self._block(x, hw_shape, kept)

    def _block(self, x: Tensor, hw_shape: tuple[int, int], kept: Optional[Tensor]) -> Tensor:
        if kept is None or not isinstance(self.attn, FusedEfficientAttention):
            x = self.attn(self.norm1(x), hw_shape, identity=x)
            return self.ffn(self.norm2(x), hw_shape, identity=x)
        x = scaled_residual(x, self.attn.attend(self.norm1(x), hw_shape), kept[0])
        tokens = nlc_to_nchw(self.norm2(x), hw_shape)  # (B, C, h, w)
        mixed = self.ffn.layers(tokens).flatten(2).transpose(1, 2)  # (B, N, C), not copied: the sum reads any strides
        return scaled_residual(x, mixed, kept[1])


class MiTStage(ModuleList):
    """One stage: patch embedding, blocks, norm. Saved under MMSeg's names ``0``, ``1``, ``2``.

    The parts have names of their own here because optimiser rules are matched against parameter names, and published
    configs exempt everything called ``norm`` from weight decay: the norm at the end of a stage, which MMSeg calls
    ``layers.{i}.2``, must be exempt too.
    """

    names = ('patch_embed', 'blocks', 'norm')

    def __init__(self, modules: Sequence[nn.Module]) -> None:
        super().__init__()
        for name, module in zip(self.names, modules):
            self.add_module(name, module)
        self._register_state_dict_hook(_save_by_number)
        self._register_load_state_dict_pre_hook(_load_by_number)

    def __getitem__(self, index: int) -> nn.Module:
        return getattr(self, self.names[index])


def _save_by_number(module: nn.Module, state: dict[str, Any], prefix: str, _: Any) -> None:
    for number, name in enumerate(MiTStage.names):
        _rename(state, f'{prefix}{name}.', f'{prefix}{number}.')


def _load_by_number(state: dict[str, Any], prefix: str, *_: Any) -> None:
    for number, name in enumerate(MiTStage.names):
        _rename(state, f'{prefix}{number}.', f'{prefix}{name}.')


def _rename(state: dict[str, Any], old: str, new: str) -> None:
    for key in [key for key in state if key.startswith(old)]:
        state[new + key[len(old) :]] = state.pop(key)


class MixTransformer(MixVisionTransformer):
    """MMSeg's ``MixVisionTransformer`` with fused attention, original norm constants and strict loading.

    Differences from the base class: attention through ``scaled_dot_product_attention``; the norms of patch embeddings
    and of reduced keys have eps 1e-5 as in the original code (the others 1e-6); ``drop_path_rate`` is 0.1;
    ``pretrained`` accepts the original SegFormer files and MMSeg's converted ones, and fails when a key is missing.
    Weights are saved under MMSeg's names.

    Args:
        embed_dims, num_layers: width of the first stage, blocks per stage.
        num_heads, sr_ratios: per stage.
        drop_path_rate: stochastic depth of the last block; grows linearly from 0.
        fused_attention: False keeps MMSeg's attention module, for comparison.
        original_eps: False uses 1e-6 everywhere, as MMSeg.
        pretrained: path, address or None.
        style: accepted from published configs, no effect.
        kwargs: options of the base class.
    """

    loads_strictly = True

    def __init__(
        self,
        embed_dims: int = 64,
        num_layers: Sequence[int] = (3, 6, 40, 3),
        num_heads: Sequence[int] = (1, 2, 5, 8),
        sr_ratios: Sequence[int] = (8, 4, 2, 1),
        drop_path_rate: float = 0.1,
        fused_attention: bool = True,
        original_eps: bool = True,
        pretrained: Optional[str] = None,
        style: Optional[str] = None,
        init_cfg: Any = None,
        **kwargs: Any,
    ) -> None:
        if init_cfg is not None and init_cfg.get('type') == 'Pretrained':
            if pretrained is not None:
                raise ValueError('give the weights of MiT either by pretrained or by init_cfg, not by both')
            pretrained, init_cfg = init_cfg['checkpoint'], None
        super().__init__(
            embed_dims=embed_dims,
            num_layers=list(num_layers),
            num_heads=list(num_heads),
            sr_ratios=list(sr_ratios),
            drop_path_rate=drop_path_rate,
            init_cfg=init_cfg,
            **kwargs,
        )
        self.pretrained = pretrained
        self.layers = ModuleList([MiTStage(list(stage)) for stage in self.layers])  # type: ignore[has-type]
        for module in self.modules():
            # other forward functions on the same parameters
            if isinstance(module, TransformerEncoderLayer):
                module.__class__ = MiTBlock
            if isinstance(module, EfficientMultiheadAttention):
                if fused_attention:
                    module.__class__ = FusedEfficientAttention
                if original_eps and module.sr_ratio > 1:
                    module.norm.eps = ORIGINAL_EPS
        if original_eps:
            for stage in self.layers:
                stage[0].norm.eps = ORIGINAL_EPS

    def init_weights(self) -> None:
        """Random weights, or those of ``pretrained``.

        Raises:
            CheckpointError: the file is missing, or lacks keys; names them.
        """
        if self.pretrained is None:
            super().init_weights()
        else:
            load_pretrained(self, self.pretrained, mit_to_mmseg)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Images (B, 3, H, W) -> feature maps at strides 4, 8, 16, 32 (those of ``out_indices``)."""
        kept = iter(self._stochastic_depth(x))
        maps = []
        for i, (embed, blocks, norm) in enumerate(self.layers):
            x, hw_shape = embed(x)  # (B, h * w, C)
            for block in blocks:
                x = block(x, hw_shape, next(kept))
            x = nlc_to_nchw(norm(x), hw_shape)  # (B, C, h, w)
            if i in self.out_indices:
                maps.append(x)
        return maps

    def _stochastic_depth(self, x: Tensor) -> Sequence[Optional[Tensor]]:
        """For every block the factors of its two residual branches, (2, B, 1, 1): 0 for a dropped one, 1 / keep for a
        kept one. One draw for the whole network costs four kernels, where MMSeg's layers launch ten for each block.
        None for every block where stochastic depth is off."""
        layers = [block.ffn.dropout_layer for stage in self.layers for block in stage[1]]
        rates = [layer.drop_prob if layer.training and isinstance(layer, DropPath) else 0.0 for layer in layers]
        if not any(rates):
            return [None] * len(layers)
        keep = (1 - torch.tensor(rates)).to(x.device, x.dtype, non_blocking=True)[:, None, None, None, None]
        drawn = torch.rand((len(layers), 2, x.shape[0], 1, 1), device=x.device, dtype=x.dtype)
        return (drawn.add_(keep).floor_() / keep).unbind(0)  # (2, B, 1, 1) each


def _register(name: str) -> None:
    embed_dims, depths = SIZES[name]

    def build(**kwargs: Any) -> MixTransformer:
        return MixTransformer(**dict(dict(embed_dims=embed_dims, num_layers=depths), **kwargs))

    build.__name__ = build.__qualname__ = name
    build.__doc__ = f'{name}: MixTransformer with embed_dims {embed_dims} and {depths} blocks per stage.'
    BACKBONES.register_module(name=name, module=build)


BACKBONES.register_module(module=MixTransformer)
for _name in SIZES:
    _register(_name)

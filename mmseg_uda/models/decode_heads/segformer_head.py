"""The all-MLP decode head of SegFormer, in the naming of the DAFormer family."""

from __future__ import annotations

from typing import Any, Mapping, Sequence

import torch
from mmcv.cnn import ConvModule
from mmseg.models.builder import HEADS
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from torch import Tensor, nn

from ...ops.pointwise import folded, pointwise, pointwise_over_levels, resized


class MLPEmbedding(nn.Module):
    """A linear layer over channels: (B, C_in, H, W) -> (B, C_out, H, W). Equals a 1x1 convolution; its weight is
    (C_out, C_in)."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.proj = nn.Linear(in_channels, out_channels)

    def forward(self, x: Tensor) -> Tensor:
        return pointwise(x, self.proj.weight, self.proj.bias)


@HEADS.register_module()
class SegFormerHead(BaseDecodeHead):
    """All-MLP head (Xie et al. 2021, SegFormer, sec. 3.2), as the DAFormer family configures it.

    Every feature is embedded linearly, resized to the first one's size and concatenated in the order of ``in_index``;
    a convolution with norm and ReLU fuses them, a 1x1 convolution classifies. MMSeg's own ``SegformerHead`` differs:
    it puts norm and ReLU behind each embedding.

    Args:
        decoder_params: ``embed_dims`` (768 for MiT-B5, 256 for B0) and ``conv_kernel_size`` of the fusion (1).
        kwargs: options of ``BaseDecodeHead``; ``in_channels`` and ``in_index`` are lists.
    """

    def __init__(self, decoder_params: Mapping[str, Any], **kwargs: Any) -> None:
        kwargs.setdefault('init_cfg', None)
        super().__init__(input_transform='multiple_select', **kwargs)
        del self.conv_seg
        embed_dims = decoder_params['embed_dims']
        kernel_size = decoder_params.get('conv_kernel_size', 1)
        self.linear_c = nn.ModuleDict(
            {str(i): MLPEmbedding(c, embed_dims) for i, c in zip(self.in_index, self.in_channels)}
        )
        self.linear_fuse = ConvModule(
            embed_dims * len(self.in_index), embed_dims, kernel_size, padding=kernel_size // 2, norm_cfg=self.norm_cfg
        )
        self.linear_pred = nn.Conv2d(embed_dims, self.out_channels, kernel_size=1)

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        """Feature maps of the backbone -> logits (B, num_classes, h, w) at the size of the first selected feature."""
        features = self._transform_inputs(inputs)
        size = features[0].shape[2:]
        if self.linear_fuse.conv.kernel_size == (1, 1):
            fused = self._fused_at_own_sizes(features, size)
        else:
            embedded = [
                resized(self.linear_c[str(i)](x), size, self.align_corners) for i, x in zip(self.in_index, features)
            ]
            fused = self.linear_fuse(torch.cat(embedded, dim=1))
        if self.dropout is not None:
            fused = self.dropout(fused)
        return pointwise(fused, self.linear_pred.weight, self.linear_pred.bias)

    def _fused_at_own_sizes(self, features: Sequence[Tensor], size: Sequence[int]) -> Tensor:
        """Embedding and fusion of a level as one linear layer at the level's own size: the same function (both commute
        with resizing) without ``len(features)`` maps of ``embed_dims`` channels at the largest size."""
        fuse = self.linear_fuse
        blocks = fuse.conv.weight.flatten(1).chunk(len(features), dim=1)  # (E, E) for each level
        weights, biases = [], [] if fuse.conv.bias is None else [fuse.conv.bias.float()]
        for i, block in zip(self.in_index, blocks):
            layer: Any = self.linear_c[str(i)].proj
            weight, bias = folded(block, layer.weight, layer.bias)
            weights.append(weight)
            biases.append(bias)
        fused = pointwise_over_levels(features, weights, size, torch.stack(biases).sum(0), self.align_corners)
        if fuse.with_norm:
            fused = fuse.norm(fused)
        return fuse.activate(fused) if fuse.with_activation else fused

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any, **kwargs: Any) -> None:
        # published checkpoints carry the base class's classifier, which their head never used
        for name in ('weight', 'bias'):
            state_dict.pop(f'{prefix}conv_seg.{name}', None)
        super()._load_from_state_dict(state_dict, prefix, *args, **kwargs)

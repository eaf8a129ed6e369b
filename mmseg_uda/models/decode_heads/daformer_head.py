"""The context-aware multi-level decode head of DAFormer, with the variants of its decoder study."""

from __future__ import annotations

from typing import Any, Mapping, Optional, Sequence

import torch
from mmcv.cnn import ConvModule, DepthwiseSeparableConvModule
from mmseg.models.builder import HEADS
from mmseg.models.decode_heads.aspp_head import ASPPModule
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.models.decode_heads.isa_head import ISAHead
from mmseg.models.decode_heads.sep_aspp_head import DepthwiseSeparableASPPModule
from mmseg.models.utils import SelfAttentionBlock
from mmseg.ops import resize
from torch import Tensor, nn

from ...ops.pointwise import pointwise_over_levels, resized
from ...utils.config import nearest
from .channel_strips import has_strips, separable_in_strips
from .segformer_head import MLPEmbedding


class ASPPFusion(nn.Module):
    """Parallel dilated convolutions, concatenated and reduced by a 3x3 convolution.

    Args:
        in_channels, channels: input and output channels.
        sep: depth-wise separable convolutions.
        dilations: one branch each; 1 is a 1x1 convolution.
        pool: add an image-pooling branch (first in the concatenation).
        norm_cfg, act_cfg: behind every convolution.
        align_corners: of the pooling branch's upsampling.
        context_cfg: a further branch made by :func:`build_layer` (second in the concatenation).

    Attributes:
        strips: of the channels of separable convolutions where no gradient is needed, to save memory.
    """

    strips = 1

    def __init__(
        self,
        in_channels: int,
        channels: int,
        sep: bool,
        dilations: Sequence[int],
        pool: bool,
        norm_cfg: Any,
        act_cfg: Any,
        align_corners: bool = False,
        context_cfg: Optional[Mapping[str, Any]] = None,
    ) -> None:
        super().__init__()
        self.align_corners = align_corners
        self.image_pool: Optional[nn.Module] = None
        if pool:
            self.image_pool = nn.Sequential(
                nn.AdaptiveAvgPool2d(1), ConvModule(in_channels, channels, 1, norm_cfg=norm_cfg, act_cfg=act_cfg)
            )
        self.context_layer = build_layer(in_channels, channels, **context_cfg) if context_cfg else None
        branches = DepthwiseSeparableASPPModule if sep else ASPPModule
        self.aspp_modules = branches(
            dilations=tuple(dilations),
            in_channels=in_channels,
            channels=channels,
            conv_cfg=None,
            norm_cfg=norm_cfg,
            act_cfg=act_cfg,
        )
        count = len(dilations) + int(pool) + int(self.context_layer is not None)
        self.bottleneck = ConvModule(
            count * channels, channels, kernel_size=3, padding=1, norm_cfg=norm_cfg, act_cfg=act_cfg
        )

    def forward(self, x: Tensor, levels: Optional[Sequence[Tensor]] = None) -> Tensor:
        """
        Args:
            x: (B, C, H, W).
            levels: the maps (B, C_i, h_i, w_i) whose bilinear enlargements ``x`` concatenates, where the caller has
                them: the 1x1 branch is then computed at their sizes.

        Returns:
            (B, channels, H, W).
        """
        return self.bottleneck(torch.cat(self.branches(x, levels), dim=1))

    def branches(self, x: Tensor, levels: Optional[Sequence[Tensor]] = None) -> list[Tensor]:
        """What the bottleneck gets of the same arguments: (B, channels, H, W) each."""
        branches = []
        if self.image_pool is not None:
            branches.append(
                resize(self.image_pool(x), size=x.shape[2:], mode='bilinear', align_corners=self.align_corners)
            )
        if self.context_layer is not None:
            branches.append(self.context_layer(x))
        if levels is not None and _is_plain_pointwise(self.aspp_modules[0]):
            branches.append(_pointwise_branch(self.aspp_modules[0], levels, x.shape[2:]))
            branches.extend(self._branch(branch, x) for branch in list(self.aspp_modules)[1:])
        else:
            branches.extend(self._branch(branch, x) for branch in self.aspp_modules)
        return branches

    @property
    def saves_memory(self) -> bool:
        """Whether wide maps are to be held as shortly as possible."""
        return self.strips > 1 and not torch.is_grad_enabled()

    def _branch(self, branch: nn.Module, x: Tensor) -> Tensor:
        return separable_in_strips(branch, x, self.strips) if self.saves_memory and has_strips(branch) else branch(x)


def _is_plain_pointwise(branch: nn.Module) -> bool:
    return isinstance(branch, ConvModule) and branch.conv.kernel_size == (1, 1) and branch.order[0] == 'conv'


def _pointwise_branch(branch: ConvModule, levels: Sequence[Tensor], size: Sequence[int]) -> Tensor:
    """A 1x1 ConvModule of the concatenated levels, its convolution computed at each level's own size."""
    weights = branch.conv.weight.flatten(1).split([level.shape[1] for level in levels], dim=1)  # (D, C_i) each
    mixed = pointwise_over_levels(levels, weights, size, branch.conv.bias)  # (B, D, *size)
    if branch.with_norm:
        mixed = branch.norm(mixed)
    return branch.activate(mixed) if branch.with_activation else mixed


class _ISARelation(SelfAttentionBlock):
    """Self-attention inside groups of pixels, with the number of key and query convolutions as an option."""

    def __init__(self, channels: int, isa_channels: int, key_query_num_convs: int, norm_cfg: Any, act_cfg: Any) -> None:
        super().__init__(
            key_in_channels=channels,
            query_in_channels=channels,
            channels=isa_channels,
            out_channels=channels,
            share_key_query=False,
            query_downsample=None,
            key_downsample=None,
            key_query_num_convs=key_query_num_convs,
            key_query_norm=True,
            value_out_num_convs=1,
            value_out_norm=False,
            matmul_norm=True,
            with_out=False,
            conv_cfg=None,
            norm_cfg=norm_cfg,
            act_cfg=act_cfg,
        )
        self.output_project = self.build_project(
            channels, channels, num_convs=1, use_conv_module=True, conv_cfg=None, norm_cfg=norm_cfg, act_cfg=act_cfg
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.output_project(super().forward(x, x))


class ISAFusion(ISAHead):
    """Interlaced sparse self-attention (Huang et al. 2019) as a layer: MMSeg's ``ISAHead`` without its classifier.

    Args:
        in_channels, channels: input and output channels.
        isa_channels: channels of keys and queries.
        down_factor: size of the local groups.
        key_query_num_convs: convolutions that make keys and queries.
        norm_cfg, act_cfg: behind every convolution.
    """

    def __init__(
        self,
        in_channels: int,
        channels: int,
        isa_channels: int,
        down_factor: Sequence[int] = (8, 8),
        key_query_num_convs: int = 2,
        norm_cfg: Any = None,
        act_cfg: Any = None,
    ) -> None:
        super().__init__(
            isa_channels,
            tuple(down_factor),
            in_channels=in_channels,
            channels=channels,
            num_classes=channels,
            in_index=0,
            norm_cfg=norm_cfg,
            act_cfg=act_cfg,
            init_cfg=None,
        )
        self.conv_seg, self.dropout = None, None
        for name in ('global_relation', 'local_relation'):
            setattr(self, name, _ISARelation(channels, isa_channels, key_query_num_convs, norm_cfg, act_cfg))

    def forward(self, x: Tensor) -> Tensor:
        return super().forward([x])

    def cls_seg(self, feat: Tensor) -> Tensor:
        return feat


def _conv(in_channels: int, out_channels: int, **options: Any) -> nn.Module:
    return ConvModule(in_channels, out_channels, padding=options['kernel_size'] // 2, **options)


def _separable_conv(in_channels: int, out_channels: int, **options: Any) -> nn.Module:
    return DepthwiseSeparableConvModule(in_channels, out_channels, padding=options['kernel_size'] // 2, **options)


def _mlp(in_channels: int, out_channels: int, act_cfg: Any = None, norm_cfg: Any = None) -> nn.Module:
    return MLPEmbedding(in_channels, out_channels)  # published configs pass act_cfg=None, norm_cfg=None


def _identity(in_channels: int, out_channels: int, **_: Any) -> nn.Module:
    return nn.Identity()


def _raw_conv_and_aspp(in_channels: int, out_channels: int, kernel_size: int, **options: Any) -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(in_channels, out_channels, kernel_size, padding=kernel_size // 2),
        ASPPFusion(out_channels, out_channels, **options),
    )


LAYERS: dict[str, Any] = {
    'id': _identity,
    'mlp': _mlp,
    'conv': _conv,
    'sep_conv': _separable_conv,
    'aspp': ASPPFusion,
    'isa': ISAFusion,
    'rawconv_and_aspp': _raw_conv_and_aspp,
}


def build_layer(in_channels: int, out_channels: int, type: str, **options: Any) -> nn.Module:
    """An embedding or fusion layer from its config.

    Args:
        in_channels, out_channels: channels; ``id`` keeps its input.
        type: ``id``, ``mlp``, ``conv``, ``sep_conv``, ``aspp``, ``isa`` or ``rawconv_and_aspp``.
        options: of the layer.

    Raises:
        ValueError: unknown type, with the nearest valid one.
    """
    if type not in LAYERS:
        raise ValueError(f"unknown layer type '{type}' in decoder_params: {nearest(type, LAYERS)}")
    return LAYERS[type](in_channels, out_channels, **options)


@HEADS.register_module()
class DAFormerHead(BaseDecodeHead):
    """Embeds the features of all levels, resizes them to the first one's size, concatenates and fuses them with
    context.

    Source: Hoyer, Dai, Van Gool 2022, "DAFormer", sec. 3.2.

    Args:
        decoder_params: ``embed_dims`` (one number or one per level), ``embed_cfg`` (layer of every level but the
            last), ``embed_neck_cfg`` (of the last level; ``'same_as_embed_cfg'`` allowed), ``fusion_cfg``; each a dict
            with the ``type`` of :func:`build_layer`.
        kwargs: options of ``BaseDecodeHead``; ``in_channels`` and ``in_index`` are lists.
    """

    def __init__(self, decoder_params: Mapping[str, Any], **kwargs: Any) -> None:
        super().__init__(input_transform='multiple_select', **kwargs)
        if self.align_corners:
            raise ValueError('DAFormerHead works with align_corners=False only')
        dims = decoder_params['embed_dims']
        embed_dims = [dims] * len(self.in_index) if isinstance(dims, int) else list(dims)
        embed_cfg, neck_cfg, fusion_cfg = (decoder_params[key] for key in ('embed_cfg', 'embed_neck_cfg', 'fusion_cfg'))
        if neck_cfg == 'same_as_embed_cfg':
            neck_cfg = embed_cfg
        self.embed_layers = nn.ModuleDict(
            {
                str(i): build_layer(channels, dim, **(neck_cfg if i == self.in_index[-1] else embed_cfg))
                for i, channels, dim in zip(self.in_index, self.in_channels, embed_dims)
            }
        )
        self.fuse_layer = build_layer(sum(embed_dims), self.channels, **fusion_cfg)

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        """Feature maps of the backbone -> class scores (B, num_classes, h, w) at the size of the first selected
        level."""
        features = self._transform_inputs(inputs)
        size = features[0].shape[2:]
        embedded = [self.embed_layers[str(i)](x) for i, x in zip(self.in_index, features)]
        joined = torch.cat([resized(x, size) for x in embedded], dim=1)  # (B, sum of embed_dims, h, w)
        if isinstance(self.fuse_layer, ASPPFusion):
            if self.fuse_layer.saves_memory:
                branches = self.fuse_layer.branches(joined, embedded)
                del joined, embedded  # a module's call would hold them to its end
                joined = torch.cat(branches, dim=1)  # (B, branches * channels, h, w)
                del branches
                return self.cls_seg(self.fuse_layer.bottleneck(joined))
            return self.cls_seg(self.fuse_layer(joined, levels=embedded))
        return self.cls_seg(self.fuse_layer(joined))

"""Tiny timm encoders, by family."""

from __future__ import annotations

from typing import Any

VIT = dict(embed_dim=32, depth=4, num_heads=2)
DINOV2 = dict(VIT, model_name='vit_small_patch14_dinov2', img_size=56)
DINOV3 = dict(VIT, model_name='vit_small_patch16_dinov3_qkvb')
SWIN = dict(
    model_name='swin_tiny_patch4_window7_224', embed_dim=16, depths=(1, 1, 1, 1), num_heads=(1, 1, 2, 2), window_size=4
)
CONVNEXT = dict(model_name='convnext_atto', depths=(1, 1, 1, 1), dims=(8, 8, 16, 16))
PVT = dict(
    model_name='pvt_v2_b0', depths=(1, 1, 1, 1), embed_dims=(8, 8, 16, 16), num_heads=(1, 1, 2, 2), mlp_ratios=[2] * 4
)
ENCODERS: dict[str, dict[str, Any]] = dict(
    dinov2=DINOV2,
    dinov2_registers=dict(DINOV2, model_name='vit_small_patch14_reg4_dinov2'),
    dinov3=DINOV3,
    eva02=dict(VIT, model_name='eva02_tiny_patch14_224', img_size=56),
    siglip=dict(VIT, model_name='vit_base_patch16_siglip_gap_224', img_size=64),
    swin=SWIN,
    convnext=CONVNEXT,
    pvt=PVT,
    efficientnet=dict(model_name='tf_efficientnet_lite0', out_indices=(1, 2)),
    resnet=dict(model_name='resnet10t'),
)
HEAD = dict(
    type='SegFormerHead',
    in_channels=[32] * 4,
    in_index=[0, 1, 2, 3],
    channels=8,
    num_classes=5,
    norm_cfg=dict(type='GN', num_groups=2),
    align_corners=False,
    dropout_ratio=0.0,
    decoder_params=dict(embed_dims=8, conv_kernel_size=1),
)
PYRAMID = dict(type='Feature2Pyramid', embed_dim=32, rescales=[4, 2, 1, 0.5], norm_cfg=dict(type='GN', num_groups=2))


def vit_model(backbone: Any = None, **changes: Any) -> dict[str, Any]:
    """A segmentor on a tiny DINOv2 with a pyramid neck."""
    model = dict(
        type='EncoderDecoder',
        backbone=dict(type='TimmEncoder', **(backbone or DINOV2)),
        neck=PYRAMID,
        decode_head=HEAD,
        train_cfg=dict(),
        test_cfg=dict(mode='whole'),
    )
    model.update(changes)
    return model

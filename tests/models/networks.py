"""Small networks for model tests: the TinyNet of the parity vectors, and segmentor configs on top of it."""

from __future__ import annotations

from typing import Any

import torch
from mmseg.models.builder import BACKBONES
from torch import Tensor, nn

BN = dict(type='BN', requires_grad=True)
FCN_HEAD = dict(
    type='FCNHead',
    in_channels=8,
    in_index=0,
    channels=8,
    num_convs=1,
    dropout_ratio=0,
    num_classes=5,
    norm_cfg=BN,
    align_corners=False,
)
SEGFORMER_HEAD = dict(
    type='SegFormerHead',
    in_channels=[4, 8, 20, 32],
    in_index=[0, 1, 2, 3],
    channels=8,
    num_classes=5,
    norm_cfg=BN,
    decoder_params=dict(embed_dims=6, conv_kernel_size=1),
)


@BACKBONES.register_module(name='ParityTinyNet', force=True)
class ParityTinyNet(nn.Module):
    """Two strided 3x3 convolutions with ReLU: features (B, 8, ...) at 1/4 and 1/8."""

    def __init__(self, pretrained: Any = None) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, stride=4, padding=1)
        self.conv2 = nn.Conv2d(8, 8, 3, stride=2, padding=1)

    def forward(self, x: Tensor) -> list[Tensor]:
        first = torch.relu(self.conv1(x))
        return [first, torch.relu(self.conv2(first))]


def hrda_config(
    crop: int, num_classes: int = 19, test_cfg: Any = None, head: Any = None, **options: Any
) -> dict[str, Any]:
    """HRDA on TinyNet with the summing head of the parity vectors (1x1 and dilated 3x3 on the 1/8 feature)."""
    return dict(
        type='HRDAEncoderDecoder',
        backbone=dict(type='ParityTinyNet'),
        decode_head=dict(
            type='HRDAHead',
            single_scale_head='DLV2Head',
            in_channels=8,
            in_index=1,
            dilations=(1, 2),
            num_classes=num_classes,
            align_corners=False,
            hr_loss_weight=0.1,
            **(head or {}),
        ),
        scales=[1, 0.5],
        hr_crop_size=(crop, crop),
        crop_coord_divisible=8,
        feature_scale=options.pop('feature_scale', 0.5),
        train_cfg=dict(),
        test_cfg=test_cfg or dict(mode='whole'),
        **options,
    )


def plain_config(head: Any = None, auxiliary: Any = None, num_classes: int = 5) -> dict[str, Any]:
    """An ``EncoderDecoder`` on TinyNet with FCN heads."""
    return dict(
        type='EncoderDecoder',
        backbone=dict(type='ParityTinyNet'),
        decode_head={**FCN_HEAD, 'in_index': 1, 'num_classes': num_classes, **(head or {})},
        auxiliary_head=auxiliary,
        train_cfg=dict(),
        test_cfg=dict(mode='whole'),
    )


def daformer_head_config(fusion: dict[str, Any], **options: Any) -> dict[str, Any]:
    """A narrow ``DAFormerHead`` for four levels with 4, 8, 20 and 32 channels."""
    return dict(
        dict(
            type='DAFormerHead',
            in_channels=[4, 8, 20, 32],
            in_index=[0, 1, 2, 3],
            channels=8,
            dropout_ratio=0.1,
            num_classes=5,
            norm_cfg=BN,
            align_corners=False,
            decoder_params=dict(
                embed_dims=6,
                embed_cfg=dict(type='mlp', act_cfg=None, norm_cfg=None),
                embed_neck_cfg=dict(type='mlp', act_cfg=None, norm_cfg=None),
                fusion_cfg=fusion,
            ),
        ),
        **options,
    )

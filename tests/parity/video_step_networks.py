"""The small networks of the video vectors, and the names of their weights."""

from __future__ import annotations

from typing import Any, Mapping

import numpy as np
import torch
from mmseg.models import BACKBONES, HEADS
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.ops import resize
from torch import Tensor, nn

Data = Mapping[str, np.ndarray]
RENAMED = {
    'layer2.': 'backbone.layer2.',
    'conv1.': 'backbone.conv1.',
    'layer4.0.': 'backbone.layer4.',
    'layer5.': 'auxiliary_head.conv_seg.',
    'layer6.': 'decode_head.conv_seg.',
    'layer7.head.': 'decode_head.conv_seg.',
    'sf_layer.': 'fusion.',
    'model.': 'backbone.',
    'decoder.sf_layer.': 'fusion.',
    'decoder.fuse_layer.0.': 'decode_head.fuse.',
    'decoder.cls_seg.': 'decode_head.conv_seg.',
    'decoder.': 'decode_head.',
}


@BACKBONES.register_module()
class StepCNN(nn.Module):
    """The convolutional network of the vectors."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, 4, 1)
        self.layer2 = nn.Conv2d(8, 8, 3, 2, 1)
        self.layer4 = nn.Conv2d(8, 8, 3, 1, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        low = self.layer2(self.conv1(x).relu()).relu()
        return low, self.layer4(low).relu()


@BACKBONES.register_module()
class StepViT(nn.Module):
    """The two stages of the vectors' hierarchical network."""

    def __init__(self) -> None:
        super().__init__()
        self.stage1 = nn.Conv2d(3, 8, 3, 4, 1)
        self.stage2 = nn.Conv2d(8, 8, 3, 2, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        first = self.stage1(x).relu()
        return first, self.stage2(first).relu()


@HEADS.register_module()
class StepViTHead(BaseDecodeHead):
    """Two embeddings, concatenated and fused."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(input_transform='multiple_select', **kwargs)
        self.embed_layers = nn.ModuleList([nn.Conv2d(8, 6, 1), nn.Conv2d(8, 6, 1)])
        self.fuse = nn.Conv2d(12, 8, 3, 1, 1)

    def forward(self, inputs: Any) -> Tensor:
        first, second = (layer(x) for layer, x in zip(self.embed_layers, inputs))
        second = resize(second, size=first.shape[2:], mode='bilinear', align_corners=False)
        return self.conv_seg(self.fuse(torch.cat([first, second], 1)).relu())


def step_head(classes: int, index: int, weight: float, bias: bool) -> dict[str, Any]:
    return dict(
        type='FCNHead' if bias else 'StepHead',
        in_channels=8,
        in_index=index,
        channels=8,
        num_classes=classes,
        dropout_ratio=0.0,
        align_corners=True,
        loss_decode=dict(type='ValidPixelCrossEntropy', loss_weight=weight),
        **(dict(num_convs=0, concat_input=False) if bias else {}),
    )


@HEADS.register_module()
class StepHead(BaseDecodeHead):
    """A 1x1 classifier without bias."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.conv_seg = nn.Conv2d(8, self.num_classes, 1, bias=False)

    def forward(self, inputs: Any) -> Tensor:
        return self.conv_seg(self._transform_inputs(inputs))


def cnn(classes: int, warp: str = 'backward') -> dict[str, Any]:
    return dict(
        type='FlowFusedSegmentor',
        backbone=dict(type='StepCNN'),
        decode_head=step_head(classes, 1, 1.0, bias=False),
        auxiliary_head=step_head(classes, 0, 0.1, bias=True),
        fusion=dict(warp=warp, flow_scale='height'),
        train_cfg=dict(),
        test_cfg=dict(mode='whole'),
    )


def vit(classes: int) -> dict[str, Any]:
    head = dict(step_head(classes, 0, 1.0, bias=False), type='StepViTHead', in_index=[0, 1], in_channels=[8, 8])
    head['align_corners'] = False
    model = dict(cnn(classes), backbone=dict(type='StepViT'), decode_head=head)
    del model['auxiliary_head']
    return model


def tensor(value: np.ndarray) -> Tensor:
    return torch.from_numpy(np.array(value))


def our_name(name: str) -> str:
    old = max((old for old in RENAMED if name.startswith(old)), key=len)
    return RENAMED[old] + name[len(old) :]


def weights(data: Data, prefix: str) -> dict[str, Tensor]:
    return {our_name(key[len(prefix) :]): tensor(data[key]) for key in data if key.startswith(prefix)}

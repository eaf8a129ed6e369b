"""The rows of ``all.py``: every function makes its data and gives (what it is applied to, plain form, fast form)."""

from __future__ import annotations

import copy
import functools
from pathlib import Path
from typing import Any, Callable

import numpy as np
import published_variants as published
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import mmseg_uda  # noqa: F401  (first: it prepares mmcv)

# isort: split
from mmseg.core.evaluation.metrics import intersect_and_union
from mmseg.models import build_backbone, build_head

from mmseg_uda.datasets.builder import build_training_dataset
from mmseg_uda.models.execution import speed_up
from mmseg_uda.ops import blur, ema, entropy, esl, feature_distance, label_maps, mixing
from mmseg_uda.ops.resize import resize_scores
from mmseg_uda.toy import ensure_toy_world

#: for files; set by the program
FOLDER = Path()
Made = tuple[str, Callable[[], Any], Callable[[], Any]]


def _random(*size: int, device: Any) -> Tensor:
    return torch.randn(*size, generator=torch.Generator().manual_seed(0)).to(device)


def _trained(network: nn.Module, *inputs: Tensor) -> Callable[[], list[Tensor]]:
    """Forward and backward: outputs and gradients of all parameters."""

    def run() -> list[Tensor]:
        network.zero_grad(set_to_none=True)
        out = network(*inputs)
        outputs = list(out) if isinstance(out, (list, tuple)) else [out]
        torch.stack([(y.float() ** 2).mean() for y in outputs]).sum().backward()
        return [*(y.detach() for y in outputs), *(p.grad for p in network.parameters() if p.grad is not None)]

    return run


def _backbone(device: Any, config: dict[str, Any], size: tuple[int, ...]) -> tuple[Callable, Callable]:
    plain = build_backbone(config).to(device).eval()
    fast = speed_up(nn.ModuleDict(dict(backbone=copy.deepcopy(plain))))['backbone']
    x = _random(*size, device=device)
    return _trained(plain, x), _trained(fast, x)


def mix_transformer(device: Any) -> Made:
    """1x1 convolutions of a mix transformer as matrix products"""
    return 'MiT-B0, 1x3x256x512', *_backbone(device, dict(type='mit_b0', style='pytorch'), (1, 3, 256, 512))


def unread_stages(device: Any) -> Made:
    """timm stages that nobody reads"""
    options = dict(model_name='tf_efficientnet_lite0', pretrained=False, features_only=True, out_indices=(1, 2, 3))
    config = dict(type='TIMMBackbone', **options)
    return 'EfficientNet-Lite0 to 1/16, 2x3x128x256', *_backbone(device, config, (2, 3, 128, 256))


def segformer_head(device: Any) -> Made:
    """SegFormer head folded, each level at its own size"""
    channels = (32, 64, 160, 256)
    head = build_head(
        dict(
            type='SegFormerHead', in_channels=channels, in_index=[0, 1, 2, 3], channels=128, num_classes=19,
            dropout_ratio=0.0, norm_cfg=dict(type='BN'), align_corners=False, decoder_params=dict(embed_dims=256),
        )
    ).to(device)  # fmt: skip
    maps = [_random(2, c, 64 // 2**i, 64 // 2**i, device=device) for i, c in enumerate(channels)]

    class AsWritten(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head = copy.deepcopy(head)

        def forward(self, levels: list[Tensor]) -> Tensor:
            layers = self.head.linear_c.values()
            embedded = [
                F.interpolate(F.conv2d(x, m.proj.weight[:, :, None, None], m.proj.bias), size=(64, 64), mode='bilinear')
                for x, m in zip(levels, layers)
            ]
            return self.head.linear_pred(self.head.linear_fuse(torch.cat(embedded, dim=1)))

    return 'width 256, 2 images of 256x256', _trained(AsWritten(), maps), _trained(head, maps)


def dilated_depthwise(device: Any) -> Made:
    """dilated depthwise convolution"""
    plain = nn.Conv2d(1024, 1024, 3, padding=6, dilation=6, groups=1024, bias=False).to(device)
    fast = speed_up(nn.Sequential(copy.deepcopy(plain)))
    x = _random(2, 1024, 64, 64, device=device).requires_grad_()
    return '1024 channels, 2x64x64, dilation 6', _trained(plain, x), _trained(fast, x)


def wide_depthwise(device: Any) -> Made:
    """5x5 depthwise convolution, weight gradient by columns"""
    plain = nn.Conv2d(672, 672, 5, padding=2, groups=672, bias=False).to(device)
    plain = plain.to(memory_format=torch.channels_last)
    fast = speed_up(nn.Sequential(copy.deepcopy(plain)))
    x = _random(4, 672, 8, 16, device=device).to(memory_format=torch.channels_last).requires_grad_()
    return '672 channels, 4x8x16, channels last', _trained(plain, x), _trained(fast, x)


def activations(device: Any) -> Made:
    """ReLU6 behind batch norm, not in place"""
    plain = nn.Sequential(nn.BatchNorm2d(144), nn.ReLU6(inplace=True)).to(device)
    fast = speed_up(copy.deepcopy(plain))
    x = _random(4, 144, 32, 64, device=device).to(memory_format=torch.channels_last).requires_grad_()
    return '144 channels, 4x32x64, channels last', _trained(plain, x), _trained(fast, x)


def loss_at_full_size(device: Any) -> Made:
    """cross entropy of resized scores, resizing by two matrices"""
    scores = _random(4, 19, 32, 64, device=device).to(memory_format=torch.channels_last).requires_grad_()
    label = torch.randint(0, 19, (4, 128, 256), generator=torch.Generator().manual_seed(0)).to(device)

    def with_resizing(resize: Callable[..., Tensor]) -> Callable[[], list[Tensor]]:
        def run() -> list[Tensor]:
            loss = F.cross_entropy(resize(scores, (128, 256)), label)
            return [loss.detach(), *torch.autograd.grad(loss, scores)]

        return run

    plain = functools.partial(F.interpolate, mode='bilinear')
    return '19 classes, 4x32x64 to 128x256', with_resizing(plain), with_resizing(resize_scores)


def attention(device: Any) -> Made:
    """attention in one kernel"""
    q, k, v = (_random(2, 5, n, 64, device=device) for n in (1024, 256, 256))

    def matrices() -> list[Tensor]:
        return [((q @ k.transpose(-1, -2)) * 64**-0.5).softmax(-1) @ v]

    return '2x5 heads, 1024x256', matrices, lambda: [F.scaled_dot_product_attention(q, k, v)]


def labels_in_strips(device: Any) -> Made:
    """label map from scores, in strips"""
    scores = _random(1, 19, 128, 256, device=device) * 3

    def whole() -> list[Tensor]:
        return [F.interpolate(scores, size=(1024, 2048), mode='bilinear').softmax(1).argmax(1)]

    return '19 classes, 128x256 to 1024x2048', whole, lambda: [label_maps.label_map(scores, (1024, 2048))]


def counting(device: Any) -> Made:
    """scoring by one bincount"""
    rng = np.random.default_rng(0)
    prediction, label = (rng.integers(0, 19, (1024, 2048), dtype=np.uint8) for _ in range(2))
    prediction = prediction.astype(np.int64)

    def stock() -> list[Tensor]:
        return list(intersect_and_union(prediction, label, 19, 255))

    def once() -> list[Tensor]:
        return list(label_maps.areas(torch.from_numpy(prediction), torch.from_numpy(label), 19, 255))

    return '1024x2048, on the host', stock, once


def pseudo_label_scores(device: Any) -> Made:
    """entropy and label of a pseudo-label, in strips"""
    prob = (_random(1, 19, 512, 1024, device=device) * 3).softmax(1)

    def whole() -> list[Tensor]:
        return [prob.argmax(1), entropy.normalized_entropy(prob).float().clamp(0, 1)]

    return '19 classes, 512x1024', whole, lambda: list(esl.label_and_score(prob))


def gaussian_blur(device: Any) -> Made:
    """separable blur"""
    img, sigma = _random(2, 3, 512, 512, device=device).abs(), torch.tensor([0.4, 1.1], device=device)
    return '2x3x512x512', lambda: [published.dense_blur(img, sigma)], lambda: [blur.gaussian_blur(img, sigma)]


def cell_labels(device: Any) -> Made:
    """majority label of cells by a histogram"""
    label = torch.randint(0, 19, (2, 1, 16, 16), generator=torch.Generator().manual_seed(0)).to(device)
    label = label.repeat_interleave(32, 2).repeat_interleave(32, 3)
    options = (32, 0.75, 19)
    return (
        '2x512x512, cells of 32',
        lambda: [published.one_hot_downscale(label, *options)],
        lambda: [feature_distance.downscale_label_ratio(label, *options)],
    )


def class_masks(device: Any) -> Made:
    """ClassMix masks of a batch at once"""
    label = torch.randint(0, 19, (4, 1, 512, 512), generator=torch.Generator().manual_seed(0)).to(device)
    scores = torch.rand(4, 256, generator=torch.Generator().manual_seed(1))
    return (
        '4x512x512, 19 classes',
        lambda: [published.unique_class_masks(label, scores)],
        lambda: [mixing.class_mix_masks(label, scores.to(device))],
    )


def teacher_update(device: Any) -> Made:
    """teacher updated by one call"""
    student = build_backbone(dict(type='mit_b0', style='pytorch')).to(device)
    teachers = [copy.deepcopy(student).requires_grad_(False) for _ in range(2)]

    class Teacher:
        model, alpha = teachers[0], 0.99

    def per_tensor() -> list[Tensor]:
        with torch.no_grad():
            published.per_tensor_ema(Teacher, student, 1000)
        return list(teachers[0].parameters())

    def at_once() -> list[Tensor]:
        mine, theirs = list(teachers[1].parameters()), [p.detach() for p in student.parameters()]
        ema.ema_update_(mine, theirs, ema.ema_alpha(1000, 0.99))
        return mine

    return 'MiT-B0', per_tensor, at_once


def _pixels(sample: dict[str, Any]) -> Tensor:
    return torch.cat([sample[key].data.flatten().float() for key in ('img', 'gt_semantic_seg')])


def kept_samples(device: Any) -> Made:
    """training sample from data.cache"""
    root = FOLDER / 'toy'
    folders = ensure_toy_world(root, ('gta',), 1, width=1914, height=1052, scale=0.008)
    steps = [dict(type='TrainingCrops', img_scale=(1280, 720), crop_size=(512, 512))]
    source = dict(type='GTADataset', data_root=str(folders['gta']), img_dir='images', ann_dir='labels', pipeline=steps)
    train = dict(type='UDADataset', source=source)
    plain, kept = (
        build_training_dataset(dict(data=dict(train=train, cache=cache)), 0)
        for cache in (None, dict(folder=str(FOLDER / 'cache')))
    )
    for position in range(20):
        kept[position]
    return (
        'drawn 1914x1052, resized to 1280x720, on the host',
        lambda: list(map(_pixels, [plain[3]])),
        lambda: list(map(_pixels, [kept[3]])),
    )


MAKERS = (
    *(mix_transformer, unread_stages, segformer_head, dilated_depthwise, attention),
    *(wide_depthwise, activations, loss_at_full_size),
    *(labels_in_strips, counting, pseudo_label_scores),
    *(gaussian_blur, cell_labels, class_masks, teacher_update, kept_samples),
)

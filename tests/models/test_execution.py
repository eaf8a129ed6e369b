"""The fast forms of layers and heads compute what the plain ones compute, with the same parameters."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from mmseg.models.builder import build_backbone, build_head
from torch import Tensor, nn

from mmseg_uda.models.execution import (
    DilatedDepthwiseConv2d,
    PointwiseConv2d,
    UnreadStage,
    WideDepthwiseConv2d,
    speed_up,
)
from mmseg_uda.ops.pointwise import folded, pointwise, pointwise_over_levels

NORM = dict(type='BN')
CHANNELS = (4, 6, 8, 10)


def close(a: Tensor, b: Tensor) -> None:
    # biases before batch norm have gradients of 0 but for rounding, beside others of about 1
    torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-3)


def levels(height: int = 12, width: int = 20) -> list[Tensor]:
    torch.manual_seed(0)
    return [
        torch.randn(2, c, -(-height // 2**i), -(-width // 2**i), requires_grad=True) for i, c in enumerate(CHANNELS)
    ]


def gradients(output: Tensor, inputs: list[Tensor], network: nn.Module) -> list[Tensor]:
    probe = torch.linspace(-1, 1, output.numel()).view(output.shape)
    return list(torch.autograd.grad((output * probe).sum(), [*inputs, *network.parameters()], allow_unused=True))


@pytest.mark.parametrize('memory', [torch.contiguous_format, torch.channels_last])
def test_pointwise_is_a_convolution(memory: Any) -> None:
    x = levels()[1].detach().to(memory_format=memory)
    weight, bias = torch.randn(5, 6, 1, 1), torch.randn(5)
    close(pointwise(x, weight, bias), F.conv2d(x, weight, bias))


@pytest.mark.parametrize('align_corners', [False, True])
def test_mixing_before_resizing_is_mixing_after_it(align_corners: bool) -> None:
    maps, size = levels(), (12, 20)
    weight, bias = torch.randn(7, sum(CHANNELS)), torch.randn(7)
    joined = torch.cat([F.interpolate(x, size=size, mode='bilinear', align_corners=align_corners) for x in maps], dim=1)
    wanted = F.conv2d(joined, weight[:, :, None, None], bias)
    close(pointwise_over_levels(maps, weight.split(CHANNELS, dim=1), size, bias, align_corners), wanted)


def test_folding_is_done_in_single_precision_under_autocast() -> None:
    outer, inner, bias = torch.randn(8, 16), torch.randn(16, 4), torch.randn(16)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        weight, offset = folded(outer, inner, bias)
    close(weight, outer @ inner)
    close(offset, outer @ bias)


def segformer_as_written(head: nn.Module, maps: list[Tensor]) -> Tensor:
    size = maps[0].shape[2:]
    embedded = [
        F.interpolate(F.conv2d(x, layer.proj.weight[:, :, None, None], layer.proj.bias), size=size, mode='bilinear')
        for x, layer in zip(maps, head.linear_c.values())
    ]
    return head.linear_pred(head.linear_fuse(torch.cat(embedded, dim=1)))


@pytest.mark.parametrize('norm', [NORM, None])
@pytest.mark.parametrize('training', [True, False])
def test_segformer_head(norm: Any, training: bool) -> None:
    head = build_head(
        dict(
            type='SegFormerHead',
            in_channels=list(CHANNELS),
            in_index=[0, 1, 2, 3],
            channels=8,
            num_classes=5,
            dropout_ratio=0.0,
            norm_cfg=norm,
            align_corners=False,
            decoder_params=dict(embed_dims=8),
        )
    ).train(training)
    maps, twin = levels(), copy.deepcopy(head)
    output, wanted = head(maps), segformer_as_written(twin, maps)
    close(output, wanted)
    for a, b in zip(gradients(output, maps, head), gradients(wanted, maps, twin)):
        close(a, b)
    for a, b in zip(head.buffers(), twin.buffers()):
        close(a.float(), b.float())


@pytest.mark.parametrize('pool', [True, False])
def test_one_by_one_branch_of_the_daformer_head(pool: bool) -> None:
    options = dict(type='aspp', sep=True, dilations=(1, 2), pool=pool, act_cfg=dict(type='ReLU'), norm_cfg=NORM)
    embed = dict(type='mlp', act_cfg=None, norm_cfg=None)
    head = build_head(
        dict(
            type='DAFormerHead',
            in_channels=list(CHANNELS),
            in_index=[0, 1, 2, 3],
            channels=8,
            num_classes=5,
            dropout_ratio=0.0,
            norm_cfg=NORM,
            align_corners=False,
            decoder_params=dict(embed_dims=6, embed_cfg=embed, embed_neck_cfg=embed, fusion_cfg=options),
        )
    ).train()
    maps, twin = levels(), copy.deepcopy(head)
    size = maps[0].shape[2:]
    embedded = [F.interpolate(twin.embed_layers[str(i)](x), size=size, mode='bilinear') for i, x in enumerate(maps)]
    output, wanted = head(maps), twin.cls_seg(twin.fuse_layer(torch.cat(embedded, dim=1)))
    close(output, wanted)
    for a, b in zip(gradients(output, maps, head), gradients(wanted, maps, twin)):
        close(a, b)


@pytest.mark.parametrize('bias', [True, False])
@pytest.mark.parametrize('memory', [torch.contiguous_format, torch.channels_last])
def test_dilated_depthwise_convolution(bias: bool, memory: Any) -> None:
    plain = nn.Conv2d(6, 6, 3, padding=4, dilation=4, groups=6, bias=bias)
    fast = speed_up(nn.Sequential(copy.deepcopy(plain)))
    assert type(fast[0]) is DilatedDepthwiseConv2d
    x = levels()[1].detach().to(memory_format=memory).requires_grad_()
    output, wanted = fast(x), plain(x)
    close(output, wanted)
    for a, b in zip(gradients(output, [x], fast), gradients(wanted, [x], plain)):
        close(a, b)


@pytest.mark.parametrize('kernel, padding', [((5, 5), (2, 2)), ((3, 7), (0, 1)), ((4, 4), (3, 0))])
@pytest.mark.parametrize('stride', [1, 2])
@pytest.mark.parametrize('memory', [torch.contiguous_format, torch.channels_last])
def test_wide_depthwise_convolution(
    kernel: tuple[int, int], padding: tuple[int, int], stride: int, memory: Any
) -> None:
    plain = nn.Conv2d(6, 6, kernel, stride=stride, padding=padding, groups=6)
    fast = speed_up(nn.Sequential(copy.deepcopy(plain)))
    assert type(fast[0]) is WideDepthwiseConv2d
    x = levels(22, 25)[1].detach().to(memory_format=memory).requires_grad_()
    output, wanted = fast(x), plain(x)
    close(output, wanted)
    assert output.is_contiguous(memory_format=memory)
    for a, b in zip(gradients(output, [x], fast), gradients(wanted, [x], plain)):
        close(a, b)


@pytest.mark.parametrize('size', [(22, 25), (23, 24)])
@pytest.mark.parametrize('kernel, groups', [(5, 6), (3, 6), (3, 1), (1, 1)])
@pytest.mark.parametrize('memory', [torch.contiguous_format, torch.channels_last])
def test_convolutions_with_the_padding_of_tensorflow(
    size: tuple[int, int], kernel: int, groups: int, memory: Any
) -> None:
    from timm.layers import Conv2dSame

    plain = Conv2dSame(6, 6, kernel, stride=2, groups=groups, bias=False)
    fast = speed_up(nn.Sequential(copy.deepcopy(plain)))
    assert type(fast[0]) is not Conv2dSame
    x = torch.randn(2, 6, *size).to(memory_format=memory).requires_grad_()
    output, wanted = fast(x), plain(x)
    close(output, wanted)
    assert output.is_contiguous(memory_format=memory) == wanted.is_contiguous(memory_format=memory)
    for a, b in zip(gradients(output, [x], fast), gradients(wanted, [x], plain)):
        close(a, b)


def test_activations_whose_gradient_needs_the_input_leave_it_as_it_is() -> None:
    network = speed_up(nn.Sequential(nn.ReLU6(inplace=True), nn.SiLU(inplace=True), nn.ReLU(inplace=True)))
    assert [layer.inplace for layer in network] == [False, False, True]  # the gradient of ReLU needs its result


def timm_backbone(out_indices: tuple[int, ...]) -> nn.Module:
    return build_backbone(
        dict(
            type='TIMMBackbone',
            model_name='tf_efficientnet_lite0',
            pretrained=False,
            features_only=True,
            out_indices=out_indices,
        )
    )


def test_stages_behind_the_last_one_that_is_read_are_not_computed() -> None:
    holder = nn.ModuleDict(dict(backbone=timm_backbone((1, 2))))
    plain = copy.deepcopy(holder)
    speed_up(holder)
    image = torch.randn(2, 3, 32, 64)
    for a, b in zip(holder['backbone'](image), plain['backbone'](image)):
        close(a, b)
    counts = {name: value for name, value in holder.state_dict().items() if name.endswith('num_batches_tracked')}
    stages = holder['backbone'].timm_model.blocks
    unread = [i for i, stage in enumerate(stages) if isinstance(stage, UnreadStage)]
    assert unread and unread == list(range(unread[0], len(stages)))
    for name, count in counts.items():
        assert int(count) == int(not any(f'.blocks.{i}.' in name for i in unread)), name
    assert list(holder.state_dict()) == list(plain.state_dict())


def test_only_convolutions_of_a_backbone_become_matrix_products() -> None:
    network = nn.ModuleDict(
        dict(backbone=nn.Sequential(nn.Conv2d(3, 4, 1), nn.Conv2d(4, 4, 1, stride=2)), head=nn.Conv2d(4, 2, 1))
    )
    speed_up(network)
    assert [type(m) for m in (*network['backbone'], network['head'])] == [PointwiseConv2d, nn.Conv2d, nn.Conv2d]
    x = torch.randn(2, 3, 4, 6)
    close(network['backbone'][0](x), F.conv2d(x, network['backbone'][0].weight, network['backbone'][0].bias))


def test_feed_forward_layers_of_mix_transformers_take_their_fast_form() -> None:
    plain = build_backbone(dict(type='mit_b0', style='pytorch', drop_path_rate=0.0)).train()
    fast = speed_up(nn.ModuleDict(dict(backbone=copy.deepcopy(plain))))['backbone']
    assert sum(type(module) is PointwiseConv2d for module in fast.modules()) == 16
    assert fast.state_dict().keys() == plain.state_dict().keys()
    x = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    for a, b in zip(fast(x), plain(x)):
        close(a, b)
    a, b = (gradients(torch.cat([y.flatten() for y in network(x)]), [], network) for network in (fast, plain))
    for one, other in zip(a, b):
        assert (one - other).norm() <= 1e-3 * other.norm() + 1e-4

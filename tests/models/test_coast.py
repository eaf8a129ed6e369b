"""The classifier and the discriminator of CoaST beyond what the released vectors show."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from mmseg.models import build_backbone, build_head

from mmseg_uda.models.discriminators import StridedDiscriminator

SMALL = dict(type='AdventResNet', depth=50, base_channels=4, stem_channels=4, out_indices=(3,))


def test_initial_weights_of_the_classifier() -> None:
    torch.manual_seed(0)
    head = build_head(
        dict(type='SEASPPHead', in_channels=64, in_index=0, channels=64, num_classes=7, align_corners=True)
    )
    for parameter in head.parameters():
        torch.nn.init.constant_(parameter, 5.0)
    head.init_weights()
    merge = head.bottleneck[1]
    for convolution in (head.conv2d_list[0][0], head.conv2d_list[4][0], merge, head.conv_seg):
        assert convolution.weight.std().item() == pytest.approx(0.01, rel=0.2)
    assert head.conv_seg.bias is None and not merge.bias.any()
    assert 0 < head.conv2d_list[0][0].bias.abs().max() <= 64**-0.5
    assert 0 < head.bottleneck[0].se[0].weight.abs().max() <= 320**-0.5
    assert head.bottleneck[2].weight.eq(1).all() and not head.bottleneck[2].bias.any()


def test_dropout_of_whole_channels_in_training_only() -> None:
    head = build_head(
        dict(
            type='SEASPPHead',
            in_channels=8,
            in_index=0,
            channels=32,
            num_groups=4,
            num_classes=3,
            dropout_ratio=0.9,
            align_corners=True,
        )
    )
    inputs = [torch.randn(2, 8, 5, 7)]
    assert torch.equal(head.eval()(inputs), head(inputs))
    assert not torch.equal(head.train()(inputs), head(inputs))


def test_torchvision_weights_load_into_the_other_stride_layout(tmp_path: Path) -> None:
    state = build_backbone(SMALL).state_dict()
    state = {
        key: value + torch.rand(value.shape) if value.is_floating_point() else value for key, value in state.items()
    }
    torch.save({**state, 'fc.weight': torch.zeros(3, 4)}, tmp_path / 'resnet.pth')
    backbone = build_backbone(
        dict(SMALL, pretrained=str(tmp_path / 'resnet.pth'), norm_cfg=dict(type='BN', requires_grad=True))
    )
    backbone.init_weights()
    assert all(torch.equal(value, state[key]) for key, value in backbone.state_dict().items())
    assert backbone.layer2[0].conv1.stride == (2, 2) and backbone.bn1.weight.requires_grad


def test_frozen_batch_norm_of_the_warm_up_keeps_its_statistics() -> None:
    backbone = build_backbone(dict(SMALL, norm_eval=True))
    backbone.train()
    before = backbone.bn1.running_mean.clone()
    backbone(torch.rand(2, 3, 32, 64))
    assert torch.equal(backbone.bn1.running_mean, before) and not backbone.bn1.weight.requires_grad


@pytest.mark.parametrize('size, expected', [((160, 320), (10, 20)), ((33, 50), (3, 4)), ((5, 1), (1, 1))])
def test_discriminator_halves_four_times_and_rounds_up(size: tuple[int, int], expected: tuple[int, int]) -> None:
    assert StridedDiscriminator(3, 2)(torch.zeros(2, 3, *size)).shape == (2, 1, *expected)

"""MiT, the DAFormer head's variants, and HRDA's options."""

from __future__ import annotations

from typing import Any

import mmcv
import pytest
import torch
from mmcv.cnn.bricks import DropPath
from mmseg.models import build_backbone, build_head
from mmseg.models.builder import build_neck

from tests.models.networks import BN, SEGFORMER_HEAD, daformer_head_config


def features(batch: int = 2) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(batch, c, 16 // 2**i, 24 // 2**i, generator=generator) for i, c in enumerate((4, 8, 20, 32))]


# ---- MiT -----------------------------------------------------------------------------------------------------------
def small_mit(**options: Any) -> Any:
    return build_backbone(dict(dict(type='mit_b0', embed_dims=4, num_layers=(1, 2, 1, 1), style='pytorch'), **options))


@pytest.mark.parametrize(
    'name, blocks, width', [('mit_b0', 8, 32), ('mit_b1', 8, 64), ('mit_b3', 28, 64), ('mit_b5', 52, 64)]
)
def test_published_sizes(name: str, blocks: int, width: int) -> None:
    network = build_backbone(dict(type=name))
    assert [s[0].projection.out_channels for s in network.layers] == [width, 2 * width, 5 * width, 8 * width]
    rates = [m.drop_prob for m in network.modules() if isinstance(m, DropPath)]
    assert len(rates) == 2 * blocks
    assert rates[0] == 0 and rates[-1] == pytest.approx(0.1)


def test_fused_attention_is_mmsegs_attention_with_equal_gradients() -> None:
    img = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    fused, plain = small_mit(drop_path_rate=0.0), small_mit(drop_path_rate=0.0, fused_attention=False)
    plain.load_state_dict(fused.state_dict())
    outputs = []
    for network in (fused, plain):
        network(img)[-1].square().sum().backward()
        outputs.append(network(img)[-1])
    torch.testing.assert_close(*outputs)
    for mine, other in zip(fused.parameters(), plain.parameters()):
        torch.testing.assert_close(mine.grad, other.grad, atol=1e-4, rtol=1e-4)


def test_activation_checkpointing_has_the_same_gradients() -> None:
    img = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    plain, saving = small_mit(), small_mit(with_cp=True)
    saving.load_state_dict(plain.state_dict())
    for network in (plain, saving):
        torch.manual_seed(0)
        network.train()(img)[-1].square().sum().backward()
    for mine, other in zip(saving.parameters(), plain.parameters()):
        torch.testing.assert_close(mine.grad, other.grad)


def test_saved_names_are_those_of_stock_mmseg() -> None:
    stock = build_backbone(
        dict(type='MixVisionTransformer', embed_dims=4, num_layers=[1, 2, 1, 1], num_heads=[1, 2, 5, 8])
    )
    network = small_mit(original_eps=False).eval()
    stock.load_state_dict(network.state_dict())
    img = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    for mine, other in zip(network(img), stock.eval()(img)):
        torch.testing.assert_close(mine, other)
    network.load_state_dict(stock.state_dict())
    mmcv.runner.load_state_dict(network, stock.state_dict(), strict=True)


def test_stage_norms_are_called_norm() -> None:
    names = [name for name, _ in small_mit().named_parameters()]
    assert (
        sum(
            name.startswith('layers.') and '.norm.' in name and '.blocks.' not in name and 'patch_embed' not in name
            for name in names
        )
        == 8
    )
    assert not any('.2.' in name.split('blocks')[0] and name.endswith('.2.weight') for name in names)


# ---- heads ---------------------------------------------------------------------------------------------------------
ACTIVE = dict(act_cfg=dict(type='ReLU'), norm_cfg=BN)
ISA = dict(type='isa', isa_channels=8, down_factor=(4, 4), key_query_num_convs=1, **ACTIVE)
ASPP = dict(dilations=(1, 3), pool=True, **ACTIVE)
CONV = dict(type='conv', kernel_size=1, **ACTIVE)
VARIANTS = [
    (dict(), ISA),
    (dict(), dict(type='aspp', sep=True, context_cfg=ISA, **ASPP)),
    (dict(embed_cfg=dict(type='conv', kernel_size=3, **ACTIVE)), CONV),
    (dict(embed_cfg=dict(type='sep_conv', kernel_size=3, **ACTIVE), embed_neck_cfg='same_as_embed_cfg'), CONV),
    (dict(embed_neck_cfg=dict(type='rawconv_and_aspp', kernel_size=1, sep=True, **ASPP)), CONV),
    (
        dict(embed_dims=[4, 8, 20, 32], embed_cfg=dict(type='id'), embed_neck_cfg=dict(type='id')),
        dict(CONV, kernel_size=3),
    ),
]


@pytest.mark.parametrize(
    'params, fusion', VARIANTS, ids=['isa', 'aspp_context', 'conv', 'sep_conv', 'last_level', 'id']
)
def test_daformer_head_variants(params: dict[str, Any], fusion: dict[str, Any]) -> None:
    cfg = daformer_head_config(fusion)
    cfg['decoder_params'].update(params)
    head = build_head(mmcv.ConfigDict(cfg))
    head.init_weights()
    out = head(features())
    out.sum().backward()
    assert out.shape == (2, 5, 16, 24)
    assert all(parameter.grad is not None for parameter in head.parameters())


def test_unknown_layer_names_the_nearest() -> None:
    with pytest.raises(ValueError, match="asp.*did you mean 'aspp'"):
        build_head(daformer_head_config(dict(type='asp')))


def test_adapter_neck_upsamples_without_touching_its_input() -> None:
    levels = features()
    out = build_neck(dict(type='SegFormerAdapter', scales=[8]))(levels)
    assert out[3].shape[2:] == (16, 24) and levels[3].shape[2:] == (2, 3)
    assert all(a is b for a, b in zip(out[:3], levels[:3]))


def test_segformer_head_ignores_the_classifier_that_published_files_carry() -> None:
    head = build_head(SEGFORMER_HEAD)
    head.load_state_dict(
        {**head.state_dict(), 'conv_seg.weight': torch.zeros(5, 8, 1, 1), 'conv_seg.bias': torch.zeros(5)}
    )
    assert head(features()).shape == (2, 5, 16, 24)


def hrda_daformer(**options: Any) -> Any:
    single = daformer_head_config(dict(type='aspp', sep=True, dilations=(1, 6), pool=False, **ACTIVE))
    return build_head(
        mmcv.ConfigDict(
            dict(single, type='HRDAHead', single_scale_head='DAFormerHead', attention_embed_dim=4, **options)
        )
    )


def test_attention_head_is_narrow_and_without_context() -> None:
    names = dict(hrda_daformer().named_parameters())
    assert names['head.fuse_layer.bottleneck.conv.weight'].shape[0] == 8
    assert names['scale_attention.fuse_layer.conv.weight'].shape == (4, 16, 1, 1)
    assert names['scale_attention.conv_seg.weight'].shape == (5, 4, 1, 1)
    assert not any(name.startswith('conv_seg') for name in names)


def test_single_attention_map() -> None:
    assert dict(hrda_daformer(attention_classwise=False).named_parameters())[
        'scale_attention.conv_seg.weight'
    ].shape == (1, 4, 1, 1)


def test_hrda_loss_weights_and_unknown_stride_are_checked() -> None:
    with pytest.raises(ValueError, match='hr_loss_weight 1.5'):
        hrda_daformer(hr_loss_weight=1.5)
    with pytest.raises(ValueError, match='head_stride'):
        build_head(dict(type='HRDAHead', single_scale_head='FCNHead', in_channels=8, channels=8, num_classes=5))


def test_stochastic_depth_of_mit_drops_whole_branches_of_single_images() -> None:
    torch.manual_seed(0)
    network = build_backbone(dict(type='mit_b0', drop_path_rate=0.5))
    network.train()
    image = torch.randn(1, 3, 64, 96).expand(6, -1, -1, -1)
    last = network(image)[-1].detach()
    assert len({round(float(one.double().sum()), 6) for one in last}) > 1, 'every image lost the same branches'
    factors = [kept for kept in network._stochastic_depth(image)]
    assert torch.equal(factors[0], torch.ones(2, 6, 1, 1)), 'the first block is never dropped'
    assert set(factors[-1].flatten().tolist()) == {0.0, 2.0}
    network.eval()
    assert network._stochastic_depth(image) == [None] * 8
    kept = network(image)[-1]
    torch.testing.assert_close(kept[:1].expand_as(kept), kept)


def test_kept_branches_of_mit_are_scaled_like_those_of_mmseg() -> None:
    torch.manual_seed(0)
    block = build_backbone(dict(type='mit_b0', drop_path_rate=0.5)).layers[1][1][1]
    block.eval()
    tokens, shape = torch.randn(2, 24, 64), (4, 6)
    plain = block(tokens, shape)
    torch.testing.assert_close(block(tokens, shape, torch.ones(2, 2, 1, 1)), plain, rtol=1e-4, atol=1e-5)
    dropped = block(tokens, shape, torch.zeros(2, 2, 1, 1))
    torch.testing.assert_close(dropped, tokens)
    attention = block.attn.attend(block.norm1(tokens), shape)
    one = block(tokens, shape, torch.tensor([2.0, 0.0])[:, None, None, None].expand(2, 2, 1, 1))
    torch.testing.assert_close(one, tokens + 2 * attention, rtol=1e-4, atol=1e-5)

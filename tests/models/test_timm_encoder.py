"""Any timm network as a backbone: bit-equal maps, no idle parameter, any input size, clear refusals."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import timm
import torch
import torch.nn.functional as F
from mmcv import ConfigDict
from mmseg.models import build_segmentor
from mmseg.models.segmentors import EncoderDecoder

from mmseg_uda.components.feature_distances import ThingClassDistance
from mmseg_uda.models.backbones import ReinEncoder, TimmEncoder, ViTAdapter
from mmseg_uda.models.lora import merge_lora, merged_state
from mmseg_uda.models.training_interface import logits, own_forward_losses, reference_views, training_features
from tests.models.encoders import CONVNEXT, DINOV2, DINOV3, ENCODERS, SWIN, VIT, vit_model

families = pytest.mark.parametrize('name', sorted(ENCODERS))


def image(*size: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*size, generator=torch.Generator().manual_seed(seed))


def whole_twin(encoder: TimmEncoder, name: str) -> torch.nn.Module:
    """The unpruned timm network with the weights of ``encoder``."""
    given = {key: value for key, value in ENCODERS[name].items() if key not in ('model_name', 'out_indices')}
    sizes = dict(strict_img_size=False) if name == 'swin' else dict(dynamic_img_size=True) if encoder.plain else {}
    twin = timm.create_model(encoder.model_name, num_classes=0, **sizes, **given)
    twin.load_state_dict({**twin.state_dict(), **encoder.model.state_dict()})
    return twin


@families
def test_pruning_changes_no_map_and_leaves_no_idle_parameter(name: str) -> None:
    encoder = TimmEncoder(**ENCODERS[name]).eval()
    network = whole_twin(encoder, name).eval()
    native = encoder.position_rule == 'hub'  # timm's own rule differs on another grid
    x = (
        image(1, 3, 56, 56)
        if native
        else image(1, 3, 4 * encoder.stride, 6 * encoder.stride)
        if encoder.stride
        else image(1, 3, 64, 96)
    )
    with torch.no_grad():
        expected = network.forward_intermediates(x, indices=list(encoder.out_indices), intermediates_only=True)
        maps = encoder(x)
    assert len(maps) == len(expected) and all(torch.equal(m, e) for m, e in zip(maps, expected))
    assert [m.shape[1] for m in maps] == list(encoder.embed_dims) == list(encoder.channels)
    encoder.train()
    sum((m.float() ** 2).sum() for m in encoder(torch.cat([x, x.flip(-1)]))).backward()
    assert [key for key, p in encoder.named_parameters() if p.grad is None] == []
    assert not [key for key, _ in encoder.named_parameters() if 'head' in key]


@families
def test_sizes_that_are_no_multiple_and_not_square(name: str) -> None:
    encoder = TimmEncoder(**ENCODERS[name]).eval()
    with torch.no_grad():
        maps = encoder(image(1, 3, 50, 75))
    for one, stride in zip(maps, encoder.strides):
        step = encoder.divisor
        assert tuple(one.shape[2:]) == tuple(-(-(-(-side // step) * step) // stride) for side in (50, 75))


def test_resizing_covers_the_whole_image_instead_of_padding() -> None:
    encoder = TimmEncoder(**DINOV2).eval()
    x = image(1, 3, 50, 75)
    with torch.no_grad():
        resized = encoder(F.interpolate(x, size=(56, 84), mode='bilinear', align_corners=False))
        assert all(torch.equal(a, b) for a, b in zip(encoder(x), resized))
    with pytest.raises(ValueError, match=r'\(50, 75\) pixels is no multiple of 14'):
        TimmEncoder(**DINOV2, fit='error')(x)


def test_input_scale_rounds_down_to_whole_patches() -> None:
    encoder = TimmEncoder(**DINOV2, input_scale=1.1)
    assert encoder._fitted_size((1024, 1024)) == (1120, 1120) and encoder._fitted_size((64, 10)) == (70, 14)


def test_default_outputs_and_strides() -> None:
    assert TimmEncoder(**dict(DINOV2, depth=12)).out_indices == (2, 5, 8, 11)
    assert TimmEncoder(**dict(DINOV2, depth=24)).out_indices == (5, 11, 17, 23)
    encoder = TimmEncoder(**DINOV3)
    assert (encoder.stride, encoder.depth, encoder.out_indices) == (16, 4, (0, 1, 2, 3))
    assert TimmEncoder(model_name='resnet10t').strides == (4, 8, 16, 32)
    assert TimmEncoder(name='resnet10t', weights='x.pth').pretrained == 'x.pth'


def test_norms_of_outputs() -> None:
    plain, every, last = (TimmEncoder(**DINOV2, final_norm=norm).eval() for norm in (False, True, 'last'))
    torch.nn.init.normal_(every.model.norm.weight)
    last.load_state_dict(every.state_dict())
    plain.load_state_dict({k: v for k, v in every.state_dict().items() if not k.startswith('model.norm.')})
    x = image(1, 3, 56, 70)
    with torch.no_grad():
        raw, normed, mixed = plain(x), every(x), last(x)
    assert all(torch.equal(a, b) for a, b in zip(mixed[:3], raw[:3]))
    torch.testing.assert_close(mixed[3], normed[3])
    assert not torch.allclose(normed[0], raw[0])


@pytest.mark.parametrize('name', ['dinov2', 'dinov3', 'swin'])
def test_activation_checkpointing_and_explicit_attention_change_no_gradient(name: str) -> None:
    encoders = [TimmEncoder(**ENCODERS[name], **o) for o in ({}, dict(with_cp=True), dict(fused_attention=False))]
    x = image(1, 3, 56, 84)
    gradients = []
    for encoder in encoders:
        encoder.load_state_dict(encoders[0].state_dict())
        encoder.eval()
        sum((m**2).mean() for m in encoder(x)).backward()
        gradients.append([p.grad for p in encoder.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(gradients[0], gradients[1]))
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(gradients[0], gradients[2]))


def test_frozen_parts() -> None:
    whole = TimmEncoder(**DINOV2, frozen=True, drop_path_rate=0.5).train()
    x = image(2, 3, 56, 56)
    assert not any(p.requires_grad for p in whole.parameters())
    assert torch.equal(whole(x)[-1], whole(x)[-1]) and not whole(x)[-1].requires_grad
    part = TimmEncoder(**DINOV2, frozen=2).train()
    trained = {key.split('.')[2] for key, p in part.named_parameters() if p.requires_grad and '.blocks.' in key}
    assert trained == {'2', '3'}
    assert not part.model.pos_embed.requires_grad and not part.model.patch_embed.proj.weight.requires_grad
    assert [block.training for block in part.model.blocks] == [False, False, True, True]
    sum(m.sum() for m in part(x)).backward()
    assert all((p.grad is not None) == p.requires_grad for p in part.parameters())
    with pytest.raises(ValueError, match='between 0 and the 4 kept blocks'):
        TimmEncoder(**DINOV2, frozen=9)
    with pytest.raises(ValueError, match='for plain transformers'):
        TimmEncoder(**SWIN, frozen=1)


def test_lora_starts_as_the_network_trains_little_and_merges() -> None:
    plain = TimmEncoder(**DINOV2).eval()
    tuned = TimmEncoder(**DINOV2, lora=dict(rank=2, alpha=8)).eval()
    names = [key for key, p in tuned.named_parameters() if p.requires_grad]
    assert len(names) == 4 * 2 * 2 and all('parametrizations' in key for key in names)
    original = {k.replace('parametrizations.weight.original', 'weight'): v for k, v in tuned.state_dict().items()}
    plain.load_state_dict({k: v for k, v in original.items() if 'parametrizations' not in k})
    x = image(1, 3, 56, 70)
    teacher = copy.deepcopy(tuned)
    with torch.no_grad():
        assert torch.equal(plain(x)[-1], tuned(x)[-1])
        for parameter in tuned.parameters():
            if parameter.requires_grad:
                parameter.add_(0.1)
        changed = tuned(x)[-1]
        assert not torch.allclose(changed, teacher(x)[-1])  # a copy is a network of its own
        plain.load_state_dict(merged_state(tuned.state_dict()))
        torch.testing.assert_close(plain(x)[-1], changed, atol=1e-6, rtol=1e-5)
        assert merge_lora(tuned) == 8
        torch.testing.assert_close(tuned(x)[-1], changed, atol=1e-6, rtol=1e-5)
        assert tuned.state_dict().keys() == plain.state_dict().keys()
    with pytest.raises(ValueError, match="name no linear layer of the encoder, which has .*'qkv'"):
        TimmEncoder(**DINOV2, lora=dict(targets=['query']))
    with pytest.raises(ValueError, match='leave frozen out'):
        TimmEncoder(**DINOV2, lora=dict(rank=2), frozen=True)


def test_large_lora_has_the_parameters_of_its_formula() -> None:
    with torch.device('meta'):
        encoder = TimmEncoder('vit_large_patch14_dinov2', lora=dict(rank=16, alpha=16))
    trained = sum(p.numel() for p in encoder.parameters() if p.requires_grad)
    assert trained == 24 * 16 * ((1024 + 3072) + (1024 + 1024))


def test_rein_trains_only_its_tokens_and_leaves_registers_alone() -> None:
    encoder = ReinEncoder(**dict(DINOV3, rein=dict(tokens=5, rank=2, scale=0.5))).train()
    maps = encoder(image(1, 3, 40, 64))
    assert [tuple(m.shape) for m in maps] == [(1, 32, 3, 4)] * 4
    sum((m**2).sum() for m in maps).backward()
    assert all((p.grad is not None) == key.startswith('rein.') for key, p in encoder.named_parameters())
    with torch.device('meta'):
        large = ReinEncoder('vit_large_patch14_dinov2')
    assert sum(p.numel() for p in large.rein.parameters()) == 2 * (1024 * 1024 + 1024) + 24 * 16 * (100 + 1024) + 1


def test_adapter_gives_a_pyramid_for_any_size() -> None:
    adapter = ViTAdapter(**dict(DINOV2, embed_dim=64, num_heads=1, conv_inplane=4))
    maps = adapter(image(2, 3, 100, 260))  # resized to 224 x 448
    assert [tuple(m.shape[1:]) for m in maps] == [(64, 56, 112), (64, 28, 56), (64, 14, 28), (64, 7, 14)]
    sum((m**2).sum() for m in maps).backward()
    assert [key for key, p in adapter.named_parameters() if p.grad is None] == []
    with pytest.raises(ValueError, match='cover the 4 blocks'):
        ViTAdapter(**DINOV2, interaction_indexes=[(0, 0), (1, 1), (2, 2), (2, 3)])


@pytest.mark.parametrize('backbone', [DINOV2, DINOV3], ids=['patch14', 'patch16'])
def test_whole_and_sliding_inference_of_odd_images(backbone: dict[str, Any]) -> None:
    segmentor = build_segmentor(ConfigDict(vit_model(backbone))).eval()
    x = image(1, 3, 61, 90)
    meta = dict(ori_shape=(61, 90, 3), img_shape=(61, 90, 3), flip=False)
    with torch.no_grad():
        assert logits(segmentor, x).shape == (1, 5, 61, 90)
        segmentor.test_cfg = ConfigDict(mode='slide', crop_size=(50, 50), stride=(30, 30))
        assert segmentor.inference(x, [meta], True).shape == (1, 5, 61, 90)


class OwnTraining(EncoderDecoder):
    """A user's segmentor with a training of its own."""

    def forward_train(self, *args: Any, **kwargs: Any) -> dict[str, torch.Tensor]:
        return super().forward_train(*args, **kwargs)


def test_feature_distance_sees_the_backbone_and_not_a_random_neck() -> None:
    neck = dict(type='MultiLevelNeck', in_channels=[32] * 4, out_channels=32, scales=[4, 2, 1, 0.5])
    student, reference = (build_segmentor(ConfigDict(vit_model(neck=neck))).eval() for _ in range(2))
    reference.backbone.load_state_dict(student.backbone.state_dict())
    x = image(1, 3, 64, 78)
    features = training_features(student, x)
    distance = ThingClassDistance(weight=1.0, classes=None, num_classes=5)
    label = torch.zeros(1, 1, 64, 78, dtype=torch.long)
    assert distance(features.views, reference_views(reference, x, features), label) == 0
    assert features.backbone[-1].shape[1:] == (32, 5, 6) and features.decode[0].shape[2:] == (20, 24)
    student.__class__ = OwnTraining
    own, losses = own_forward_losses(student, x, [{}], label)
    assert 'decode.loss_ce' in losses and own.decode[0].shape[2:] == (20, 24)
    assert distance(own.views, reference_views(reference, x, own), label) == 0


@pytest.mark.parametrize(
    'options, match',
    [
        (dict(model_name='vit_smal_patch14_dinov2'), "no model 'vit_smal_patch14_dinov2'.*vit_small_patch14_dinov2"),
        (dict(DINOV2, embed_dims=3), "has an option 'embed_dims'.*did you mean 'embed_dim'"),
        (dict(CONVNEXT, frozn=True), "has an option 'frozn'.*did you mean 'frozen'"),
        (dict(DINOV2, out_indices=(1, 4)), 'rising numbers of the 4 blocks'),
        (dict(SWIN, final_norm=True), 'no norm behind its last block'),
        (dict(ENCODERS['eva02'], final_norm=True), 'no norm behind its last block'),
        (dict(DINOV3, pos_embed_resize='hub'), 'no table of absolute positions'),
        (dict(DINOV2, pos_embed_resize='bilinear'), 'must be .auto. or one of'),
        (dict(VIT), 'needs model_name'),
        (dict(DINOV2, fit='pad'), "must be 'resize' or 'error'"),
        (dict(DINOV2, init_cfg=dict(type='Normal')), 'init_cfg may only be'),
        (dict(DINOV2, pretrained=True), 'pretrained must be a file or an address, got True'),
        (dict(DINOV2, num_classes=10), "takes no 'num_classes'"),
        (dict(DINOV2, out_indices=3), 'out_indices must be a list of whole numbers'),
        (dict(DINOV2, frozen=1.5), 'frozen=1.5: a number of blocks'),
        (dict(DINOV2, drop_path_rate=1.5), r'drop_path_rate must lie in \[0, 1\)'),
    ],
)
def test_refusals(options: dict[str, Any], match: str) -> None:
    with pytest.raises((KeyError, ValueError), match=match):
        TimmEncoder(**options)


def test_networks_of_one_size_refuse_others() -> None:
    encoder = TimmEncoder('hiera_tiny_224', img_size=(64, 96), embed_dim=8, num_heads=1, stages=(1, 1, 1, 1))
    assert len(encoder(image(1, 3, 64, 96))) == 4
    with pytest.raises(ValueError, match=r'takes inputs of \(64, 96\) pixels only.*set img_size=\(96, 96\)'):
        encoder(image(1, 3, 96, 96))
    assert TimmEncoder('xcit_nano_12_p16_224', depth=1).any_size  # its positions are computed
    hidden = TimmEncoder('efficientformer_l1', depths=(1, 1, 1, 1), embed_dims=(8, 8, 8, 8), num_vit=1)
    with pytest.raises(
        ValueError, match=r"'efficientformer_l1' failed on an input of \(96, 128\) .*built for \(224, 224\)"
    ):
        hidden(image(1, 3, 96, 128))


def test_position_rules_differ_and_are_kept_by_copies() -> None:
    x = image(1, 3, 84, 112)
    encoders = {r: TimmEncoder(**DINOV2, pos_embed_resize=r).eval() for r in ('hub', 'antialias', 'plain', 'auto')}
    torch.nn.init.normal_(encoders['hub'].model.pos_embed)
    for block in encoders['hub'].model.blocks:
        torch.nn.init.ones_(block.ls1.gamma)
    for encoder in encoders.values():
        encoder.load_state_dict(encoders['hub'].state_dict())
    with torch.no_grad():
        maps = {rule: copy.deepcopy(encoder)(x)[-1] for rule, encoder in encoders.items()}
    assert torch.equal(maps['hub'], maps['auto'])
    assert all(not torch.allclose(maps['hub'], maps[rule], atol=1e-3) for rule in ('antialias', 'plain'))

"""Parity of whole encoders, of VFM-UDA's network, its names of weights and its parameter groups."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from mmcv import ConfigDict
from mmseg.models import build_segmentor
from torch import Tensor, nn

from mmseg_uda.compat.keys_timm import likely_model
from mmseg_uda.compat.keys_vfm import ours_to_vfm, vfm_to_ours
from mmseg_uda.engine.optimizers import build_optimizers
from mmseg_uda.models.backbones import TimmEncoder, ViTAdapter
from mmseg_uda.models.pretrained import init_segmentor_weights
from mmseg_uda.models.training_interface import logits

from .golden import golden_files
from .test_vit import files, tensors, weights

ENCODER = dict(atol=2e-4, rtol=0)


def depth_of(state: dict[str, Tensor]) -> int:
    return 1 + max(int(key.split('.')[1]) for key in state if key.startswith('blocks.'))


def encoder_options(data: dict[str, Any], state: dict[str, Tensor]) -> dict[str, Any]:
    """The timm model of a tiny official encoder, by what its weights look like."""
    channels = state['cls_token'].shape[-1]
    options = dict(embed_dim=channels, depth=depth_of(state), num_heads=int(data['num_heads']))
    if 'storage_tokens' in state:
        biases = [value.any() for key, value in state.items() if key.endswith('qkv.bias')]
        return dict(options, model_name='vit_small_patch16_dinov3' + ('_qkvb' if any(biases) else ''))
    registers = 'reg4_' if 'register_tokens' in state else ''
    size = 'giant' if 'blocks.0.mlp.w12.weight' in state else 'small'
    if size == 'giant':
        options['mlp_ratio'] = state['blocks.0.mlp.w12.weight'].shape[0] / channels
    grid = int((state['pos_embed'].shape[1] - 1) ** 0.5)
    patch = state['patch_embed.proj.weight'].shape[-1]
    return dict(options, model_name=f'vit_{size}_patch14_{registers}dinov2', img_size=grid * patch)


def loaded(options: dict[str, Any], path: Path) -> TimmEncoder:
    encoder = TimmEncoder(**options, pretrained=str(path)).eval()
    encoder.init_weights()
    return encoder


def maps_of(options: dict[str, Any], img: Tensor, path: Path) -> tuple[Tensor, ...]:
    with torch.no_grad():
        return loaded(options, path)(img)


def class_token(encoder: TimmEncoder, img: Tensor) -> Tensor:
    """The normed class token, block by block as the encoders with parts of their own go."""
    with torch.no_grad():
        tokens, rope, _ = encoder.embed(img)
        for block in encoder.model.blocks:
            tokens = encoder.run_block(block, tokens, rope)
        return encoder.model.norm(tokens)[:, 0]


@files('dinov[23]_*.npz')
def test_official_weights_give_official_maps(path: Path, tmp_path: Path) -> None:
    data = tensors(path)
    state = weights(data)
    torch.save(state, tmp_path / 'official.pth')
    options = encoder_options(data, state)
    patch = state['patch_embed.proj.weight'].shape[-1]
    assert patch == int(data['patch_size'])
    if 'grid' in data:
        assert options['img_size'] == int(data['grid']) * patch
    maps = maps_of(dict(options, out_indices=range(options['depth'])), data['img'], tmp_path / 'official.pth')
    for i, mine in enumerate(maps):
        torch.testing.assert_close(mine, data[f'raw{i}'], **ENCODER)
    last = dict(options, out_indices=[-1])
    (normed,) = maps_of(dict(last, final_norm='last'), data['img'], tmp_path / 'official.pth')
    torch.testing.assert_close(normed, data['norm_last'], **ENCODER)
    if 'cls_norm' in data:
        encoder = loaded(dict(last, final_norm='last'), tmp_path / 'official.pth')
        torch.testing.assert_close(class_token(encoder, data['img']), data['cls_norm'], **ENCODER)
    if 'timm_raw_last' in data:
        own_rule = dict(last, pos_embed_resize='antialias')
        (raw,) = maps_of(own_rule, data['img'], tmp_path / 'official.pth')
        torch.testing.assert_close(raw, data['timm_raw_last'], **ENCODER)


@files('dinov[23]_*.npz')
def test_official_weights_under_timm_names(path: Path, tmp_path: Path) -> None:
    data = tensors(path)
    state = weights(data)
    torch.save(state, tmp_path / 'official.pth')
    encoder = TimmEncoder(**encoder_options(data, state), final_norm=True, pretrained=str(tmp_path / 'official.pth'))
    encoder.init_weights()
    own = encoder.model.state_dict()
    for key, value in weights(data, 'timm/').items():
        torch.testing.assert_close(own[key], value, atol=1e-7, rtol=0)


@pytest.mark.parametrize('path', golden_files('vit', 'dinov2_key_map*.json'), ids=lambda path: path.stem)
def test_official_models_are_covered(path: Path) -> None:
    for official, entry in json.loads(path.read_text()).items():
        state = {key: torch.empty(shape, device='meta') for key, shape in entry['official'].items()}
        assert likely_model(state) == entry['timm_name'], official
        with torch.device('meta'):
            encoder = TimmEncoder(entry['timm_name'], final_norm=True)
        own = {key: list(value.shape) for key, value in encoder.model.state_dict().items()}
        assert own == entry['timm'], official
        assert sum(p.numel() for p in encoder.parameters()) == entry['parameters']


def vfm_model(data: dict[str, Any], state: dict[str, Tensor]) -> nn.Module:
    encoder = {key[len('encoder.') :]: value for key, value in state.items() if key.startswith('encoder.')}
    backbone = dict(encoder_options(data, encoder), type='TimmEncoder', out_indices=[-1], final_norm='last')
    head = dict(type='VFMHead', in_channels=backbone['embed_dim'], in_index=0, num_classes=state['out.weight'].shape[0])
    return build_segmentor(
        ConfigDict(type='EncoderDecoder', backbone=dict(backbone, input_scale=1.1), decode_head=head)
    )


@files('vfm_uda_network_*.npz')
def test_vfm_uda_network(path: Path) -> None:
    data = tensors(path)
    released = {f'network.{key}': value for key, value in weights(data).items()}
    segmentor = vfm_model(data, weights(data)).eval()
    ours = vfm_to_ours(released)
    segmentor.load_state_dict(ours)
    with torch.no_grad():
        assert [side * 11 // 10 // 14 * 14 for side in data['img'].shape[2:]] == [int(data['vit_in_img_size'])] * 2
        (feature,) = segmentor.backbone(data['img'])
        scores = logits(segmentor, data['img'])
    torch.testing.assert_close(feature, data['feat'], **ENCODER)
    torch.testing.assert_close(scores, data['logits'], **ENCODER)
    back = ours_to_vfm(ours)
    assert set(back) == set(released)
    assert all(torch.equal(back[key], value) for key, value in released.items() if 'mask_token' not in key)


@files('vfm_uda_network_*.npz')
def test_released_checkpoint_as_pretrained_file(path: Path, tmp_path: Path) -> None:
    data = tensors(path)
    released = {f'network.{key}': value for key, value in weights(data).items()}
    torch.save(dict(state_dict=released), tmp_path / 'released.ckpt')
    segmentor = vfm_model(data, weights(data)).eval()
    segmentor.backbone.pretrained = str(tmp_path / 'released.ckpt')
    init_segmentor_weights(segmentor)
    with torch.no_grad():
        torch.testing.assert_close(segmentor.backbone(data['img'])[0], data['feat'], **ENCODER)


@files('vit_adapter_*.npz')
def test_vit_adapter(path: Path, tmp_path: Path) -> None:
    data = tensors(path)
    state = weights(data)
    torch.save(dict(state_dict={f'network.encoder.{key}': value for key, value in state.items()}), tmp_path / 'pp.ckpt')
    encoder = ViTAdapter(
        **encoder_options(data, state),
        conv_inplane=int(data['conv_inplane']),
        deform_heads=int(data['num_heads']),
        interaction_indexes=data['interaction_indexes'].tolist(),
        pretrained=str(tmp_path / 'pp.ckpt'),
    ).eval()
    encoder.init_weights()
    with torch.no_grad():
        maps = encoder(data['img'])
    for mine, step, name in zip(maps, (8, 4, 2, 1), ('f1_sub', 'f2_sub', 'f3_sub', 'f4')):
        torch.testing.assert_close(mine[:, :, ::step, ::step], data[name], **ENCODER)


@pytest.mark.parametrize('path', golden_files('vit', 'param_groups_*.json'), ids=lambda path: path.stem)
def test_parameter_groups(path: Path) -> None:
    for name, setting in json.loads(path.read_text()).items():
        expected = setting['groups']
        blocks = 1 + max(int(key.split('.')[2]) for key in expected if key.startswith('encoder.blocks.'))
        backbone = dict(type='TimmEncoder', model_name='vit_small_patch14_dinov2', out_indices=[-1], final_norm='last')
        backbone.update(depth=blocks, embed_dim=16, num_heads=2, img_size=28)
        head = dict(type='VFMHead', in_channels=16, in_index=0, num_classes=3)
        segmentor = build_segmentor(ConfigDict(type='EncoderDecoder', backbone=backbone, decode_head=head))
        optimizer = build_optimizers(
            dict(
                type='AdamW',
                lr=setting['lr'] * setting['total_batch'] ** 0.5,
                weight_decay=0.01,
                paramwise_cfg=dict(layer_decay=setting['layerwise_lr_decay'], backbone_mult=setting['lr_multiplier']),
            ),
            dict(segmentor=segmentor),
        )['segmentor']
        names = {id(parameter): key for key, parameter in segmentor.named_parameters()}
        groups = {names[id(p)]: group for group in optimizer.param_groups for p in group['params']}
        for official, values in expected.items():
            if official.endswith('mask_token'):
                continue  # a part of the pre-training that the encoder does not have
            own = official.replace('encoder.', 'backbone.model.', 1).replace('out.weight', 'conv_seg.weight')
            own = own if own.startswith('backbone.') else f'decode_head.{own}'
            group = groups.pop(own)
            assert group['lr'] == pytest.approx(values['lr'], rel=1e-6), (name, official)
            assert group['weight_decay'] == pytest.approx(values['weight_decay'], rel=1e-6), (name, official)
        assert not groups

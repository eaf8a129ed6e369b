"""Weights from the files that users have: equal maps after loading what other libraries save, and clear refusals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from mmseg.models import build_backbone
from safetensors.torch import load_file, save_file
from torch import nn

from mmseg_uda.models.backbones import ReinEncoder, TimmEncoder, ViTAdapter
from mmseg_uda.models.pretrained import load_pretrained
from mmseg_uda.utils.checkpoint_io import CheckpointError, load_checkpoint_file
from tests.models.encoders import CONVNEXT, DINOV2, DINOV3, SWIN

TOLERANCE = dict(atol=1e-4, rtol=1e-4)
SMALL = dict(hidden_size=32, num_hidden_layers=4, num_attention_heads=2)


def image(*size: int) -> torch.Tensor:
    return torch.randn(*size, generator=torch.Generator().manual_seed(1))


def randomised(network: nn.Module) -> nn.Module:
    """Weights that no part can hide behind: nothing zero, no near-identity blocks."""
    generator = torch.Generator().manual_seed(2)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.2)
        for name, buffer in network.named_buffers():
            if name.endswith('running_var'):
                buffer.copy_(torch.rand(buffer.shape, generator=generator) + 0.5)
            elif name.endswith('running_mean'):
                buffer.copy_(torch.randn(buffer.shape, generator=generator) * 0.1)
    return network.eval()


def loaded(path: Any, **options: Any) -> TimmEncoder:
    encoder = TimmEncoder(**options, pretrained=str(path))
    encoder.init_weights()
    return encoder.eval()


# ---- transformers --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize('kind', ['plain', 'registers', 'gated'])
def test_dinov2_of_transformers(kind: str, tmp_path: Path) -> None:
    from transformers import Dinov2Config, Dinov2Model, Dinov2WithRegistersConfig, Dinov2WithRegistersModel

    config, model = Dinov2Config, Dinov2Model
    if kind == 'registers':
        config, model = Dinov2WithRegistersConfig, Dinov2WithRegistersModel
    options = dict(SMALL, image_size=56, patch_size=14, use_swiglu_ffn=kind == 'gated', layer_norm_eps=1e-6)
    network = randomised(model(config(**options)))
    network.save_pretrained(tmp_path)
    name = dict(plain='small_patch14', registers='small_patch14_reg4', gated='giant_patch14')[kind]
    size = dict(mlp_ratio=2 * 88 / 32) if kind == 'gated' else {}
    encoder = loaded(tmp_path / 'model.safetensors', **dict(DINOV2, model_name=f'vit_{name}_dinov2'), **size)
    x = image(1, 3, 56, 56)
    with torch.no_grad():
        states = network(x, output_hidden_states=True).hidden_states
        for mine, state in zip(encoder(x), states[1:]):
            tokens = state[:, -16:].transpose(1, 2).unflatten(2, (4, 4))
            torch.testing.assert_close(mine, tokens, **TOLERANCE)


@pytest.mark.parametrize('gated', [False, True])
def test_dinov3_of_transformers(gated: bool, tmp_path: Path) -> None:
    from transformers import DINOv3ViTConfig, DINOv3ViTModel

    size = dict(intermediate_size=96 if gated else 128, patch_size=16, num_register_tokens=4, use_gated_mlp=gated)
    size['hidden_act'] = 'silu' if gated else 'gelu'
    network = randomised(DINOv3ViTModel(DINOv3ViTConfig(**SMALL, **size)))
    network.save_pretrained(tmp_path)
    options = dict(DINOV3, model_name='vit_small_plus_patch16_dinov3_qkvb', mlp_ratio=3) if gated else DINOV3
    encoder = loaded(tmp_path / 'model.safetensors', **options, final_norm='last')
    x = image(1, 3, 48, 80)
    with torch.no_grad():
        tokens = network(x).last_hidden_state[:, -15:].transpose(1, 2).unflatten(2, (3, 5))
        torch.testing.assert_close(encoder(x)[-1], tokens, **TOLERANCE)


def test_dinov3_convnext_of_transformers(tmp_path: Path) -> None:
    from transformers import DINOv3ConvNextConfig, DINOv3ConvNextModel

    network = randomised(DINOv3ConvNextModel(DINOv3ConvNextConfig(hidden_sizes=[8, 8, 16, 16], depths=[1, 1, 2, 1])))
    network.save_pretrained(tmp_path)
    options = dict(CONVNEXT, model_name='convnext_tiny', depths=(1, 1, 2, 1))
    encoder = loaded(tmp_path / 'model.safetensors', **options)
    x = image(1, 3, 64, 96)
    with torch.no_grad():
        states = network(x, output_hidden_states=True).hidden_states
        for mine, state in zip(encoder(x), states[-4:]):
            torch.testing.assert_close(mine, state, **TOLERANCE)


def test_mix_transformer_of_transformers(tmp_path: Path) -> None:
    from transformers import SegformerConfig, SegformerForImageClassification

    sizes = dict(hidden_sizes=[8, 16, 40, 64], depths=[1, 2, 1, 1], num_attention_heads=[1, 2, 5, 8])
    network = randomised(SegformerForImageClassification(SegformerConfig(**sizes, num_labels=3)))
    network.save_pretrained(tmp_path)
    backbone = build_backbone(
        dict(
            type='mit_b0',
            embed_dims=8,
            num_layers=(1, 2, 1, 1),
            pretrained=str(tmp_path / 'model.safetensors'),
        )
    ).eval()
    backbone.init_weights()
    x = image(1, 3, 64, 96)
    with torch.no_grad():
        states = network(x, output_hidden_states=True).hidden_states
        for mine, state in zip(backbone(x), states):
            torch.testing.assert_close(mine, state, **TOLERANCE)
    with pytest.raises(CheckpointError, match=r'model\.safetensors.*Mix Transformer.*mit_b0'):
        loaded(tmp_path / 'model.safetensors', **DINOV2)


# ---- timm, torchvision, mmcls --------------------------------------------------------------------------------------
@pytest.mark.parametrize('options', [DINOV2, DINOV3, SWIN, CONVNEXT], ids=['dinov2', 'dinov3', 'swin', 'convnext'])
def test_files_of_timm(options: dict[str, Any], tmp_path: Path) -> None:
    given = {key: value for key, value in options.items() if key != 'model_name'}
    network = randomised(timm.create_model(options['model_name'], num_classes=7, **given))
    save_file({key: value.contiguous() for key, value in network.state_dict().items()}, tmp_path / 'model.safetensors')
    encoder = loaded(tmp_path / 'model.safetensors', **options)
    native = network.pretrained_cfg['input_size'] if 'img_size' not in options else (3, 56, 56)
    x = image(1, *native)
    with torch.no_grad():
        expected = network.forward_intermediates(x, indices=list(encoder.out_indices), intermediates_only=True)
        assert all(torch.equal(mine, other) for mine, other in zip(encoder(x), expected))


def test_resnet_of_torchvision_and_mmcls(tmp_path: Path) -> None:
    import torchvision

    network = randomised(torchvision.models.resnet18())
    torch.save(network.state_dict(), tmp_path / 'torchvision.pth')
    mmcls = {('head.' if 'fc.' in k else 'backbone.') + k: v for k, v in network.state_dict().items()}
    torch.save(dict(meta={}, state_dict=mmcls), tmp_path / 'mmcls.pth')
    x = image(1, 3, 64, 96)
    with torch.no_grad():
        deepest = network.layer4(network.layer3(network.layer2(network.layer1(_stem(network, x)))))
    for name in ('torchvision', 'mmcls'):
        backbone = build_backbone(dict(type='ResNet', depth=18))
        backbone.eval()
        load_pretrained(backbone, str(tmp_path / f'{name}.pth'))
        with torch.no_grad():
            torch.testing.assert_close(backbone(x)[-1], deepest, **TOLERANCE)
        encoder = loaded(tmp_path / f'{name}.pth', model_name='resnet18')
        with torch.no_grad():
            torch.testing.assert_close(encoder(x)[-1], deepest, **TOLERANCE)
    torch.save(torchvision.models.resnet34().state_dict(), tmp_path / 'deeper.pth')
    with pytest.raises(CheckpointError, match=r'deeper\.pth.*deeper ResNet.*layer1\.2'):
        load_pretrained(build_backbone(dict(type='ResNet', depth=18)), str(tmp_path / 'deeper.pth'))
    with pytest.raises(CheckpointError, match=r'deeper\.pth.*no place for.*layer1\.2'):
        loaded(tmp_path / 'deeper.pth', model_name='resnet18')


def _stem(network: Any, x: torch.Tensor) -> torch.Tensor:
    return network.maxpool(network.relu(network.bn1(network.conv1(x))))


# ---- own checkpoints, normalisation, refusals ----------------------------------------------------------------------
def test_checkpoint_of_a_segmentor_is_taken_as_it_is(tmp_path: Path) -> None:
    first = randomised(TimmEncoder(**DINOV2, in_mean_std=((0.5,) * 3, (0.5,) * 3)))
    state = {f'backbone.{key}': value for key, value in first.state_dict().items()}
    torch.save(
        dict(meta={}, state_dict=dict(state, **{'decode_head.conv_seg.bias': torch.zeros(5)})), tmp_path / 'a.pth'
    )
    second = loaded(tmp_path / 'a.pth', **DINOV2, in_mean_std=((0.5,) * 3, (0.5,) * 3))
    assert all(torch.equal(value, second.state_dict()[key]) for key, value in first.state_dict().items())


def test_parts_around_the_transformer_travel_along(tmp_path: Path) -> None:
    torch.save(dinov2_state(), tmp_path / 'plain.pth')
    lora = dict(lora=dict(rank=2, alpha=4))
    tuned = loaded(tmp_path / 'plain.pth', **DINOV2, **lora)
    rein = ReinEncoder(**DINOV2, rein=dict(tokens=4, rank=2), pretrained=str(tmp_path / 'plain.pth'))
    rein.init_weights()
    for encoder, name in ((tuned, 'tuned'), (rein, 'rein')):
        with torch.no_grad():
            for parameter in encoder.parameters():
                if parameter.requires_grad:
                    parameter.add_(0.1)
        state = {f'backbone.{key}': value for key, value in encoder.state_dict().items()}
        torch.save(dict(meta={}, state_dict=state), tmp_path / f'{name}.pth')
    x = image(1, 3, 56, 56)
    with torch.no_grad():
        expected = tuned(x)[-1]
        assert torch.equal(loaded(tmp_path / 'tuned.pth', **DINOV2, **lora)(x)[-1], expected)
        torch.testing.assert_close(loaded(tmp_path / 'tuned.pth', **DINOV2)(x)[-1], expected, **TOLERANCE)
        again = ReinEncoder(**DINOV2, rein=dict(tokens=4, rank=2), pretrained=str(tmp_path / 'rein.pth')).eval()
        again.init_weights()
        assert torch.equal(again(x)[-1], rein.eval()(x)[-1])
    with pytest.raises(CheckpointError, match="take type='ReinEncoder'"):
        loaded(tmp_path / 'rein.pth', **DINOV2)
    adapter = ViTAdapter(**DINOV2, conv_inplane=4, pretrained=str(tmp_path / 'plain.pth'))
    with pytest.warns(UserWarning, match='has no adapter'):
        adapter.init_weights()


def test_normalisation_of_the_weights_is_folded_in(tmp_path: Path) -> None:
    options = dict(DINOV2, model_name='vit_base_patch16_siglip_gap_224', img_size=64)
    network = randomised(timm.create_model(**options, num_classes=0))
    torch.save(network.state_dict(), tmp_path / 'siglip.pth')
    assert network.pretrained_cfg['mean'] == (0.5, 0.5, 0.5)
    encoder = loaded(tmp_path / 'siglip.pth', **options)
    pixels = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) / 255 for v in ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375)))
    with torch.no_grad():
        expected = network.forward_intermediates((pixels - 0.5) / 0.5, indices=[3], intermediates_only=True)[0]
        torch.testing.assert_close(encoder((pixels - mean) / std)[-1], expected, atol=1e-3, rtol=1e-3)
        untouched = loaded(tmp_path / 'siglip.pth', **options, in_mean_std=None)
        assert torch.equal(untouched.model.patch_embed.proj.weight, network.patch_embed.proj.weight)
    torch.save(timm.create_model('tf_efficientnet_lite0').state_dict(), tmp_path / 'lite.pth')
    with pytest.raises(CheckpointError, match=r'lite\.pth.*mean \[127\.5.*img_norm_cfg'):
        loaded(tmp_path / 'lite.pth', model_name='tf_efficientnet_lite0')


def dinov2_state(registers: bool = False) -> dict[str, torch.Tensor]:
    name = f'vit_small_patch14_{"reg4_" if registers else ""}dinov2'
    state = dict(timm.create_model(**dict(DINOV2, model_name=name), num_classes=0).state_dict())
    return state


@pytest.mark.parametrize(
    'change, options, match',
    [
        (dict(drop='blocks.1.norm1.bias'), {}, r"w\.pth' lacks 1 of \d+ keys.*blocks\.1\.norm1\.bias"),
        (dict(spoil='blocks.0.norm1.bias'), {}, r"w\.pth' holds NaN or infinity in blocks\.0\.norm1\.bias"),
        (dict(registers=True), {}, 'has register tokens, the encoder lacks them'),
        ({}, dict(model_name='vit_small_patch14_reg4_dinov2'), 'lacks register tokens, the encoder has them'),
        ({}, dict(depth=2), r'no place for: blocks\.2\.'),
        ({}, dict(embed_dim=64), r'another size: patch_embed\.proj\.weight \(32, 3, 14, 14\) instead of \(64,'),
        ({}, dict(model_name='vit_small_patch16_224'), r'patches of \(14, 14\) pixels, the encoder has \(16, 16\)'),
    ],
)
def test_wrong_files_are_refused(change: Any, options: dict[str, Any], match: str, tmp_path: Path) -> None:
    state = dinov2_state(change.get('registers', False))
    state.pop(change.get('drop'), None)
    if 'spoil' in change:
        state[change['spoil']].fill_(float('nan'))
    torch.save(state, tmp_path / 'w.pth')
    with pytest.raises(CheckpointError, match=match):
        loaded(tmp_path / 'w.pth', **dict(DINOV2, **options))


def test_the_message_names_the_model_that_a_file_looks_like(tmp_path: Path) -> None:
    shapes = timm.create_model('vit_small_patch14_reg4_dinov2', num_classes=0, img_size=28).state_dict()
    torch.save(shapes, tmp_path / 'small.pth')
    with pytest.raises(CheckpointError, match="It looks like timm's 'vit_small_patch14_reg4_dinov2'"):
        loaded(tmp_path / 'small.pth', **DINOV2)


def test_patch_kernels_are_resampled_only_on_purpose(tmp_path: Path) -> None:
    torch.save(dinov2_state(), tmp_path / 'w.pth')
    encoder = loaded(tmp_path / 'w.pth', **DINOV2, patch_size=16)
    assert encoder.model.patch_embed.proj.weight.shape[-1] == 16


def test_biases_of_dinov3_are_never_dropped_silently(tmp_path: Path) -> None:
    official = {
        key.replace('reg_token', 'storage_tokens'): value
        for key, value in TimmEncoder(**DINOV3, final_norm=True).model.state_dict().items()
        if not key.endswith(('q_bias', 'v_bias', 'k_bias'))
    }
    official.update({f'blocks.{i}.attn.qkv.bias': torch.ones(96) for i in range(4)})
    torch.save(official, tmp_path / 'w.pth')
    with pytest.raises(CheckpointError, match='take the model name that ends in _qkvb'):
        loaded(tmp_path / 'w.pth', **dict(DINOV3, model_name='vit_small_patch16_dinov3'))


def test_safetensors_files(tmp_path: Path) -> None:
    save_file({'a': torch.ones(2)}, tmp_path / 'a.safetensors')
    assert torch.equal(
        load_checkpoint_file(tmp_path / 'a.safetensors')['a'], load_file(tmp_path / 'a.safetensors')['a']
    )
    (tmp_path / 'cut.safetensors').write_bytes((tmp_path / 'a.safetensors').read_bytes()[:20])
    with pytest.raises(CheckpointError, match=r'cut\.safetensors'):
        load_checkpoint_file(tmp_path / 'cut.safetensors')


def test_a_forgotten_file_is_announced() -> None:
    with pytest.warns(UserWarning, match='starts from random weights'):
        TimmEncoder(**DINOV2).init_weights()
    with pytest.raises(CheckpointError, match='put the file there'):
        loaded('pretrained/no_such_file.pth', **DINOV2)

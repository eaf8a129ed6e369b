"""A vision transformer through the tools: train, resume, test, load in stock MMSegmentation, convert; its rates."""

from __future__ import annotations

import json
import shutil
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from mmcv import Config, ConfigDict
from mmseg.apis import inference_segmentor, init_segmentor
from mmseg.models import build_backbone, build_segmentor
from torch import nn

from mmseg_uda.engine import test, train
from mmseg_uda.engine.convert_checkpoint import main as convert
from mmseg_uda.engine.layer_decay import layer_numbers
from mmseg_uda.engine.lr_policies import WarmupLinearLrUpdaterHook
from mmseg_uda.engine.optimizers import build_optimizers
from mmseg_uda.utils.checkpoint_io import CheckpointError, load_checkpoint_file
from tests.harness.methods import assert_equal_state
from tests.models.encoders import DINOV2, DINOV3, SWIN, vit_model

from .worlds import edit, write_config

VIT = dict(DINOV3, patch_size=8, img_size=32, init_values=1.0)
#: a tiny transformer under a method with flip-averaged pseudo-labels, two source data sets with shares, VFM-UDA's rates
EXTRA = f"""
model['backbone'] = dict(type='TimmEncoder', out_indices=(3,), final_norm='last', lora=LORA, **{VIT!r})
model['decode_head'] = dict(type='VFMHead', in_channels=32, in_index=0, num_classes=5, align_corners=False)
data['train']['source'] = dict(type='ConcatDataset', datasets=[data['train']['source'], dict(data['train']['source'])])
data['train']['shares'] = dict(source=[0.75, 0.25])
optimizer = dict(type='AdamW', lr=2e-3, weight_decay=0.01, paramwise_cfg=dict(layer_decay=0.9, backbone_mult=0.5))
lr_config = dict(policy='WarmupLinear', warmup_steps=2)
"""
UDA = """dict(
    type='SelfTraining', pseudo_labeler=dict(type='ConfidenceShare', threshold=0.22, flip_average=True),
    mixer=dict(type='ClassMixer'), augmentation=dict(type='TorchvisionJitter', blur_probability=0.5))"""


def world(folder: Path, lora: Any = None) -> Path:
    return write_config(folder, uda=UDA, extra=EXTRA.replace('LORA', repr(lora)))


@pytest.fixture(scope='module')
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp('vit')
    config = world(folder)
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        train.main([str(config), '--work-dir', str(folder / 'run'), '--seed', '3', '--device', 'cpu'])
    return folder


def test_resume_through_the_runner_is_exact(trained: Path) -> None:
    half = trained / 'half'
    half.mkdir()
    shutil.copy(trained / 'run' / 'iter_2.pth', half)
    train.main([str(trained / 'tiny.py'), '--work-dir', str(half), '--seed', '3', '--device', 'cpu', '--auto-resume'])
    straight, resumed = (load_checkpoint_file(trained / run / 'iter_4.pth')['state_dict'] for run in ('run', 'half'))
    assert_equal_state(straight, resumed, 'resumed through the tool')


def test_stock_tools_load_the_checkpoint(trained: Path) -> None:
    test.main([str(trained / 'tiny.py'), str(trained / 'run' / 'latest.pth'), '--eval', 'mIoU', '--device', 'cpu'])
    config = Config.fromfile(str(trained / 'tiny.py'))
    config.model.backbone.pretrained = None
    segmentor = init_segmentor(config, str(trained / 'run' / 'latest.pth'), device='cpu')
    state = load_checkpoint_file(trained / 'run' / 'latest.pth')['state_dict']
    own = segmentor.state_dict()
    assert_equal_state({key: value for key, value in state.items() if not key.startswith('uda.')}, dict(own), 'stock')
    picture = np.random.default_rng(0).integers(0, 255, (24, 40, 3), dtype=np.uint8)
    cv2.imwrite(str(trained / 'picture.png'), picture)
    assert inference_segmentor(segmentor, str(trained / 'picture.png'))[0].shape == (24, 40)


def test_loss_of_a_small_transformer_falls(tmp_path: Path) -> None:
    config = world(tmp_path)
    edit(config, 'uda = dict(', '_unused = dict(')
    edit(config, 'max_iters=4', 'max_iters=30')
    edit(config, 'interval=2, hooks', 'interval=10, hooks')
    edit(config, 'lr=2e-3', 'lr=5e-3')
    options = ['data.train.target=None', 'evaluation.interval=30', 'checkpoint_config.interval=30']
    train.main(
        [str(config), '--work-dir', str(tmp_path / 'run'), '--seed', '1', '--device', 'cpu', '--cfg-options', *options]
    )
    log = next((tmp_path / 'run').glob('*.log.json')).read_text().splitlines()
    losses = [entry['loss'] for entry in map(json.loads, log) if 'loss' in entry]
    assert len(losses) == 3 and losses[-1] < 0.9 * losses[0]


def test_lora_is_merged_into_an_ordinary_checkpoint(tmp_path: Path) -> None:
    config = world(tmp_path, dict(rank=2, alpha=4))
    train.main([str(config), '--work-dir', str(tmp_path / 'run'), '--seed', '3', '--device', 'cpu'])
    convert([str(tmp_path / 'run' / 'latest.pth'), str(tmp_path / 'merged.pth'), '--to', 'merged'])
    scores = []
    for name, lora in (('run/latest.pth', dict(rank=2, alpha=4)), ('merged.pth', None)):
        config = Config.fromfile(str(world(tmp_path, lora)))
        segmentor = init_segmentor(config, str(tmp_path / name), device='cpu')
        with torch.no_grad():
            scores.append(segmentor.encode_decode(torch.ones(1, 3, 24, 40), [{}]))
    torch.testing.assert_close(scores[0], scores[1], atol=1e-5, rtol=1e-5)
    with pytest.raises(CheckpointError, match='no low-rank updates'):
        convert([str(tmp_path / 'merged.pth'), str(tmp_path / 'again.pth'), '--to', 'merged'])


# ---- rates -----------------------------------------------------------------------------------------------------------
def rates(backbone: Any, **paramwise: Any) -> dict[str, dict[str, Any]]:
    """The options of every trained parameter of a network with that backbone."""
    network = nn.Module()
    network.backbone = backbone
    network.decode_head = nn.Linear(2, 2)
    cfg = dict(type='AdamW', lr=1.0, weight_decay=0.1, paramwise_cfg=dict(dict(layer_decay=0.5), **paramwise))
    optimizer = build_optimizers(cfg, dict(segmentor=network))['segmentor']
    names = {id(p): name for name, p in network.named_parameters()}
    return {names[id(p)]: group for group in optimizer.param_groups for p in group['params']}


BACKBONES = {
    'swin': dict(type='TimmEncoder', **SWIN),
    'resnet': dict(type='ResNetV1c', depth=18, base_channels=8, stem_channels=8),
    'mit': dict(type='mit_b0', embed_dims=8, num_layers=(1, 2, 1, 1)),
    'stock_mit': dict(type='MixVisionTransformer', embed_dims=8, num_layers=(1, 2, 1, 1), num_heads=(1, 2, 5, 8)),
    'stock_swin': dict(type='SwinTransformer', embed_dims=8, depths=(1, 1, 1, 1), num_heads=(1, 1, 2, 2)),
    'stock_vit': dict(
        type='VisionTransformer', img_size=32, embed_dims=16, num_layers=3, num_heads=2, with_cls_token=True
    ),
    'timm_of_mmseg': dict(type='TIMMBackbone', model_name='resnet10t', pretrained=False, features_only=False),
}


@pytest.mark.parametrize('name', sorted(BACKBONES))
def test_rates_fall_from_the_last_block_to_the_stem(name: str) -> None:
    backbone = build_backbone(BACKBONES[name])
    numbers = layer_numbers(backbone)
    assert set(numbers) == {key for key, _ in backbone.named_parameters()}
    groups = rates(backbone, backbone_mult=0.1)
    last = max(numbers.values())
    assert last >= 3 and min(numbers.values()) == 0
    for key, layer in numbers.items():
        assert groups[f'backbone.{key}']['lr'] == pytest.approx(0.1 * 0.5 ** (last - layer)), key
    assert groups['decode_head.weight']['lr'] == 1.0


def test_weight_decay_rules_and_custom_keys() -> None:
    encoder = build_backbone(dict(type='TimmEncoder', **DINOV2, final_norm=True))
    groups = rates(encoder)
    assert {group['weight_decay'] for group in groups.values()} == {0.1}
    assert groups['backbone.model.norm.weight']['lr'] == groups['backbone.model.pos_embed']['lr'] == 0.5**4
    auto = rates(encoder, no_decay='auto', final_norm='last')
    assert (
        auto['backbone.model.pos_embed']['weight_decay']
        == 0
        == auto['backbone.model.blocks.0.ls1.gamma']['weight_decay']
    )
    assert auto['backbone.model.blocks.0.attn.qkv.weight']['weight_decay'] == 0.1
    assert auto['backbone.model.norm.weight']['lr'] == 1.0
    named = rates(
        encoder, no_decay=['pos_embed'], custom_keys={'head': dict(lr_mult=10.0), 'head.bias': dict(decay_mult=0.0)}
    )
    assert named['backbone.model.pos_embed']['weight_decay'] == 0 and named['decode_head.weight']['lr'] == 10
    assert named['decode_head.bias']['weight_decay'] == 0 and named['decode_head.bias']['lr'] == 1


def test_frozen_blocks_have_no_group_and_adapters_the_full_rate() -> None:
    frozen = rates(build_backbone(dict(type='TimmEncoder', **DINOV2, frozen=2)))
    assert not [key for key in frozen if '.blocks.0.' in key or '.blocks.1.' in key]
    lora = rates(build_backbone(dict(type='TimmEncoder', **DINOV2, lora=dict(rank=2, alpha=2))))
    assert {key: group['lr'] for key, group in lora.items() if '.blocks.2.' in key}.popitem()[1] == 0.5
    adapter = rates(build_backbone(dict(type='ViTAdapter', conv_inplane=4, **DINOV2)))
    assert (
        adapter['backbone.spm.fc1.weight']['lr'] == 1.0 and adapter['backbone.model.blocks.3.norm1.bias']['lr'] == 1.0
    )


@pytest.mark.parametrize(
    'options, match',
    [
        (dict(layer_decay=1.5), r'must lie in \(0, 1\]'),
        (dict(no_decay='norms'), "must be 'auto' or a list"),
        (dict(final_norm='first'), "must be 'stem' or 'last'"),
        (dict(layer_decy=0.9), 'layer_decay'),
        (dict(custom_keys=dict(head=dict(lr_mul=2))), 'lr_mult'),
    ],
)
def test_misspelt_rates_are_named(options: dict[str, Any], match: str) -> None:
    with pytest.raises((KeyError, ValueError), match=match):
        rates(build_backbone(dict(type='TimmEncoder', **DINOV2)), **options)


def test_unknown_backbones_are_refused() -> None:
    with pytest.raises(ValueError, match='divided into layers in an unknown way'):
        rates(nn.Linear(2, 2))


def test_warm_up_schedule_jumps_at_its_end() -> None:
    hook = WarmupLinearLrUpdaterHook(warmup_steps=10)
    factors = [hook.get_lr(SimpleNamespace(iter=i, max_iters=100), 2.0) for i in (0, 9, 10, 50)]
    assert factors == pytest.approx([2e-3, 2.0, 1.8, 1.0])
    with pytest.raises(ValueError, match='leave warmup out'):
        WarmupLinearLrUpdaterHook(warmup='linear')


def test_released_checkpoint_through_the_tool(tmp_path: Path) -> None:
    model = vit_model(dict(DINOV2, out_indices=[3], final_norm='last'))
    model['decode_head'] = dict(type='VFMHead', in_channels=32, in_index=0, num_classes=5)
    del model['neck']
    segmentor = build_segmentor(ConfigDict(model))
    teacher = {f'uda.teacher.model.{key}': value for key, value in segmentor.state_dict().items()}
    ours = {**segmentor.state_dict(), **teacher, 'uda.teacher.initialized': torch.tensor(True)}
    torch.save(dict(meta={}, state_dict=ours), tmp_path / 'ours.pth')
    released = convert([str(tmp_path / 'ours.pth'), str(tmp_path / 'vfm.ckpt'), '--to', 'vfm'])
    assert {key.split('.')[0] for key in released} == {'network', 'network_ema'}
    assert_equal_state(convert([str(tmp_path / 'vfm.ckpt'), str(tmp_path / 'back.pth')]), ours, 'there and back')

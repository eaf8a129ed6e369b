"""Parity of the pure functions of foundation-model encoders: positions, schedules, pseudo-labels, distillation, Rein."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmseg.models.necks import Feature2Pyramid
from torch import Tensor

from mmseg_uda.components.feature_distillation import FeatureProjection
from mmseg_uda.components.pseudo_labelers import ConfidenceShare
from mmseg_uda.models.backbones.rein import Rein
from mmseg_uda.models.backbones.vit_adapter import DeformableAttention
from mmseg_uda.models.decode_heads import VFMHead, VFMPyramidHead
from mmseg_uda.ops.distillation import feature_distillation
from mmseg_uda.ops.layer_decay import warmup_linear_factor
from mmseg_uda.ops.position_embedding import resize_position_table

from .golden import below, golden_files, load

OPERATOR = dict(atol=2e-5, rtol=0)


def tensors(path: Path) -> dict[str, Any]:
    """The arrays of a file as tensors; half precision only saves space."""
    return load(path, lambda array: torch.from_numpy(array.astype(np.float32) if array.dtype == np.float16 else array))


def weights(data: dict[str, Tensor], prefix: str = 'sd/') -> dict[str, Tensor]:
    return below(data, prefix)


def files(pattern: str) -> Any:
    return pytest.mark.parametrize('path', golden_files('vit', pattern), ids=lambda path: path.stem)


@files('pos_embed_*.npz')
def test_positions(path: Path) -> None:
    data = tensors(path)
    table, grid = data['pos_embed'], (int(data['grid']),) * 2
    for i, size in enumerate(data['sizes'].tolist()):
        for key, rule in (('hub', 'hub'), ('hub_reg', 'antialias'), ('plain', 'plain'), ('timm', 'antialias')):
            resized = resize_position_table(table, grid, size, 1, rule)
            torch.testing.assert_close(resized, data[f'{key}{i}'], **OPERATOR)
        if tuple(size) == grid:
            assert resize_position_table(table, grid, size, 1, 'hub') is table


@files('lr_schedule*.npz')
def test_schedule(path: Path) -> None:
    data = load(path)
    factors = [warmup_linear_factor(int(n), int(data['warmup']), int(data['total'])) for n in data['iteration']]
    np.testing.assert_allclose(factors, data['factor'], rtol=1e-6, atol=1e-12)


@files('pseudo_flip_*.npz')
def test_flip_averaged_pseudo_labels(path: Path) -> None:
    data = tensors(path)
    labeler = ConfidenceShare(threshold=float(data['threshold']), flip_average=True)
    label, weight = labeler(data['logits'], (data['ignore'] != 255)[:, None], mirrored=data['logits_of_flipped'])
    assert torch.equal(label, data['label'])
    torch.testing.assert_close(weight, data['weight'], rtol=1e-6, atol=0)
    assert weight.max().item() == pytest.approx(float(data['share']), rel=1e-6)


@files('ms_deform_attn_*.npz')
def test_deformable_attention(path: Path) -> None:
    data = tensors(path)
    shapes = [(int(h), int(w)) for h, w in data['spatial_shapes']]
    numbers = (int(data['num_heads']), int(data['num_points']), float(data['ratio']))
    attention = DeformableAttention(data['query'].shape[-1], len(shapes), *numbers)
    attention.load_state_dict(weights(data))
    out = attention(data['query'], data['reference'], data['value'], shapes)
    torch.testing.assert_close(out, data['out'], **OPERATOR)


@files('vfm_head_*.npz')
def test_light_head(path: Path) -> None:
    data = tensors(path)
    head = VFMHead(data['feat'].shape[1], num_classes=data['logits'].shape[1], in_index=0).eval()
    head.load_state_dict({key.replace('out.', 'conv_seg.'): value for key, value in weights(data).items()})
    torch.testing.assert_close(head.upscale(data['feat']), data['upscaled'], **OPERATOR)
    torch.testing.assert_close(head([data['feat']]), data['logits'], **OPERATOR)


@files('vfm_udapp_head_*.npz')
def test_pyramid_head(path: Path) -> None:
    data = tensors(path)
    maps = [data[f'f{i}'] for i in (1, 2, 3, 4)]
    head = VFMPyramidHead(maps[0].shape[1], num_classes=data['logits'].shape[1]).eval()
    head.load_state_dict({key.replace('out.', 'conv_seg.'): value for key, value in weights(data).items()})
    torch.testing.assert_close(head.upscale(maps), data['upscaled'], **OPERATOR)
    torch.testing.assert_close(head(maps), data['logits'], **OPERATOR)


@files('feature2pyramid_*.npz')
def test_feature2pyramid(path: Path) -> None:
    data = tensors(path)
    neck = Feature2Pyramid(data['in0'].shape[1], norm_cfg=dict(type='BN')).eval()
    neck.load_state_dict(weights(data))
    for i, out in enumerate(neck([data[f'in{i}'] for i in range(4)])):
        torch.testing.assert_close(out, data[f'out{i}'], **OPERATOR)


@files('vfm_fd_*.npz')
def test_distillation(path: Path) -> None:
    data = tensors(path)
    features, target = data['feat'].requires_grad_(), data['target']
    projection = FeatureProjection(features.shape[1], target.shape[1])
    projection.load_state_dict({k.replace('feat_project.', 'layers.'): v for k, v in weights(data).items()})
    projected = projection(features, target.shape[2:])
    torch.testing.assert_close(projected, data['projected'], **OPERATOR)
    loss = feature_distillation(projected, target)
    loss.backward()
    assert loss.item() == pytest.approx(float(data['loss']), rel=1e-6)
    torch.testing.assert_close(features.grad, data['grad_feat'], atol=2e-6, rtol=0)


@files('rein_*.npz')
def test_rein(path: Path) -> None:
    data = tensors(path)
    state = weights(data)
    low_rank = 'learnable_tokens_a' in state
    shape = state['learnable_tokens_a' if low_rank else 'learnable_tokens'].shape
    rank = state['learnable_tokens_a'].shape[2] if low_rank else None
    rein = Rein(shape[0], int(data['embed_dims']), tokens=shape[1], rank=rank)
    rein.load_state_dict({key: state[key] for key in rein.state_dict()})
    out = rein(data['tokens'], int(data['layer']), prefix=1)
    torch.testing.assert_close(out, data['out'], **OPERATOR)
    assert torch.equal(out[:, :1], data['tokens'][:, :1])
    # the link to Mask2Former's queries is no part of the package; the tokens behind it are
    learned = torch.stack([rein.tokens_of(layer) for layer in range(shape[0])])
    per_layer = F.linear(learned, state['transform.weight'], state['transform.bias'])
    merged = torch.stack([per_layer.amax(0), per_layer.mean(0), per_layer[-1]], -1).flatten(1)  # (m, 3 D)
    queries = F.linear(merged, state['merge.weight'], state['merge.bias'])
    torch.testing.assert_close(queries, data['queries'], **OPERATOR)

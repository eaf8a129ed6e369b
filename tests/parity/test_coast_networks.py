"""CoaST's networks against vectors of the released code: backbone, classifiers, discriminator, and their published
names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmcv import Config
from mmseg.models import build_head, build_segmentor
from torch import Tensor, nn

from mmseg_uda.compat.keys_coast import coast_to_ours, ours_to_coast
from mmseg_uda.models.discriminators import StridedDiscriminator

from .golden import golden_files, load

ROOT = Path(__file__).resolve().parents[2]


def family(pattern: str) -> Any:
    return pytest.mark.parametrize('path', golden_files('coast', pattern), ids=lambda path: path.stem)


def close(actual: Tensor, expected: np.ndarray, rtol: float = 1e-4, atol: float = 1e-6) -> None:
    np.testing.assert_allclose(actual.detach().numpy(), expected, rtol=rtol, atol=atol)


def formula_weight(name: str, like: Tensor) -> Tensor:
    """The weight that the vectors define for a released parameter name."""
    if name.endswith(('running_mean', 'running_var', 'num_batches_tracked')):
        return like
    shape = tuple(like.shape)
    k = np.arange(int(np.prod(shape)), dtype=np.int64)
    u = np.sin(0.37 * (k % 10007) + 0.011 * (k // 10007) + 0.01 * sum(name.encode())).reshape(shape)
    if len(shape) >= 2:
        value = u * np.sqrt(2 / np.prod(shape[1:]))
    elif name.endswith('weight'):
        value = (1 + 0.1 * u) * (0.3 if 'bn3.' in name or 'downsample.1.' in name else 1)
    else:
        value = 0.1 * u
    return torch.from_numpy(value.astype(np.float32))


def with_formula_weights(module: nn.Module) -> nn.Module:
    """For modules whose own parameter names are the released ones."""
    module.load_state_dict({name: formula_weight(name, value) for name, value in module.state_dict().items()})
    return module.eval()


@family('discriminator_forward*.npz')
def test_discriminator(path: Path) -> None:
    data = load(path)
    x = torch.from_numpy(data['x'])
    close(with_formula_weights(StridedDiscriminator(x.shape[1]))(x), data['out'])


@family('head_forward*.npz')
def test_head(path: Path) -> None:
    data = load(path)
    head = build_head(
        dict(
            type='SEASPPHead',
            in_channels=int(data['inplanes']),
            num_classes=int(data['num_classes']),
            in_index=0,
            align_corners=True,
        )
    )
    released = {name.replace('conv_seg.', 'head.1.'): name for name in head.state_dict()}
    head.load_state_dict({own: formula_weight(name, head.state_dict()[own]) for name, own in released.items()})
    inputs = [torch.from_numpy(data['x'])]
    # processors without vector units sum the dilated convolutions in another order
    close(head.eval()._forward_feature(inputs), data['feat'], rtol=1e-3, atol=5e-5)
    close(head(inputs), data['logits'], rtol=1e-3, atol=5e-5)


def network(num_classes: int, num_heads: int) -> nn.Module:
    """The published network with ``num_heads - 1`` domain heads and the agnostic one, with formula weights under
    released names."""
    cfg = Config.fromfile(str(ROOT / 'configs/_base_/models/deeplabv2_coast_r101.py')).model
    cfg.pretrained = None
    cfg.decode_head.num_classes = num_classes
    segmentor = build_segmentor(cfg)
    segmentor.domain_heads = nn.ModuleList(build_head(cfg.decode_head) for _ in range(num_heads - 1))
    released = ours_to_coast(segmentor.state_dict())
    assert (
        f'layer5_list.{num_heads - 1}.conv2d_list.4.1.bias' in released
        and 'layer5_list.0.bottleneck.0.se.2.weight' in released
    )
    weights = {name: formula_weight(name, value) for name, value in released.items()}
    segmentor.load_state_dict(coast_to_ours(weights))
    back = ours_to_coast(segmentor.state_dict())
    assert back.keys() == weights.keys() and all(torch.equal(value, weights[name]) for name, value in back.items())
    return segmentor.eval()


@family('backbone_forward*.npz')
@torch.no_grad()
def test_network(path: Path) -> None:
    data = load(path)
    scores = sorted(key for key in data if key.startswith('logits_'))
    segmentor = network(data[scores[0]].shape[1], len(scores))
    backbone = segmentor.backbone
    seen: dict[str, Tensor] = {}
    for name in ('maxpool', 'layer1', 'layer2', 'layer3', 'layer4'):
        getattr(backbone, name).register_forward_hook(
            lambda _, __, out, name=name: seen.update({name.replace('maxpool', 'stem'): out})
        )
    features = segmentor.extract_feat(torch.from_numpy(data['x']))
    for name, feature in seen.items():
        assert list(feature.shape[2:]) == data[f'{name}_hw'].tolist(), name
        close(feature.mean(dim=(2, 3)), data[f'{name}_chmean'], 1e-3)
    heads = [*segmentor.domain_heads, segmentor.decode_head]
    for name, head in zip(scores, heads):
        close(head(features), data[name], 1e-3)

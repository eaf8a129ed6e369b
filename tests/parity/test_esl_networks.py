"""Parity of the discriminator, DeepLabV2, its learning rates and the schedule with the ADVENT code."""

from __future__ import annotations

import logging
import zlib
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmcv import Config
from mmseg.models import build_segmentor
from torch import nn

from mmseg_uda.compat.keys_advent import advent_to_ours, ours_to_advent
from mmseg_uda.engine.lr_policies import PolyHorizonLrUpdaterHook
from mmseg_uda.engine.optimizers import build_optimizers
from mmseg_uda.models.discriminators import FCDiscriminator
from mmseg_uda.ops.adversarial import domain_bce

from .golden import golden_files, load

ROOT = Path(__file__).resolve().parents[2]
TOLERANCE = dict(rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize('path', golden_files('esl', 'discriminator_*.npz'), ids=lambda path: path.stem)
def test_discriminator(path: Path) -> None:
    data = load(path)
    maps = (torch.from_numpy(data['in_u8']).float() / 1024).requires_grad_()
    network = FCDiscriminator(maps.shape[1], int(data['ndf']))
    network.load_state_dict({key[2:]: torch.from_numpy(value) for key, value in data.items() if key.startswith('w.')})
    out = network(maps)
    loss = domain_bce(out, 0)
    loss.backward()
    np.testing.assert_allclose(out.detach().numpy(), data['out'], **TOLERANCE)
    np.testing.assert_allclose(loss.item(), data['loss_label0'], **TOLERANCE)
    np.testing.assert_allclose(maps.grad[:, :, ::4, ::4].numpy(), data['grad_in_stride4'], rtol=1e-4, atol=1e-9)


def _uniform(key: str, shape: tuple[int, ...]) -> np.ndarray:
    index = np.arange(int(np.prod(shape)), dtype=np.uint64)
    hashed = (index * np.uint64(2654435761) + np.uint64(zlib.crc32(key.encode()))) % np.uint64(2**32)
    return (hashed.astype(np.float64) / 2**31 - 1).reshape(shape)


def _weight(key: str, like: torch.Tensor) -> torch.Tensor:
    """The weight that the vectors define for a published key."""
    shape, kind = tuple(like.shape), key.rsplit('.', 1)[1]
    if kind == 'num_batches_tracked':
        return torch.zeros_like(like)
    u = _uniform(key, shape)
    if like.dim() == 4:
        u = u * np.sqrt(6 / np.prod(shape[1:]))
    elif 'conv2d_list' in key:
        u = 0.1 * u
    elif kind == 'weight':
        u = (1 + 0.1 * u) * (0.3 if '.bn3.' in key else 1)
    else:
        u = {'running_mean': 0.05 * u, 'running_var': 1 + 0.2 * u, 'bias': 0.1 * u}[kind]
    return torch.from_numpy(u.astype(np.float32))


def _network(data: dict[str, np.ndarray]) -> nn.Module:
    cfg = Config.fromfile(str(ROOT / 'configs/_base_/models/deeplabv2_advent_r101.py')).model
    cfg.pretrained = None
    cfg.backbone.depth = 50
    cfg.decode_head.num_classes = cfg.auxiliary_head.num_classes = int(data['num_classes'])
    if not data['multi_level']:
        cfg.pop('auxiliary_head')
    network = build_segmentor(cfg)
    published = ours_to_advent(network.state_dict())
    assert sorted(key for key in published if 'num_batches' not in key) == sorted(
        str(key) for key in data['state_keys'] if 'num_batches' not in str(key)
    )
    network.load_state_dict(advent_to_ours({key: _weight(key, value) for key, value in published.items()}))
    return network


def _scores(network: nn.Module, data: dict[str, np.ndarray]) -> dict[str, torch.Tensor]:
    img = (
        torch.from_numpy(data['img_u8_bgr']).float() - torch.from_numpy(data['mean_bgr']).view(1, 3, 1, 1).float()
    ) / float(data['div'])
    features = network.extract_feat(img)
    scores = {'main': network.decode_head(features)}
    if data['multi_level']:
        scores['aux'] = network.auxiliary_head(features)
    return scores


@pytest.mark.parametrize('path', golden_files('esl', 'deeplabv2_*.npz'), ids=lambda path: path.stem)
def test_deeplabv2(path: Path) -> None:
    data = load(path)
    network = _network(data)
    with torch.no_grad():
        for mode in ('eval', 'train'):
            network.train(mode == 'train')
            for level, scores in _scores(network, data).items():
                np.testing.assert_allclose(scores.numpy(), data[f'{mode}_{level}'], rtol=1e-4, atol=1e-4)
            if not data['multi_level']:
                assert not data[f'{mode}_aux'].size
    backbone = network.backbone
    np.testing.assert_allclose(backbone.bn1.running_mean.numpy(), data['train_bn1_running_mean'], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(backbone.bn1.running_var.numpy(), data['train_bn1_running_var'], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(
        backbone.layer3[0].downsample[1].running_mean[:32].numpy(),
        data['train_l3_0_ds_running_mean_first32'],
        rtol=1e-4,
        atol=1e-5,
    )


@pytest.mark.parametrize('path', golden_files('esl', 'deeplabv2_*.npz'), ids=lambda path: path.stem)
def test_learning_rates_of_the_released_optimiser(path: Path) -> None:
    data = load(path)
    network = _network(data)
    cfg = Config.fromfile(str(ROOT / 'configs/_base_/schedules/advent_120k_official_lr.py'))
    optimizer = build_optimizers(cfg.optimizer.segmentor, {'segmentor': network})['segmentor']
    rates = {id(p): group['lr'] for group in optimizer.param_groups for p in group['params']}
    published = ours_to_advent(dict(network.named_parameters()))
    found = {key: rates[id(p)] for key, p in published.items() if id(p) in rates}
    expected = {str(name): 2.5e-4 * int(times) for name, times in zip(data['lr1x_names'], data['lr1x_multiplicity'])}
    expected.update({str(name): 2.5e-3 for name in data['lr10x_names']})
    assert found == pytest.approx(expected)


@pytest.mark.parametrize('path', golden_files('esl', 'lr_poly_*.npz'), ids=lambda path: path.stem)
def test_schedule(path: Path) -> None:
    data = load(path)
    bases = {'lr_backbone': data['base_lr'], 'lr_head': 10 * data['base_lr'], 'lr_disc': data['base_lr_d']}
    network = nn.Linear(1, 1)
    optimizer = torch.optim.SGD(
        [{'params': [p], 'lr': float(base)} for p, base in zip([network.weight, network.bias], bases.values())]
    )
    runner = SimpleNamespace(
        optimizer=optimizer, max_iters=int(data['max_iters']), iter=0, logger=logging.getLogger('test')
    )
    hook = PolyHorizonLrUpdaterHook(int(data['max_iters']), float(data['power']))
    hook.before_run(runner)
    for k, iteration in enumerate(data['iters']):
        runner.iter = int(iteration)
        for name, base in bases.items():
            assert hook.get_lr(runner, float(base)) == pytest.approx(data[name][k], rel=1e-12)

"""Whole training iterations of AdvEnt, AdaptSegNet, MinEnt and ESL against the released loop: weights, statistics,
losses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmcv import Config
from mmseg.models import BACKBONES
from torch import Tensor, nn

from mmseg_uda.builder import build_train_model
from mmseg_uda.engine.optimizers import build_optimizers
from mmseg_uda.engine.step import TrainStep
from mmseg_uda.methods.base import UDASegmentor
from mmseg_uda.ops.ael import poly_lr

from .golden import golden_files, load

FILES = [
    path
    for family in ('advent_step*', 'adaptsegnet_step*', 'minent_step*', 'esl_step*')
    for path in golden_files('esl', f'{family}.npz')
]
LEVELS = {'main': 'decode_head', 'aux': 'auxiliary_head'}
OWN_NAMES = {'main': 'decode', 'aux': 'aux'}


@BACKBONES.register_module()
class ReplayBackbone(nn.Module):
    """The backbone of the vectors: two convolutions, batch norm with frozen affine part between them."""

    def __init__(self) -> None:
        super().__init__()
        self.c1 = nn.Conv2d(3, 6, 3, stride=2, padding=1)
        self.bn = nn.BatchNorm2d(6).requires_grad_(False)
        self.c2 = nn.Conv2d(6, 8, 3, stride=2, padding=1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        low = self.bn(self.c1(x)).relu()
        return low, self.c2(low).relu()


def _head(channels: int, index: int, classes: int, weight: float) -> dict[str, Any]:
    return dict(
        type='FCNHead',
        in_channels=channels,
        in_index=index,
        channels=channels,
        num_convs=0,
        concat_input=False,
        dropout_ratio=0.0,
        num_classes=classes,
        align_corners=True,
        loss_decode=dict(type='ValidPixelCrossEntropy', loss_weight=weight),
    )


def _method(data: dict[str, np.ndarray], family: str) -> UDASegmentor:
    classes, multi = int(data['num_classes']), bool(data['multi_level'])
    weights = [float(value) for value in data['lambda_seg']]
    model = dict(
        type='EncoderDecoder',
        backbone=dict(type='ReplayBackbone'),
        decode_head=_head(8, 1, classes, weights[0]),
        train_cfg=dict(),
        test_cfg=dict(mode='whole'),
    )
    if multi:
        model['auxiliary_head'] = _head(6, 0, classes, weights[1])
    lambdas = dict(
        zip(('decode', 'aux') if multi else ('decode',), (float(value) for value in data['lambda_adv_or_ent']))
    )
    uda: dict[str, Any] = dict(type='MinEnt', lambda_ent=lambdas)
    if family != 'minent':
        uda = dict(
            type='AdaptSegNet' if family == 'adaptsegnet' else 'AdvEnt',
            lambda_adv=lambdas,
            discriminator=dict(type='FCDiscriminator', ndf=2),
        )
    if family == 'esl':
        uda['target_ce'] = 1.0
    return build_train_model(Config(dict(model=model, uda=uda)))


def _own_name(key: str) -> str:
    network, rest = key.split('.', 1)
    if network != 'seg':
        return f'discriminators.{OWN_NAMES[network[2:]]}.{rest}'
    module, rest = rest.split('.', 1)
    return f'student.{LEVELS[module]}.conv_seg.{rest}' if module in LEVELS else f'student.backbone.{module}.{rest}'


def _images(data: dict[str, np.ndarray], key: str, iteration: int) -> Tensor:
    return torch.from_numpy(data[key][iteration]).float() - torch.from_numpy(data['mean_bgr']).float().view(1, 3, 1, 1)


def _labels(values: np.ndarray) -> Tensor:
    return torch.from_numpy(values).long()[:, None]


def _state(module: nn.Module) -> dict[str, Tensor]:
    """Parameters and buffers under attribute names."""
    return {**dict(module.named_parameters()), **dict(module.named_buffers())}


@pytest.mark.parametrize('path', FILES, ids=lambda path: path.stem)
def test_iterations(path: Path) -> None:
    data, family = load(path), path.stem.split('_')[0]
    method = _method(data, family)
    with torch.no_grad():
        for key in (key for key in data if key.startswith('init.')):
            _state(method)[_own_name(key[5:])].copy_(torch.from_numpy(data[key]))
    optimizer = dict(
        segmentor=dict(
            type='SGD',
            lr=float(data['lr']),
            momentum=float(data['momentum']),
            weight_decay=float(data['weight_decay']),
            paramwise_cfg=dict(custom_keys=dict(head=dict(lr_mult=10.0))),
        ),
        discriminator=dict(type='Adam', lr=float(data['lr_d']), betas=(0.9, 0.99)),
    )
    step = TrainStep(method, build_optimizers({key: optimizer[key] for key in method.networks()}, method.networks()))
    groups = [group for one in step.optimizers.values() for group in one.param_groups]
    bases = [group['lr'] for group in groups]
    for iteration in range(int(data['iters'])):
        for group, base in zip(groups, bases):
            group['lr'] = poly_lr(base, iteration, int(data['max_iters']), float(data['power']))
        batch = {
            'img': _images(data, 'src_img', iteration),
            'gt_semantic_seg': _labels(data['src_label'][iteration]),
            'target_img': _images(data, 'trg_img', iteration),
        }
        if family == 'esl':
            batch['target_gt_semantic_seg'] = _labels(data['trg_pseudo_label'][iteration])
        step([batch], iteration)
    for key in (key for key in data if key.startswith('final.')):
        found = _state(method)[_own_name(key[6:])].detach().numpy()
        # a step of Adam is about 1e-4 however small the gradient is, so that rounding shows in the seventh digit
        np.testing.assert_allclose(found, data[key], rtol=0, atol=1e-5, err_msg=key)
    _check_logs(step.flush(), data)


def _check_logs(logs: list[dict[str, float]], data: dict[str, np.ndarray]) -> None:
    single = not data['multi_level']  # the released loop then logs zeros for the level that does not exist
    weights = dict(zip(OWN_NAMES.values(), data['lambda_seg']))  # in the heads, as in MMSeg
    for published_level, level in OWN_NAMES.items():
        if single and level == 'aux':
            for kind in ('seg_src', 'seg_trg', 'ent', 'adv_trg', 'd'):
                assert not np.any(data.get(f'loss.loss_{kind}_aux', 0))
            continue
        names = {
            f'loss_seg_src_{published_level}': (f'source.{level}.loss_ce', weights[level]),
            f'loss_seg_trg_{published_level}': (f'target.{level}.loss_ce', weights[level]),
            f'loss_ent_{published_level}': (f'ent.{level}.loss', 1.0),
            f'loss_adv_trg_{published_level}': (f'adv.{level}.loss', 1.0),
            f'loss_d_{published_level}': (f'disc.{level}.target.loss', 2.0),
        }
        for published, (own, weight) in names.items():
            if f'loss.{published}' in data:
                found = [entry[own] / weight for entry in logs]
                np.testing.assert_allclose(
                    found, np.nan_to_num(data[f'loss.{published}']), rtol=1e-4, err_msg=published
                )

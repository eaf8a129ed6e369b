"""Optimiser building: merged groups equal mmcv's, named networks, clear errors."""

from __future__ import annotations

import pytest
import torch
from mmcv.runner import build_optimizer
from torch import nn

from mmseg_uda.engine.optimizers import as_mmcv, build_optimizers
from tests.harness.methods import Setup

from . import toy_methods  # noqa: F401  (registers the method)

PARAMWISE = dict(custom_keys={'head': dict(lr_mult=10.0), 'norm': dict(decay_mult=0.0)}, norm_decay_mult=0.0)


def _network() -> nn.Module:
    return nn.ModuleDict(
        {
            'backbone': nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Conv2d(4, 4, 3)),
            'norm1': nn.LayerNorm(4),
            'head': nn.Conv2d(4, 2, 1),
        }
    )


def test_merged_groups_reproduce_the_published_rates_and_decays() -> None:
    network = _network()
    cfg = dict(type='AdamW', lr=6e-5, betas=(0.9, 0.999), weight_decay=0.01, paramwise_cfg=PARAMWISE)
    mine = build_optimizers(cfg, {'segmentor': network})['segmentor']
    theirs = build_optimizer(network, dict(cfg, paramwise_cfg=dict(PARAMWISE)))

    def options(optimizer: torch.optim.Optimizer) -> dict[int, tuple[float, float]]:
        return {
            id(p): (group['lr'], group['weight_decay']) for group in optimizer.param_groups for p in group['params']
        }

    assert options(mine) == options(theirs)
    assert len(mine.param_groups) == 3 < len(theirs.param_groups)


def test_merged_groups_train_like_one_group_per_parameter() -> None:
    cfg = dict(type='AdamW', lr=1e-3, weight_decay=0.01, paramwise_cfg=PARAMWISE)
    networks = []
    for build in (
        lambda n: build_optimizers(cfg, {'segmentor': n})['segmentor'],
        lambda n: build_optimizer(n, dict(cfg)),
    ):
        torch.manual_seed(0)
        network = _network()
        optimizer = build(network)
        # the same gradients for both: those of a backward pass differ by rounding, which Adam would blow up to a step
        generator = torch.Generator().manual_seed(1)
        for _ in range(3):
            for parameter in network.parameters():
                parameter.grad = torch.randn(parameter.shape, generator=generator)
            optimizer.step()
        networks.append(network)
    for left, right in zip(networks[0].parameters(), networks[1].parameters()):
        torch.testing.assert_close(left, right, rtol=1e-5, atol=1e-7)


def test_only_the_student_is_optimised() -> None:
    method, step = Setup(dict(type='ToySharedGraph'), ('source',)).build()
    assert {id(p) for p in method.student.parameters()} == {
        id(p) for group in as_mmcv(step.optimizers).param_groups for p in group['params']
    }


def test_errors_name_the_network_and_the_nearest_spelling() -> None:
    networks = {'segmentor': nn.Linear(2, 2), 'discriminator': nn.Linear(2, 2)}
    sgd = dict(type='SGD', lr=0.1)
    with pytest.raises(KeyError, match="'segmenter'.*did you mean 'segmentor'"):
        build_optimizers(dict(segmenter=sgd, discriminator=sgd), networks)
    with pytest.raises(KeyError, match="no entry for network 'discriminator'"):
        build_optimizers(dict(segmentor=sgd), networks)
    with pytest.raises(KeyError, match="unknown type 'AdamV'.*did you mean"):
        build_optimizers(dict(type='AdamV', lr=0.1), networks)
    with pytest.raises(KeyError, match="no option 'weight_dekay'.*weight_decay"):
        build_optimizers(dict(type='SGD', lr=0.1, weight_dekay=0.1), networks)
    with pytest.raises(ValueError, match='share a parameter'):
        build_optimizers(sgd, {'a': networks['segmentor'], 'b': networks['segmentor']})
    with pytest.raises(ValueError, match="'a' has no parameter that is trained"):
        build_optimizers(sgd, {'a': nn.Linear(2, 2).requires_grad_(False)})


def _rates(optimizer: torch.optim.Optimizer) -> dict[int, tuple[float, float]]:
    return {
        id(p): (round(group['lr'], 12), group['weight_decay'])
        for group in optimizer.param_groups
        for p in group['params']
    }


@pytest.mark.parametrize(
    'constructor, paramwise',
    [
        ('LayerDecayOptimizerConstructor', dict(num_layers=2, layer_decay_rate=0.5)),
        ('LearningRateDecayOptimizerConstructor', dict(num_layers=2, decay_rate=0.5, decay_type='layer_wise')),
    ],
)
def test_rates_per_layer_are_those_of_mmsegmentation(constructor: str, paramwise: dict) -> None:
    from mmseg.core.builder import build_optimizer as build_stock
    from mmseg.models.backbones import BEiT

    network = nn.ModuleDict({'head': nn.Conv2d(4, 2, 1)})
    network.backbone = BEiT(
        img_size=(32, 32), patch_size=16, embed_dims=8, num_layers=2, num_heads=1, out_indices=(1,), qv_bias=True,
        init_values=0.1,
    )  # fmt: skip
    discriminator = nn.Sequential(nn.Conv2d(2, 4, 3))
    cfg = dict(type='AdamW', lr=1e-3, weight_decay=0.05, constructor=constructor, paramwise_cfg=paramwise)
    mine = build_optimizers(cfg, {'segmentor': network, 'discriminator': discriminator})
    assert _rates(mine['segmentor']) == _rates(build_stock(network, dict(cfg, paramwise_cfg=dict(paramwise))))
    assert len({group['lr'] for group in mine['segmentor'].param_groups}) > 2
    assert {group['lr'] for group in mine['discriminator'].param_groups} == {1e-3}
    assert set(paramwise) == set(cfg['paramwise_cfg'])


def test_rates_per_layer_of_an_unknown_backbone_are_refused() -> None:
    cfg = dict(
        type='AdamW', lr=1e-3, constructor='LearningRateDecayOptimizerConstructor',
        paramwise_cfg=dict(num_layers=2, decay_rate=0.5, decay_type='layer_wise'),
    )  # fmt: skip
    with pytest.raises(ValueError, match='LearningRateDecayOptimizerConstructor knows no layers of Sequential'):
        build_optimizers(cfg, {'segmentor': _network()})

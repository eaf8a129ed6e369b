"""Batch norm statistics of the target: in training by one option, and of a trained network by a tool."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from mmcv import Config
from torch import nn

from mmseg_uda.engine import target_statistics
from mmseg_uda.engine.train import main
from mmseg_uda.models.modes import kept_running_statistics
from mmseg_uda.models.target_statistics import PooledMoments, adaptable_norms, recompute_statistics
from tests.engine.worlds import write_config

BATCH_NORM = "\nmodel['decode_head']['norm_cfg'] = dict(type='BN')\n"
KEYS = ('decode_head.convs.0.bn.running_mean', 'decode_head.convs.0.bn.running_var')


def config(folder: Path, uda: str, extra: str = '') -> Path:
    return write_config(folder, uda=uda, extra=BATCH_NORM + extra)


def trained(path: Path, folder: Path, *options: str) -> dict[str, Any]:
    main([str(path), '--work-dir', str(folder), '--device', 'cpu', *options])
    return torch.load(folder / 'iter_4.pth', weights_only=False)['state_dict']


def test_moments_of_batches_are_those_of_one_batch() -> None:
    values = torch.randn(7, 3, 5, 4, generator=torch.Generator().manual_seed(0)) * 2 + 5
    moments = PooledMoments()
    for part in values.split([1, 4, 2]):
        moments.add(part.mean((0, 2, 3)), part.transpose(0, 1).flatten(1).var(1), part[:, 0].numel())
    flat = values.double().transpose(0, 1).flatten(1)
    torch.testing.assert_close(moments.mean, flat.mean(1), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(moments.variance, flat.var(1), rtol=1e-5, atol=1e-6)


def test_layers_see_what_new_statistics_give_them_and_frozen_ones_keep_theirs() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.BatchNorm2d(2), nn.Conv2d(2, 2, 1), nn.BatchNorm2d(2), nn.BatchNorm2d(2))
    network[3].eval()
    images, before = torch.randn(4, 2, 16, 16) * 3 + 1, [module.training for module in network.modules()]
    names = list(adaptable_norms(network))
    assert names == ['0', '2']
    assert recompute_statistics(network, names, [images], network) == 2
    assert [module.training for module in network.modules()] == before
    assert torch.equal(network[3].running_mean, torch.zeros(2))
    assert all(norm.momentum == 0.1 and norm.num_batches_tracked == 0 for norm in (network[0], network[2]))
    out = network[:3].eval()(images)
    torch.testing.assert_close(out.mean((0, 2, 3)), torch.zeros(2), rtol=0, atol=1e-4)
    torch.testing.assert_close(out.var((0, 2, 3)), torch.ones(2), rtol=1e-2, atol=0)


def test_passes_that_keep_running_statistics_count_and_broken_ones_are_replaced() -> None:
    network = nn.Sequential(nn.BatchNorm2d(2))
    network[0].running_mean.fill_(float('nan'))
    frames = torch.randn(2, 3, 2, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 + 5

    def forward(clip: torch.Tensor) -> None:  # a clip's key frame, as with key_bn='keep'
        network(clip[0])
        with kept_running_statistics(network):
            network(clip[1])

    assert recompute_statistics(network, ['0'], [frames], forward) == 1
    flat = frames.flatten(0, 1).transpose(0, 1).flatten(1)
    torch.testing.assert_close(network[0].running_mean, flat.mean(1), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(network[0].running_var, flat.var(1), rtol=1e-5, atol=1e-6)


def test_an_image_that_cannot_pass_leaves_the_statistics_alone() -> None:
    network = nn.Sequential(nn.BatchNorm2d(2), nn.Conv2d(2, 2, 1), nn.BatchNorm2d(2))
    before = {key: value.clone() for key, value in network.state_dict().items()}
    with pytest.raises(RuntimeError):
        recompute_statistics(
            network, list(adaptable_norms(network)), [torch.ones(1, 2, 4, 4), torch.ones(1, 3, 4, 4)], network
        )
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())
    assert network[0].momentum == 0.1


@pytest.mark.parametrize('uda', ['dict(type="SourceOnly", {})', 'dict(type="DACS", {})'])
def test_training_ends_with_the_targets_statistics_and_trains_as_without(uda: str, tmp_path: Path) -> None:
    plain = trained(config(tmp_path, uda.format('')), tmp_path / 'plain')
    path = config(tmp_path, uda.format('running_statistics="target"'))
    adapted = trained(path, tmp_path / 'adapted')
    norms = [key for key in plain if 'running_' in key]
    assert set(KEYS) <= set(norms)
    assert not any(torch.equal(plain[key], adapted[key]) for key in norms)
    assert all(torch.equal(plain[key], adapted[key]) for key in plain if key not in norms)
    # the tool gives the plain network what training with the option ends with
    out = tmp_path / 'tool.pth'
    target_statistics.main([str(path), str(tmp_path / 'plain' / 'iter_4.pth'), '--out', str(out), '--device', 'cpu'])
    tool = torch.load(out, weights_only=False)['state_dict']
    assert all(torch.equal(tool[key], adapted[key]) for key in adapted)
    # so it does with a checkpoint of a network that was wrapped for several devices
    wrapped = tmp_path / 'wrapped.pth'
    torch.save({'state_dict': {f'module.{key}': value for key, value in plain.items()}}, wrapped)
    target_statistics.main([str(path), str(wrapped), '--out', str(out), '--device', 'cpu'])
    tool = torch.load(out, weights_only=False)['state_dict']
    assert all(torch.equal(tool[key], adapted[key]) for key in adapted)


def test_a_run_that_is_cut_and_goes_on_ends_with_the_same_bits(tmp_path: Path) -> None:
    path = config(tmp_path, 'dict(type="DACS", running_statistics="target")')
    whole = trained(path, tmp_path / 'whole')
    resumed = trained(path, tmp_path / 'cut', '--resume-from', str(tmp_path / 'whole' / 'iter_2.pth'))
    assert all(torch.equal(whole[key], resumed[key]) for key in whole)


def test_what_cannot_adapt_is_refused_by_name(tmp_path: Path) -> None:
    path = write_config(tmp_path, uda='dict(type="DACS", running_statistics="target")')
    with pytest.raises(Exception, match='no batch norm'):
        main([str(path), '--work-dir', str(tmp_path / 'a'), '--device', 'cpu'])
    path = config(tmp_path, 'dict(type="SourceOnly", running_statistics="target")', "\ndel data['train']['target']\n")
    with pytest.raises(Exception, match="no data set 'data.train.target'"):
        main([str(path), '--work-dir', str(tmp_path / 'b'), '--device', 'cpu'])
    path = config(tmp_path, 'dict(type="DACS", running_statistics="targt")')
    with pytest.raises(Exception, match='running_statistics must be one of'):
        main([str(path), '--work-dir', str(tmp_path / 'c'), '--device', 'cpu'])


def test_several_targets_share_the_images(tmp_path: Path) -> None:
    path = config(tmp_path, '', "\ndata['train']['target'] = [data['train']['target']] * 2\n")
    images = target_statistics.TargetImages(Config.fromfile(str(path)), images=4)
    half = len(images.dataset) // 2
    assert len(images) == 4 and {index // half for index in images.indices} == {0, 1}


@pytest.mark.parametrize('uda', ['dict(type="RIPU", {})', 'dict(type="SourceOnly", {})'], ids=['RIPU', 'S+T'])
def test_without_others_the_labelled_target_images_give_the_statistics(uda: str, tmp_path: Path) -> None:
    streams = "\ndata['train'].pop('target')\ndata['train']['labeled_target'] = dict(data['train']['source'])\n"
    path = config(tmp_path, uda.format('running_statistics="target"'), streams)
    images = target_statistics.TargetImages(Config.fromfile(str(path)), images=2)
    assert len(images) == 2 and images.where == 'data.train.labeled_target'
    adapted = trained(path, tmp_path / 'adapted')
    plain = trained(config(tmp_path, uda.format(''), streams), tmp_path / 'plain')
    norms = [key for key in plain if 'running_' in key]
    assert norms and not any(torch.equal(plain[key], adapted[key]) for key in norms)

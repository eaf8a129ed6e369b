"""CoaST and MTKT train with two and three targets at any batch size, resume exactly, and ranks equal one process."""
from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from mmcv import Config

from mmseg_uda.registry import build_train_model
from tests.harness.methods import Setup, check_batch_sizes, check_exact_resume, check_two_ranks
from tests.harness.synthetic import tiny_model

STREAMS = ('source', 'target', 'target2')
VARIANTS: dict[str, dict[str, Any]] = {
    'coast': dict(type='CoaST', styliser=dict(type='ChannelStatistics', layers=['stages.0', 'stages.1'])),
    'coast_official': dict(type='CoaST', loss_mode='official',
                           styliser=dict(type='ChannelStatistics', layers=['stages.0'], mode='official')),
    'mtkt': dict(type='MTKT', discriminator=dict(type='FCDiscriminator', ndf=2)),
    'mdis': dict(type='MDis', discriminator=dict(type='FCDiscriminator', ndf=2)),
    'warm_up': dict(type='CoaSTWarmUp', discriminator=dict(type='StridedDiscriminator', ndf=2)),
}


@pytest.mark.parametrize('name', VARIANTS)
def test_batch_sizes(name: str) -> None:
    check_batch_sizes(VARIANTS[name], STREAMS)


@pytest.mark.parametrize('name', VARIANTS)
def test_exact_resume(name: str, tmp_path: Path) -> None:
    check_exact_resume(VARIANTS[name], STREAMS, tmp_path)


@pytest.mark.parametrize('name', ['coast', 'mtkt'])
def test_two_ranks(name: str, tmp_path: Path) -> None:
    check_two_ranks(VARIANTS[name], STREAMS, tmp_path)


@pytest.mark.parametrize('streams', [STREAMS[:2], (*STREAMS, 'target3')])
def test_other_numbers_of_targets(streams: tuple[str, ...]) -> None:
    setup = Setup(dict(VARIANTS['coast'], num_targets=len(streams) - 1), streams)
    _, step = setup.build()
    step([setup.data.batch([0, 1])], 0)
    assert all(torch.isfinite(torch.tensor(value)) for value in step.flush()[0].values())


def test_wrong_number_of_targets_is_named() -> None:
    setup = Setup(VARIANTS['coast'], STREAMS[:2])
    _, step = setup.build()
    with pytest.raises(ValueError, match='num_targets=2'):
        step([setup.data.batch([0])], 0)


def test_unknown_layer_is_named() -> None:
    with pytest.raises(ValueError, match="no submodule 'layer9'"):
        build_train_model(Config(dict(model=tiny_model(), uda=dict(type='CoaST', styliser=dict(type='ChannelStatistics', layers=['layer9'])))))

"""Runs of version 0.1.0 (commit 4870b85) go on: its configs, its checkpoints, the losses of its next iterations.

The checkpoints were written after three of six iterations by that commit, the losses below by its iterations four to
six. They name the decode head's discriminators ``main``, as the configs did.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.compat.test_repository import ROOT
from tests.harness.methods import Setup
from tests.harness.synthetic import tiny_model
from tests.methods.test_adversarial import two_level_model

CHECKPOINTS = ROOT / 'tests' / 'golden' / 'checkpoints'
ADVENT = dict(type='AdvEnt', discriminator=dict(type='FCDiscriminator', ndf=2), lambda_adv=dict(main=0.001, aux=0.0002))
WARM_UP = dict(
    type='CoaSTWarmUp',
    discriminator=dict(type='StridedDiscriminator', ndf=2),
    lambda_adv=dict(main=0.001),
    num_targets=2,
)
RUNS: dict[str, Any] = {
    'advent': (
        Setup(ADVENT, model=two_level_model()),
        {
            'loss': (3.160069, 3.162032, 3.15917),
            'source.decode.loss_ce': (1.611877, 1.613812, 1.611021),
            'disc.decode.target.loss': (0.713924, 0.712394, 0.711368),  # logged by 0.1.0 with its weight of one half
            'disc.aux.source.loss': (0.691674, 0.692006, 0.692372),
        },
    ),
    'coast_warm_up': (
        Setup(WARM_UP, ('source', 'target', 'target2'), model=tiny_model()),
        {
            'loss': (5.67782, 5.671944, 5.672894),
            'source.domain1.loss_ce': (1.450531, 1.447995, 1.448786),
            'disc.decode.source1.target1.loss': (0.69552, 0.695127, 0.694656),
        },
    ),
}


@pytest.mark.parametrize('name', RUNS)
def test_a_run_goes_on_as_it_would_have(name: str, tmp_path: Path) -> None:
    setup, expected = RUNS[name]
    runner = setup.runner(tmp_path)
    runner.resume(str(CHECKPOINTS / f'{name}_iter_3.ckpt'))
    assert runner.iter == 3
    logs = setup.train(runner)
    for key, values in expected.items():
        torch.testing.assert_close([entry[key] for entry in logs], list(values), rtol=2e-4, atol=0, msg=key)


def test_its_weights_start_another_run(tmp_path: Path) -> None:
    setup, _ = RUNS['advent']
    runner = setup.runner(tmp_path)
    before = {key: value.clone() for key, value in runner.model.state_dict().items()}
    runner.load_checkpoint(str(CHECKPOINTS / 'advent_iter_3.ckpt'))
    state = runner.model.state_dict()
    changed = {key for key, value in state.items() if not torch.equal(value, before[key])}
    for part in ('backbone.', 'decode_head.', 'uda.discriminators.decode.', 'uda.discriminators.aux.'):
        assert any(key.startswith(part) for key in changed), part

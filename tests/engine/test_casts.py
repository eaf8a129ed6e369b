"""Under autocast a weight is cast once in an iteration, and training is what it is with a cast in every pass."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from mmseg_uda.engine.dry_run import dry_steps
from mmseg_uda.engine.step import StepOptions, TrainStep, casts_keep_gradients
from tests.engine.test_dry_run import setup
from tests.harness.runs import make_world


@pytest.fixture(scope='module')
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_world(tmp_path_factory.mktemp('casts')) / 'imagenet.pth'


@pytest.mark.parametrize('backward', ['merged', 'sequential'])
@pytest.mark.parametrize('name', ['dacs', 'adaptsegnet', 'coast', 'dstc', 'mic', 'ripu'])
def test_gradients_are_those_of_casts_in_every_pass(name: str, backward: str, weights: Path) -> None:
    one = setup(name, weights)
    one.options = dict(precision='bf16', backward=backward)
    found = []
    for shared in (True, False):
        method, step = one.build()
        step.shares_casts = shared and step.shares_casts
        moments = []
        for iteration in range(2):
            step([one.data.batch(range(2 * iteration, 2 * iteration + 2))], iteration)
            moments.append(torch.cat([p.grad.flatten() for p in method.parameters() if p.grad is not None]))
        found.append(moments)
    for shared, plain in zip(*found):
        assert shared.shape == plain.shape and plain.norm() > 0
        assert (shared - plain).norm() <= 0.02 * plain.norm()


def test_a_weight_is_cast_once(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, casts = setup('dacs', weights), []
    for shared in (True, False):
        monkeypatch.setattr('mmseg_uda.engine.step.casts_keep_gradients', lambda _, shared=shared: shared)
        tally = dry_steps(one.build()[0], one.data.batch(range(2)), StepOptions(precision='bf16'), (3, 4), device='cpu')
        casts.append(tally.kernels['_to_copy'])
    assert casts[0] < casts[1]


def test_torch_that_forgets_gradients_of_casts_is_found_out(monkeypatch: pytest.MonkeyPatch, weights: Path) -> None:
    assert casts_keep_gradients('meta') is False
    assert isinstance(casts_keep_gradients('cpu'), bool)
    one = setup('dacs', weights)
    assert not one.build()[1].shares_casts  # fp32
    monkeypatch.setattr('mmseg_uda.engine.step.casts_keep_gradients', lambda _: False)
    one.options = dict(precision='bf16')
    step: TrainStep = one.build()[1]
    step([one.data.batch(range(2))], 0)
    assert not step.shares_casts and step.records.state_dict() is not None

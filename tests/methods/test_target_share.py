"""Every method that trains on labels of target pixels logs which share of them counts, and a run says when none does."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
import torch

from mmseg_uda.methods.base import LossTerm
from mmseg_uda.methods.parts.target_share import target_share
from mmseg_uda.utils.rng import StepRng
from tests.harness.methods import Setup
from tests.methods.test_one_channel import METHODS
from tests.methods.test_video import VARIANTS, clip_extras, fused_model

MASKED = dict(mode='separatetrg', alpha=0.9)
SURE = dict(type='ConfidenceShare', threshold=0.0)


def stored(sample: dict[str, Any], stream: str, generator: torch.Generator) -> None:
    """Pseudo-labels in three quarters of a target image."""
    if stream == 'target':
        height, width = sample['img'].shape[1:]
        label = torch.ones(1, height, width, dtype=torch.long)
        label[:, : height // 4] = 255
        sample['gt_semantic_seg'] = label


def shares(setup: Setup) -> list[float]:
    method, _ = setup.build()
    method.begin_iteration(0, StepRng(1, 0, batch_size=2))
    events = list(method.training_losses(setup.data.batch([0, 1])))
    return [float(e.log['target.share']) for e in events if isinstance(e, LossTerm) and 'target.share' in e.log]


def of(name: str, **changes: Any) -> Setup:
    uda, streams = METHODS[name]
    return Setup(dict(uda, **changes), streams)


TPS = Setup(VARIANTS['tps'], add_extras=clip_extras, model=fused_model())
QUADMIX = Setup(VARIANTS['quadmix'], add_extras=clip_extras, model=fused_model())
STORED = Setup(dict(type='MinEnt', target_ce=1.0, masking=dict(MASKED, pseudo_labeler=SURE)), add_extras=stored)
EXPECTED: dict[str, tuple[Setup, float]] = {
    'self_training': (of('mic', pseudo_threshold=0.0), 1.0),
    'self_training_unsure': (of('mic', pseudo_threshold=1.0), 0.0),
    'masked': (Setup(dict(type='MinEnt', masking=dict(MASKED, pseudo_labeler=SURE))), 1.0),
    'stored_and_masked': (STORED, 0.75),
    'coast': (of('coast'), 1.0),
    'coast_unsure': (of('coast', threshold=1.0), 0.0),
    'dstc': (of('dstc'), 1.0),
    'dstc_unsure': (of('dstc', pseudo_threshold=1.0), 0.0),
    'tps': (TPS, 1.0),
    'video_quadmix': (QUADMIX, 1.0),
    'dstc_share': (of('dstc', pseudo_threshold=0.0, threshold_mode='share'), 1.0),
}


@pytest.mark.parametrize('name', EXPECTED)
def test_it_is_logged_once_in_an_iteration(name: str) -> None:
    setup, expected = EXPECTED[name]
    assert shares(setup) == [pytest.approx(expected)]


def test_stal_leaves_uncertain_pixels_out() -> None:
    (share,) = shares(of('stal'))
    assert 0 < share < 1


@pytest.mark.parametrize('name', ['source_only', 'advent', 'mtkt', 'ripu'])
def test_methods_that_weigh_no_pixels_log_none(name: str) -> None:
    uda, streams = METHODS[name]
    assert shares(Setup(uda, streams)) == []


def test_margins_and_padding_have_no_pseudo_label_in_dstc() -> None:
    setup = of('dstc')
    method, _ = setup.build()
    batch = setup.data.batch([0, 1])
    batch['target_valid_pseudo_mask'] = torch.ones(2, 1, *batch['img'].shape[2:], dtype=torch.uint8)
    batch['target_valid_pseudo_mask'][..., :8, :] = 0
    method.views = {}
    method.begin_iteration(0, StepRng(1, 0, batch_size=2))
    logs = [event.log for event in method.training_losses(batch) if isinstance(event, LossTerm)]
    share = 1 - 8 / batch['img'].shape[2]
    assert [float(log['target.share']) for log in logs if 'target.share' in log] == [pytest.approx(share)]
    for name in ('mix_source_branch', 'mix_target_branch'):
        label = method.views[name]['label']
        assert (label[:, :8] == 255).all() and (label[:, 8:] != 255).all()


def test_a_late_start_is_no_share_of_zero() -> None:
    assert shares(of('stal', consistency_start=0.5)) == []


def test_pixels_need_a_class_and_a_weight() -> None:
    label, weight = torch.tensor([0, 1, 255, 255]), torch.tensor([1.0, 0.0, 1.0, 0.0])
    assert float(target_share(label)['target.share']) == 0.5
    assert float(target_share(label, weight)['target.share']) == 0.25


@pytest.mark.parametrize('threshold, said', [(1.0, True), (0.0, False)])
def test_the_runner_says_it(threshold: float, said: bool, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    setup = Setup(dict(type='DACS', pseudo_threshold=threshold), max_iters=2)
    with caplog.at_level(logging.WARNING, 'harness'):
        setup.train(setup.runner(tmp_path))
    assert ('target.share has been 0 in all 2 iterations' in caplog.text) == said

"""The examples run, and compute what the package computes."""

from __future__ import annotations

import copy
import runpy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from mmseg_uda.models.heads import scores_of
from mmseg_uda.utils.rng import StepRng
from tests.compat.test_repository import ROOT
from tests.harness.methods import Setup

EXAMPLE = ROOT / 'examples' / 'dacs_in_100_lines.py'
UDA: dict[str, Any] = dict(
    type='DACS',
    alpha=0.9,
    mix='class',
    class_scope='image',
    pseudo_labeler=dict(type='ConfidenceShare', threshold=0.25, weight_scope='image'),
    augmentation=None,
)


class Scores(nn.Module):
    """A segmentor as the example sees it: images to scores of their size."""

    def __init__(self, segmentor: Any) -> None:
        super().__init__()
        self.segmentor = segmentor

    def forward(self, img: Tensor) -> Tensor:
        return scores_of(self.segmentor, self.segmentor.extract_feat(img), img.shape[2:], ['decode'])['decode']


def test_dacs_in_100_lines_computes_what_the_package_computes() -> None:
    assert len(EXAMPLE.read_text(encoding='utf-8').splitlines()) <= 110
    train_step = runpy.run_path(str(EXAMPLE))['train_step']
    setup = Setup(UDA, optimizer=dict(type='SGD', lr=0.5))
    method, step = setup.build()
    student = Scores(copy.deepcopy(method.student))
    teacher = copy.deepcopy(student)
    optimizer = torch.optim.SGD(student.parameters(), lr=0.5)
    confident = []
    for iteration in range(4):
        batch = setup.data.batch([2 * iteration, 2 * iteration + 1])
        step([batch], iteration)
        (log,) = step.flush()
        rng = StepRng(1, iteration, batch_size=2)
        draws = torch.stack([torch.rand(256, generator=rng.samples[i]) for i in range(2)])
        images = (batch['img'], batch['gt_semantic_seg'][:, 0], batch['target_img'])
        losses = train_step(student, teacher, optimizer, images, draws, iteration, alpha=0.9, threshold=0.25)
        assert losses == pytest.approx((log['decode.loss_ce'], log['mix.decode.loss_ce']), rel=1e-5)
        confident.append(method.pseudo_labeler(teacher(batch['target_img']))[1].mean().item())
    assert any(0 < share < 1 for share in confident), 'the weight of pseudo-labels plays no part in this comparison'
    for ours, theirs in ((student, method.student), (teacher, method.teacher.model)):
        for name, value in theirs.named_parameters():
            torch.testing.assert_close(dict(ours.segmentor.named_parameters())[name], value, rtol=1e-4, atol=1e-6)


def test_the_example_learns_its_target(capsys: pytest.CaptureFixture) -> None:
    runpy.run_path(str(EXAMPLE))['main'](iterations=50)
    assert '50: source' in capsys.readouterr().out

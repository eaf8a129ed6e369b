"""Details of the training step that a wrong number hides in: random numbers of micro-batches and ranks, clipping, logs,
parameters without gradient, first updates of teachers, first iterations of schedules."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Iterator

import pytest
import torch
from torch import nn

from mmseg_uda.components.ema import EMATeacher
from mmseg_uda.engine.distributed import all_reduce_gradients
from mmseg_uda.methods.base import LossTerm
from mmseg_uda.methods.dstc import _next
from mmseg_uda.ops.world import ALONE
from tests.harness.methods import Setup, run_ranks
from tests.harness.runs import METHODS
from tests.harness.synthetic import tiny_model

from .toy_methods import gradients


def _draws(setup: Setup, rank: int, world_size: int, monkeypatch: pytest.MonkeyPatch) -> list[tuple[float, float]]:
    """Numbers that a method gets in iteration 3, one pair per micro-batch: torch's, and its own generator's."""
    monkeypatch.setattr('mmseg_uda.engine.step.all_reduce_gradients', lambda parameters, flag: flag)
    method, step = setup.build()
    step.rank, step.world_size = rank, world_size
    seen: list[tuple[float, float]] = []

    def terms(batch: Any) -> Iterator[LossTerm]:
        own = torch.rand((), generator=method.rng.samples[0])
        seen.append((float(torch.rand(())), float(own)))
        yield LossTerm('source', method.student.encode_decode(batch['img'], batch['img_metas']).square().mean())

    method.training_losses = terms
    step([setup.data.batch([0])] * step.options.cumulative_iters, 3)
    return seen


def test_micro_batches_and_ranks_draw_numbers_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two ranks with two micro-batches draw per image what one process with four draws, in the order of the images."""
    four = Setup(None, ('source',), options=dict(cumulative_iters=4))
    two = Setup(None, ('source',), options=dict(cumulative_iters=2))
    alone = _draws(four, 0, 1, monkeypatch)
    first, second = (_draws(two, rank, 2, monkeypatch) for rank in (0, 1))
    assert [own for _, own in alone] == [first[0][1], second[0][1], first[1][1], second[1][1]]
    assert len({own for _, own in alone}) == 4
    assert len({shared for shared, _ in alone}) == 4
    assert len({shared for shared, _ in [*first, *second]}) == 4


def test_logs_of_accumulated_batches_are_means() -> None:
    batches = [Setup(None, ('source',)).data.batch([i]) for i in (0, 1)]
    single = []
    for batch in batches:
        _, step = Setup(None, ('source',)).build()
        step([batch], 0)
        single.append(step.flush()[0])
    _, step = Setup(None, ('source',), options=dict(cumulative_iters=2)).build()
    step(batches, 0)
    together = step.flush()[0]
    for key in ('loss', 'decode.loss_ce'):
        assert single[0][key] != single[1][key]
        assert together[key] == pytest.approx((single[0][key] + single[1][key]) / 2, rel=1e-5)


def test_gradients_below_the_limit_are_left_alone() -> None:
    found = []
    for options in ({}, dict(grad_clip=dict(max_norm=1e4)), dict(grad_clip=dict(max_norm=1e-3))):
        method, step = Setup(None, ('source',), options=options).build()
        step([Setup(None, ('source',)).data.batch([0, 1])], 0)
        found.append(gradients(method.student))
    plain, loose, tight = found
    assert all(torch.equal(plain[name], loose[name]) for name in plain)
    norm = torch.cat([value.flatten() for value in tight.values()]).norm()
    assert 0.999e-3 < norm <= 1.0001e-3


def _three_parameters(rank: int) -> list[Any]:
    everywhere, nowhere, on_rank_0 = (nn.Parameter(torch.zeros(2)) for _ in range(3))
    everywhere.grad = torch.full((2,), 1.0 + rank)
    if rank == 0:
        on_rank_0.grad = torch.full((2,), 4.0)
    all_reduce_gradients([everywhere, nowhere, on_rank_0], torch.zeros(()))
    return [None if p.grad is None else p.grad.tolist() for p in (everywhere, nowhere, on_rank_0)]


def test_a_parameter_without_gradient_on_any_rank_stays_without(tmp_path: Path) -> None:
    """Zeros would let weight decay and momentum move it."""
    for grads in run_ranks(_three_parameters, tmp_path):
        assert grads == [[1.5, 1.5], None, [2.0, 2.0]]


@pytest.mark.parametrize('buffers', ['own', 'copy', 'ema'])
def test_the_first_update_of_a_teacher_copies_buffers(buffers: str) -> None:
    """Weights that were loaded after construction bring their statistics."""
    student = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))
    teacher = EMATeacher(student, 0.9, buffers)
    student[1].running_mean.fill_(3.0)
    student[1].num_batches_tracked.fill_(7)
    teacher.update(student, 0)
    assert torch.equal(teacher.model[1].running_mean, student[1].running_mean)
    assert teacher.model[1].num_batches_tracked == 7
    student[1].running_mean.fill_(5.0)
    teacher.update(student, 1)
    expected = {'own': 3.0, 'copy': 5.0, 'ema': 4.0}[buffers]  # the rate of the second update is 1/2
    assert torch.allclose(teacher.model[1].running_mean, torch.tensor(expected))


def test_dstc_pastes_on_the_next_image() -> None:
    assert _next(torch.arange(3), ALONE).tolist() == [1, 2, 0]
    assert _next(torch.arange(6), ALONE, number=2).tolist() == [1, 2, 0, 4, 5, 3]


@pytest.mark.parametrize('start', [0, 1, 2])
def test_mtkt_distils_from_its_first_iteration_on(start: int) -> None:
    streams, uda, _ = METHODS['mtkt']
    auxiliary = dict(tiny_model()['decode_head'], in_index=2)
    setup = Setup(dict(uda or {}, teacher_start=start), streams, model=tiny_model(auxiliary_head=auxiliary))
    _, step = setup.build()
    for iteration in range(3):
        step([setup.data.batch([0])], iteration)
    distilled = [any('kd.' in key for key in entry) for entry in step.flush()]
    assert distilled == [iteration >= start for iteration in range(3)]

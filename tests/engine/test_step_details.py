"""Details of an iteration that no loss curve shows: found by changing the code and looking whether a test noticed."""

from __future__ import annotations

import contextlib
from typing import Any, Iterator

import pytest
import torch
import torch.distributed as dist
from torch import Tensor, nn

from mmseg_uda.components.ema import EMATeacher
from mmseg_uda.engine.distributed import all_reduce_gradients
from mmseg_uda.engine.gradients import added_at_once
from mmseg_uda.engine.step import TrainStep
from mmseg_uda.methods.base import LossTerm, TrainingEvent, UDASegmentor
from mmseg_uda.methods.dstc import _next
from mmseg_uda.models.checkpointing import checkpoint_blocks
from mmseg_uda.ops.world import ALONE
from mmseg_uda.registry import UDA
from mmseg_uda.utils.rng import rand_per_sample
from tests.harness.methods import Setup
from tests.harness.runs import METHODS
from tests.harness.synthetic import tiny_model

from . import toy_methods

SHARED = dict(type='ToySharedGraph')
SGD = dict(type='SGD', lr=0.0)


@UDA.register_module()
class ToyDraws(UDASegmentor):
    """Keeps what each micro-batch draws: from torch's generator, and for each image."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.common: list[float] = []
        self.own: list[list[float]] = []

    def training_losses(self, batch: Any) -> Iterator[TrainingEvent]:
        self.common.append(float(torch.rand(())))
        self.own.append(rand_per_sample(self.rng.samples, len(batch['img'])).tolist())
        yield LossTerm('source', self.student.encode_decode(batch['img'], batch['img_metas']).square().mean())


def trained(uda: Any, batch_size: int, micro_batches: int = 1, rank: int = 0, ranks: int = 1, **options: Any) -> Any:
    setup = Setup(uda, ('source',), optimizer=SGD, options=dict(cumulative_iters=micro_batches, **options))
    method, step = setup.build()
    step.rank, step.world_size = rank, ranks
    positions = [
        range((k * ranks + rank) * batch_size, (k * ranks + rank + 1) * batch_size) for k in range(micro_batches)
    ]
    step([setup.data.batch(part) for part in positions], 0)
    return method, step


def test_the_first_update_of_a_teacher_copies_batch_statistics_and_later_ones_keep_their_own() -> None:
    student = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))
    teacher = EMATeacher(student, 0.9)
    student(torch.randn(4, 3, 8, 8))
    assert not torch.equal(teacher.model[1].running_mean, student[1].running_mean)
    teacher.update(student, 0)
    for mine, theirs in zip(teacher.model.buffers(), student.buffers()):
        assert torch.equal(mine, theirs)
    kept = [buffer.clone() for buffer in teacher.model.buffers()]
    student(torch.randn(4, 3, 8, 8) + 2)
    teacher.update(student, 1)
    assert all(torch.equal(mine, before) for mine, before in zip(teacher.model.buffers(), kept))


def test_dstc_pastes_image_b_on_image_b_plus_1() -> None:
    images = torch.arange(3.0)[:, None]
    assert _next(images, ALONE).flatten().tolist() == [1.0, 2.0, 0.0]
    assert _next(torch.arange(6.0), ALONE, number=2).tolist() == [1.0, 2.0, 0.0, 4.0, 5.0, 3.0]


def test_mtkt_distils_from_its_teacher_start_on() -> None:
    streams, uda, _ = METHODS['mtkt']
    model = tiny_model(5)
    model['auxiliary_head'] = dict(model['decode_head'], in_index=2)
    setup = Setup(dict(uda, teacher_start=2), streams, model=model)
    _, step = setup.build()
    for iteration in range(4):
        step([setup.data.batch(range(2))], iteration)
    distilled = [any('kd' in name for name in entry) for entry in step.flush()]
    assert distilled == [False, False, True, True]


def test_logged_losses_of_micro_batches_are_those_of_the_whole_batch() -> None:
    _, large = trained(SHARED, 4)
    _, small = trained(SHARED, 2, micro_batches=2)
    (whole,), (parts,) = large.flush(), small.flush()
    for name in ('decode.loss_ce', 'other', 'loss'):
        assert parts[name] == pytest.approx(whole[name], rel=1e-3), name


def test_gradients_below_the_norm_are_not_touched() -> None:
    free, _ = trained(SHARED, 2)
    bound, _ = trained(SHARED, 2, grad_clip=dict(max_norm=1e4))
    other = toy_methods.gradients(bound)
    for name, value in toy_methods.gradients(free).items():
        assert torch.equal(value, other[name]), name


def test_micro_batches_and_ranks_draw_what_one_large_batch_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('mmseg_uda.engine.step.all_reduce_gradients', lambda parameters, flag: flag)
    whole, _ = trained(dict(type='ToyDraws'), 4)
    found: dict[tuple[int, int], list[float]] = {}
    common = []
    for rank in range(2):
        method, _ = trained(dict(type='ToyDraws'), 1, micro_batches=2, rank=rank, ranks=2)
        found.update({(k, rank): draws for k, draws in enumerate(method.own)})
        common += method.common
    assert len(set(common)) == 4, 'micro-batches or ranks share the draws of the global generator'
    assert [found[k, rank][0] for k in range(2) for rank in range(2)] == whole.own[0]


def test_a_parameter_without_gradient_on_every_rank_keeps_none(tmp_path: Any) -> None:
    dist.init_process_group('gloo', init_method=f'file://{tmp_path / "store"}', rank=0, world_size=1)
    try:
        used, unused = nn.Parameter(torch.ones(3)), nn.Parameter(torch.ones(2))
        used.grad = torch.full((3,), 2.0)
        flag: Tensor = all_reduce_gradients([used, unused], torch.zeros(()))
    finally:
        dist.destroy_process_group()
    assert unused.grad is None and used.grad.tolist() == [2.0] * 3 and flag == 0


def test_gradients_of_two_passes_are_added_at_once_bit_for_bit() -> None:
    torch.manual_seed(0)
    layers = nn.Sequential(nn.Linear(4, 5), nn.Linear(5, 3))
    first_only, second_only = nn.Parameter(torch.ones(4)), nn.Parameter(torch.ones(3))
    parameters = [*layers.parameters(), first_only, second_only]
    passes = [
        lambda: layers(torch.full((2, 4), 0.3) * first_only).square().sum(),
        lambda: (layers(torch.full((3, 4), -0.7)) * second_only).exp().sum(),
    ]
    wanted = []
    for around in (contextlib.nullcontext, lambda: added_at_once([*parameters, parameters[0]])):
        for parameter in parameters:
            parameter.grad = None
        for one in passes:
            with around():
                one().backward()
        wanted.append([parameter.grad.clone() for parameter in parameters])
    assert all(torch.equal(found, plain) for plain, found in zip(*wanted))


@pytest.mark.parametrize('is_checkpointed', [False, True])
def test_a_step_adds_gradients_one_by_one_only_where_blocks_are_checkpointed(
    is_checkpointed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []
    monkeypatch.setattr(
        'mmseg_uda.engine.step.added_at_once', lambda grown: (calls.append(len(grown)), added_at_once(grown))[1]
    )
    setup = Setup(METHODS['dacs'][1])
    method, step = setup.build()
    if is_checkpointed:
        checkpoint_blocks(nn.Sequential(method.student))
        step = TrainStep(method, step.optimizers)
    step([setup.data.batch(range(2))], 0)
    assert calls == ([] if is_checkpointed else [len(list(method.student.parameters()))] * 2)

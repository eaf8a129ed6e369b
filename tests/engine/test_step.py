"""The training step: backward policies, who is updated, accumulation, clipping, the finite guard, ranks."""

from __future__ import annotations

import copy
import logging
from pathlib import Path
from typing import Any

import pytest
import torch

from mmseg_uda.engine.step import StepOptions
from mmseg_uda.methods.base import LossTerm, OptimizerStep
from tests.harness.methods import (
    Setup,
    assert_equal_state,
    check_batch_sizes,
    check_exact_resume,
    check_two_ranks,
    run_ranks,
)
from tests.harness.synthetic import tiny_model

from . import toy_methods

SHARED = dict(type='ToySharedGraph')
ADVERSARIAL = dict(type='ToyAdversarial')
SGD = dict(type='SGD', lr=0.05)


def _run(uda: dict[str, Any], iterations: int = 1, batch_size: int = 2, **options: Any) -> tuple[Any, Any]:
    setup = Setup(uda, **options)
    method, step = setup.build()
    accumulate = step.options.cumulative_iters
    for i in range(iterations):
        batches = [
            setup.data.batch(range((i * accumulate + k) * batch_size, (i * accumulate + k + 1) * batch_size))
            for k in range(accumulate)
        ]
        step(batches, i)
    return method, step


def test_sequential_and_merged_backward_give_the_same_gradients() -> None:
    merged, _ = _run(SHARED, options=dict(backward='merged'), optimizer=SGD)
    sequential, _ = _run(SHARED, options=dict(backward='sequential'), optimizer=SGD)
    other = toy_methods.gradients(sequential)
    for name, value in toy_methods.gradients(merged).items():
        torch.testing.assert_close(value, other[name], rtol=1e-5, atol=1e-7)


def test_a_shared_graph_is_walked_once_when_merged(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    backward = torch.Tensor.backward
    monkeypatch.setattr(torch.Tensor, 'backward', lambda self, *a, **k: (calls.append(1), backward(self, *a, **k))[1])
    _run(SHARED, options=dict(backward='merged'))
    assert len(calls) == 2
    calls.clear()
    _run(SHARED, options=dict(backward='sequential'))
    assert len(calls) == 3


def test_an_adversarial_term_updates_the_segmentor_only() -> None:
    """The gradient runs through the discriminator but its weights get only its own term's gradient."""
    setup = Setup(ADVERSARIAL, optimizer=SGD)
    (method, step), (reference, _) = setup.build(), setup.build()
    batch = setup.data.batch([0, 1])
    step([batch], 0)
    terms = {term.name: term for term in reference.training_losses(batch)}
    own = torch.autograd.grad(terms['discriminator'].loss, list(reference.discriminator.parameters()))
    for got, want in zip(method.discriminator.parameters(), own):
        torch.testing.assert_close(got.grad, want)
    segmentation = torch.autograd.grad(terms['source'].loss, list(reference.student.parameters()))
    adversarial = torch.autograd.grad(terms['adversarial'].loss, list(reference.student.parameters()))
    for got, first, second in zip(method.student.parameters(), segmentation, adversarial):
        torch.testing.assert_close(got.grad, first + 0.1 * second, rtol=1e-4, atol=1e-7)


def test_an_early_step_changes_what_later_terms_see() -> None:
    late, _ = _run(ADVERSARIAL, optimizer=SGD)
    early, _ = _run(dict(ADVERSARIAL, step_early=True), optimizer=SGD)
    assert not torch.equal(late.student.decode_head.conv_seg.weight, early.student.decode_head.conv_seg.weight)
    assert not torch.equal(late.discriminator.weight.grad, early.discriminator.weight.grad)


def test_accumulation_equals_a_larger_batch() -> None:
    large, _ = _run(SHARED, iterations=2, batch_size=4, optimizer=SGD)
    small, step = _run(SHARED, iterations=2, batch_size=2, optimizer=SGD, options=dict(cumulative_iters=2))
    for name, value in large.student.named_parameters():
        torch.testing.assert_close(dict(small.student.named_parameters())[name], value, rtol=1e-5, atol=1e-6)
    assert len(step.flush()) == 2


def test_gradients_are_clipped_to_the_norm() -> None:
    method, step = _run(SHARED, options=dict(grad_clip=dict(max_norm=0.01, norm_type=2)))
    norm = torch.linalg.vector_norm(torch.stack([g.norm() for g in toy_methods.gradients(method).values()]))
    assert norm.item() == pytest.approx(0.01, rel=1e-3)
    assert step.flush()[0]['grad_norm'] > 0.01


def test_bf16_trains_and_logs_float_losses() -> None:
    method, step = _run(SHARED, iterations=2, options=dict(precision='bf16'))
    full, exact = _run(SHARED, iterations=2)
    assert step.flush()[0]['loss'] == pytest.approx(exact.flush()[0]['loss'], rel=0.02)
    assert all(p.dtype == torch.float32 for p in method.parameters())


def test_daformer11_a_non_finite_loss_skips_the_step_and_names_losses_and_files(
    caplog: pytest.LogCaptureFixture,
) -> None:
    setup = Setup(dict(SHARED, bad_iterations=(1,)), optimizer=SGD)
    method, step = setup.build()
    step([setup.data.batch([0, 1])], 0)
    before = copy.deepcopy(method.state_dict())
    step([setup.data.batch([2, 3])], 1)
    assert_equal_state(before, method.state_dict(), 'skipped step')
    step([setup.data.batch([4, 5])], 2)
    logging.getLogger('mmseg').propagate = True
    with caplog.at_level(logging.WARNING, logger='mmseg'):
        step.flush()
    assert step.records.skipped == 1
    assert 'iteration 2' in caplog.text and 'other=nan' in caplog.text and 'source_2.png' in caplog.text
    assert not torch.equal(before['decode_head.conv_seg.weight'], method.state_dict()['decode_head.conv_seg.weight'])


def test_many_non_finite_iterations_abort_the_run() -> None:
    setup = Setup(dict(SHARED, bad_iterations=tuple(range(10))), options=dict(max_non_finite=2))
    _, step = setup.build()
    for i in range(3):
        step([setup.data.batch([i])], i)
    with pytest.raises(FloatingPointError, match=r'other=nan.*source_2\.png.*3 iterations in a row.*max_non_finite'):
        step.flush()


def test_an_infinite_gradient_with_a_finite_loss_is_caught() -> None:
    setup = Setup(SHARED, optimizer=SGD)
    method, step = setup.build()
    method.training_losses = lambda batch: iter(
        [
            LossTerm(
                'root',
                method.student.decode_head.conv_seg.weight.sub(method.student.decode_head.conv_seg.weight.detach())
                .sum()
                .sqrt(),
            )
        ]
    )
    before = copy.deepcopy(method.state_dict())
    step([setup.data.batch([0])], 0)
    assert_equal_state(before, method.state_dict(), 'skipped step')
    step.flush()
    assert step.records.skipped == 1


@pytest.mark.parametrize(
    'config, message',
    [
        (dict(backward='both'), "backward must be one of .*'both'"),
        (dict(precision='fp8'), "precision must be one of .*'fp8'"),
        (dict(cumulative_iters=0), 'cumulative_iters must be at least 1'),
        (dict(grad_clip=dict(max_norm=-1)), 'positive max_norm'),
        (dict(type='MyOptimizerHook'), 'MyOptimizerHook'),
    ],
)
def test_bad_step_options_are_refused(config: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        StepOptions.from_config(config)


def test_a_misspelt_step_option_names_the_nearest() -> None:
    with pytest.raises(KeyError, match="'presicion'.*did you mean 'precision'"):
        StepOptions.from_config(dict(presicion='bf16'))


def test_plain_mmseg_optimizer_configs_are_understood() -> None:
    assert StepOptions.from_config(dict(type='Fp16OptimizerHook', loss_scale=512.0)).precision == 'fp16'
    assert (
        StepOptions.from_config(dict(type='GradientCumulativeOptimizerHook', cumulative_iters=4)).cumulative_iters == 4
    )
    assert StepOptions.from_config({}).precision == 'fp32'


def test_an_unknown_network_in_a_term_is_named() -> None:
    setup = Setup(SHARED)
    method, step = setup.build()
    method.training_losses = lambda batch: iter(
        [LossTerm('x', method.student.decode_head.conv_seg.weight.sum(), updates=('critic',))]
    )
    with pytest.raises(KeyError, match="'x'.*'critic'.*segmentor"):
        step([setup.data.batch([0])], 0)


def _returns_a_dict(method: Any, batch: Any) -> Any:
    return dict(loss=method.student.decode_head.conv_seg.weight.sum())


def _returns_nothing(method: Any, batch: Any) -> Any:
    return None


def _yields_a_dict(method: Any, batch: Any) -> Any:
    yield method.student.forward_train(batch['img'], batch['img_metas'], batch['gt_semantic_seg'])


def _yields_a_tensor(method: Any, batch: Any) -> Any:
    yield method.student.decode_head.conv_seg.weight.sum()


def _forgets_the_graph(method: Any, batch: Any) -> Any:
    scores = method.student.encode_decode(batch['img'], batch['img_metas'])
    yield LossTerm('a', scores.square().mean())
    yield LossTerm('b', scores.softmax(1).log().mean())


def _forgets_the_graph_of_the_first(method: Any, batch: Any) -> Any:
    scores = method.student.encode_decode(batch['img'], batch['img_metas'])
    yield LossTerm('a', scores.square().mean())
    yield LossTerm('own', method.student.encode_decode(batch['img'], batch['img_metas']).square().mean())
    yield LossTerm('b', scores.softmax(1).log().mean())


def _logs_twice(method: Any, batch: Any) -> Any:
    for name in ('source', 'target'):
        loss = method.student.encode_decode(batch['img'], batch['img_metas']).square().mean()
        yield LossTerm.from_losses(name, {'decode.loss_ce': loss})


def _not_reduced(method: Any, batch: Any) -> Any:
    yield LossTerm('pixels', method.student.encode_decode(batch['img'], batch['img_metas']).amax(1))


def _python_float(method: Any, batch: Any) -> Any:
    yield LossTerm('nothing', 0.5)  # type: ignore[arg-type]


def _float_in_the_log(method: Any, batch: Any) -> Any:
    yield LossTerm('source', method.student.decode_head.conv_seg.weight.sum(), log={'share': 0.5})  # type: ignore[dict-item]


def _updates_is_a_string(method: Any, batch: Any) -> Any:
    yield LossTerm('source', method.student.decode_head.conv_seg.weight.sum(), updates='segmentor')  # type: ignore[arg-type]


def _steps_a_string(method: Any, batch: Any) -> Any:
    yield OptimizerStep('segmentor')  # type: ignore[arg-type]


@pytest.mark.parametrize('backward', ['merged', 'sequential'])
@pytest.mark.parametrize(
    'losses, message',
    [
        (
            _returns_a_dict,
            r"ToySharedGraph.training_losses .* returned a dict with \['loss'\]: write `yield LossTerm.from",
        ),
        (_returns_nothing, 'must be a generator of loss terms, it returned NoneType: write `yield LossTerm'),
        (_yields_a_dict, r'must yield LossTerm .* yielded a dict with .*decode.loss_ce.*: write `yield LossTerm.from_'),
        (_yields_a_tensor, r"yielded a tensor: write `yield LossTerm\('source', loss\)`"),
        (_forgets_the_graph, "'a' and 'b' of ToySharedGraph share a graph.*: yield 'a' with keep_graph=True"),
        (
            _forgets_the_graph_of_the_first,
            r"'own' and 'b' .*yield 'own', or the one among \['a'\] whose forward .*keep_",
        ),
        (_logs_twice, "'source' and 'target' of ToySharedGraph both log 'decode.loss_ce': give one .*prefix"),
        (_not_reduced, r"loss term 'pixels' must be a scalar, got shape \(1, \d+, \d+\): reduce it, .*mean"),
        (_python_float, r"loss term 'nothing' must be a tensor, got float 0.5: .*new_tensor"),
        (_float_in_the_log, "log entry 'share' of loss term 'source' must be a tensor, got float"),
        (_updates_is_a_string, r"'source': updates='segmentor' must be a tuple of names: updates=\('segmentor',\)"),
        (_steps_a_string, r"networks='segmentor' must be a tuple of names: OptimizerStep\(\('segmentor',\)\)"),
    ],
)
def test_mistakes_of_a_method_are_named_with_their_remedy(losses: Any, message: str, backward: str) -> None:
    setup = Setup(SHARED, options=dict(backward=backward))
    method, step = setup.build()
    method.training_losses = lambda batch: losses(method, batch)
    with pytest.raises((TypeError, ValueError, RuntimeError), match=message):
        step([setup.data.batch([0])], 0)


def test_a_graph_of_an_earlier_iteration_is_told_apart() -> None:
    setup = Setup(SHARED)
    method, step = setup.build()
    kept = method.student.decode_head.conv_seg.weight.square()
    method.training_losses = lambda batch: iter([LossTerm('a', kept.sum())])
    step([setup.data.batch([0])], 0)
    with pytest.raises(
        RuntimeError, match="'a' of ToySharedGraph reaches into the graph of an earlier iteration: detach"
    ):
        step([setup.data.batch([0])], 1)


def test_a_dict_of_losses_is_summed_with_weights_and_logged_without() -> None:
    losses = {'a.loss': torch.tensor(2.0), 'b.loss': [torch.tensor(1.0), torch.tensor(3.0)], 'acc': torch.tensor(9.0)}
    term = LossTerm.from_losses('x', losses, 'x.', {'a.loss': 0.5}, weight=3.0)
    assert term.loss.item() == 5.0 and term.weight == 3.0
    assert {key: value.item() for key, value in term.log.items()} == {'x.a.loss': 2.0, 'x.b.loss': 4.0, 'x.acc': 9.0}
    with pytest.raises(KeyError, match="'x': none of the keys .*'acc'.* contains 'loss'"):
        LossTerm.from_losses('x', {'acc': torch.tensor(1.0)})


@pytest.mark.parametrize('uda', [SHARED, ADVERSARIAL], ids=['shared graph', 'two networks'])
def test_contract_checks_hold_for_the_toy_methods(uda: dict[str, Any], tmp_path: Path) -> None:
    check_batch_sizes(uda)
    check_exact_resume(uda, tmp_path=tmp_path)
    check_two_ranks(uda, tmp_path=tmp_path)


def test_daformer9_ranks_stay_equal_with_several_backward_passes(tmp_path: Path) -> None:
    check_two_ranks(SHARED, tmp_path=tmp_path, options=dict(backward='sequential'), iterations=4)


def _rank_without_labels(rank: int, setup: Setup) -> list[bool]:
    method, step = setup.build()
    batch = setup.data.batch([rank])
    if rank == 1:
        batch['gt_semantic_seg'].fill_(255)
        method.training_losses = lambda b: iter([LossTerm('nothing', torch.zeros(()))])
    step([batch], 0)
    return [p.grad is not None and bool(p.grad.abs().sum() > 0) for p in method.student.parameters()]


def test_a_rank_without_any_loss_neither_hangs_nor_diverges(tmp_path: Path) -> None:
    first, second = run_ranks(_rank_without_labels, tmp_path, Setup(SHARED))
    assert first == second and any(first)


def _rank_meets_nan(rank: int, setup: Setup) -> Any:
    method, step = setup.build()
    if rank == 0:
        method.bad_iterations = (0,)
    before = copy.deepcopy(method.state_dict())
    step([setup.data.batch([rank])], 0)
    return all(torch.equal(before[k], v) for k, v in method.state_dict().items())


def test_a_non_finite_loss_on_one_rank_skips_the_step_on_all(tmp_path: Path) -> None:
    assert run_ranks(_rank_meets_nan, tmp_path, Setup(SHARED)) == [True, True]


def test_u2pl62_batch_norm_models_train_on_two_ranks(tmp_path: Path) -> None:
    """With batch statistics per rank, results differ from one process, but the ranks agree on the weights."""
    setup = Setup(SHARED, model=tiny_model(norm='BN'))
    states = run_ranks(_train_rank_bn, tmp_path, setup)
    assert_equal_state(states[0], states[1], 'ranks')


def _train_rank_bn(rank: int, setup: Setup) -> Any:
    method, step = setup.build()
    for i in range(2):
        step([setup.data.batch([2 * i + rank, 10 + rank])], i)
    return {name: p.detach() for name, p in method.named_parameters()}

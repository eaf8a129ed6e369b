"""Compiled parts compute what they did, and run as ever, with a word about it, where they cannot be compiled."""

from __future__ import annotations

import copy
import functools
import logging
import re
from typing import Any, Iterator

import pytest
import torch
import torch._dynamo
import torch._functorch.config
from mmseg.models.builder import build_backbone
from torch import Tensor, nn

from mmseg_uda.engine.step import TrainStep
from mmseg_uda.models import compiling
from mmseg_uda.models.checkpointing import checkpoint_blocks
from mmseg_uda.models.compiling import CompiledPart, compile_backbone, compile_blocks, compiled_parts
from mmseg_uda.models.execution import speed_up
from mmseg_uda.models.modes import kept_running_statistics
from tests.harness.methods import Setup
from tests.harness.runs import METHODS

from .test_checkpointing import BACKBONES, passed

compile_with = torch.compile


class Residual(nn.Module):
    """A block with batch statistics and drop-out; ``breaks`` holds what torch cannot put into one graph."""

    def __init__(self, width: int, breaks: bool = False) -> None:
        super().__init__()
        self.conv, self.norm, self.drop = nn.Conv2d(width, width, 3, padding=1), nn.BatchNorm2d(width), nn.Dropout(0.2)
        self.breaks = breaks

    def forward(self, x: Tensor) -> Tensor:
        if self.breaks:
            torch._dynamo.graph_break()
        return x + self.drop(self.norm(self.conv(x)).relu())


def residual_network(breaks: bool = False, widths: tuple[int, ...] = (4, 4, 4)) -> nn.Module:
    torch.manual_seed(0)
    stages = [
        nn.Sequential(nn.Conv2d(3 if i == 0 else widths[i - 1], w, 1), Residual(w, breaks))
        for i, w in enumerate(widths)
    ]

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stages = nn.ModuleList(stages)

        def forward(self, x: Tensor) -> list[Tensor]:
            maps = []
            for stage in self.stages:
                x = stage(x)
                maps.append(x)
            return maps

    return Network().train()


@pytest.fixture(autouse=True)
def words(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Warnings of the log; torch's settings and graphs are as before afterwards. Graphs are run by torch itself."""
    monkeypatch.setattr(torch, 'compile', functools.partial(compile_with, backend='eager'))
    found: list[str] = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: found.append(record.getMessage())  # type: ignore[method-assign]
    logging.getLogger('mmseg').addHandler(handler)
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    settings = torch._functorch.config
    same = {key: getattr(settings, key) for key in compiling.EARLY if hasattr(settings, key)}
    with torch._dynamo.config.patch(cache_size_limit=torch._dynamo.config.cache_size_limit), settings.patch(**same):
        yield found
    logging.getLogger('mmseg').removeHandler(handler)
    torch._dynamo.reset()


def assert_equal_training(plain: nn.Module, fast: nn.Module, image: Tensor, tolerance: float = 0.0) -> None:
    """Losses, gradients, buffers and names."""
    loss, gradients, buffers, _ = passed(plain, image)
    own_loss, own_gradients, own_buffers, _ = passed(fast, image)
    bounds = dict(rtol=tolerance, atol=tolerance)
    torch.testing.assert_close(own_loss, loss, **bounds)
    for a, b in zip(own_gradients, gradients):
        assert (a is None) == (b is None)
        if a is not None:
            torch.testing.assert_close(a, b, **bounds)
    assert list(fast.state_dict()) == list(plain.state_dict())
    for key, value in buffers.items():
        torch.testing.assert_close(own_buffers[key], value, msg=key, **bounds)


@pytest.mark.parametrize('name', BACKBONES)
def test_compiled_blocks_train_alike(name: str, words: list[str]) -> None:
    torch.manual_seed(0)
    plain = build_backbone(BACKBONES[name])
    plain.train()
    speed_up(nn.ModuleDict(dict(backbone=plain)))
    fast = copy.deepcopy(plain)
    assert compile_blocks(fast) == len(list(compiled_parts(fast))) >= 4
    assert_equal_training(plain, fast, torch.randn(2, 3, 32, 64), 1e-5)
    assert not words and torch._dynamo.utils.counters['stats']['unique_graphs'] >= 2


@pytest.mark.parametrize('kept', [False, True])
def test_checkpointed_blocks_are_compiled_inside(kept: bool, words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch, 'compile', functools.partial(compile_with, backend='aot_eager'))
    plain = residual_network()
    fast = copy.deepcopy(plain)
    compile_blocks(fast)
    checkpoint_blocks(fast)
    image = torch.randn(2, 3, 8, 8)
    for _ in range(2):
        for network in (plain, fast):
            network.zero_grad()
        if kept:
            with kept_running_statistics(plain), kept_running_statistics(fast):
                assert_equal_training(plain, fast, image, 1e-5)
        else:
            assert_equal_training(plain, fast, image, 1e-5)
    assert not words


def test_a_backbone_is_compiled_as_a_whole(words: list[str]) -> None:
    plain = residual_network()
    fast = copy.deepcopy(plain)
    compile_backbone(fast)
    assert type(fast).__name__ == type(plain).__name__
    assert_equal_training(plain, fast, torch.randn(2, 3, 8, 8), 1e-5)
    assert not words and torch._dynamo.utils.counters['stats']['unique_graphs'] == 1


def failing(*_: Any, **__: Any) -> Any:
    raise FileNotFoundError('no C++ compiler was found')


FAULTS: dict[str, tuple[dict[str, Any], Any, str]] = {
    'no compiler': (dict(), failing, 'no C.. compiler was found'),
    'a graph in pieces': (dict(breaks=True), 'eager', 'graph_break'),
    'backward alone': (dict(), None, 'no C.. compiler was found'),
}


@pytest.mark.parametrize('name', FAULTS)
def test_what_cannot_be_compiled_runs_as_ever_and_is_named_once(
    name: str, words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    network, backend, reason = FAULTS[name]
    if backend is None:
        from torch._dynamo.backends.common import aot_autograd

        backend = aot_autograd(fw_compiler=lambda graph, _: graph, bw_compiler=failing)
    monkeypatch.setattr(torch, 'compile', functools.partial(compile_with, backend=backend))
    plain = residual_network(**network)
    fast = copy.deepcopy(plain)
    compile_blocks(fast)
    for _ in range(2):
        plain.zero_grad(), fast.zero_grad()
        assert_equal_training(plain, fast, torch.randn(2, 3, 8, 8))
    assert len(words) == 1 and words[0].startswith("engine.compile='blocks': Residual runs without being compiled: ")
    assert re.search(reason, words[0]), words[0]
    assert all(part.runs_eagerly for part in compiled_parts(fast))


def test_too_many_shapes_end_the_compilation_and_no_other(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiling, 'GRAPHS_PER_LAYOUT', 1)
    torch._dynamo.config.cache_size_limit = 1
    plain = residual_network()
    fast = copy.deepcopy(plain)
    compile_blocks(fast)
    for size in (8, 16):
        plain.zero_grad(), fast.zero_grad()
        assert_equal_training(plain, fast, torch.randn(2, 3, size, size), 1e-5)
        assert len(words) == (size == 16)
    assert 'Residual runs without being compiled' in words[0] and 'recompile' in words[0].lower()


def test_layouts_share_graphs_and_each_has_its_own(words: list[str]) -> None:
    """More layouts than torch keeps graphs of one function by default."""
    plain = residual_network(widths=(*range(2, 14), 13))
    fast = copy.deepcopy(plain)
    compile_blocks(fast)
    assert_equal_training(plain, fast, torch.randn(2, 3, 4, 4), 1e-5)
    assert not words and torch._dynamo.utils.counters['stats']['unique_graphs'] == 12


def test_an_error_of_the_network_itself_is_raised_as_ever(words: list[str]) -> None:
    fast = residual_network()
    compile_blocks(fast)
    with pytest.raises(RuntimeError, match='expected input.* to have 4 channels'):
        fast.stages[0][1](torch.randn(2, 5, 8, 8))
    assert not words and not any(part.runs_eagerly for part in compiled_parts(fast))


def test_passes_without_gradients_and_copies_are_not_compiled_again(monkeypatch: pytest.MonkeyPatch) -> None:
    fast = residual_network()
    compile_blocks(fast)
    calls: list[int] = []
    monkeypatch.setattr(torch, 'compile', lambda function, **_: lambda *a: (calls.append(1), function(*a))[1])
    with torch.no_grad():
        fast(torch.randn(2, 3, 8, 8))
    assert not calls
    twin = copy.deepcopy(fast)
    with torch.no_grad():
        for part in twin.stages:
            part[1].norm.weight.zero_()
            part[1].norm.bias.zero_()
    x = torch.randn(2, 3, 8, 8)
    assert torch.equal(twin(x)[0], twin.stages[0][0](x)), 'the copy computes with the weights of its model'
    assert len(calls) == 3
    assert compile_blocks(fast) == 3 and all(type(part).__mro__[1] is CompiledPart for part in compiled_parts(fast))


def test_a_backbone_without_blocks_is_named() -> None:
    with pytest.raises(ValueError, match="Conv2d has no list of blocks to compile: write 'backbone'"):
        compile_blocks(nn.Conv2d(3, 3, 1))


def test_graphs_may_be_run_backward_more_than_once_and_fail_early() -> None:
    compile_blocks(residual_network())
    config = torch._functorch.config
    assert not getattr(config, 'donated_buffer', False) and getattr(config, 'force_non_lazy_backward_lowering', True)


# ---- CUDA graphs, as far as they go without CUDA ----------------------------------------------------------------------
def captured(monkeypatch: pytest.MonkeyPatch, fails_at: int = 0) -> list[dict[str, Any]]:
    """Stands in for ``torch.compile``; keeps what it was asked for, and fails at one of the calls."""
    asked: list[dict[str, Any]] = []

    def stand_in(function: Any, **how: Any) -> Any:
        def run(*args: Any) -> Any:
            asked.append(how)
            if len(asked) == fails_at:
                raise RuntimeError('operation not permitted when stream is capturing')
            return function(*args)

        return run

    monkeypatch.setattr(torch, 'compile', stand_in)
    return asked


def test_a_capture_that_fails_ends_the_capturing(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    asked = captured(monkeypatch, fails_at=2)
    plain = residual_network()
    fast = copy.deepcopy(plain)
    compile_backbone(fast, cuda_graphs=True)
    for _ in range(3):
        plain.zero_grad(), fast.zero_grad()
        assert_equal_training(plain, fast, torch.randn(2, 3, 8, 8), 1e-5)
    assert [how['mode'] for how in asked] == ['reduce-overhead'] * 2
    assert words == [
        'engine.cuda_graphs: Network runs without being compiled: operation not permitted when stream is capturing'
    ]


def test_graphs_that_torch_leaves_out_are_told(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    fast = residual_network()
    compile_backbone(fast, cuda_graphs=True)
    monkeypatch.setattr(torch, 'compile', lambda function, **_: lambda *args: (skip(), function(*args))[1])
    counters = torch._dynamo.utils.counters['inductor']

    def skip() -> None:
        counters['cudagraph_skips'] += 1

    for _ in range(2):
        fast(torch.randn(2, 3, 8, 8))
    assert len(words) == 1 and 'Network is not captured' in words[0]


def test_outputs_of_graphs_are_copies(monkeypatch: pytest.MonkeyPatch) -> None:
    fast = residual_network()
    compile_backbone(fast, cuda_graphs=True)
    kept = torch.zeros(2, requires_grad=True)
    monkeypatch.setattr(torch, 'compile', lambda function, **_: lambda *args: [kept])
    (out,) = fast(torch.randn(2, 3, 8, 8))
    assert out is not kept and out.data_ptr() != kept.data_ptr() and out.requires_grad


def test_iterations_are_marked_when_no_gradient_is_alive(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = captured(monkeypatch)
    setup = Setup(METHODS['dacs'][1])
    method, step = setup.build()
    alive: list[int] = []
    monkeypatch.setattr(
        torch.compiler,
        'cudagraph_mark_step_begin',
        lambda: alive.append(sum(p.grad is not None for p in method.parameters())),
    )
    step([setup.data.batch(range(2))], 0)
    assert not alive, 'nothing is to be marked without graphs'
    compile_backbone(method.student.backbone, cuda_graphs=True)
    step = TrainStep(method, step.optimizers)
    for iteration in range(2):
        step([setup.data.batch(range(2))], iteration)
    assert alive == [0, 0] and len(asked) == 4

"""``torch.compile`` of parts of a network, which run as ever where they cannot be compiled.

A part (a block, or a whole backbone) becomes one graph or none: a graph in pieces could fail in the middle of a part,
when its batch statistics are renewed and its random numbers drawn. Compiled are passes with gradients, whose shapes are
those of the crops; labelling and evaluation, with images of any size, run as ever. Parameters, names and copies of a
network do not notice: as in :mod:`.execution` and :mod:`.checkpointing`, only the class of a part changes.
"""

from __future__ import annotations

import logging
from typing import Any, Callable, Iterator, Optional, Sequence

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map

from .checkpointing import repeated_blocks

#: settings of torch._functorch.config, where this torch has them. A part whose backward pass cannot be compiled must
#: fail while it can still run as ever; and terms that share a graph (LossTerm.keep_graph) run backward more than once
EARLY = {'force_non_lazy_backward_lowering': True, 'donated_buffer': False}
#: graphs that torch may keep for parts of one layout: of a few shapes, modes and precisions
GRAPHS_PER_LAYOUT = 8


class Compilation:
    """The compiled forward function of one class, and what becomes of parts on which it fails.

    Args:
        kind: the class of the parts.
        option: of the config, for messages.
        cuda_graphs: replay every pass as a CUDA graph. Torch's graph trees keep several passes of one iteration apart
            whose backward passes are still to come, and their gradients; what an iteration leaves behind is
            overwritten by the next one (:func:`mark_iteration`), which is why the outputs are copied.
    """

    def __init__(self, kind: type, option: str, cuda_graphs: bool = False) -> None:
        self.kind: Any = kind
        self.option = option
        self.cuda_graphs = cuda_graphs
        self.is_told = False
        self._compiled: Optional[Callable[..., Any]] = None

    def __call__(self, part: Any, args: Sequence[Any], kwargs: Any) -> Any:
        try:
            return self._run(part, args, kwargs)
        except self._failures() as error:
            cause = error.__cause__ or error  # too many graphs are called a 'hard failure', because of the cause
            reason = str(cause).strip() or type(cause).__name__
        # behind the clause, whose error holds the tensors of the failed pass
        out = self.kind.forward(part, *args, **kwargs)  # an error of the part's own is raised here, as ever
        part.runs_eagerly = True  # this part alone: others may have passes whose blocks are to be computed again
        self._tell(reason)
        return out

    def _run(self, part: Any, args: Sequence[Any], kwargs: Any) -> Any:
        if self._compiled is None:
            how = dict(mode='reduce-overhead') if self.cuda_graphs else {}
            self._compiled = torch.compile(self.kind.forward, fullgraph=True, dynamic=False, **how)  # type: ignore[call-overload]
        if not self.cuda_graphs:
            return self._compiled(part, *args, **kwargs)
        left_out = _graphs_left_out()
        out = tree_map(
            lambda value: value.clone() if isinstance(value, Tensor) else value, self._compiled(part, *args, **kwargs)
        )
        if _graphs_left_out() > left_out:
            self._tell('torch compiled it without CUDA graphs; TORCH_LOGS=cudagraphs says why', 'is not captured')
        return out

    def _failures(self) -> tuple[type[BaseException], ...]:
        """What means that a part was not compiled; a capture fails in many ways, all of them RuntimeErrors."""
        if self.cuda_graphs or self._compiled is None:
            return RuntimeError, ImportError, *_dynamo_errors()
        return _dynamo_errors()

    def _tell(self, reason: str, what: str = 'runs without being compiled') -> None:
        if not self.is_told:
            logging.getLogger('mmseg').warning(
                '%s: %s %s: %s', self.option, self.kind.__name__, what, _shortened(reason)
            )
        self.is_told = True


class CompiledPart:
    """Mixed into the class of a part, before it."""

    compilation: Compilation
    runs_eagerly = False

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The part's forward pass, compiled where it has gradients."""
        if self.runs_eagerly or not torch.is_grad_enabled():
            return super().forward(*args, **kwargs)  # type: ignore[misc]
        return self.compilation(self, args, kwargs)


def compile_blocks(backbone: nn.Module, *others: nn.Module) -> int:
    """Compile every repeated block of a backbone, and those of other modules (heads) if there are any.

    Blocks of one layout share their graphs, so that a deep network is compiled as fast as a shallow one.

    Returns:
        The number of blocks.

    Raises:
        ValueError: the backbone has no blocks.
    """
    blocks = repeated_blocks(backbone)
    if not blocks:
        raise ValueError(
            f"engine.compile='blocks': {type(backbone).__name__} has no list of blocks to compile: write 'backbone'"
        )
    blocks += [block for other in others for block in repeated_blocks(other)]
    _compile(blocks, "engine.compile='blocks'", False)
    return len(blocks)


def compile_backbone(backbone: nn.Module, cuda_graphs: bool = False) -> None:
    """Compile a backbone as a whole, and replay its passes as CUDA graphs where that is asked for.

    Raises:
        ValueError: this torch cannot be told when an iteration begins, and would overwrite living gradients.
    """
    if cuda_graphs and not hasattr(getattr(torch, 'compiler', None), 'cudagraph_mark_step_begin'):
        raise ValueError(f'engine.cuda_graphs needs torch 2.1 or newer, this is {torch.__version__}: leave it out')
    _compile([backbone], 'engine.cuda_graphs' if cuda_graphs else "engine.compile='backbone'", cuda_graphs)


def compiled_parts(network: nn.Module) -> Iterator[CompiledPart]:
    """The parts of a network that are to run compiled."""
    return (module for module in network.modules() if isinstance(module, CompiledPart))


def mark_iteration(network: nn.Module) -> Callable[[], None]:
    """What a training step calls when an iteration begins and no gradient is alive: CUDA graphs may then overwrite
    what they left behind in the last one."""
    if not any(part.compilation.cuda_graphs for part in compiled_parts(network)):
        return lambda: None
    return torch.compiler.cudagraph_mark_step_begin


def _compile(parts: Sequence[nn.Module], option: str, cuda_graphs: bool) -> None:
    parts = [part for part in parts if not isinstance(part, CompiledPart)]
    kinds = {
        kind: type(
            kind.__name__,
            (CompiledPart, kind),
            {'__doc__': kind.__doc__, 'compilation': Compilation(kind, option, cuda_graphs)},
        )
        for kind in {type(part) for part in parts}
    }
    _prepare(len({_layout(part) for part in parts}))
    for part in parts:
        part.__class__ = kinds[type(part)]


def _layout(part: nn.Module) -> tuple[Any, ...]:
    return type(part), *(tuple(parameter.shape) for parameter in part.parameters())


def _prepare(layouts: int) -> None:
    """Settings of torch, for the whole process."""
    import torch._dynamo.config as dynamo
    import torch._functorch.config as functorch

    # a pass of each layout is a graph of its own, and torch counts them for the code that all share
    dynamo.cache_size_limit = max(dynamo.cache_size_limit, GRAPHS_PER_LAYOUT * layouts)
    for option, value in EARLY.items():
        if hasattr(functorch, option):
            setattr(functorch, option, value)


def _dynamo_errors() -> tuple[type[BaseException], ...]:
    from torch._dynamo import exc

    limit = getattr(exc, 'FailOnRecompileLimitHit', exc.TorchDynamoException)
    return exc.TorchDynamoException, limit


def _graphs_left_out() -> int:
    from torch._dynamo.utils import counters

    return counters['inductor']['cudagraph_skips']


def _shortened(text: str, length: int = 300) -> str:
    """The first lines of a message of torch, which go on with advice and traces."""
    text = ' '.join(text.split())
    return text if len(text) <= length else f'{text[:length]} ...'

"""A training step on tensors without data: what it would launch and hold, on any machine and for any network size.

Everything lives on torch's ``meta`` device (or in its fake tensors): shapes are computed, numbers are not. Where a
step asks for a number (``.item()``, ``.cpu()``, a boolean index), a GPU would make the host wait; here it is an error
that names the line.
"""

from __future__ import annotations

import contextlib
import weakref
from collections import Counter
from typing import Any, Callable, Iterator, Mapping, Optional, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor
from torch._prims_common import suggest_memory_format
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves, tree_map

from ..methods.base import LossTerm, UDASegmentor
from .step import StepOptions, TrainStep

#: operators that only change how memory is seen or reserved: no kernel runs
NO_KERNEL = ('empty', 'empty_like', 'empty_strided', 'new_empty', 'detach', 'alias', 'new_empty_strided', 'lift_fresh')

_COMPOSITE = torch._C.DispatchKey.CompositeImplicitAutograd
#: answers to questions for numbers where these are fake
_SOME_NUMBER: dict[torch.dtype, Any] = {torch.bool: True, torch.int64: 1}


class Tally(TorchDispatchMode):
    """Counts kernels and follows the bytes of live tensors on one device type.

    Attributes:
        kernels: operators that launch work, by name.
        peak: most bytes alive at a time; ``held`` are those alive when the mode was entered (parameters, buffers,
            batch).
        peak_by_phase: the same while labels are made (``labelling``: in inference mode) and otherwise (``training``).
        at_peak: (bytes, operator, shape) of what was alive at the peak, largest first.
    """

    def __init__(self, device: str = 'meta') -> None:
        super().__init__()
        self.device = device
        self.kernels: Counter[str] = Counter()
        self.peak = self.now = self.held = 0
        self.peak_by_phase: Counter[str] = Counter()
        self._live: dict[int, tuple[int, str, tuple[int, ...]]] = {}
        self._snapshot: list[tuple[int, str, tuple[int, ...]]] = []

    def hold(self, tensors: Sequence[Tensor]) -> None:
        """Count tensors that are there before the step."""
        for tensor in tensors:
            self._track(tensor, 'held')
        self.held = self.now

    @property
    def at_peak(self) -> list[tuple[int, str, tuple[int, ...]]]:
        return sorted(self._snapshot, reverse=True)

    def _track(self, tensor: Tensor, name: str) -> None:
        if tensor.device.type != self.device:
            return
        storage = tensor.untyped_storage()
        key = storage._cdata
        if key in self._live:
            return
        self._live[key] = (storage.nbytes(), name, tuple(tensor.shape))
        self.now += storage.nbytes()
        weakref.finalize(storage, self._free, key)
        phase = 'labelling' if torch.is_inference_mode_enabled() else 'training'
        self.peak_by_phase[phase] = max(self.peak_by_phase[phase], self.now)
        if self.now > self.peak:
            self.peak = self.now
            self._snapshot = list(self._live.values())

    def _free(self, key: int) -> None:
        size, *_ = self._live.pop(key, (0,))
        self.now -= size

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: Optional[Mapping[str, Any]] = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        if torch.is_inference_mode_enabled() and _is_composite(func):  # composite operators arrive whole there
            with self:
                return func._op_dk(_COMPOSITE, *args, **kwargs)
        name = func._overloadpacket.__name__
        if name == '_local_scalar_dense' and isinstance(args[0], FakeTensor):
            return _SOME_NUMBER.get(args[0].dtype, 0.0)  # draws of the host are fake, too
        if func is torch.ops.aten.upsample_bilinear2d.default and args[0].is_meta:
            out = _resized(*args)
        else:
            out = func(*args, **kwargs)
        tensors = [leaf for leaf in tree_leaves(out) if isinstance(leaf, Tensor)]
        if any(t.device.type == self.device for t in tensors) and name not in NO_KERNEL and not _is_view(func):
            self.kernels[name] += 1
        for tensor in tensors:
            self._track(tensor, name)
        return out


def _resized(values: Tensor, size: Sequence[int], *_: Any) -> Tensor:
    """The shape of a bilinear resize; the library composes it of thirty operators without data."""
    layout = suggest_memory_format(values)
    return torch.empty(*values.shape[:2], *size, dtype=values.dtype, device=values.device, memory_format=layout)


def _is_composite(func: Any) -> bool:
    """Whether the library composes an operator of others. Python's own decompositions, which ``func.decompose`` takes
    first, are no measure: theirs of a bilinear resize holds seven maps in place of one."""
    return func.namespace == 'aten' and torch._C._dispatch_has_kernel_for_dispatch_key(func.name(), _COMPOSITE)


def _is_view(func: Any) -> bool:
    returned = func._schema.returns
    return bool(returned) and all(r.alias_info is not None and not r.alias_info.is_write for r in returned)


class DryStep(TrainStep):
    """A training step that computes every loss and its gradients, and leaves the optimisers alone.

    Attributes:
        beginning: whether this is one of a run's first iterations, in which teachers and banks are filled; a GPU may
            wait there. They need no gradients for that.
    """

    beginning = True

    def _backward(self, terms: Sequence[LossTerm], state: Any, keep_graph: bool) -> None:
        if not self.beginning:
            super()._backward(terms, state, keep_graph)

    def _step(self, names: Sequence[str], state: Any) -> None:
        state.skipped = False if self.beginning else None


@contextlib.contextmanager
def fused_attention() -> Iterator[None]:
    """Attention as a GPU computes it, in one kernel: without this, ``meta`` tensors take the form with full
    matrices."""
    plain = F.scaled_dot_product_attention

    def fused(
        query: Tensor, key: Tensor, value: Tensor, attn_mask: Any = None, dropout_p: float = 0.0, **rest: Any
    ) -> Any:
        if query.device.type != 'meta' or attn_mask is not None or rest.get('is_causal'):
            return plain(query, key, value, attn_mask, dropout_p, **rest)
        attention = torch.ops.aten._scaled_dot_product_efficient_attention
        return attention(query, key, value, None, query.requires_grad, dropout_p, scale=rest.get('scale'))[0]

    F.scaled_dot_product_attention = fused  # type: ignore[assignment]
    try:
        yield
    finally:
        F.scaled_dot_product_attention = plain


def dry_steps(
    method: UDASegmentor,
    batch: Mapping[str, Any],
    options: Optional[StepOptions] = None,
    iterations: Sequence[int] = (0, 1),
    seed: int = 0,
    device: str = 'meta',
) -> Tally:
    """Run iterations of a method without data and count the last one.

    Args:
        method: loses its weights: use a network of your own for anything else.
        batch: as the data loader gives it, on any device.
        options: precision and backward policy; optimisers do not step.
        iterations: numbers of the iterations; the first ones fill banks and teachers.
        device: ``meta``, where a question for a number is an error, or ``cpu``: torch's fake tensors, which know
            autocast.

    Returns:
        The tally of the last iteration.

    Raises:
        RuntimeError, NotImplementedError: the step asks for a number that only the device knows.
    """
    with _without_data(method, device) as convert:
        optimizers: dict[str, torch.optim.Optimizer] = {
            name: torch.optim.SGD([p for p in network.parameters() if p.requires_grad], lr=0.1)
            for name, network in method.networks().items()
        }
        step = DryStep(method, optimizers, options, seed)
        if step.options.teacher_copy == 'host':
            step.undo.leave_out_teachers()
        moved = tree_map(lambda value: convert(value) if isinstance(value, Tensor) else value, dict(batch))
        tally = Tally(device)
        with Tally(device):
            for iteration in iterations[:-1]:
                step([moved], iteration)
        step.beginning = False
        for optimizer in optimizers.values():
            optimizer.zero_grad(set_to_none=True)
        tally.hold([*method.parameters(), *method.buffers(), *(t for t in tree_leaves(moved) if isinstance(t, Tensor))])
        with tally, fused_attention():
            step([moved], iterations[-1])
    return tally


@contextlib.contextmanager
def _without_data(method: UDASegmentor, device: str) -> Iterator[Callable[[Tensor], Tensor]]:
    """Take the data out of a method's tensors; gives the function that does so with a tensor of a batch."""
    if device == 'meta':
        method.to('meta')
        yield lambda tensor: tensor.to('meta')
        return
    with FakeTensorMode(allow_non_fake_inputs=True):
        method._apply(torch.empty_like)
        yield torch.empty_like

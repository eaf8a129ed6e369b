"""TorchScript and ONNX graphs of a network, compared with it before anybody gets them."""

from __future__ import annotations

import contextlib
import inspect
import warnings
from pathlib import Path
from typing import Any, Callable, Iterator, Mapping, Optional, Sequence

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves
from torch.utils.weak import WeakIdKeyDictionary

from ..models.heads import is_hrda
from ..models.segmentors import FlowFusedSegmentor
from .export_config import ExportError

OPSET = 17
#: largest difference of scores, relative to the largest score (or to 1)
TOLERANCE = 1e-3
INPUT, OUTPUT = 'input', 'scores'
#: where a graph for any size is traced, and (batch, height, width) where it is compared
_TRACED = (192, 256)
_COMPARED = ((1, 192, 256), (2, 161, 225), (1, 257, 131))


class Scores(nn.Module):
    """Normalised images (B, C, H, W) -> class scores (B, classes, H, W), float32, of a whole image or window."""

    def __init__(self, segmentor: Any, fixed: bool = False) -> None:
        super().__init__()
        self.segmentor = segmentor
        self.fixed = fixed

    def forward(self, img: Tensor) -> Tensor:
        with FixedSizes(img) if self.fixed else contextlib.nullcontext():
            return self.segmentor.encode_decode(img, None).float()


class FixedSizes(TorchFunctionMode):
    """While a network is traced: sizes are numbers, and what does not depend on the image is computed once.

    A trace follows sizes through a network, which spoils code that counts windows or resamples a table of positions.

    Args:
        img: the input.
    """

    def __init__(self, img: Tensor) -> None:
        super().__init__()
        self.dependent = WeakIdKeyDictionary()
        self.dependent[img] = True

    def __torch_function__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Optional[Mapping[str, Any]] = None
    ) -> Any:
        kwargs = kwargs or {}
        if func in (torch.Tensor.shape.__get__, torch.Tensor.size):  # type: ignore[attr-defined]
            with _not_traced():
                return func(*args, **kwargs)
        given = [leaf for leaf in tree_leaves((list(args), dict(kwargs))) if isinstance(leaf, Tensor)]
        depends = any(tensor in self.dependent for tensor in given)
        in_place = _changes_first(getattr(func, '__name__', ''))
        if given and not depends and not in_place:
            with _not_traced():
                return func(*args, **kwargs)
        out = func(*args, **kwargs)
        for tensor in [*tree_leaves(out), *(args[:1] if in_place else ())] if depends else ():
            if isinstance(tensor, Tensor):
                self.dependent[tensor] = True
        return out


def _changes_first(name: str) -> bool:
    return name == '__setitem__' or name.startswith('__i') or (name.endswith('_') and not name.endswith('__'))


@contextlib.contextmanager
def _not_traced() -> Iterator[None]:
    state = torch._C._get_tracing_state()
    set_state: Any = getattr(torch._C, '_set_tracing_state')  # noqa: B009 - the stubs do not know it
    set_state(None)
    try:
        yield
    finally:
        set_state(state)


def check_has_graph(segmentor: nn.Module) -> None:
    """Refuse a network that is no function of one image.

    Raises:
        ExportError: names the network.
    """
    if isinstance(segmentor, FlowFusedSegmentor):
        raise ExportError(
            f'{type(segmentor).__name__} looks at two frames and at the flow between them, which no ONNX or '
            'TorchScript graph of it computes: export without --onnx and --torchscript, and predict with mmseg_uda.load'
        )


def has_one_size(segmentor: Any) -> bool:
    """Whether the graph of a network is for one size of input only: HRDA counts windows, a plain vision transformer
    resamples its positions."""
    backbone = segmentor.backbone
    return is_hrda(segmentor) or getattr(backbone, 'plain', False) or not getattr(backbone, 'any_size', True)


def compared_sizes(size: Optional[Sequence[int]]) -> tuple[tuple[int, int, int], ...]:
    """(batch, height, width) of the inputs on which a graph is compared; ``size`` is that of a graph of one size."""
    return _COMPARED if size is None else ((1, int(size[0]), int(size[1])),)


def write_torchscript(segmentor: nn.Module, path: Path, channels: int, size: Optional[Sequence[int]]) -> float:
    """Write a TorchScript graph.

    Args:
        channels: of the input.
        size: (height, width) of a graph of one size; None = any batch and size.

    Returns:
        The largest relative difference between the graph and the network.

    Raises:
        ExportError: the network cannot be traced, or the graph computes something else.
    """
    network, example = _traceable(segmentor, channels, size)
    with _quiet(), torch.no_grad(), _tracing(path, size):
        traced: Any = torch.jit.trace(network, example, check_trace=False)
    difference = _compare(segmentor, lambda img: traced(img), path, channels, size)
    traced.save(str(path))
    return difference


def write_onnx(segmentor: nn.Module, path: Path, channels: int, size: Optional[Sequence[int]]) -> float:
    """Write an ONNX graph (opset 17) and run it with onnxruntime; see :func:`write_torchscript`.

    Raises:
        ImportError: onnxruntime is missing. ExportError: as there; the file is removed.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise ImportError("--onnx compares the graph with onnxruntime: pip install 'mmseg-uda[export]'") from error
    network, example = _traceable(segmentor, channels, size)
    axes = {0: 'batch', 2: 'height', 3: 'width'}
    options: dict[str, Any] = dict(input_names=[INPUT], output_names=[OUTPUT], opset_version=OPSET)
    if size is None:
        options['dynamic_axes'] = {INPUT: axes, OUTPUT: axes}
    if 'dynamo' in inspect.signature(torch.onnx.export).parameters:
        options['dynamo'] = False  # the other exporter takes ten times as long, and adds nothing here
    try:
        with _quiet(), torch.no_grad(), _tracing(path, size):
            torch.onnx.export(network, (example,), str(path), **options)
        session = onnxruntime.InferenceSession(str(path), providers=['CPUExecutionProvider'])
        run = lambda img: torch.from_numpy(session.run([OUTPUT], {INPUT: img.numpy()})[0])  # noqa: E731
        return _compare(segmentor, run, path, channels, size)
    except Exception:
        path.unlink(missing_ok=True)
        raise


def _traceable(segmentor: nn.Module, channels: int, size: Optional[Sequence[int]]) -> tuple[Scores, Tensor]:
    network = Scores(segmentor, fixed=size is not None).eval()
    network.requires_grad_(False)
    height, width = size or _TRACED
    return network, torch.randn((1, channels, height, width), generator=torch.Generator().manual_seed(0))


def _compare(
    segmentor: Any, run: Callable[[Tensor], Tensor], path: Path, channels: int, size: Optional[Sequence[int]]
) -> float:
    """Largest relative difference between a graph and the network on random images.

    Raises:
        ExportError: more than :data:`TOLERANCE`, or the graph fails.
    """
    worst = 0.0
    generator = torch.Generator().manual_seed(1)
    for batch, height, width in compared_sizes(size):
        img = torch.randn((batch, channels, height, width), generator=generator)
        with torch.no_grad():
            wanted = segmentor.encode_decode(img, None).float()
            with _quiet(), _tracing(path, size, 'run', f' with an input of {tuple(img.shape)}'):
                found = run(img)
        scale = max(float(wanted.abs().max()), 1.0)
        difference = float((found - wanted).abs().max()) / scale if found.shape == wanted.shape else float('inf')
        if not difference <= TOLERANCE:
            raise ExportError(
                f'the graph {path.name} does not compute what the network does: with an input of {tuple(img.shape)} '
                f'the scores differ by {difference:.2g} of the largest one. {_remedy(size)}'
            )
        worst = max(worst, difference)
    return worst


@contextlib.contextmanager
def _tracing(path: Path, size: Optional[Sequence[int]], what: str = 'trace', where: str = '') -> Iterator[None]:
    try:
        yield
    except Exception as error:  # whatever a foreign network, torch or onnxruntime may raise
        reason = ' '.join(str(error).split())[:300]
        raise ExportError(f'cannot {what} {path.name}{where}: {reason}. {_remedy(size)}') from error


def _remedy(size: Optional[Sequence[int]]) -> str:
    if size is None:
        return 'A graph for one size may work: --fixed-size --size HEIGHT WIDTH'
    return 'Predict with mmseg_uda.load, or try another --size'


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without torch's remarks on traced numbers and on the age of its exporter: the graph is compared instead."""
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        yield

"""Where the forms for CPUs apply."""

from __future__ import annotations

from typing import Callable

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensor

#: whether torch.compile traces the call: it makes its own forms, and can be asked for no number of threads
_is_compiling: Callable[[], bool] = getattr(getattr(torch, 'compiler', None), 'is_compiling', lambda: False)


def computed_on_cpu(x: Tensor) -> bool:
    """Whether a CPU computes with ``x`` as the code says; fake tensors say ``cpu`` where they stand for a GPU's
    (:mod:`mmseg_uda.engine.dry_run`), and ``torch.compile`` makes its own forms."""
    return not _is_compiling() and x.device.type == 'cpu' and not isinstance(x, FakeTensor)

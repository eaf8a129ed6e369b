"""Where the forms for CPUs apply."""

from __future__ import annotations

from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensor


def computed_on_cpu(x: Tensor) -> bool:
    """Whether a CPU computes with ``x``; fake tensors say ``cpu`` where they stand for a GPU's
    (:mod:`mmseg_uda.engine.dry_run`)."""
    return x.device.type == 'cpu' and not isinstance(x, FakeTensor)

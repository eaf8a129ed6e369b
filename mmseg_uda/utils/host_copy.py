"""Tensors on their way from the device to the host."""

from __future__ import annotations

from typing import Optional

import numpy as np
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensor


class HostCopy:
    """A copy of a tensor on the host, which the device makes while it goes on with what is launched next.

    Args:
        values: on any device.
    """

    def __init__(self, values: Tensor) -> None:
        self._ready: Optional[torch.cuda.Event] = None
        if values.device.type == 'cuda':
            self._values = torch.empty(values.shape, dtype=values.dtype, pin_memory=True)
            self._values.copy_(values, non_blocking=True)
            self._ready = torch.cuda.Event()
            self._ready.record()
        else:
            self._values = values.cpu()

    def wait(self) -> Tensor:
        """The copy, once it is there: the one place where the host waits."""
        if self._ready is not None:
            self._ready.synchronize()
        return self._values

    def array(self) -> np.ndarray:
        """The same as an array; zeros where the tensors of a dry run (:mod:`mmseg_uda.engine.dry_run`) hold nothing."""
        values = self.wait()
        if isinstance(values, FakeTensor):
            return np.zeros(tuple(values.shape), str(values.dtype).split('.')[-1])
        return values.numpy()

"""Taking back what an iteration wrote into big buffers, for iterations that turn out not to count."""

from __future__ import annotations

from typing import ClassVar, NamedTuple, Optional

import torch
from torch import Tensor, nn


class _Overwritten(NamedTuple):
    """What stood in ``rows`` of a buffer, or (None) the whole tensor that another one has replaced."""

    name: str
    rows: Optional[Tensor]
    before: Tensor


class UndoableBuffers(nn.Module):
    """A module with buffers too big to be copied in every iteration: it notes what it overwrites instead.

    The training step copies all other buffers at the start of an iteration and puts them back if the iteration is
    skipped (:mod:`mmseg_uda.engine.undo`). Buffers named in ``noted`` are written through :meth:`write_rows` and
    :meth:`replace` only. Outside the training step nothing is noted.
    """

    #: names of the buffers that are written through the methods below
    noted: ClassVar[tuple[str, ...]] = ()

    def __init__(self) -> None:
        super().__init__()
        self._overwritten: Optional[list[_Overwritten]] = None

    def write_rows(self, name: str, rows: Tensor, values: Tensor) -> None:
        """``buffer[rows] = values`` with int64 ``rows`` (N,) and ``values`` (N, ...); equal rows get equal values."""
        buffer = getattr(self, name)
        if self._overwritten is not None:
            self._overwritten.append(_Overwritten(name, rows, buffer[rows]))
        buffer[rows] = values

    def replace(self, name: str, value: Tensor) -> None:
        """Let a tensor that nobody else writes to take a buffer's place."""
        if self._overwritten is not None:
            self._overwritten.append(_Overwritten(name, None, getattr(self, name)))
        setattr(self, name, value)

    def start_noting(self) -> None:
        """Forget earlier notes; an iteration begins."""
        self._overwritten = []

    def stop_noting(self) -> None:
        """Whatever was written stays."""
        self._overwritten = None

    def non_finite(self) -> list[Tensor]:
        """Scalars (bool) on the device: whether finite values were overwritten by others."""
        return [
            torch.isfinite(note.before).all() & ~torch.isfinite(self._now(note)).all()
            for note in self._overwritten or ()
            if note.before.is_floating_point()
        ]

    def _now(self, note: _Overwritten) -> Tensor:
        buffer: Tensor = getattr(self, note.name)
        return buffer if note.rows is None else buffer[note.rows]

    @property
    def needs_host(self) -> bool:
        """Whether the device cannot take the notes back by itself, since a buffer has got another shape."""
        return any(note.before.shape != self._now(note).shape for note in self._overwritten or () if note.rows is None)

    def take_back(self, bad: Optional[Tensor] = None) -> None:
        """Write back what was noted, the latest first.

        Args:
            bad: bool scalar on the device, whether to do it; None = do it.
        """
        for note in reversed(self._overwritten or ()):
            before = note.before if bad is None else torch.where(bad, note.before, self._now(note))
            if note.rows is None:
                setattr(self, note.name, before)
            else:
                getattr(self, note.name)[note.rows] = before

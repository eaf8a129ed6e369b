"""What iterations leave behind until the next log interval: losses on the device, and whether they were finite."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any, Mapping, Optional, Sequence

import torch
from torch import Tensor

LOGGER = logging.getLogger('mmseg')


@dataclass
class _Record:
    iteration: int
    terms: list[str]
    keys: list[str]
    values: Tensor
    files: list[str]
    inputs: list[str]


class StepRecords:
    """Collects scalars of iterations without waiting for the device.

    Args:
        max_non_finite: consecutive non-finite iterations after which :meth:`flush` aborts the run.
    """

    def __init__(self, max_non_finite: int = 10) -> None:
        self.max_non_finite = max_non_finite
        self.skipped = 0
        self._consecutive = 0
        self._records: list[_Record] = []
        self._bad: Optional[Tensor] = None
        self._buffers: Optional[Tensor] = None

    def bad(self, device: torch.device) -> Tensor:
        """Whether the iteration in progress is to be skipped, as far as it is known (scalar > 0)."""
        return torch.zeros((), device=device) if self._bad is None else self._bad

    def note_buffers(self, spoiled: Tensor) -> None:
        """Note whether the iteration in progress left non-finite values in buffers (scalar > 0)."""
        self._buffers = spoiled if self._buffers is None else torch.maximum(self._buffers, spoiled)

    def mark(self, bad: Tensor) -> None:
        """Note whether the iteration in progress was skipped (scalar > 0)."""
        self._bad = bad if self._bad is None else torch.maximum(self._bad, bad)

    def add(
        self,
        iteration: int,
        terms: Sequence[str],
        losses: Sequence[Tensor],
        logs: Mapping[str, Tensor],
        files: Sequence[str],
        inputs: Sequence[str] = (),
        bad_inputs: Sequence[Tensor] = (),
    ) -> None:
        """Close the record of an iteration: weighted losses by term, log values and the files that it saw.

        ``inputs`` describes the inputs that were looked at, ``bad_inputs`` holds a flag for each (several in a
        tensor).
        """
        device = losses[0].device if losses else torch.device('cpu')
        none = torch.zeros((), device=device)
        flags = [none if flag is None else flag.float() for flag in (self._bad, self._buffers)]
        values = [*flags, *(flag.float() for flag in bad_inputs), *losses, *logs.values()]
        joined = torch.cat([value.to(device).reshape(-1) for value in values])
        self._records.append(_Record(iteration, list(terms), list(logs), joined, list(files), list(inputs)))
        self._bad = self._buffers = None

    def flush(self) -> list[dict[str, float]]:
        """Log values of every iteration since the last call (``loss`` = the total), with one device-to-host
        transfer."""
        if not self._records:
            return []
        records, self._records = self._records, []
        flat = torch.cat([record.values for record in records]).tolist()
        logs, start = [], 0
        for record in records:
            values = flat[start : start + record.values.numel()]
            start += len(values)
            inputs, rest = values[2 : 2 + len(record.inputs)], values[2 + len(record.inputs) :]
            losses = rest[: len(record.terms)]
            if values[0] > 0:
                self._judge(record, values[1] > 0, inputs, losses)
            else:
                self._consecutive = 0
            entry = dict(zip(record.keys, rest[len(losses) :]))
            entry['loss'] = sum(losses)
            logs.append(entry)
        return logs

    def _judge(self, record: _Record, buffers: bool, inputs: Sequence[float], losses: Sequence[float]) -> None:
        self.skipped += 1
        self._consecutive += 1
        named = [f'input {name}' for name, flag in zip(record.inputs, inputs) if flag > 0]
        named += [
            f'{name}={value:g}'
            for name, value in zip(record.terms, losses)
            if value != value or value in (float('inf'), float('-inf'))
        ]
        if buffers and not named:
            named = ['batch statistics or banks (the losses are finite: a value of an input is huge)']
        what = ', '.join(named) or 'gradients (all losses are finite)'
        message = f'iteration {record.iteration + 1}: non-finite {what}; files: {", ".join(record.files) or "unknown"}'
        if self._consecutive > self.max_non_finite:
            raise FloatingPointError(
                f'{message}. {self._consecutive} iterations in a row were not finite: lower the learning rate, '
                'check these '
                'files, use precision bf16 or fp32, or raise optimizer_config.max_non_finite'
            )
        LOGGER.warning('%s: the iteration was skipped (%d so far)', message, self.skipped)

    def state_dict(self) -> dict[str, int]:
        """Counters that a resumed run continues."""
        return {'skipped': self.skipped, 'consecutive': self._consecutive}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Inverse of :meth:`state_dict`."""
        self.skipped = int(state.get('skipped', 0))
        self._consecutive = int(state.get('consecutive', 0))

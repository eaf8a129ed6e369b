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
    ) -> None:
        """Close the record of an iteration: weighted losses by term, log values and the files that it saw."""
        device = losses[0].device if losses else torch.device('cpu')
        bad = torch.zeros((), device=device) if self._bad is None else self._bad.to(device)
        values = [bad.float(), *losses, *logs.values()]
        self._records.append(
            _Record(
                iteration, list(terms), list(logs), torch.stack([v.to(device).reshape(()) for v in values]), list(files)
            )
        )
        self._bad = None

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
            losses = values[1 : 1 + len(record.terms)]
            self._judge(record, values[0] > 0, losses)
            entry = dict(zip(record.keys, values[1 + len(losses) :]))
            entry['loss'] = sum(losses)
            logs.append(entry)
        return logs

    def _judge(self, record: _Record, bad: bool, losses: Sequence[float]) -> None:
        if not bad:
            self._consecutive = 0
            return
        self.skipped += 1
        self._consecutive += 1
        named = [
            f'{name}={value:g}'
            for name, value in zip(record.terms, losses)
            if value != value or value in (float('inf'), float('-inf'))
        ]
        what = ', '.join(named) or 'gradients (all losses are finite)'
        message = f'iteration {record.iteration + 1}: non-finite {what}; files: {", ".join(record.files) or "unknown"}'
        if self._consecutive > self.max_non_finite:
            raise FloatingPointError(
                f'{message}. {self._consecutive} iterations in a row were not finite: lower the learning rate, '
                'check these '
                'files, use precision bf16 or fp32, or raise optimizer_config.max_non_finite'
            )
        LOGGER.warning('%s: the optimiser step was skipped (%d so far)', message, self.skipped)

    def state_dict(self) -> dict[str, int]:
        """Counters that a resumed run continues."""
        return {'skipped': self.skipped, 'consecutive': self._consecutive}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Inverse of :meth:`state_dict`."""
        self.skipped = int(state.get('skipped', 0))
        self._consecutive = int(state.get('consecutive', 0))

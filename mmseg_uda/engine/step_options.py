"""The options of a training iteration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Mapping, Optional

import torch

from ..utils.config import check_options

POLICIES = ('merged', 'sequential')
TEACHER_COPIES = ('device', 'host')
PRECISIONS = {'fp32': None, 'bf16': torch.bfloat16, 'fp16': torch.float16}


@dataclass
class StepOptions:
    """How an iteration is computed (``optimizer_config`` of a config).

    Attributes:
        backward: ``merged`` sums the terms that share a graph before one backward pass; ``sequential`` runs backward
            for each term as it is yielded (lowest peak memory when a graph is shared, more compute).
        precision: ``fp32``, ``bf16`` (autocast) or ``fp16`` (autocast with a gradient scaler, CUDA only).
        cumulative_iters: micro-batches whose gradients are averaged in one iteration; each iteration draws that many
            batches.
        grad_clip: ``dict(max_norm=..., norm_type=2)`` over the parameters of each optimiser, or None.
        max_non_finite: consecutive iterations with a non-finite loss or gradient that are skipped before the run is
            aborted.
        loss_scale: initial scale of fp16, or ``'dynamic'``.
        teacher_copy: where the copy of the teachers lies that undoing a skipped iteration needs. ``host`` spares the
            device their size; the host then waits for the device once per iteration.
    """

    backward: str = 'merged'
    precision: str = 'fp32'
    cumulative_iters: int = 1
    grad_clip: Optional[dict[str, Any]] = None
    max_non_finite: int = 10
    loss_scale: Any = 'dynamic'
    teacher_copy: str = 'device'

    def __post_init__(self) -> None:
        if self.backward not in POLICIES:
            raise ValueError(f"optimizer_config.backward must be one of {POLICIES}, got '{self.backward}'")
        if self.precision not in PRECISIONS:
            raise ValueError(f"optimizer_config.precision must be one of {tuple(PRECISIONS)}, got '{self.precision}'")
        if self.teacher_copy not in TEACHER_COPIES:
            raise ValueError(
                f"optimizer_config.teacher_copy must be one of {TEACHER_COPIES}, got '{self.teacher_copy}'"
            )
        if self.cumulative_iters < 1:
            raise ValueError(f'optimizer_config.cumulative_iters must be at least 1, got {self.cumulative_iters}')
        if self.grad_clip is not None and not float(self.grad_clip.get('max_norm', 0)) > 0:
            raise ValueError(f'optimizer_config.grad_clip needs a positive max_norm, got {self.grad_clip}')

    @classmethod
    def from_config(
        cls, optimizer_config: Optional[Mapping[str, Any]], fp16: Optional[Mapping[str, Any]] = None
    ) -> StepOptions:
        """Read ``optimizer_config``, also as plain MMSeg configs write it (``type='Fp16OptimizerHook'``,
        ``GradientCumulative...``)."""
        options = dict(optimizer_config or {})
        kind = options.pop('type', 'OptimizerHook')
        known = (
            'OptimizerHook',
            'Fp16OptimizerHook',
            'GradientCumulativeOptimizerHook',
            'GradientCumulativeFp16OptimizerHook',
        )
        if kind not in known:
            raise ValueError(
                f"optimizer_config.type='{kind}': the engine steps the optimisers itself and understands {known}"
            )
        if 'Fp16' in kind:
            options.setdefault('precision', 'fp16')
        if fp16:
            options.setdefault('precision', 'fp16')
            options.setdefault('loss_scale', fp16.get('loss_scale', 'dynamic'))
        for meaningless in ('distributed', 'coalesce', 'bucket_size_mb', 'detect_anomalous_params'):
            options.pop(meaningless, None)
        check_options(options, cls.__dataclass_fields__, 'optimizer_config')
        return cls(**options)

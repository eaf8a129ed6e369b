"""Who labels the target clips: a teacher that follows the student, the student itself, or a frozen network."""

from __future__ import annotations

import contextlib
from typing import Iterator, Optional, Sequence

import torch
from torch import Tensor, nn

from ..models.heads import heads_of
from ..models.modes import reference_mode, set_teacher_mode
from ..models.segmentors.flow_fused import FlowFusedSegmentor
from ..ops.clips import Clip
from .ema import EMATeacher

NETWORKS = ('ema', 'student', 'frozen')
MODES = ('eval', 'train')


class ClipLabeler(nn.Module):
    """Gives the scores that pseudo-labels are made of.

    Args:
        student: the network in training.
        network: ``ema`` (a mean teacher), ``student`` (TPS, and the released QuadMix later on) or
            ``frozen`` (a trained network from a file).
        until: iteration from which ``then`` takes the place of the frozen network; None = never.
        then: ``student`` or ``ema``.
        alpha: rate of the mean teacher.
        mode: ``eval``: no dropout, running statistics of batch norm; ``train``: the student as it is trained, which
            renews its running statistics (released). None: ``train`` for the student, ``eval`` for the others.

    State: the mean teacher under ``teacher.*``, if there is one.
    """

    def __init__(
        self,
        student: nn.Module,
        network: str = 'ema',
        until: Optional[int] = None,
        then: str = 'student',
        alpha: float = 0.999,
        mode: Optional[str] = None,
    ) -> None:
        super().__init__()
        for name, value, valid in (('network', network, NETWORKS), ('then', then, NETWORKS[:2])):
            if value not in valid:
                raise ValueError(f"uda.labeler.{name} must be one of {', '.join(valid)}, got '{value}'")
        if mode not in (None, *MODES):
            raise ValueError(f"uda.labeler.mode must be one of {', '.join(MODES)}, got '{mode}'")
        if until is not None and network != 'frozen':
            raise ValueError("uda.labeler.until says how long the frozen network labels: it needs network='frozen'")
        self.network, self.until, self.then, self.mode = network, until, then, mode
        follows = network == 'ema' or (network == 'frozen' and until is not None and then == 'ema')
        self.teacher = EMATeacher(student, alpha, buffers='ema') if follows else None

    def train(self, mode: bool = True) -> ClipLabeler:
        """The mean teacher stays in evaluation mode unless ``mode='train'`` was asked for."""
        super().train(mode)
        if self.teacher is not None:
            set_teacher_mode(self.teacher.model, mode and self.mode == 'train')
        return self

    def update(self, student: nn.Module, iteration: int) -> None:
        """Let the mean teacher follow."""
        if self.teacher is not None:
            self.teacher.update(student, iteration)

    def at(self, iteration: int) -> str:
        """Which network labels in an iteration."""
        if self.network == 'frozen' and self.until is not None and iteration >= self.until:
            return self.then
        return self.network

    @torch.no_grad()
    def scores(
        self,
        student: FlowFusedSegmentor,
        frozen: Optional[nn.Module],
        iteration: int,
        clip: Clip,
        heads: Sequence[str],
    ) -> dict[str, Tensor]:
        """Fused class scores of a clip by head, float32 (B, C, h, w), without gradient.

        Args:
            frozen: the frozen network, where there is one.
            heads: names of the heads that are asked, as far as the network has them; ``decode`` always is.
        """
        name = self.at(iteration)
        if name == 'student':
            with self._student_mode(student):
                return student.clip_scores(clip, _asked(student, heads)).fused
        network = frozen if name == 'frozen' else self.teacher.model if self.teacher is not None else None
        assert isinstance(network, FlowFusedSegmentor)
        return network.clip_scores(clip, _asked(network, heads)).fused

    @contextlib.contextmanager
    def _student_mode(self, student: nn.Module) -> Iterator[None]:
        if self.mode == 'eval':
            with reference_mode(student, 'eval'):
                yield
        else:
            yield


def _asked(network: nn.Module, heads: Sequence[str]) -> list[str]:
    return [name for name in heads_of(network) if name == 'decode' or name in heads]

"""Masked image consistency, the part that MIC adds to any self-training method (arXiv 2212.01322)."""

from __future__ import annotations

import contextlib
import copy
from typing import Any, Mapping, Optional, Tuple, Union

import torch
from torch import Tensor, nn

from ...components.ema import EMATeacher
from ...models.modes import kept_running_statistics
from ...models.training_interface import segmentation_losses, training_features
from ...ops.masking import MODES, MaskedBatch, select_masked_batch
from ...registry import AUGMENTATIONS, MASKERS
from ...streams import Stream
from ...utils.config import build_from_config
from ..base import LossTerm, UDASegmentor
from .target_share import target_share
from .teacher_labels import label_with

Same = Union[str, float, None]
PseudoLabelled = Tuple[Stream, Optional[Tensor], Optional[Tensor]]


class MaskedConsistency(nn.Module):
    """Trains the student to predict the pseudo-labels of whole images from masked ones.

    Args:
        student: the network; copied when an own teacher is needed.
        teacher_options: those of the method's teacher.
        pseudo_labeler: the method's.
        mode: one of :data:`~mmseg_uda.ops.masking.MODES`.
        weight: lambda, for all loss entries (the released code forgets HRDA's detail loss); with 0 no target image is
            masked and an own teacher stays as it is.
        alpha, threshold: of the pseudo-labels of this part; ``'same'`` shares the method's labels, other values
            cost a teacher of its own.
        masker: config in MASKERS.
        augmentation: config in AUGMENTATIONS, used by the modes that end in ``aug``.
        running_statistics: whether masked images renew the running statistics of the student's batch norm, as in the
            released code. Networks with batch norm in every layer are then tested with statistics of images that are
            mostly black.
    """

    def __init__(
        self,
        student: nn.Module,
        teacher_options: Mapping[str, Any],
        pseudo_labeler: Any,
        mode: str,
        weight: float = 1.0,
        alpha: Same = 'same',
        threshold: Same = 'same',
        masker: Any = None,
        augmentation: Any = None,
        running_statistics: bool = True,
    ) -> None:
        super().__init__()
        if mode not in MODES:
            raise ValueError(f"mask_mode must be one of {', '.join(MODES)} or None, got '{mode}'")
        if weight < 0:
            raise ValueError(f'mask_lambda must not be negative, got {weight}')
        self.mode = mode
        self.weight = weight
        self.running_statistics = running_statistics
        self.masker = build_from_config(masker or dict(type='BlockMasker'), MASKERS)
        default = dict(type='ColorJitterBlur', shared_order=True, stream='masked')
        self.augmentation = build_from_config(augmentation or default, AUGMENTATIONS) if mode.endswith('aug') else None
        self.pseudo_labeler = pseudo_labeler
        self.teacher: Optional[EMATeacher] = None
        if not self.source_only and (alpha != 'same' or threshold != 'same'):
            self.teacher = EMATeacher(student, **({**teacher_options, **({} if alpha == 'same' else {'alpha': alpha})}))
            if threshold != 'same':
                self.pseudo_labeler = copy.copy(pseudo_labeler)
                self.pseudo_labeler.threshold = threshold

    @property
    def source_only(self) -> bool:
        """Whether no target image is looked at."""
        return self.mode.startswith('separatesrc')

    @property
    def shares_labels(self) -> bool:
        """Whether it trains on the labels of the method's teacher."""
        return self.weight > 0 and not self.source_only and self.teacher is None

    def update_teacher(self, student: nn.Module, iteration: int) -> None:
        """Let the own teacher follow, if there is one and it labels."""
        if self.teacher is not None and self.weight > 0:
            self.teacher.update(student, iteration)

    @torch.no_grad()
    def build_batch(self, method: UDASegmentor, source: Stream, pseudo: Optional[PseudoLabelled]) -> MaskedBatch:
        """The masked images with their labels and weights."""
        if self.source_only:
            batch = MaskedBatch(source.img, source.require_label(), None)
        else:
            assert pseudo is not None
            target, label, weight = pseudo
            assert label is not None and weight is not None
            batch = select_masked_batch(self.mode, source.img, source.require_label(), target.img, label, weight)
        return self._masked(method, source, batch)

    def _masked(self, method: UDASegmentor, like: Stream, batch: MaskedBatch) -> MaskedBatch:
        img = batch.img if self.augmentation is None else self.augmentation(batch.img, like.metas, method.rng)
        return batch._replace(img=self.masker(img, method.rng))

    def loss(self, method: UDASegmentor, source: Stream, pseudo: Optional[PseudoLabelled] = None) -> LossTerm:
        """The term ``masked``; it logs ``target.share`` if the method has not labelled the target.

        Args:
            method: gives the student and this iteration's random numbers.
            source: the clean source stream.
            pseudo: the clean target stream with the method's pseudo-labels (B, H, W) and weights (B, H, W), which an
                own teacher replaces (then they may be None); None in source-only training.
        """
        log: dict[str, Tensor] = {}
        if pseudo is not None and not self.source_only and self.teacher is not None:
            own = label_with(self.teacher, self.pseudo_labeler, pseudo[0])
            log = target_share(own.label, own.weight) if pseudo[1] is None else {}
            pseudo = (pseudo[0], own.label, own.weight)
        term = self._term(method, 'masked', self.build_batch(method, source, pseudo), self.weight)
        term.log.update(log)
        return term

    def loss_on_labels(self, method: UDASegmentor, labeled: Stream, weight: float) -> LossTerm:
        """The term ``masked_labeled``: masked images of a labelled stream with their labels."""
        with torch.no_grad():
            batch = self._masked(method, labeled, MaskedBatch(labeled.img, labeled.require_label(), None))
        return self._term(method, 'masked_labeled', batch, weight)

    def _term(self, method: UDASegmentor, name: str, batch: MaskedBatch, weight: float) -> LossTerm:
        method.record_view(name, img=batch.img, label=batch.label, weight=batch.weight)
        with contextlib.nullcontext() if self.running_statistics else kept_running_statistics(method.student):
            features = training_features(method.student, batch.img, method.rng)
            losses = segmentation_losses(method.student, features, batch.label, batch.weight)
        return LossTerm.from_losses(name, losses, f'{name}.', weight=weight)

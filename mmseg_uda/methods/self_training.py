"""Self-training with a mean teacher and cross-domain mixing: DACS, DAFormer, HRDA, MIC and combinations of their
parts."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any, Iterator, Mapping, Optional, Sequence

from mmseg.models import build_backbone, build_segmentor
from torch import Tensor, nn

from ..components.ema import EMATeacher
from ..components.mixers import MixedBatch
from ..models.modes import set_teacher_mode
from ..models.pretrained import init_reference_weights
from ..models.training_interface import encode, reference_views, segmentation_losses, training_features
from ..registry import AUGMENTATIONS, FEATURE_DISTANCES, MIXERS, PSEUDO_LABELERS, UDA
from ..streams import TARGET, Stream
from ..utils.checkpoint_io import CheckpointError
from ..utils.config import build_from_config, check_options, signature_names
from ..utils.rng import StepRng
from .base import LossTerm, TrainingEvent, UDASegmentor
from .parts.distillation import Distillation
from .parts.flat_keys import FLAT_KEYS, components_from_flat_keys
from .parts.labeled_target import LabeledTarget, Roles
from .parts.masked_consistency import MaskedConsistency
from .parts.supervised import Weighted, supervised_pass, supervised_terms, terms_of
from .parts.target_share import target_share
from .parts.teacher_labels import PseudoLabels, label_with

Options = Optional[Mapping[str, Any]]

#: log value of the distance to ImageNet features, without its weight
FEATURE_DISTANCE = 'src.loss_imnet_feat_dist'


@UDA.register_module()
class SelfTraining(UDASegmentor):
    """Source loss + feature distance + loss on mixed images + loss on masked images (all sums of parts that configs
    switch on).

    Sources: DACS (arXiv 2007.08702), DAFormer (2111.14887), HRDA (2204.13132; the network does it), MIC (2212.01322).

    Args:
        teacher: options of :class:`~mmseg_uda.components.ema.EMATeacher` (``alpha``, ``buffers``).
        teacher_bn: ``batch`` normalises the teacher's features with the statistics of its batch, as the released
            code does; ``running`` with its running statistics (then let ``teacher.buffers`` be ``ema`` or ``copy``).
        pseudo_labeler: config in PSEUDO_LABELERS.
        mixer: config in MIXERS, or None for no mixed pass.
        augmentation: config in AUGMENTATIONS for the mixed images, or None.
        feature_distance: config in FEATURE_DISTANCES, or None; with weight 0 there is none.
        masking: options of :class:`~mmseg_uda.methods.parts.masked_consistency.MaskedConsistency`, or None.
        source_only: supervised training, with ``masking`` of source images if it is given.
        source_iters: iterations before this one learn from labels alone, while the teacher follows the student already.
            Published runs begin at once (0). In short ones a teacher that knows no small classes yet labels them as
            what is around them, and the student never finds them again (docs/benchmarks/study.md).
        source_augmentation: config in AUGMENTATIONS for the source images of the supervised pass, or None.
        target_augmentation: config in AUGMENTATIONS for the target images that are mixed (the teacher labels clean
            ones), or None.
        distillation: options of :class:`~mmseg_uda.methods.parts.distillation.Distillation` with ``reference``, the
            config of a frozen backbone that names its ``pretrained`` file; or None.
        labeled_target: options of :class:`~mmseg_uda.methods.parts.labeled_target.LabeledTarget`: ``supervise``,
            ``joint``, ``override``, ``paste``, ``mask``.
        kwargs: of :class:`~mmseg_uda.methods.base.UDASegmentor`.

    Several targets are trained as one. Labelled target images add their supervised loss and whatever
    ``labeled_target`` says; without a source they take its part.
    """

    frozen_references = ('imnet', 'foundation')
    calls_forward_train = True

    def __init__(
        self,
        teacher: Options = None,
        teacher_bn: str = 'batch',
        pseudo_labeler: Options = None,
        mixer: Options = None,
        augmentation: Options = None,
        feature_distance: Options = None,
        masking: Options = None,
        source_only: bool = False,
        source_iters: int = 0,
        source_augmentation: Options = None,
        target_augmentation: Options = None,
        distillation: Options = None,
        labeled_target: Options = None,
        **kwargs: Any,
    ) -> None:
        model = kwargs.get('model')
        super().__init__(**kwargs)
        if teacher_bn not in ('batch', 'running'):
            raise ValueError(f"teacher_bn must be 'batch' or 'running', got '{teacher_bn}'")
        if not isinstance(source_iters, int) or source_iters < 0:
            raise ValueError(f'uda.source_iters must be a number of iterations, 0 or more, got {source_iters}')
        self.source_only = source_only
        self.source_iters = source_iters
        self.teacher_bn = teacher_bn
        self.labeled_target = LabeledTarget(
            labeled_target, ('supervise', 'joint', 'override', 'paste', 'mask'), self.title
        )
        labeler = dict(pseudo_labeler or dict(type='ConfidenceShare'))
        self.pseudo_labeler = build_from_config(labeler, PSEUDO_LABELERS, num_classes=self.num_classes)
        self.mixer = None if mixer is None else build_from_config(mixer, MIXERS)
        self.augmentation, self.source_augmentation, self.target_augmentation = (
            None if cfg is None else build_from_config(cfg, AUGMENTATIONS)
            for cfg in (augmentation, source_augmentation, target_augmentation)
        )
        self.feature_distance: Any = None
        if feature_distance is not None:
            distance = build_from_config(feature_distance, FEATURE_DISTANCES, num_classes=self.num_classes)
            if distance.weight > 0:
                self.feature_distance, self.imnet = distance, self._build_reference(model)
        self._build_distillation(distillation)
        self._build_teachers(dict(teacher or dict(alpha=0.999)), masking)

    def _build_distillation(self, options: Options) -> None:
        self.distillation: Optional[Distillation] = None
        if options is None:
            return
        given = dict(options)
        check_options(given, {'reference', *_own_options(Distillation, 'student', 'reference')}, 'uda.distillation')
        if 'reference' not in given:
            raise ValueError('uda.distillation needs reference, the config of a frozen backbone')
        self.foundation = build_backbone(copy.deepcopy(dict(given.pop('reference')))).requires_grad_(False)
        self.distillation = Distillation(self.student, self.foundation, **given)

    def _build_teachers(self, teacher: dict[str, Any], masking: Options) -> None:
        given = ('student', 'teacher_options', 'pseudo_labeler')
        check_options(teacher, _own_options(EMATeacher, 'student'), 'uda.teacher')
        check_options(masking or {}, _own_options(MaskedConsistency, *given), 'uda.masking')
        self.teacher = None if self.source_only else EMATeacher(self.student, **teacher)
        self.masking: Optional[MaskedConsistency] = None
        if masking is None:
            if self.labeled_target.mask:
                raise ValueError('labeled_target.mask needs masking (mask_mode): this method masks no images')
            return
        self.masking = MaskedConsistency(self.student, teacher, self.pseudo_labeler, **masking)
        if self.source_only and not self.masking.source_only:
            raise ValueError(
                "source_only with masking needs mask mode 'separatesrc' or 'separatesrcaug': there is no target to mask"
            )

    @property
    def required_streams(self) -> tuple[str, ...]:
        return (*self.labeled_target.labeled_streams, *(() if self.source_only else (TARGET,)))

    def test_networks(self) -> dict[str, nn.Module]:
        """The student, and the teacher where there is one."""
        return {**super().test_networks(), **({} if self.teacher is None else {'teacher': self.teacher.model})}

    @property
    def num_classes(self) -> int:
        head: Any = self.student.decode_head
        last: Any = head[-1] if isinstance(head, nn.ModuleList) else head
        return int(last.num_classes)

    def _build_reference(self, model: Any) -> nn.Module:
        """A frozen network of the student's architecture that :meth:`init_weights` fills with its ImageNet weights."""
        if isinstance(model, nn.Module):
            raise TypeError(
                'feature_distance needs the config of the model (to build the ImageNet network), not a built model'
            )
        reference = build_segmentor(copy.deepcopy(dict(model)))
        return reference.requires_grad_(False)

    def init_weights(self) -> None:
        """Initialise the student, and load the ImageNet weights of the reference network (an error when the model
        names none)."""
        super().init_weights()
        if self.feature_distance is not None:
            init_reference_weights(self.imnet)
        if self.distillation is not None:
            if getattr(self.foundation, 'pretrained', None) is None:
                raise CheckpointError(
                    "uda.distillation.reference has no pretrained weights: name their file in its 'pretrained', or "
                    'leave distillation out'
                )
            self.foundation.init_weights()

    def networks(self) -> dict[str, nn.Module]:
        """The student, and the projection of the distillation where there is one."""
        return {**super().networks(), **({} if self.distillation is None else {'distillation': self.distillation})}

    # ---- modes -----------------------------------------------------------------------------------------------------
    def train(self, mode: bool = True) -> SelfTraining:
        """Train mode, but no drop-out in teachers."""
        super().train(mode)
        teachers = [self.teacher, getattr(self.masking, 'teacher', None)]
        for teacher in teachers:
            if teacher is not None:
                set_teacher_mode(teacher.model, mode and self.teacher_bn == 'batch')
        return self

    def begin_iteration(self, iteration: int, rng: StepRng) -> None:
        super().begin_iteration(iteration, rng)
        if self.teacher is not None:
            self.teacher.update(self.student, iteration)
        if self.masking is not None:
            self.masking.update_teacher(self.student, iteration)

    # ---- one iteration ---------------------------------------------------------------------------------------------
    def training_losses(self, batch: Mapping[str, Any]) -> Iterator[TrainingEvent]:
        """Terms ``source``, ``feature_distance``, ``distillation_source``, ``labeled_target``, ``mixed``, ``masked``,
        ``distillation_target``, ``masked_labeled``, as far as they are switched on."""
        roles = self.labeled_target.roles(batch)
        source = roles.source
        for group in self.labeled_target.passes(roles.supervised, unnamed=source.name):
            yield from self._source_terms(group, source) if group[0].stream is source else supervised_terms(self, group)
        if self.source_only:
            if self.masking is not None and self.masking.weight > 0:
                yield self.masking.loss(self, source)
        elif self.iteration >= self.source_iters:
            yield from self._target_terms(roles)
        if roles.labeled is not None and self.masking is not None and self.labeled_target.mask > 0:
            yield self.masking.loss_on_labels(self, roles.labeled, self.labeled_target.mask)

    def _target_terms(self, roles: Roles) -> Iterator[LossTerm]:
        """Losses on target images; the first one also logs ``target.share``."""
        target = roles.target
        assert target is not None
        if not self._needs_labels:
            yield from self._terms_on(roles, target, None)
            return
        pseudo = self.label_target(target)
        self.record_view(
            'target',
            img=target.img,
            pseudo_label=pseudo.label,
            weight=pseudo.weight,
            confidence=pseudo.probability,
        )
        share = target_share(pseudo.label, pseudo.weight)
        for term in self._terms_on(roles, target, pseudo):
            term.log.update(share)
            share = {}
            yield term

    @property
    def _needs_labels(self) -> bool:
        """Whether the teacher's labels teach anybody: in mixed images, or in masked ones without a teacher of their
        own."""
        mixes = self.mixer is not None or type(self).mixed_terms is not SelfTraining.mixed_terms
        return mixes or (self.masking is not None and self.masking.shares_labels)

    def _terms_on(self, roles: Roles, target: Stream, pseudo: Optional[PseudoLabels]) -> Iterator[LossTerm]:
        weak = self._augmented(target, self.target_augmentation)
        if pseudo is not None:
            yield from self.mixed_terms(self.labeled_target.pasted(roles, self.rng), weak, pseudo)
        if self.masking is not None and self.masking.weight > 0:
            labels = (None, None) if pseudo is None else (pseudo.label, pseudo.weight)
            yield self.masking.loss(self, roles.source, (target, *labels))
        if self.distillation is not None and 'target' in self.distillation.streams:
            deepest = encode(self.student, weak.img)[0][-1]
            yield self.distillation.term('target', deepest, self.foundation, target.img)

    def _source_terms(self, group: Sequence[Weighted], source: Stream) -> Iterator[LossTerm]:
        """Losses on the source and whatever passes the network with it, and the feature distance of the source."""
        group = [part._replace(stream=self._augmented(part.stream, self.source_augmentation)) for part in group]
        shown = group[0].stream
        distilled = self.distillation is not None and 'source' in self.distillation.streams
        features, losses = supervised_pass(self, [part.stream for part in group])
        yield from terms_of(group, losses, keep_graph=self.feature_distance is not None or distilled)
        if self.feature_distance is not None:
            # The reference sees the images without things, too: as long as both networks are equal, equal batches give
            # a distance of exactly 0, whereas that of rounding errors has a gradient as long as any other.
            loss = self.feature_distance(features.views, reference_views(self.imnet, shown.img, features), shown.label)
            log = {FEATURE_DISTANCE: loss}
            yield LossTerm('feature_distance', loss, self.feature_distance.weight, log, keep_graph=distilled)
        if self.distillation is not None and distilled:
            yield self.distillation.term('source', features.backbone[-1], self.foundation, source.img)

    def _augmented(self, stream: Stream, augmentation: Any) -> Stream:
        if augmentation is None:
            return stream
        return replace(stream, img=augmentation(stream.img, stream.metas, self.rng))

    def label_target(self, target: Stream) -> PseudoLabels:
        """Pseudo-labels of the clean target images."""
        assert self.teacher is not None
        return label_with(self.teacher, self.pseudo_labeler, target, probability=self.views is not None)

    def mix(self, source: Stream, target: Stream, label: Tensor, weight: Tensor) -> MixedBatch:
        """Mix and augment; image i of the target meets image i of the source, cyclically when the target has more."""
        rows = [i % source.batch_size for i in range(target.batch_size)]
        paired = rows != list(range(source.batch_size))
        source_img, source_label = source.img, source.require_label()
        if paired:
            source_img, source_label = source_img[rows], source_label[rows]
        assert self.mixer is not None
        mixed = self.mixer(source_img, source_label, target.img, label, weight, self.rng)
        if self.augmentation is None:
            return mixed
        return mixed._replace(img=self.augmentation(mixed.img, source.metas, self.rng))

    def mixed_terms(self, source: Stream, target: Stream, pseudo: PseudoLabels) -> Iterator[LossTerm]:
        """Losses on mixed images; none without a mixer."""
        if self.mixer is None:
            return
        mixed = self.mix(source, target, pseudo.label, pseudo.weight)
        yield self.mixed_term('mixed', mixed.img, mixed.label, mixed.weight, 'mix.')

    def mixed_term(
        self, name: str, img: Tensor, label: Tensor, weight: Tensor, prefix: str, factor: float = 1.0
    ) -> LossTerm:
        """``factor`` times the loss on images (B, 3, H, W) with labels (B, 1, H, W) and pixel weights (B, H, W);
        logged without it."""
        self.record_view(name, img=img, label=label, weight=weight)
        features = training_features(self.student, img, self.rng)
        losses = segmentation_losses(self.student, features, label, weight)
        return LossTerm.from_losses(name, losses, prefix, weight=factor)


def _own_options(cls: Any, *given: str) -> set[str]:
    return (signature_names(cls) or set()) - set(given)


@UDA.register_module(name='DACS')
class FlatSelfTraining(SelfTraining):
    """``type='DACS'`` of the published DACS, DAFormer, HRDA and MIC configs: ``SelfTraining`` with their flat keys.

    Args:
        source_only: supervised training on the source.
        alpha: largest momentum of the teacher.
        pseudo_threshold: probability from which a pixel counts as sure; the share of sure pixels is the weight of the
            pseudo-labels.
        pseudo_weight_ignore_top, pseudo_weight_ignore_bottom: rows of the crop whose pseudo-labels have no weight.
        imnet_feature_dist_lambda: weight of the distance to ImageNet features; 0 = off.
        imnet_feature_dist_classes: train ids on whose cells it acts; None = all cells.
        imnet_feature_dist_scale_min_ratio: share of a cell that one of these classes has to cover; None = 0.75.
        mix: ``class``; other mixers are given as ``mixer=dict(type=...)``.
        blur: whether mixed images are blurred at times.
        color_jitter_strength: range of brightness, contrast, saturation and hue.
        color_jitter_probability: probability to *skip* the jitter, as published.
        color_jitter_skip_prob: the honest name of the same key; it wins where both are given.
        class_scope: whether the classes to paste are drawn from the ``batch`` or from each ``image``.
        weight_scope: whether the share of sure pixels is that of the ``batch`` or of each ``image``.
        mask_mode: which images MIC masks (``separatetrgaug`` ...); None = no masked pass.
        mask_alpha: momentum of the teacher of the masked pass; ``same`` = the same teacher.
        mask_pseudo_threshold: its threshold; ``same`` = ``pseudo_threshold``.
        mask_lambda: weight of the masked loss.
        mask_generator: ``dict(type='block', mask_ratio=0.7, mask_block_size=64)``.
        mask_running_statistics: whether masked images enter the running statistics of batch norm.
        debug_img_interval: iterations between pictures of what the method sees.
        print_grad_magnitude, share_src_backward: accepted from published configs, without effect.
        kwargs: the arguments of :class:`SelfTraining`; a nested component wins over the flat keys that describe it.
    """

    def __init__(self, **kwargs: Any) -> None:
        flat = {key: kwargs.pop(key) for key in list(kwargs) if key in FLAT_KEYS}
        super().__init__(**{**components_from_flat_keys(flat), **kwargs})

    @classmethod
    def option_names(cls) -> list[str]:
        """Accepted config keys: flat ones and those of the component form."""
        return sorted({*FLAT_KEYS, *(signature_names(SelfTraining) or ())})

"""STAL / ILM-ASSL: semi-supervised training with bought image labels (arXiv 2301.13361)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Iterator, Mapping, NamedTuple, Optional, Sequence

import numpy as np
import torch
from mmcv.runner import get_dist_info
from torch import Tensor, nn

from ..components.adaptive_draws import AdaptiveDraws
from ..components.banks import ClassConfidenceBank
from ..components.banks_images import ImageBank, class_components
from ..components.contrastive import MemoryBankContrast, PixelGroup
from ..components.copy_paste import ClassCopyPaste
from ..components.ema import EMATeacher
from ..models.heads import class_scores, require_plain
from ..models.modes import kept_modes
from ..models.representation import SegmentorOutput, attach_representation, forward_with_representation, split_output
from ..ops import ael as ops
from ..ops.acquisition import entropy_map
from ..ops.adaptive_mix import box_mask, class_box
from ..registry import UDA
from ..streams import Stream, concat_streams, split_streams, target_names
from ..utils.config import check_options, option_names, signature_names, split_options
from ..utils.host_copy import HostCopy
from ..utils.world import current_world
from .base import LossTerm, UDASegmentor
from .parts.target_share import target_share


class MixPairs(NamedTuple):
    """Target crops to be mixed: base and partner (M, 3, H, W), their slots (M, 2) in the image bank, the guide
    classes (M,), and the numbers of the bases in the batch."""

    base: Tensor
    partner: Tensor
    slots: Tensor
    guides: Tensor
    samples: list[int]


@dataclass(frozen=True)
class STALOptions:
    """The options of :class:`STAL`.

    Attributes:
        alpha: cap of the teacher's EMA rate.
        aux_weight: weight of each auxiliary head's supervised loss.
        ohem: ``threshold``, ``min_kept_per_image`` (over all labelled images of the step) of the supervised loss.
        gamma, class_gamma: exponents of the confidence and of the class shares in the consistency loss.
        consistency_start: share of the run that is trained without consistency; a network that knows nothing yet,
            taught by itself, spreads whatever class it began with over the target. Short runs need it, the released
            code has none (0).
        label_threshold: teacher's labels of labelled images with a smaller confidence are ignored (released code: 0 =
            none).
        confidence: options of :class:`ClassConfidenceBank`.
        copy_paste: options of :class:`ClassCopyPaste`, None = off.
        cutmix: ``area_threshold`` of a component and options of :class:`ImageBank`.
        num_mixed: mixed images per step and rank; None mixes every target image.
        drop: ``high`` drops the most uncertain pseudo-labels (papers), ``low_official`` the most certain (released
            code).
        drop_percent: percentage a_0 dropped at first; it falls linearly to 0.
        contrast: options of :class:`MemoryBankContrast`, plus ``weight`` and ``start`` (share of the run without
            contrast); None = off.
        representation: ``channels`` and ``dropout`` of the representation tower that segmentors without one get.
        teacher_eval: the teacher labels without dropout and batch statistics.
        joint_forward: labelled and mixed images go through the networks together, so that batch statistics exist for
            one image each.
        epoch_iters: schedules advance in steps of so many iterations; None = continuously.
    """

    alpha: float = 0.99
    aux_weight: float = 0.4
    ohem: Optional[Mapping[str, Any]] = None
    gamma: float = 2.0
    class_gamma: float = 1.0
    consistency_start: float = 0.0
    label_threshold: float = 0.0
    confidence: Optional[Mapping[str, Any]] = None
    copy_paste: Optional[Mapping[str, Any]] = field(default_factory=dict)
    cutmix: Optional[Mapping[str, Any]] = None
    num_mixed: Optional[int] = None
    drop: str = 'high'
    drop_percent: float = 20.0
    contrast: Optional[Mapping[str, Any]] = field(default_factory=dict)
    representation: Optional[Mapping[str, Any]] = None
    teacher_eval: bool = False
    joint_forward: bool = True
    epoch_iters: Optional[int] = None

    def __post_init__(self) -> None:
        if self.drop not in ('high', 'low_official'):
            raise ValueError(f"drop must be 'high' or 'low_official', got '{self.drop}'")
        if self.num_mixed is not None and self.num_mixed < 1:
            raise ValueError(f'num_mixed must be at least 1 or None, got {self.num_mixed}')
        if not 0 <= self.label_threshold < 1:
            raise ValueError(f'label_threshold is a probability below 1, got {self.label_threshold}')
        if not 0 <= self.consistency_start <= 1:
            raise ValueError(f'consistency_start is a share of the run, between 0 and 1, got {self.consistency_start}')
        if self.aux_weight < 0:
            raise ValueError(f'uda.aux_weight must not be negative, got {self.aux_weight}')


@UDA.register_module()
class STAL(UDASegmentor):
    """AEL (confidence bank, adaptive copy-paste and CutMix, weighted consistency) with U2PL's memory-bank contrast.

    Labelled images are those of the streams ``labeled_target`` and ``source`` (together one batch); ``target`` is
    unlabelled.

    Args:
        model: config of the student, or a built segmentor.
        kwargs: the fields of :class:`STALOptions`, and options of :class:`~mmseg_uda.methods.base.UDASegmentor`.
    """

    required_streams = ('labeled_target', 'target')
    default_test_with = 'teacher'
    heeds_margins = False

    def __init__(self, model: Any, **kwargs: Any) -> None:
        options, kwargs = split_options(STALOptions, kwargs)
        super().__init__(model, **kwargs)
        if not self.max_iters:
            raise ValueError('STAL schedules its thresholds over the run: set runner.max_iters')
        require_plain(self.student, 'STAL')
        self.options = options
        self.num_classes = self.student.decode_head.num_classes
        channels = attach_representation(self.student, **(options.representation or {}))
        self.teacher = EMATeacher(self.student, options.alpha)
        self.ohem = {'threshold': 0.7, 'min_kept_per_image': 25000, **(options.ohem or {})}
        check_options(self.ohem, ('threshold', 'min_kept_per_image'), 'uda.ohem')
        self.confidence = ClassConfidenceBank(self.num_classes, **{'seed': self.seed, **(options.confidence or {})})
        self.copy_paste = None if options.copy_paste is None else ClassCopyPaste(**options.copy_paste)
        self._build_cutmix(dict(options.cutmix or {}))
        self._build_contrast(options.contrast, channels)
        # the released code compares entropies exactly
        self.entropy_tie = 0.0 if options.drop == 'low_official' else ops.ENTROPY_TIE

    @classmethod
    def option_names(cls) -> list[str]:
        """Accepted config keys."""
        return sorted({*(signature_names(cls) or ()), *(signature_names(STALOptions) or ())})

    def _build_cutmix(self, options: dict[str, Any]) -> None:
        self.area_threshold = float(options.pop('area_threshold', 0.005))
        check_options(options, (option_names(ImageBank) or set()) - {'num_classes'}, 'uda.cutmix')
        self.image_bank = ImageBank(self.num_classes, **options)

    def _build_contrast(self, options: Optional[Mapping[str, Any]], channels: int) -> None:
        self.contrast: Optional[MemoryBankContrast] = None
        self.contrast_weight = 0.0
        if options is None:
            return
        options = dict(options)
        self.contrast_weight, self.contrast_start = float(options.pop('weight', 0.1)), float(options.pop('start', 0.1))
        if self.contrast_weight < 0:
            raise ValueError(f'uda.contrast.weight must not be negative, got {self.contrast_weight}')
        options.setdefault('high_rank', max(20, self.num_classes))
        self.contrast = MemoryBankContrast(self.num_classes, channels, **options)

    @property
    def contrasts(self) -> bool:
        """Whether there is a contrastive loss; the representation is computed for it alone."""
        return self.contrast is not None and self.contrast_weight > 0

    def test_networks(self) -> dict[str, nn.Module]:
        return {**super().test_networks(), 'teacher': self.teacher.model}

    def progress(self) -> float:
        """Share of the run that is done, in [0, 1)."""
        step = self.options.epoch_iters or 1
        return (self.iteration // step * step) / float(self.max_iters or 1)

    def train(self, mode: bool = True) -> STAL:
        """Train mode; the teacher's is that of the released code, drop-out included, unless ``teacher_eval``."""
        super().train(mode)
        self.teacher.model.train(mode and not self.options.teacher_eval)
        return self

    def end_iteration(self) -> None:
        self.teacher.update(self.student, self.iteration)

    # ---- one iteration
    # ----------------------------------------------------------------------------------------------------------
    def training_losses(self, batch: Mapping[str, Any]) -> Iterator[LossTerm]:
        """The iteration in order: copy-paste on labelled images; partners from the image bank and CutMix of target
        images with their teacher scores; the least certain pseudo-labels are dropped; teacher and student see both.

        Terms of one graph: ``supervised``, after which the confidence bank is renewed; ``consistency_labeled``,
        ``consistency_mixed``, weighted by that bank; ``contrast`` with the memory bank.
        """
        streams = split_streams(batch)
        target = concat_streams([streams[name] for name in target_names(list(streams))])
        draws = self.draws(target.img.device)
        world = current_world()
        img_l, label_l = self.labeled_batch(streams, draws)
        early = None if self.options.joint_forward else self._teach([img_l])
        img_m, scores_m = self.mix(self.unlabeled_pairs(target.img, draws, world), draws, world)
        entropy = entropy_map(scores_m)  # (M, H, W) of (M, C, H, W)
        share = self.options.drop_percent * (1 - self.progress())
        percent = share if self.options.drop == 'low_official' else 100 - share
        label_m = ops.drop_by_entropy(
            scores_m.argmax(dim=1), entropy, percent, self.options.drop, world, self.entropy_tie
        )
        teacher_l, teacher_m = self._teach([img_l, img_m]) if early is None else [*early, *self._teach([img_m])]
        student_l, student_m = self._passes(self.student, [img_l, img_m])
        scores_l = self.upsample(teacher_l.logits, img_l)
        self.record_view('labeled', img=img_l, label=label_l)
        self.record_view('mixed', img=img_m, label=label_m)

        predicted_l = self.upsample(student_l.logits, img_l)
        yield LossTerm(
            'supervised',
            self.supervised_loss(student_l, predicted_l, label_l, world),
            keep_graph=self.contrasts or self.progress() >= self.options.consistency_start,
        )

        sums, counts = ops.class_confidence_sums(predicted_l, label_l)
        self.confidence.update(world.total(sums), world.total(counts))
        if self.progress() >= self.options.consistency_start:
            loss = self.consistency_loss(predicted_l, scores_l, self.sure_labels(scores_l), draws, world)
            yield LossTerm('consistency_labeled', loss, keep_graph=True)
            loss = self.consistency_loss(self.upsample(student_m.logits, img_m), scores_m, label_m, draws, world)
            log = {'consistency_mixed': loss, **target_share(label_m)}
            yield LossTerm('consistency_mixed', loss, log=log, keep_graph=self.contrasts)
        else:
            draws.seed_of_maps(), draws.seed_of_maps()
        if self.contrasts:
            groups = [
                _pixel_group(student_l, teacher_l, label_l, scores_l),
                _pixel_group(student_m, teacher_m, label_m, scores_m),
            ]
            loss = self.contrast_loss(groups, entropy, share, draws, world)
            yield LossTerm('contrast', loss, weight=self.contrast_weight)

    def draws(self, device: torch.device) -> AdaptiveDraws:
        """The random decisions of this iteration."""
        return AdaptiveDraws(self.rng, device)

    def labeled_batch(self, streams: Mapping[str, Stream], draws: AdaptiveDraws) -> tuple[Tensor, Tensor]:
        """Images and labels of the labelled streams after copy-paste; streams alternate image by image."""
        parts = [streams[name] for name in ('source', 'labeled_target') if name in streams]
        order = [
            (stream, i) for i in range(max(p.batch_size for p in parts)) for stream in parts if i < stream.batch_size
        ]
        images = torch.stack([stream.img[i] for stream, i in order])
        labels = torch.stack([stream.require_label()[:, 0][i] for stream, i in order])
        if self.copy_paste is None:
            return images, labels
        return self.copy_paste(
            images, labels, streams.get('paste'), self.confidence.value, draws, [i for _, i in order]
        )

    @torch.no_grad()
    def unlabeled_pairs(self, images: Tensor, draws: AdaptiveDraws, world: ops.World) -> MixPairs:
        """Store the target crops in the image bank and draw a partner for each crop that is mixed."""
        samples = draws.base_images(len(images), self.options.num_mixed or len(images))
        base = images[samples]
        slots = self.image_bank.insert(world.gather(base))
        first = get_dist_info()[0] * len(samples) if world.world_size > 1 else 0
        guides = draws.guide_classes(ops.class_sampling_probability(self.confidence.value), samples)
        partners = draws.partners(self.image_bank.candidates(guides), samples)
        return MixPairs(
            base,
            self.image_bank.fetch(partners),
            torch.stack([slots[first : first + len(samples)], partners], dim=1),
            guides,
            samples,
        )

    @torch.no_grad()
    def mix(self, pairs: MixPairs, draws: AdaptiveDraws, world: ops.World) -> tuple[Tensor, Tensor]:
        """Box CutMix of the pairs around a component of the guide class in the partner; images and teacher scores are
        mixed alike.

        Where the teacher sees the guide classes goes to the host, which labels components there: the one wait of a
        step. It cannot move. The released code tries the components in a random order, drawn on the host for as many
        as there are, and the box of the first large one is the mask of images that the teacher and the student see in
        this very step. Nothing that comes later is independent of it: labelled images pass the networks in one batch
        with the mixed ones, and with ``joint_forward=False`` a pass of theirs put before this one would draw another
        drop-out and leave the teacher other statistics. The device updates the image bank meanwhile.

        Returns:
            images (M, 3, H, W) and class scores (M, C, H, W).
        """
        count = len(pairs.samples)
        images = torch.cat([pairs.base, pairs.partner])
        with kept_modes(self.teacher.model):
            self.teacher.model.eval()
            output = forward_with_representation(self.teacher.model, images, auxiliary=False, representation=False)
            scores = self.upsample(output.logits, images)
        predictions = scores.argmax(dim=1)
        guided = HostCopy(predictions[count:] == pairs.guides[:, None, None])
        slots, seen = world.gather(pairs.slots), world.gather(predictions.unflatten(0, (2, count)).transpose(0, 1))
        for column in (0, 1):
            self.image_bank.note_presence(slots[:, column], seen[:, column])
        size = (images.shape[2], images.shape[3])
        boxes = [self._box(found, draws, sample) for found, sample in zip(guided.array(), pairs.samples)]
        mask = torch.stack([box_mask(box, size, images.device) for box in boxes])[:, None]
        return pairs.base * (1 - mask) + pairs.partner * mask, scores[:count] * (1 - mask) + scores[count:] * mask

    def _box(self, guided: np.ndarray, draws: AdaptiveDraws, sample: int) -> tuple[int, int, int, int]:
        components = class_components(guided)
        order = draws.component_order(len(components.areas), sample)
        return class_box(components, order, self.area_threshold, *draws.box(sample))

    def _teach(self, images: Sequence[Tensor]) -> list[SegmentorOutput]:
        with torch.no_grad():
            return self._passes(self.teacher.model, images)

    def _passes(self, network: Any, images: Sequence[Tensor]) -> list[SegmentorOutput]:
        """Passes of labelled images and of others. Auxiliary heads learn from labelled images alone; a teacher in
        training mode asks its own too: they draw drop-out, before the student does."""
        auxiliary, pixels = self.options.aux_weight > 0 and network.training, self.contrasts
        if self.options.joint_forward:
            output = forward_with_representation(network, torch.cat(list(images)), auxiliary, pixels)
            return split_output(output, [len(img) for img in images])
        asked = [auxiliary and (number == 0 or network is not self.student) for number in range(len(images))]
        return [forward_with_representation(network, img, aux, pixels) for img, aux in zip(images, asked)]

    def upsample(self, scores: Tensor, img: Tensor) -> Tensor:
        """Class scores float32 at the size of the image."""
        return class_scores(self.student.decode_head, scores, img.shape[2:])

    # ---- losses
    # -----------------------------------------------------------------------------------------------------------------
    def supervised_loss(self, output: SegmentorOutput, predicted: Tensor, label: Tensor, world: ops.World) -> Tensor:
        """Hard-example cross entropy of the main and the auxiliary heads, each with its own mining."""
        min_kept = round(self.ohem['min_kept_per_image'] * len(label) * world.world_size)

        def mined(scores: Tensor) -> Tensor:
            return ops.ohem_cross_entropy(scores, label, self.ohem['threshold'], min_kept, world=world)

        total = mined(predicted)
        for auxiliary in output.auxiliary:
            total = total + self.options.aux_weight * mined(self.upsample(auxiliary, label[:, None]))
        return total

    def sure_labels(self, scores: Tensor) -> Tensor:
        """The teacher's labels (B, H, W), 255 where it is less sure than ``label_threshold``."""
        confidence = torch.softmax(scores, dim=1).amax(dim=1)
        return scores.argmax(dim=1).masked_fill(confidence < self.options.label_threshold, ops.IGNORE)

    def consistency_loss(
        self, predicted: Tensor, scores: Tensor, label: Tensor, draws: AdaptiveDraws, world: ops.World
    ) -> Tensor:
        """Confidence-weighted cross entropy with the teacher's labels."""
        options = self.options
        confidence = torch.softmax(scores, dim=1).amax(dim=1)
        maps = draws.class_maps(self.num_classes, (label.shape[1], label.shape[2]))
        return ops.confidence_weighted_ce(
            predicted, confidence, label, self.confidence.value, maps, options.gamma, options.class_gamma, world
        )

    def contrast_loss(
        self, groups: Sequence[PixelGroup], entropy: Tensor, share: float, draws: AdaptiveDraws, world: ops.World
    ) -> Tensor:
        """Memory-bank contrast of labelled and mixed images; before its start a zero that keeps the representation
        tower in the graph."""
        assert self.contrast is not None
        labeled, mixed = groups
        if self.progress() < self.contrast_start:
            return 0 * (labeled.representation.sum() + mixed.representation.sum())
        return self.contrast(labeled, mixed, entropy, share, draws.ranks, world)


def _pixel_group(student: SegmentorOutput, teacher: SegmentorOutput, label: Tensor, scores: Tensor) -> PixelGroup:
    assert student.representation is not None and teacher.representation is not None
    return PixelGroup(student.representation, teacher.representation, label, scores)

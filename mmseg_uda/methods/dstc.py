"""DSTC: two co-trained networks for semi-supervised domain adaptation (Gao, Wang, Zhang, ICME 2024)."""

from __future__ import annotations

import copy
import warnings
from dataclasses import dataclass
from typing import Any, Iterator, Mapping, Optional, Sequence

import torch
from mmcv.runner import get_dist_info
from mmseg.models import build_segmentor
from torch import Tensor, nn

from ..compat.keys_dstc import dstc_to_ours, is_dstc
from ..models.modes import BN_STATISTICS, reference_mode
from ..models.pretrained import init_segmentor_weights, resolve_checkpoint
from ..models.segmentors.ensemble import SegmentorEnsemble
from ..models.training_interface import logits
from ..ops import dstc as ops
from ..ops.ael import ohem_cross_entropy
from ..ops.labels import IGNORE
from ..ops.mixing import LABEL_VALUES, mix
from ..ops.world import World
from ..registry import AUGMENTATIONS, UDA
from ..streams import Stream, concat_streams, split_streams, target_names
from ..utils.checkpoint_io import CheckpointError, load_checkpoint_file, state_dict_of
from ..utils.class_lists import check_same_classes
from ..utils.config import build_from_config, signature_names, split_options
from ..utils.rng import rand_per_sample
from ..utils.world import current_world
from .base import STATE_PREFIX, LossTerm, OptimizerStep, TrainingEvent, UDASegmentor
from .parts.target_share import target_share

SOURCE_BRANCH, TARGET_BRANCH, ENSEMBLE = 'source_branch', 'target_branch', 'ensemble'
THRESHOLD_MODES = ('pixel', 'share')
UPDATES = ('alternating', 'simultaneous')


@dataclass
class PseudoLabels:
    """What one network says about unlabelled images.

    Attributes:
        label: int64 (B, H, W), the class with the largest score.
        confidence: float32 (B, H, W), its probability; None when no threshold asks for it.
    """

    label: Tensor
    confidence: Optional[Tensor] = None


@dataclass(frozen=True)
class DSTCOptions:
    """The options of :class:`DSTC` besides its networks.

    Attributes:
        align_weight: weight of the target-preferred alignment; with 0 the target branch does not pass source images.
        align_ignore: ignored pixels form one more group in the alignment, as in the released code.
        labeled_replacement, pseudo_replacement: whether classes to paste are drawn with replacement.
        pseudo_bn: how networks label and give alignment references: ``train`` with batch statistics, which also renews
            their running ones, as in the released code; ``train_frozen_stats`` with batch statistics, running ones
            kept; ``eval`` with running ones.
        pseudo_threshold: least confidence of a pseudo-label; None trains on all pixels.
        threshold_mode: ``pixel`` ignores pixels below the threshold; ``share`` keeps them all and weights the term by
            the share of pixels above it, as DACS does.
        augmentation: config in AUGMENTATIONS for the mixed unlabelled images, or None.
        update: ``alternating``: the source branch is stepped before it labels for the target branch, as in the
            released code; ``simultaneous``: both are stepped at the end.
    """

    align_weight: float = 0.1
    align_ignore: bool = True
    labeled_replacement: bool = True
    pseudo_replacement: bool = False
    pseudo_bn: str = 'train'
    pseudo_threshold: Optional[float] = None
    threshold_mode: str = 'pixel'
    augmentation: Optional[Mapping[str, Any]] = None
    update: str = 'alternating'

    def __post_init__(self) -> None:
        for name, value, valid in (
            ('pseudo_bn', self.pseudo_bn, BN_STATISTICS),
            ('threshold_mode', self.threshold_mode, THRESHOLD_MODES),
            ('update', self.update, UPDATES),
        ):
            if value not in valid:
                raise ValueError(f"uda.{name} must be one of {valid}, got '{value}'")
        if self.align_weight < 0 or not 0 <= (self.pseudo_threshold or 0) <= 1:
            raise ValueError(
                'uda.align_weight must not be negative and uda.pseudo_threshold lies in [0, 1], got '
                f'{self.align_weight}, {self.pseudo_threshold}'
            )


@UDA.register_module()
class DSTC(UDASegmentor):
    """A source-biased network (the student) and a target-biased one label unlabelled target images for each other.

    The source branch sees labelled source and target images as they are, the target branch only source classes pasted
    on labelled target images. Only the main decode head is trained. At test time answers the network that
    ``test_with`` names: ``source_branch`` (also called ``student``), ``target_branch`` or ``ensemble`` (mean of their
    probabilities).

    Args:
        model: config of the source branch.
        init: checkpoints of the warm-ups, ``dict(source=..., target=...)``; None starts both from the weights that
            ``model`` names (domain-specific initialisation off). It has no default on purpose.
        model_target: config of the target branch, any segmentor with the same classes; None = the same architecture.
        kwargs: the fields of :class:`DSTCOptions`, and options of :class:`~mmseg_uda.methods.base.UDASegmentor`.
    """

    required_streams = ('source', 'labeled_target', 'target')
    default_test_with = TARGET_BRANCH

    def __init__(
        self,
        model: Any,
        init: Optional[Mapping[str, str]],
        model_target: Any = None,
        train_cfg: Any = None,
        test_cfg: Any = None,
        **kwargs: Any,
    ) -> None:
        options, kwargs = split_options(DSTCOptions, kwargs)
        second = copy.deepcopy(model if model_target is None else model_target)
        super().__init__(model, train_cfg, test_cfg, **kwargs)
        if init is not None and set(init) != {'source', 'target'}:
            raise ValueError(f"uda.init must be None or hold 'source' and 'target', got {sorted(init)}")
        if not isinstance(second, nn.Module):
            second = build_segmentor(dict(second), train_cfg=train_cfg, test_cfg=test_cfg)
        self.target_branch = second
        classes = [network.num_classes for network in (self.student, second) if hasattr(network, 'num_classes')]
        if len(set(classes)) > 1:
            raise ValueError(f'model and uda.model_target need the same classes, got {classes[0]} and {classes[1]}')
        self.init = init
        self.options = options
        augmentation = options.augmentation
        self.augmentation = None if augmentation is None else build_from_config(augmentation, AUGMENTATIONS)

    @classmethod
    def option_names(cls) -> list[str]:
        """Accepted config keys."""
        return sorted({*(signature_names(cls) or ()), *(signature_names(DSTCOptions) or ())})

    @property
    def steps_within_iteration(self) -> bool:
        return self.options.update == 'alternating'

    def networks(self) -> dict[str, nn.Module]:
        return {SOURCE_BRANCH: self.student, TARGET_BRANCH: self.target_branch}

    def test_networks(self) -> dict[str, nn.Module]:
        branches = self.networks()
        return {**super().test_networks(), **branches, ENSEMBLE: SegmentorEnsemble(list(branches.values()))}

    def init_weights(self) -> None:
        """Load the warm-ups, or the pretrained weights of both networks with ``init=None``."""
        for name, network in (('source', self.student), ('target', self.target_branch)):
            if self.init is None:
                init_segmentor_weights(network)
            else:
                load_warm_up(network, self.init[name], f'uda.init.{name}', getattr(self, 'CLASSES', None))

    # ---- one iteration
    # ----------------------------------------------------------------------------------------------------------
    def training_losses(self, batch: Mapping[str, Any]) -> Iterator[TrainingEvent]:
        """Terms of the source branch (``source``, ``align``, ``labeled_target``, ``mix_source_branch``), its step,
        terms of the target branch (``mixed_labeled``, ``mix_target_branch``).

        Logged as well: ``agreement``, the share of unlabelled pixels to which both networks give the same class, and
        ``target.share`` of the labels of both.
        """
        streams, world = split_streams(batch), current_world()
        source, labeled = streams['source'], streams['labeled_target']
        targets = [streams[name] for name in target_names(list(streams))]
        target, number = concat_streams(targets), len(targets)
        label_s, label_t = source.require_label()[:, 0], labeled.require_label()[:, 0]
        if source.img.shape != labeled.img.shape:
            raise ValueError(
                f'DSTC pastes source classes on labelled target images of one size, got {tuple(source.img.shape)} and '
                f'{tuple(labeled.img.shape)}: give both streams the same crop_size and batch size'
            )
        if targets[0].batch_size * world.world_size == 1:
            _warn_about_single_images()
        yield from self._supervised_source_branch(source, label_s, labeled, label_t, world)
        first = self.label_target(self.target_branch, target)
        yield self.unlabeled_term('mix_source_branch', self.student, first, target, world, SOURCE_BRANCH, number)
        if self.steps_within_iteration:
            yield OptimizerStep((SOURCE_BRANCH,))

        chosen = self.choose_classes(label_s, self.options.labeled_replacement)
        mixed, label, mask = ops.paste_classes(source.img, label_s, chosen, labeled.img, label_t)
        self.record_view('mixed_labeled', img=mixed, label=label, weight=mask[:, 0])
        loss = self.cross_entropy(logits(self.target_branch, mixed, for_labels=False), label, world)
        yield LossTerm('mixed_labeled', loss, updates=(TARGET_BRANCH,))
        second = self.label_target(self.student, target)
        log = {'agreement': (first.label == second.label).float().mean(), **self.share_of(first, second)}
        yield self.unlabeled_term(
            'mix_target_branch', self.target_branch, second, target, world, TARGET_BRANCH, number, log
        )

    def _supervised_source_branch(
        self, source: Stream, label_s: Tensor, labeled: Stream, label_t: Tensor, world: World
    ) -> Iterator[LossTerm]:
        """Both labelled domains in separate passes, and the alignment on source images."""
        only: dict[str, Any] = dict(updates=(SOURCE_BRANCH,))
        self.record_view('source', img=source.img, label=label_s)
        self.record_view('labeled_target', img=labeled.img, label=label_t)
        scores = logits(self.student, source.img, source.metas, for_labels=False)
        aligned = self.options.align_weight > 0
        yield LossTerm('source', self.cross_entropy(scores, label_s, world), keep_graph=aligned, **only)
        if aligned:
            reference = self.predict(self.target_branch, source.img)
            align = ops.target_preferred_alignment(scores, reference, label_s, self.options.align_ignore, world)
            yield LossTerm('align', align, weight=self.options.align_weight, **only)
            del align
        del scores
        scores = logits(self.student, labeled.img, for_labels=False)
        yield LossTerm('labeled_target', self.cross_entropy(scores, label_t, world), **only)

    def label_target(self, network: nn.Module, target: Stream) -> PseudoLabels:
        """Hard labels by ``network``, 255 in margins and in the padding of small images."""
        pseudo = self.label_images(network, target.img)
        if target.valid is None:
            return pseudo
        return PseudoLabels(pseudo.label.masked_fill(target.valid[:, 0] == 0, IGNORE), pseudo.confidence)

    def label_images(self, network: nn.Module, img: Tensor) -> PseudoLabels:
        """Hard labels by ``network`` for images (B, 3, H, W)."""
        scores = self.predict(network, img)
        if self.options.pseudo_threshold is None:
            return PseudoLabels(scores.argmax(1))
        confidence, label = scores.softmax(1).max(1)
        return PseudoLabels(label, confidence)

    def unlabeled_term(
        self,
        name: str,
        learner: nn.Module,
        pseudo: PseudoLabels,
        target: Stream,
        world: World,
        updates: str,
        number: int = 1,
        log: Optional[Mapping[str, Tensor]] = None,
    ) -> LossTerm:
        """Cross entropy of ``learner`` on unlabelled images, mixed with each other by the labels of the other network.

        Image b is pasted on image b + 1 of the batch of all ranks; a single image is left as it is. ``target`` may
        hold the images of a ``number`` of targets, one target after another: each target's are mixed with each other.
        """
        img = target.img
        chosen = self.choose_classes(pseudo.label, self.options.pseudo_replacement)
        mixed, label, mask = ops.paste_classes(
            img, pseudo.label, chosen, _next(img, world, number), _next(pseudo.label, world, number)
        )
        weight: Any = 1.0
        if pseudo.confidence is not None and self.options.pseudo_threshold is not None:
            sure = pseudo.confidence >= self.options.pseudo_threshold
            if self.options.threshold_mode == 'pixel':
                label = ops.keep_sure(label, mix(mask[:, 0], sure, _next(sure, world, number)))
            else:
                weight = world.total(sure.float().mean()) / world.world_size
        if self.augmentation is not None:
            mixed = self.augmentation(mixed, target.metas, self.rng)
        self.record_view(name, img=mixed, label=label, weight=mask[:, 0])
        loss = self.cross_entropy(logits(learner, mixed, for_labels=False), label, world)
        return LossTerm(name, loss, weight=weight, log={name: loss, **(log or {})}, updates=(updates,))

    def share_of(self, *pseudo: PseudoLabels) -> dict[str, Tensor]:
        """The log entry ``target.share`` of the labels that the branches give each other."""
        label, weight = torch.stack([p.label for p in pseudo]), None
        if self.options.pseudo_threshold is not None:
            sure = [p.confidence >= self.options.pseudo_threshold for p in pseudo if p.confidence is not None]
            weight = torch.stack(sure)
            if self.options.threshold_mode == 'share':  # one confident pixel gives all of them weight
                weight = weight.flatten(1).any(1)[:, None, None, None].expand_as(label)
        return target_share(label, weight)

    def choose_classes(self, label: Tensor, replacement: bool) -> Tensor:
        """Classes to paste: half of those of each image; bool (B, 256)."""
        draws = rand_per_sample(self.rng.samples, len(label), LABEL_VALUES).to(label.device, non_blocking=True)
        return ops.draw_half(ops.label_classes(label), draws, replacement)

    @staticmethod
    def cross_entropy(scores: Tensor, label: Tensor, world: World) -> Tensor:
        """Mean over the labelled pixels of all ranks, 0 without any."""
        return ohem_cross_entropy(scores, label, min_kept=0, world=world)

    @torch.no_grad()
    def predict(self, network: nn.Module, img: Tensor) -> Tensor:
        """Scores that serve as a reference: without drop-out, normalised as ``pseudo_bn`` says."""
        with reference_mode(network, self.options.pseudo_bn):
            return logits(network, img)


def load_warm_up(network: nn.Module, path: str, option: str, classes: Optional[Sequence[str]] = None) -> None:
    """Load a warm-up completely: a checkpoint of MMSeg or of this package (its student), or a file of the released
    code.

    Raises:
        CheckpointError: no such file, keys or shapes that do not fit the network, or other names than ``classes``.
    """
    try:
        loaded = load_checkpoint_file(str(resolve_checkpoint(path)))
        check_same_classes(loaded.get('meta'), classes, path)
        state = state_dict_of(loaded)
    except CheckpointError as error:
        raise CheckpointError(
            f'{option}: {error}. DSTC starts from two warm-ups, which tools/run_stages.py makes with the recipe '
            'of this config '
            '(*_stages.py); uda.init=None starts without them'
        ) from error
    state = {key: value for key, value in state.items() if not key.startswith(STATE_PREFIX)}
    state = dstc_to_ours(state) if is_dstc(state) else state
    try:
        network.load_state_dict(state, strict=True)
    except RuntimeError as error:
        raise CheckpointError(f"{option}='{path}' does not fit the network: {error}") from error


def _warn_about_single_images() -> None:
    warnings.warn(
        'one unlabelled image per iteration: there is no other to mix it with, so DSTC trains on it as it is',
        stacklevel=3,
    )


def _next(value: Tensor, world: World, number: int = 1) -> Tensor:
    """Element b + 1 of the batch of all ranks for every element b of this rank, within each of a ``number`` of equal
    parts of the batch."""
    if number > 1:
        return torch.cat([_next(part, world) for part in value.chunk(number)])
    rank, own = get_dist_info()[0], len(value)
    return world.gather(value).roll(-1, 0)[rank * own : (rank + 1) * own]

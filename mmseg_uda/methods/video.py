"""Video adaptation by temporal pseudo supervision: TPS (arXiv 2207.02372)."""

from __future__ import annotations

import copy
from typing import Any, Iterator, Mapping, Optional

import torch
from mmseg.models import build_segmentor
from torch import Tensor

from ..components.clip_labeler import ClipLabeler
from ..models.heads import heads_of
from ..models.losses.segmentation import head_losses, trained_heads
from ..models.pretrained import load_segmentor
from ..models.segmentors.flow_fused import ClipScores
from ..ops.clips import Clip
from ..ops.flow import mirror_flow
from ..ops.normalize import image_values, normalized_values
from ..ops.video import FLIP_FLOWS, match_histograms, propagated_label
from ..registry import AUGMENTATIONS, UDA
from ..streams import SOURCE, TARGET, split_streams
from ..utils.config import build_from_config, check_options, signature_names
from ..utils.rng import StepRng
from .base import LossTerm, TrainingEvent, UDASegmentor
from .parts.frames import Frames, cyclic, frames_of, require_fused
from .parts.target_share import target_share

Options = Optional[Mapping[str, Any]]
_LABELER = (signature_names(ClipLabeler) or set()) - {'student'}


class VideoAdaptation(UDASegmentor):
    """Base of the methods that train on clips of two domains.

    The losses on labels are those of the heads (``loss_decode``), on fused scores brought to the label's size.

    Args:
        match_frames: give the source frames the distribution of grey values of the target frame that they meet.
        kwargs: of :class:`~mmseg_uda.methods.base.UDASegmentor`; ``model`` is a ``FlowFusedSegmentor``.
    """

    required_streams = (SOURCE, TARGET)
    heeds_margins = False
    #: whether target clips need the frame two steps back
    needs_far = True

    def __init__(self, match_frames: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        require_fused(self.student, type(self).__name__)
        self.match_frames = match_frames

    def clips_of(self, batch: Mapping[str, Any]) -> tuple[Frames, Frames]:
        """Source and target clips of a batch; the source's frames matched."""
        streams = split_streams(batch)
        source, target = frames_of(streams[SOURCE]), frames_of(streams[TARGET], far=self.needs_far)
        if self.match_frames:
            like = image_values(cyclic(target.img, len(source.img)), target.metas)
            for name in ('img', 'key'):
                matched = match_histograms(image_values(getattr(source, name), source.metas), like)
                setattr(source, name, normalized_values(matched, source.metas))
        self.record_view('source', img=source.img, label=source.label)
        self.record_view('target', img=target.img)
        return source, target

    def label_losses(self, scores: Mapping[str, Tensor], label: Tensor) -> dict[str, Tensor]:
        """The heads' losses on scores that are brought to the label (B, 1, H, W)."""
        heads, losses = heads_of(self.student), {}
        trained = trained_heads(self.student)
        for name, value in ((name, value) for name, value in scores.items() if name in trained):
            resized = self.student.resized(value.float(), label.shape[2:])
            losses.update({f'{name}.{key}': loss for key, loss in head_losses(heads[name], resized, label).items()})
        return losses

    def source_losses(self, source: Frames) -> tuple[ClipScores, dict[str, Tensor]]:
        """Scores of the source clip and the losses on its labels."""
        scores = self.student.clip_scores(source.clip(), self.source_heads)
        assert source.label is not None
        return scores, self.label_losses(scores.fused, source.label)

    @property
    def source_heads(self) -> list[str]:
        """The heads whose scores of source clips are needed: those with losses."""
        return trained_heads(self.student)


@UDA.register_module()
class TPS(VideoAdaptation):
    """Temporal pseudo supervision: labels of the frame before, warped along the flow, teach the augmented current one.

    Args:
        lambda_t: weight of the target loss (released: 1.0 for SYNTHIA-Seq, 0.1 for VIPER); with 0 target clips are
            not looked at.
        labeler: options of :class:`~mmseg_uda.components.clip_labeler.ClipLabeler`; default: the student itself. A
            frozen network needs ``checkpoint`` (a file of this package or of MMSegmentation), may have a ``model`` of
            its own, and with ``init_student=True`` gives the student all weights that it has in common with it.
        flip_prob: probability that the labelled frames are mirrored.
        flip_flow: ``consistent``: their flow is mirrored with them; ``legacy``: as released, dx keeps its sign and the
            scores are warped before they are mirrored back.
        augmentation: config in AUGMENTATIONS that takes clips, or None; ``ClipColorJitterBlur`` (that of the image
            methods) by default, ``ClipAugmentation`` as in TPS.
        scale_range: the augmented clip is resized by a factor between these (both sides to multiples of 8), or None.
        match_frames, kwargs: see :class:`VideoAdaptation`.
    """

    frozen_references = ('frozen_labeler',)

    def __init__(
        self,
        lambda_t: float = 1.0,
        labeler: Options = None,
        flip_prob: float = 0.5,
        flip_flow: str = 'consistent',
        augmentation: Any = 'default',
        scale_range: Optional[tuple[float, float]] = (0.80, 1.19),
        **kwargs: Any,
    ) -> None:
        model = kwargs.get('model')
        super().__init__(**kwargs)
        if lambda_t < 0 or not 0 <= flip_prob <= 1:
            raise ValueError(f'lambda_t must not be negative and flip_prob in [0, 1], got {lambda_t} and {flip_prob}')
        if flip_flow not in FLIP_FLOWS:
            raise ValueError(f"flip_flow must be one of {', '.join(FLIP_FLOWS)}, got '{flip_flow}'")
        if scale_range is not None and not 0 < scale_range[0] <= scale_range[1]:
            raise ValueError(f'scale_range must be two positive factors in order, got {tuple(scale_range)}')
        self.lambda_t, self.flip_prob, self.flip_flow = lambda_t, flip_prob, flip_flow
        self.scale_range = None if scale_range is None else (float(scale_range[0]), float(scale_range[1]))
        augmentation = dict(type='ClipColorJitterBlur') if augmentation == 'default' else augmentation
        self.augmentation = None if augmentation is None else build_from_config(augmentation, AUGMENTATIONS)
        self._build_labeler(dict(labeler or self.default_labeler()), model)

    @staticmethod
    def default_labeler() -> dict[str, Any]:
        """Who labels unless the config says so."""
        return dict(network='student')

    def _build_labeler(self, options: dict[str, Any], model: Any) -> None:
        check_options(options, {*_LABELER, 'checkpoint', 'model', 'init_student'}, 'uda.labeler')
        self.labeler_checkpoint = options.pop('checkpoint', None)
        frozen_model = options.pop('model', None)
        self.init_student = bool(options.pop('init_student', False))
        self.labeler = ClipLabeler(self.student, **options)
        self.frozen_labeler = None
        if self.labeler.network != 'frozen':
            if self.labeler_checkpoint or frozen_model or self.init_student:
                raise ValueError("uda.labeler.checkpoint, model and init_student belong to network='frozen'")
            return
        if not self.labeler_checkpoint:
            raise ValueError("uda.labeler: network='frozen' needs checkpoint=FILE, the trained network that labels")
        if frozen_model is None and not isinstance(model, Mapping):
            raise TypeError('uda.labeler: give the config of the model, not a built one')
        network = build_segmentor(copy.deepcopy(dict(frozen_model or model)))
        self.frozen_labeler = require_fused(network, 'uda.labeler').requires_grad_(False).eval()

    def init_weights(self) -> None:
        """Initialise the student, and load the frozen labeller."""
        super().init_weights()
        if self.frozen_labeler is not None:
            load_segmentor(
                self.frozen_labeler, self.labeler_checkpoint, 'uda.labeler.checkpoint', getattr(self, 'CLASSES', None)
            )
            if self.init_student:
                own = self.student.state_dict()
                given = self.frozen_labeler.state_dict()
                common = {k: v for k, v in given.items() if k in own and own[k].shape == v.shape}
                self.student.load_state_dict({**own, **common})

    def train(self, mode: bool = True) -> TPS:
        """Train mode, but the frozen labeller stays in evaluation mode."""
        super().train(mode)
        if self.frozen_labeler is not None:
            self.frozen_labeler.eval()
        return self

    def test_networks(self) -> dict[str, Any]:
        """The student, and the mean teacher where there is one."""
        teacher = self.labeler.teacher if hasattr(self, 'labeler') else None
        return {**super().test_networks(), **({} if teacher is None else {'teacher': teacher.model})}

    def begin_iteration(self, iteration: int, rng: StepRng) -> None:
        super().begin_iteration(iteration, rng)
        self.labeler.update(self.student, iteration)

    # ---- one iteration ---------------------------------------------------------------------------------------------
    def training_losses(self, batch: Mapping[str, Any]) -> Iterator[TrainingEvent]:
        """Terms ``source`` and ``target``."""
        source, target = self.clips_of(batch)
        yield LossTerm.from_losses('source', self.source_losses(source)[1])
        if self.lambda_t == 0:
            return
        mirrored = self.draw_mirror()
        labels = self.propagated_labels(self.label_scores(target, mirrored), target, mirrored)
        yield self.target_term(target, labels)

    def draw_mirror(self) -> bool:
        """Whether the labelled frames of this iteration are mirrored."""
        return bool(torch.rand(1, generator=self.rng.shared) < self.flip_prob)

    def label_scores(self, target: Frames, mirrored: bool) -> dict[str, Tensor]:
        """Scores by head of the frame before the current one, fused with the one before that; of the mirror images if
        ``mirrored``."""
        assert target.far is not None and target.flow_key_far is not None
        clip = Clip(target.key, target.far, target.flow_key_far)
        if mirrored:
            flow = target.flow_key_far
            flow = flow.flip(-1) if self.flip_flow == 'legacy' else mirror_flow(flow)
            clip = Clip(target.key.flip(-1), target.far.flip(-1), flow)
        heads = trained_heads(self.student)
        return self.labeler.scores(self.student, self.frozen_labeler, self.iteration, clip, heads)

    def propagated_labels(self, scores: Mapping[str, Tensor], target: Frames, mirrored: bool) -> dict[str, Tensor]:
        """Pseudo-labels (B, 1, h, w) of the current frame by head."""
        scale = self.student.fusion.flow_scale
        labels = {
            name: propagated_label(value, target.flow, mirrored, self.flip_flow, scale).unsqueeze(1)
            for name, value in scores.items()
        }
        self.record_view('propagated', img=target.img, label=labels['decode'])
        return labels

    def augmented(self, target: Frames) -> tuple[Tensor, Tensor]:
        """The strongly augmented frames, current and key."""
        if self.augmentation is None:
            return target.img, target.key
        frames = self.augmentation([target.img, target.key], target.metas, self.rng)
        return frames[0], frames[1]

    def rescaled(self, frames: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """Both frames, resized by this iteration's factor."""
        if self.scale_range is None:
            return frames
        low, high = (round(100 * factor) for factor in self.scale_range)
        factor = int(torch.randint(low, high + 1, (1,), generator=self.rng.shared)) / 100
        size = [max(round(side * factor / 8) * 8, 8) for side in frames[0].shape[2:]]
        current, key = (
            torch.nn.functional.interpolate(frame, size=size, mode='bilinear', align_corners=False) for frame in frames
        )
        return current, key

    def target_scores(self, target: Frames, frames: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
        """Fused scores of the augmented clip."""
        clip = Clip(frames[0], frames[1], target.flow)
        self.record_view('augmented', img=frames[0])
        return self.student.clip_scores(clip, trained_heads(self.student)).fused

    def target_term(self, target: Frames, labels: Mapping[str, Tensor]) -> LossTerm:
        """The augmented clip against the pseudo-labels of each head."""
        scores = self.target_scores(target, self.rescaled(self.augmented(target)))
        return self.pseudo_term(scores, labels)

    def pseudo_term(
        self, scores: Mapping[str, Tensor], labels: Mapping[str, Tensor], keep_graph: bool = False
    ) -> LossTerm:
        """The term ``target`` of scores by head; it also logs ``target.share``."""
        losses = self.pseudo_losses(scores, labels)
        term = LossTerm.from_losses('target', losses, 'target.', weight=self.lambda_t, keep_graph=keep_graph)
        term.log.update(target_share(labels['decode']))
        return term

    def pseudo_losses(self, scores: Mapping[str, Tensor], labels: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Each head's losses on its own pseudo-labels; on those of ``decode`` where the labelling network lacks it."""
        losses: dict[str, Tensor] = {}
        for name, value in scores.items():
            losses.update(self.label_losses({name: value}, labels.get(name, labels['decode'])))
        return losses

"""QuadMix on video: mixing of clips in four directions with class-wise alignment (Unified Domain Adaptive Semantic
Segmentation, arXiv 2311.13254)."""

from __future__ import annotations

from typing import Any, Generator, Iterator, Mapping, Optional, Sequence

import torch.nn.functional as F
from torch import Tensor

from ..components.quad_mixer import PASSES
from ..components.template_bank import FrameBank
from ..models.segmentors.flow_fused import ClipScores
from ..ops.clips import Clip
from ..ops.flow import resize_flow
from ..ops.mixing import class_mask, mix
from ..ops.normalize import image_values, normalized_values
from ..ops.quadmix import Composite, Overlay
from ..ops.video import (
    ABSENT,
    KEY_CONFIDENCES,
    ClipLabels,
    class_vectors,
    clip_labels,
    match_histograms,
    mmd,
    temporal_mean,
)
from ..registry import MIXERS, UDA
from ..streams import SOURCE, split_streams
from ..utils.config import build_from_config, check_options, signature_names
from .base import LossTerm, TrainingEvent
from .parts.clip_mixing import Regions, Window, as_composite, blended, patch_masks
from .parts.frames import Frames, cyclic
from .video import TPS, Options

FLOW_MASKS = ('current', 'key')
OVERLAYS = ('clamped', 'sum')
TARGET_DRAWS = ('at_use', 'at_store')
SOURCE_PASSES = ('full', 'target_size')
#: templates and contexts are composed for both frames of a clip
FRAMES = ('img', 'key')


@UDA.register_module()
class VideoQuadMix(TPS):
    """:class:`~mmseg_uda.methods.video.TPS` with two mixed clips per iteration and class-wise alignment of scores.

    The first iteration of a run, and every one that finds no templates, is one of TPS that fills them.

    Args:
        quad: config in MIXERS (``type='QuadMixer'``).
        templates: options of :class:`~mmseg_uda.components.template_bank.FrameBank`.
        confidence: probability from which a pixel may become part of a target patch.
        key_confidence: of the key frame: its ``softmax`` probability, or its ``raw`` highest score (released).
        flow_mask: flows are pasted under the ``current`` frame's regions, to whose pixels they belong, or under those
            of the ``key`` frame (released).
        overlay: where two class patches overlap they count once (``clamped``) or twice (``sum``, released; needs
            ``class_patches.counts``).
        target_draw: classes of the target template are drawn ``at_use``, without those that the source template gives,
            or ``at_store`` (released), without those of an iteration earlier.
        lambda_mmd: weight of the class-wise alignment.
        absent: classes that an image lacks are left out of it (``skip``) or are zero vectors (``zeros``, released).
        far_term: the target's class vectors are the mean of two frame pairs: the augmented one, and the clean current
            frame with the one two steps back (released for CNNs).
        source_pass: supervised source frames at their ``full`` size, or brought to the ``target_size`` first (released
            for transformers).
        rescale_source_flow: with ``target_size``, scale the flow with its frames; False as released, which leaves it
            too long.
        match_patches: class patches take the target's grey values as the source frames do; released: only the latter.
        window_rows: first and last row at which the window of the source may begin (released on VIPER: 100 and 128 of
            720 rows); None: any.
        feature_mix: share of the features of ``tss`` in those of ``tst`` where both show the same templates, without
            gradient. An experiment: the released code computes such a blend (0.3) and does not use it.
        kwargs: of ``TPS``; by default a mean teacher labels, and clips are not resized. Class patches are pasted when
            the training data offer them (``data.train.class_patches``).
    """

    def __init__(
        self,
        quad: Options = None,
        templates: Options = None,
        confidence: float = 0.9,
        key_confidence: str = 'softmax',
        flow_mask: str = 'current',
        overlay: str = 'clamped',
        target_draw: str = 'at_use',
        lambda_mmd: float = 0.01,
        absent: str = 'skip',
        far_term: bool = True,
        source_pass: str = 'full',
        rescale_source_flow: bool = True,
        match_patches: bool = False,
        window_rows: Optional[Sequence[int]] = None,
        feature_mix: float = 0.0,
        scale_range: Optional[tuple[float, float]] = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(scale_range=scale_range, **kwargs)
        for name, value, valid in (
            ('key_confidence', key_confidence, KEY_CONFIDENCES),
            ('flow_mask', flow_mask, FLOW_MASKS),
            ('overlay', overlay, OVERLAYS),
            ('target_draw', target_draw, TARGET_DRAWS),
            ('absent', absent, ABSENT),
            ('source_pass', source_pass, SOURCE_PASSES),
        ):
            if value not in valid:
                raise ValueError(f"{name} must be one of {', '.join(valid)}, got '{value}'")
        if not 0 <= confidence <= 1 or lambda_mmd < 0:
            raise ValueError(
                f'confidence must lie in [0, 1] and lambda_mmd must not be negative, got {confidence} and {lambda_mmd}'
            )
        if window_rows is not None and (len(window_rows) != 2 or not 0 <= window_rows[0] <= window_rows[1]):
            raise ValueError(f'window_rows must be the first and the last row, got {tuple(window_rows)}')
        if not 0 <= feature_mix <= 1:
            raise ValueError(f'feature_mix must lie in [0, 1], got {feature_mix}')
        self.match_patches, self.feature_mix = match_patches, feature_mix
        self.window_rows = None if window_rows is None else tuple(int(row) for row in window_rows)
        self.confidence, self.key_confidence = confidence, key_confidence
        self.flow_mask, self.overlay, self.target_draw = flow_mask, overlay, target_draw
        self.lambda_mmd, self.absent, self.far_term = lambda_mmd, absent, far_term
        self.source_pass, self.rescale_source_flow = source_pass, rescale_source_flow
        default = dict(type='QuadMixer', paste_order=('source', 'patches', 'target'))
        self.quad = build_from_config({**default, **(quad or {})}, MIXERS)
        check_options(templates or {}, signature_names(FrameBank) or (), 'uda.templates')
        self.templates = FrameBank(**(templates or {}))

    @staticmethod
    def default_labeler() -> dict[str, Any]:
        """See the base class."""
        return dict(network='ema')

    @classmethod
    def option_names(cls) -> list[str]:
        """Accepted config keys."""
        return sorted({*(signature_names(TPS) or ()), *(signature_names(cls) or ())})

    # ---- one iteration ---------------------------------------------------------------------------------------------
    def training_losses(self, batch: Mapping[str, Any]) -> Iterator[TrainingEvent]:
        """Terms ``tss`` and ``tst`` once there are templates, then ``source``, ``target`` and ``mmd``, which share a
        graph."""
        source, target = self.clips_of(batch)
        mirrored = self.draw_mirror()
        scores = self.label_scores(target, mirrored)
        labels = self.propagated_labels(scores, target, mirrored)
        pseudo = clip_labels(
            scores['decode'], target.flow, target.size, mirrored, self.flip_flow, self.student.fusion.flow_scale
        )
        strong = self.augmented(target)
        excluded = None
        if self.templates.filled_for(source.img, target.img):
            excluded = yield from self._mixed_terms(batch, source, target, strong, pseudo)
        yield from self._aligned_terms(source, target, strong, labels)
        self._store(source, target, pseudo, excluded)

    def _aligned_terms(
        self, source: Frames, target: Frames, strong: tuple[Tensor, Tensor], labels: Mapping[str, Tensor]
    ) -> Iterator[LossTerm]:
        aligned = self.lambda_mmd > 0
        assert source.label is not None
        scores = self.student.clip_scores(self._source_clip(source, target.size), self.source_heads)
        losses = self.label_losses(scores.fused, source.label)
        yield LossTerm.from_losses('source', losses, keep_graph=aligned)
        if not aligned and self.lambda_t == 0:
            return
        found = self.target_scores(target, self.rescaled(strong))
        if self.lambda_t > 0:
            yield self.pseudo_term(found, labels, keep_graph=aligned)
        if aligned:
            small = {name: self.student.resized(value, labels['decode'].shape[2:]) for name, value in found.items()}
            loss = self.alignment(scores, source, small, target)
            yield LossTerm('mmd', loss, self.lambda_mmd, {'mmd.loss': loss})

    def _source_clip(self, source: Frames, size: tuple[int, int]) -> Clip:
        """The source clip as the supervised pass sees it, its flow at the frames' size."""
        flow = self._at_image(source)
        if self.source_pass == 'full' or source.size == size:
            return Clip(source.img, source.key, flow)
        resized = [
            F.interpolate(x, size=size, mode='bilinear', align_corners=True) for x in (source.img, source.key, flow)
        ]
        if self.rescale_source_flow:
            resized[2] = resize_flow(flow, size)
        return Clip(*resized)

    def alignment(
        self, source_scores: ClipScores, source: Frames, target_scores: Mapping[str, Tensor], target: Frames
    ) -> Tensor:
        """Maximum mean discrepancy between the class vectors of a source and a target clip."""
        of_source, in_source = self.source_vectors(source_scores, source)
        of_target, in_target = self.target_vectors(target_scores, target)
        count = max(len(of_source), len(of_target))
        pairs = [
            value if len(value) == count else value[[i % len(value) for i in range(count)]]
            for value in (of_source, of_target, in_source, in_target)
        ]
        return mmd(pairs[0], pairs[1], None if self.absent == 'zeros' else pairs[2] & pairs[3])

    def source_vectors(self, scores: ClipScores, source: Frames) -> tuple[Tensor, Tensor]:
        """Class vectors of fused scores where they are right, and the classes that are there."""
        fused = scores.fused['decode']
        assert source.label is not None
        small = F.interpolate(source.label.float(), size=fused.shape[2:], mode='nearest')
        return class_vectors(fused, small[:, 0].long())

    def target_vectors(self, scores: Mapping[str, Tensor], target: Frames) -> tuple[Tensor, Tensor]:
        """Class vectors of the augmented pair, averaged with those of the clean current frame and the far one."""
        near, in_near = class_vectors(scores['decode'])
        if not self.far_term:
            return near, in_near
        clip = Clip(target.img, target.far, target.flow_far)
        far, in_far = class_vectors(self.student.clip_scores(clip, ('decode',)).fused['decode'])
        return temporal_mean(near, far, in_near, in_far, self.absent)

    # ---- mixed clips -----------------------------------------------------------------------------------------------
    def _mixed_terms(
        self,
        batch: Mapping[str, Any],
        source: Frames,
        target: Frames,
        strong: tuple[Tensor, Tensor],
        pseudo: ClipLabels,
    ) -> Generator[LossTerm, None, Tensor]:
        """Terms ``tss`` and ``tst``; returns the classes that the source template gave."""
        window = self.draw_window(source.size, target.size)
        stored = self._stored(max(len(source.img), len(target.img)), window)
        drawn, taken = self.draw_classes(stored)
        regions = self._regions(stored, drawn, taken)
        overlays, masks = self._overlays(batch, source, target, window)
        clips = self.compose(source, target, strong, pseudo, stored, regions, overlays, window)
        features: list[Tensor] = []
        shares = {
            'quad.source_share': regions.source['img'].float().mean(),
            'quad.target_share': regions.target['img'].float().mean(),
        }
        for name, (mixed, flow) in clips.items():
            overlay = masks.get(name)
            clip = Clip(mixed['img'].img, mixed['key'].img, flow, None if overlay is None else overlay[: len(flow)])
            label = mixed['img'].label
            weight = 1.0 if name == 'tss' else self.lambda_t
            if weight == 0:
                continue
            self.record_view(name, img=clip.img, label=label)
            losses = self.label_losses(self._mixed_scores(clip, regions, features), label)
            term = LossTerm.from_losses(name, losses, f'mix_{name}.', weight=weight)
            term.log.update(shares)
            shares = {}
            yield term
        return drawn

    def _mixed_scores(self, clip: Clip, regions: Regions, features: list[Tensor]) -> dict[str, Tensor]:
        """Fused scores at image size; ``features`` holds those of the pass before, if features are mixed."""
        extracted = self.student.extract_clip(clip)
        if self.feature_mix > 0:
            own = list(extracted.current)
            if features:
                own = blended(own, features, regions.anywhere('img'), self.feature_mix)
            features[:] = [value.detach() for value in own]
            extracted = extracted._replace(current=own)
        size = (clip.img.shape[2], clip.img.shape[3])
        return self.student.scores_of_features(extracted, ('decode',), size, self.overlay == 'clamped').fused

    def draw_window(self, source: tuple[int, int], target: tuple[int, int]) -> Window:
        """A window of the target's size in the source's frames, the same for all images of the iteration."""
        return Window.draw(source, target, self.rng.shared, self.window_rows)

    def draw_classes(self, stored: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Classes of the source template and of the target template, bool (B, 256) each."""
        return self.quad.draw_classes(stored['source_label'], stored['target_label'], self.rng)

    def _stored(self, batch: int, window: Window) -> dict[str, Tensor]:
        """The templates of a batch; of the source's the window."""
        values = self.templates.read(batch)
        return {name: window.of(value) if name.startswith('source_') else value for name, value in values.items()}

    def _regions(self, stored: Mapping[str, Tensor], drawn: Tensor, taken: Tensor) -> Regions:
        source, target = {}, {}
        for frame, label in zip(FRAMES, ('label', 'key_label')):
            source[frame] = self.quad.source_mask(stored[f'source_{label}'], drawn)
            mask = stored['target_mask' if frame == 'img' else 'target_key_mask']
            if self.target_draw == 'at_use':
                mask = mask & class_mask(stored[f'target_{label}'], taken).bool()
            target[frame] = mask
        return Regions(source, target)

    def _overlays(
        self, batch: Mapping[str, Any], source: Frames, target: Frames, window: Window
    ) -> tuple[dict[str, Optional[Overlay]], dict[str, Tensor]]:
        """Class patches by pass, and where they lie: (B, 1, H, W), how often if patches count twice."""
        extras = window.patches(batch, source.size, target.size)
        longest = max(source.img, target.img, key=len)[..., : target.size[0], : target.size[1]]
        overlays = self.quad.overlays(extras, source.metas, longest)
        if self.match_patches:
            overlays = {name: o and self._matched_patches(o, batch, source, target) for name, o in overlays.items()}
        return overlays, patch_masks(overlays, extras, self.overlay)

    def _matched_patches(self, overlay: Overlay, batch: Mapping[str, Any], source: Frames, target: Frames) -> Overlay:
        """Class patches with the grey values that histogram matching gives to those values in the source frame."""
        count, metas = len(overlay.img), source.metas
        before = image_values(cyclic(split_streams(batch)[SOURCE].img, count), metas)
        like = image_values(cyclic(target.img, count), target.metas)
        matched = match_histograms(image_values(overlay.img, metas), like, before)
        return overlay._replace(img=normalized_values(matched, metas))

    def compose(
        self,
        source: Frames,
        target: Frames,
        strong: tuple[Tensor, Tensor],
        pseudo: ClipLabels,
        stored: Mapping[str, Tensor],
        regions: Regions,
        overlays: Mapping[str, Optional[Overlay]],
        window: Window,
    ) -> dict[str, tuple[dict[str, Composite], Tensor]]:
        """The mixed clips by pass: both frames with labels, and the flow at image size."""
        truth = source.label
        assert truth is not None
        key_label = truth if source.key_label is None else source.key_label
        contexts = {
            'img': {'tss': (window.of(source.img), window.of(truth)), 'tst': (strong[0], pseudo.label)},
            'key': {'tss': (window.of(source.key), window.of(key_label)), 'tst': (strong[1], pseudo.key_label)},
        }
        mixed: dict[str, dict[str, Composite]] = {name: {} for name in self.quad.passes}
        for frame, label in zip(FRAMES, ('label', 'key_label')):
            pasted = [
                (masks[frame], as_composite(stored[f'{domain}_{frame}'], stored[f'{domain}_{label}']))
                for domain, masks in zip(('source', 'target'), regions)
            ]
            composed = self.quad(
                {name: as_composite(*pair) for name, pair in contexts[frame].items()}, pasted, overlays
            )
            for name, value in composed.items():
                mixed[name][frame] = value
        flows = self._mixed_flows(source, target, stored, regions, window)
        return {name: (frames, flows[name]) for name, frames in mixed.items()}

    def _mixed_flows(
        self, source: Frames, target: Frames, stored: Mapping[str, Tensor], regions: Regions, window: Window
    ) -> dict[str, Tensor]:
        frame = 'img' if self.flow_mask == 'current' else 'key'
        flows = {'tss': window.of(self._at_image(source)), 'tst': self._at_image(target)}
        for name, flow in flows.items():
            for domain, masks in zip(('source', 'target'), regions):
                if domain[0] + PASSES[name] in self.quad.directions:
                    count = len(flow)
                    flow = mix(masks[frame][:count], stored[f'{domain}_flow'][:count], flow)
            flows[name] = flow
        return flows

    def _at_image(self, frames: Frames) -> Tensor:
        return resize_flow(frames.flow, frames.size, self.student.fusion.flow_scale)

    # ---- templates -------------------------------------------------------------------------------------------------
    def _store(self, source: Frames, target: Frames, pseudo: ClipLabels, drawn: Optional[Tensor]) -> None:
        """This iteration's clips become the templates of the next one."""
        key_score = pseudo.key_prob if self.key_confidence == 'softmax' else pseudo.key_score
        label, key_label = pseudo.label.unsqueeze(1), pseudo.key_label.unsqueeze(1)
        mask = (pseudo.prob > self.confidence).unsqueeze(1)
        key_mask = (key_score > self.confidence).unsqueeze(1)
        if self.target_draw == 'at_store':
            taken = self.draw_stored_classes(label, drawn)
            mask = mask & class_mask(label, taken).bool()
            key_mask = key_mask & class_mask(key_label, taken).bool()
        assert source.label is not None
        self.templates.renew(
            source_img=source.img,
            source_key=source.key,
            source_label=source.label,
            source_key_label=source.label if source.key_label is None else source.key_label,
            source_flow=self._at_image(source),
            target_img=target.img,
            target_key=target.key,
            target_label=label,
            target_key_label=key_label,
            target_flow=self._at_image(target),
            target_mask=mask,
            target_key_mask=key_mask,
        )

    def draw_stored_classes(self, label: Tensor, drawn: Optional[Tensor]) -> Tensor:
        """Classes of the next iteration's target template, bool (B, 256), without the source classes of this one."""
        return self.quad.draw_target_classes(label, None if drawn is None else drawn[: len(label)], self.rng)

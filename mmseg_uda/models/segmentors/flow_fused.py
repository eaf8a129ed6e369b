"""A segmentor that looks back: scores of the previous frame, moved by optical flow, are fused with those of the
current one (ACCEL, arXiv 1807.06667, as DA-VSN, TPS and the video part of UDASS use it)."""

from __future__ import annotations

import contextlib
from typing import Any, Mapping, NamedTuple, Optional, Sequence

import torch
from mmseg.core import add_prefix
from mmseg.models.builder import SEGMENTORS
from mmseg.models.segmentors.encoder_decoder import EncoderDecoder
from mmseg.ops import resize
from torch import Tensor, nn

from ...ops.clips import Clip, unpack_clip
from ...ops.flow import SCALES, resize_flow, splat, warp
from ...utils.config import check_options
from ..heads import has_one_channel, heads_of
from ..losses.segmentation import head_losses, trained_heads
from ..modes import kept_running_statistics

WARPS = ('backward', 'splat')
PLACES = ('scores', 'image')
KEY_BN = ('update', 'keep')


class ScoreFusion(nn.Conv2d):
    """A 1x1 convolution without bias over the scores of both frames; it starts as the current frame's scores alone.

    Args:
        num_classes: C; the weight has shape (C, 2C, 1, 1).
        warp: ``backward`` fetches the key frame's scores along the flow; ``splat`` pushes them (DA-VSN).
        flow_scale: how a flow is brought to the scores' grid, see :func:`~mmseg_uda.ops.flow.resize_flow`.
    """

    def __init__(self, num_classes: int, warp: str = 'backward', flow_scale: str = 'per_axis') -> None:
        for name, value, valid in (('warp', warp, WARPS), ('flow_scale', flow_scale, SCALES)):
            if value not in valid:
                raise ValueError(f"model.fusion.{name} must be one of {', '.join(valid)}, got '{value}'")
        super().__init__(2 * num_classes, num_classes, 1, bias=False)
        self.warp = warp
        self.flow_scale = flow_scale

    def reset_parameters(self) -> None:
        """[identity | 0]."""
        with torch.no_grad():
            self.weight.zero_()
            self.weight[:, : self.out_channels, 0, 0] = torch.eye(self.out_channels)

    def moved(
        self, current: Tensor, key: Tensor, flow: Tensor, overlay: Optional[Tensor] = None, clamp: bool = True
    ) -> Tensor:
        """The key frame's scores (B, C, h, w) at the current frame's pixels.

        Args:
            overlay: (B, 1, *, *): there the current frame's own scores take the key frame's place.
            clamp: an overlay of 2 (two patches) counts once; False as released: twice the own minus the moved score.
        """
        grid = resize_flow(flow, (current.shape[2], current.shape[3]), self.flow_scale)
        out = splat(key, grid)[0] if self.warp == 'splat' else warp(key, grid)
        if overlay is None:
            return out
        mask = resize(overlay.to(out.dtype), size=out.shape[2:], mode='nearest')
        return torch.lerp(out, current.to(out.dtype), mask.clamp(max=1) if clamp else mask)

    def fuse(self, current: Tensor, moved: Tensor) -> Tensor:
        """The fused scores."""
        return super().forward(torch.cat([current, moved.to(current.dtype)], 1))

    def forward(  # type: ignore[override]
        self, current: Tensor, key: Tensor, flow: Tensor, overlay: Optional[Tensor] = None, clamp: bool = True
    ) -> Tensor:
        """Scores of both frames (B, C, h, w) and the flow on any grid to fused scores."""
        return self.fuse(current, self.moved(current, key, flow, overlay, clamp))


class ClipFeatures(NamedTuple):
    """Backbone features of both frames, and what is needed to fuse their scores."""

    current: Sequence[Tensor]
    key: Optional[Sequence[Tensor]]
    flow: Optional[Tensor]
    overlay: Optional[Tensor]


class ClipScores(NamedTuple):
    """Scores by head (``decode``, ``aux``): fused ones, and those of either frame alone."""

    fused: dict[str, Tensor]
    current: dict[str, Tensor]
    key: dict[str, Tensor]


@SEGMENTORS.register_module()
class FlowFusedSegmentor(EncoderDecoder):
    """Any backbone and heads of ``EncoderDecoder`` on clips of two frames.

    An input of 8 channels is a packed clip (:mod:`mmseg_uda.ops.clips`): current frame, key frame, flow; 9 with an
    overlay mask. An input of 3 channels has no key frame and gets the plain scores. The key frame passes the same
    weights without gradient. All classifiers share the fusion layer.

    Args:
        fusion: options of :class:`ScoreFusion`.
        score_align_corners: of all resizing of scores in here (the released code: True); None = as the decode head.
        key_bn: ``update``: key frames renew the running statistics of batch norm in training, as released; ``keep``:
            they do not.
        kwargs: of ``EncoderDecoder``. Weights of the same network without fusion load as they are.

    Raises:
        ValueError: a head of one channel, or a backbone of other than three bands.
    """

    def __init__(
        self,
        *args: Any,
        fusion: Optional[Mapping[str, Any]] = None,
        score_align_corners: Optional[bool] = True,
        key_bn: str = 'update',
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        if key_bn not in KEY_BN:
            raise ValueError(f"model.key_bn must be one of {', '.join(KEY_BN)}, got '{key_bn}'")
        options = {key: value for key, value in (fusion or {}).items() if key != 'type'}
        check_options(options, ('warp', 'flow_scale'), 'model.fusion')
        if score_align_corners is not None:
            self.align_corners = score_align_corners
        self._refuse_other_channels()
        self.key_bn = key_bn
        self.fusion = ScoreFusion(self.num_classes, **options)

    def _refuse_other_channels(self) -> None:
        """Heads of one channel have nothing to fuse by class, and packed clips have three bands."""
        for name, head in heads_of(self).items():
            if has_one_channel(head):
                raise ValueError(
                    f'{type(self).__name__} fuses the scores of two frames class by class: the {name} head has '
                    'out_channels=1; leave out_channels out and take a softmax over both classes'
                )
        first = next((module for module in self.backbone.modules() if isinstance(module, nn.Conv2d)), None)
        if first is not None and first.groups == 1 and first.in_channels != 3:
            raise ValueError(
                f'{type(self).__name__} takes frames of 3 bands (channels), model.backbone reads {first.in_channels}'
            )

    def _load_from_state_dict(self, state: dict[str, Any], prefix: str, *args: Any) -> None:
        """A network without fusion layer leaves the fusion as it is."""
        state.setdefault(f'{prefix}fusion.weight', self.fusion.weight.detach().clone())
        super()._load_from_state_dict(state, prefix, *args)

    # ---- features and scores ---------------------------------------------------------------------------------------
    def extract_feat(self, img: Tensor) -> Sequence[Tensor]:
        """Features of the current frame of a packed clip, or of a frame."""
        return super().extract_feat(img[:, :3])

    def extract_clip(self, clip: Clip) -> ClipFeatures:
        """Features of both frames; the key frame's have no gradient."""
        current = self.extract_feat(clip.img)
        if clip.key is None:
            return ClipFeatures(current, None, None, None)
        with torch.no_grad(), self._key_statistics():
            key = self.extract_feat(clip.key)
        return ClipFeatures(current, key, clip.flow, clip.overlay)

    def _key_statistics(self) -> Any:
        return kept_running_statistics(self) if self.key_bn == 'keep' else contextlib.nullcontext()

    def scores_of_features(
        self,
        features: ClipFeatures,
        heads: Optional[Sequence[str]] = None,
        size: Optional[tuple[int, int]] = None,
        clamp_overlay: bool = True,
        fuse: bool = True,
    ) -> ClipScores:
        """Scores of the heads on the features of both frames.

        Args:
            heads: names of heads that are asked; None = all.
            size: bring scores to this size before they are warped and fused; None = fuse at score resolution.
            fuse: False leaves ``fused`` empty.
        """
        found = ClipScores({}, {}, {})
        modules = heads_of(self)
        for name in heads or tuple(modules):
            current = self._scores(modules[name], features.current, size)
            found.current[name] = current
            if fuse:
                found.fused[name] = current
            if features.key is not None and features.flow is not None:
                with torch.no_grad(), self._key_statistics():
                    found.key[name] = self._scores(modules[name], features.key, size)
                if fuse:
                    found.fused[name] = self.fusion(
                        current, found.key[name], features.flow, features.overlay, clamp_overlay
                    )
        return found

    def clip_scores(
        self, clip: Clip, heads: Optional[Sequence[str]] = None, at: str = 'scores', clamp_overlay: bool = True
    ) -> ClipScores:
        """Scores of a clip, fused at ``scores`` resolution or at ``image`` size."""
        if at not in PLACES:
            raise ValueError(f"scores are fused at one of {', '.join(PLACES)}, not at '{at}'")
        size = (clip.img.shape[2], clip.img.shape[3]) if at == 'image' else None
        return self.scores_of_features(self.extract_clip(clip), heads, size, clamp_overlay)

    def _scores(self, head: Any, features: Sequence[Tensor], size: Optional[tuple[int, int]]) -> Tensor:
        return self.resized(head.forward_test(features, None, None).float(), size)

    def resized(self, scores: Tensor, size: Optional[Sequence[int]]) -> Tensor:
        """Scores at (H, W) ``size``, bilinear as ``score_align_corners`` says; None leaves them."""
        if size is None or tuple(size) == tuple(scores.shape[2:]):
            return scores
        return resize(scores, size=tuple(size), mode='bilinear', align_corners=self.align_corners)

    def training_outputs(self, features: ClipFeatures) -> dict[str, tuple[nn.Module, Tensor]]:
        """Every head that has a loss with its fused scores, by the name of its losses: ``decode``, ``aux`` (``aux_0``
        ...)."""
        fused, heads = self.scores_of_features(features, trained_heads(self)).fused, heads_of(self)
        return {name: (heads[name], value) for name, value in fused.items()}

    # ---- entry points of MMSegmentation ----------------------------------------------------------------------------
    def score_map(self, img: Tensor, img_metas: Any = None) -> Tensor:
        """Fused class scores (B, C, h, w) at the head's resolution."""
        return self.scores_of_features(self.extract_clip(unpack_clip(img)), ('decode',)).fused['decode']

    def encode_decode(self, img: Tensor, img_metas: Any = None) -> Tensor:
        """Fused class scores (B, C, H, W) at the input's size."""
        return self.resized(self.score_map(img), img.shape[2:])

    def whole_inference(self, img: Tensor, img_meta: Any, rescale: bool) -> Tensor:
        """As MMSegmentation's, but scores go to the size of the file in one step, as in the published evaluations."""
        if not rescale or tuple(img_meta[0]['img_shape'][:2]) != tuple(img.shape[2:]) or torch.onnx.is_in_onnx_export():
            return super().whole_inference(img, img_meta, rescale)
        return self.resized(self.score_map(img), img_meta[0]['ori_shape'][:2])

    def forward_train(
        self, img: Tensor, img_metas: Any, gt_semantic_seg: Tensor, seg_weight: Optional[Tensor] = None
    ) -> dict[str, Tensor]:
        """MMSegmentation's training entry point: losses ``decode.*`` and ``aux.*`` on fused scores."""
        losses: dict[str, Tensor] = {}
        for name, (head, value) in self.training_outputs(self.extract_clip(unpack_clip(img))).items():
            losses.update(add_prefix(head_losses(head, value, gt_semantic_seg, seg_weight), name))
        return losses

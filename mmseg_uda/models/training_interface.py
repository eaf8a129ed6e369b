"""What methods need from a segmentor in a training step, for any MMSeg ``EncoderDecoder`` and for HRDA.

MMSeg's ``forward_train`` takes no pixel weight, computes accuracy in every step and hides the features. These
functions drive the public parts of an unmodified segmentor instead: ``extract_feat``, the heads, their losses,
``encode_decode``.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Mapping, Optional, Sequence, Union

import torch
from mmseg.core import add_prefix
from mmseg.models.decode_heads import PointHead
from mmseg.models.segmentors import EncoderDecoder
from torch import Tensor, nn

from ..ops.clips import FRAME_CHANNELS, unpack_clip
from ..ops.hrda import Box, Generator
from ..utils.rng import StepRng
from .heads import decision_scores, heads_of, is_hrda, scores_of
from .losses.points import point_losses, point_output
from .losses.segmentation import head_losses, trained_heads
from .own_training import forward_train
from .segmentors.flow_fused import ClipFeatures, FlowFusedSegmentor


@dataclass(frozen=True)
class FeatureView:
    """Backbone features of one window of the input, before the neck.

    Attributes:
        maps: one tensor (B, C_i, h_i, w_i) per level.
        box: the window in pixels of the input and its label, or None for all of it.
    """

    maps: Sequence[Tensor]
    box: Optional[Box] = None


@dataclass(frozen=True)
class Features:
    """Everything that one training pass computed before the heads.

    Attributes:
        decode: what the decode head takes (the neck's output, where there is a neck).
        views: features for losses on features (feature distance): one view, or two for HRDA with
            ``feature_scale='all'``.
    """

    decode: Any
    views: tuple[FeatureView, ...]

    @property
    def backbone(self) -> Sequence[Tensor]:
        """Feature maps of the first view (the low resolution of HRDA)."""
        return self.views[0].maps


def encode(segmentor: Any, img: Tensor) -> tuple[Sequence[Tensor], Any]:
    """Backbone maps of normalised images (B, 3, H, W), and what the heads take: the same, or the neck's output.

    A segmentor with an ``extract_feat`` of its own decides alone; then both are its result.
    """
    if not _is_split(segmentor):
        maps = segmentor.extract_feat(img)
        return maps, maps
    maps = segmentor.backbone(img)
    return maps, segmentor.neck(maps)


def _is_split(segmentor: Any) -> bool:
    own = type(segmentor).extract_feat is not EncoderDecoder.extract_feat
    return not own and bool(getattr(segmentor, 'with_neck', False))


def training_features(
    segmentor: Any, img: Tensor, rng: Union[StepRng, Generator] = None, box: Optional[Box] = None
) -> Features:
    """Features of one training pass.

    Args:
        segmentor: an ``EncoderDecoder`` or ``HRDAEncoderDecoder``.
        img: normalised images (B, 3, H, W), or packed clips for a ``FlowFusedSegmentor``.
        rng: HRDA draws the detail crop of this pass from ``rng.shared`` (or from a torch or NumPy generator); unused
            otherwise.
        box: take this detail crop instead of drawing one.
    """
    if is_hrda(segmentor):
        generator = rng.shared if isinstance(rng, StepRng) else rng
        features = segmentor.extract_multi_resolution(img, generator, box)
        return Features(
            features, tuple(FeatureView(maps, where) for maps, where in segmentor.feature_views(img, features))
        )
    if isinstance(segmentor, FlowFusedSegmentor) and img.shape[1] > FRAME_CHANNELS:
        clip = segmentor.extract_clip(unpack_clip(img))
        return Features(clip, (FeatureView(clip.current),))
    maps, inputs = encode(segmentor, img)
    return Features(inputs, (FeatureView(maps),))


@torch.no_grad()
def reference_views(segmentor: Any, img: Tensor, like: Features) -> tuple[FeatureView, ...]:
    """Backbone features of a frozen reference network for the windows that ``like`` has seen, without gradient.

    Args:
        segmentor: network of the same architecture.
        img: the input of the pass that made ``like``.
        like: features of the trained network.
    """
    if is_hrda(segmentor):
        return tuple(FeatureView(segmentor.extract_window(img, view.box), view.box) for view in like.views)
    return (FeatureView(segmentor.backbone(img) if _is_split(segmentor) else segmentor.extract_feat(img)),)


def segmentation_losses(
    segmentor: Any, features: Union[Features, Any], label: Tensor, weight: Optional[Tensor] = None
) -> dict[str, Tensor]:
    """Losses of the decode head and all auxiliary heads, named as MMSeg logs them (``decode.loss_ce``,
    ``aux.loss_ce``).

    Args:
        segmentor: the network that made ``features``.
        features: result of :func:`training_features`.
        label: int64 train ids (B, 1, H, W) or (B, H, W), 255 = ignore.
        weight: float (B, H, W) or (B, 1, H, W), pixel weight for every head; None = 1.

    Returns:
        Scalars by name. The mean runs over all pixels; all ignored gives 0. HRDA adds ``decode.hr.loss_ce`` (and
        ``decode.lr.loss_ce``), all of them already weighted.
    """
    return _losses(head_outputs(segmentor, features), label, weight)


def segmentation_losses_of_parts(
    segmentor: Any, features: Union[Features, Any], labels: Sequence[Tensor]
) -> list[dict[str, Tensor]]:
    """:func:`segmentation_losses` of several groups of images that passed the network as one batch.

    Args:
        features: of all images, one group after another.
        labels: int64 (B_i, 1, H, W) of each group; every mean runs over the pixels of its group.
    """
    outputs = head_outputs(segmentor, features)
    return [
        _losses({name: (head, rows_of(value, images)) for name, (head, value) in outputs.items()}, label)
        for images, label in zip(consecutive([len(label) for label in labels]), labels)
    ]


def own_forward_losses(
    segmentor: Any, img: Tensor, metas: Sequence[Mapping[str, Any]], label: Tensor
) -> tuple[Features, dict[str, Any]]:
    """Features and losses of a segmentor that overrides ``forward_train`` (:mod:`mmseg_uda.models.own_training`)."""
    maps, before_neck, losses = forward_train(segmentor, img, metas, label)
    return Features(maps, (FeatureView(before_neck if _is_split(segmentor) else maps),)), losses


def consecutive(sizes: Sequence[int]) -> list[slice]:
    """The rows of groups of so many images, one after another."""
    return [slice(end - size, end) for end, size in zip(accumulate(sizes), sizes)]


def head_outputs(segmentor: Any, features: Union[Features, Any]) -> dict[str, tuple[nn.Module, Any]]:
    """Every head that has a loss with its output in training, by the name of its losses: ``decode`` or ``decode_0``
    ..., ``aux`` or ``aux_0`` ..."""
    inputs = features.decode if isinstance(features, Features) else features
    if isinstance(inputs, ClipFeatures):
        return segmentor.training_outputs(inputs)
    outputs: dict[str, tuple[nn.Module, Any]] = {}
    stage: tuple[Any, ...] = ()  # what the stage before in a cascade has said
    heads = heads_of(segmentor)
    for name in trained_heads(segmentor):
        head = heads[name]
        if isinstance(head, PointHead):
            outputs[name] = head, point_output(head, inputs, stage[0], segmentor.train_cfg)
        elif name.startswith('decode_'):
            stage = (head(inputs, *stage),)
            outputs[name] = head, stage[0]
        else:
            outputs[name] = head, head(inputs)
    return outputs


def rows_of(value: Any, images: slice) -> Any:
    """Some images of a batch in features, and in nested tuples and lists of tensors (B, ...); what is no tensor
    stays."""
    if isinstance(value, Tensor):
        return value if images.indices(len(value)) == (0, len(value), 1) else value[images]
    if isinstance(value, Features):
        return Features(rows_of(value.decode, images), rows_of(value.views, images))
    if isinstance(value, FeatureView):
        return FeatureView(rows_of(value.maps, images), value.box)
    if isinstance(value, (list, tuple)):
        rows = [rows_of(item, images) for item in value]
        return type(value)(*rows) if hasattr(value, '_fields') else type(value)(rows)
    return value


def _losses(
    outputs: Mapping[str, tuple[nn.Module, Any]], label: Tensor, weight: Optional[Tensor] = None
) -> dict[str, Tensor]:
    label = label[:, None] if label.dim() == 3 else label
    if weight is not None:
        weight = weight[:, 0] if weight.dim() == 4 else weight
    losses: dict[str, Tensor] = {}
    for name, (head, output) in outputs.items():
        losses.update(add_prefix(_losses_of(head, output, label, weight), name))
    return losses


def _losses_of(head: Any, outputs: Any, label: Tensor, weight: Optional[Tensor]) -> dict[str, Tensor]:
    if hasattr(head, 'weighted_losses'):
        return head.weighted_losses(outputs, label, weight)
    if isinstance(head, PointHead):
        return point_losses(head, outputs, label, weight)
    return head_losses(head, outputs, label, weight)


def logits(
    segmentor: Any,
    img: Tensor,
    metas: Optional[Sequence[Mapping[str, Any]]] = None,
    for_labels: bool = True,
) -> Tensor:
    """Class scores at the size of the input, float32 (B, C, H, W), in whatever mode (train or eval) the network is.

    HRDA runs its full inference (context plus overlapping detail windows). The caller decides about gradients.

    Args:
        for_labels: labels are taken from them, or confidence in labels: a one-channel head's scores then have their
            boundary at its ``threshold`` (:func:`~mmseg_uda.models.heads.decision_scores`); False for losses.
    """
    if type(segmentor).encode_decode is not EncoderDecoder.encode_decode:
        if metas is None:
            shape = tuple(img.shape[2:])
            metas = [dict(ori_shape=shape, img_shape=(*shape, 3), flip=False) for _ in range(img.shape[0])]
        scores = segmentor.encode_decode(img, metas).float()
    else:
        scores = scores_of(segmentor, segmentor.extract_feat(img), img.shape[2:], ['decode'])['decode']
    if for_labels or scores.shape[1] == 1:
        return decision_scores(segmentor, scores, None if for_labels else 0.5)
    return scores

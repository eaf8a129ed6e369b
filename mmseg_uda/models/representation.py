"""A pixel representation beside the class scores, for any MMSeg ``EncoderDecoder`` (contrastive learning)."""

from __future__ import annotations

from typing import Any, NamedTuple, Optional, Sequence

from mmseg.models.segmentors import EncoderDecoder
from torch import Tensor, nn

from .decode_heads.dlv3plus_rep_head import tower
from .heads import class_scores, heads_of, require_plain


class SegmentorOutput(NamedTuple):
    """One forward pass: class scores (B, C, h, w), scores of the auxiliary heads, representation (B, D, h', w') or None
    where it was not asked for."""

    logits: Tensor
    auxiliary: tuple[Tensor, ...]
    representation: Optional[Tensor]


def attach_representation(segmentor: EncoderDecoder, channels: int = 256, dropout: float = 0.1) -> int:
    """Give ``segmentor`` a representation tower unless its decode head has one; it is stored as
    ``segmentor.representation_head``.

    The tower reads what the head's last layer (``conv_seg``) reads, or, for a head without one, the deepest backbone
    map that it takes.

    Args:
        channels: D.
        dropout: channel dropout inside the tower.

    Returns:
        Number of channels of the representation.

    Raises:
        TypeError: a segmentor that is not plain, see :func:`~mmseg_uda.models.heads.require_plain`.
    """
    require_plain(segmentor, 'a pixel representation')
    head = segmentor.decode_head
    if hasattr(head, 'forward_with_representation'):
        return int(head.representation_channels)
    if not hasattr(segmentor, 'representation_head'):
        conv = getattr(head, 'conv_seg', None)
        deepest = head.in_channels[-1] if isinstance(head.in_channels, (list, tuple)) else head.in_channels
        width = deepest if conv is None else conv.in_channels
        norm_cfg = head.norm_cfg or dict(type='BN')
        segmentor.representation_head = nn.Sequential(
            *tower(width, channels, norm_cfg, dropout), nn.Dropout2d(dropout), nn.Conv2d(channels, channels, 1)
        )
    return channels


def forward_with_representation(
    segmentor: EncoderDecoder, img: Tensor, auxiliary: bool = True, representation: bool = True
) -> SegmentorOutput:
    """Class scores, auxiliary scores and representation of one pass, at the sizes of the heads.

    Args:
        segmentor: prepared by :func:`attach_representation`.
        img: normalised images (B, 3, H, W).
        auxiliary: whether the auxiliary heads are asked.
        representation: whether the tower is.
    """
    features = segmentor.extract_feat(img)
    head = segmentor.decode_head
    pixels: Optional[Tensor] = None
    if not representation:
        scores = head(features)
    elif hasattr(head, 'forward_with_representation'):
        scores, pixels = head.forward_with_representation(features)
    else:
        scores, hidden = _forward_and_capture(head, features)
        pixels = segmentor.representation_head(hidden)
    others = tuple(
        class_scores(other, other.forward_test(features, None, None), None)
        for name, other in heads_of(segmentor).items()
        if auxiliary and name.startswith('aux')
    )
    return SegmentorOutput(class_scores(head, scores, None), others, pixels)


def _forward_and_capture(head: Any, features: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """The head's scores and the input of its last layer."""
    conv: Optional[nn.Module] = getattr(head, 'conv_seg', None)
    if conv is None:
        index = head.in_index[-1] if isinstance(head.in_index, (list, tuple)) else head.in_index
        return head(features), features[index]
    captured: list[Tensor] = []
    handle = conv.register_forward_pre_hook(lambda _, inputs: captured.append(inputs[0]))
    try:
        scores = head(features)
    finally:
        handle.remove()
    return scores, captured[0]


def split_output(output: SegmentorOutput, sizes: Sequence[int]) -> list[SegmentorOutput]:
    """Cut a pass over concatenated images into parts of the given batch sizes."""
    auxiliary = [a.split(list(sizes)) for a in output.auxiliary]
    rep = output.representation
    pixels: Sequence[Optional[Tensor]] = [None] * len(sizes) if rep is None else rep.split(list(sizes))
    return [
        SegmentorOutput(logits, tuple(a[i] for a in auxiliary), pixels[i])
        for i, logits in enumerate(output.logits.split(list(sizes)))
    ]

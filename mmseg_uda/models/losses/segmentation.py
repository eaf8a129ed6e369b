"""Losses of any MMSeg decode head with a weight per pixel, on the unmodified head."""

from __future__ import annotations

from typing import Any, Optional

from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.ops import resize
from torch import Tensor, nn


class _LentWeight:
    """Stands in for a head's pixel sampler: MMSeg's ``losses`` takes its pixel weight from there."""

    def __init__(self, weight: Optional[Tensor], sampler: Any) -> None:
        self.weight = weight
        self.sampler = sampler

    def sample(self, seg_logit: Tensor, seg_label: Tensor) -> Optional[Tensor]:
        return _pixel_weight(self.sampler, seg_logit, seg_label, self.weight)


def _pixel_weight(sampler: Any, seg_logit: Tensor, seg_label: Tensor, weight: Optional[Tensor]) -> Optional[Tensor]:
    if sampler is None:
        return weight
    sampled = sampler.sample(seg_logit, seg_label)
    return sampled if weight is None else sampled * weight


def head_losses(head: nn.Module, seg_logit: Any, label: Tensor, weight: Optional[Tensor] = None) -> dict[str, Tensor]:
    """The losses of a decode head, weighted per pixel; accuracy is not computed.

    Args:
        head: any MMSeg decode head. Heads with a ``losses`` of their own (several outputs) keep it; the weight then
            reaches them as the result of a pixel sampler that is lent for this one call.
        seg_logit: what the head's ``forward`` returned; resized to the label here.
        label: int64 (B, 1, H, W), the head's ``ignore_index`` = no loss.
        weight: float (B, H, W), or None.

    Returns:
        ``{loss_name: scalar}``. Ignored and zero-weight pixels count in the mean of MMSeg's default cross entropy, so
        that an all-ignored label gives 0 with zero gradient.
    """
    if getattr(type(head), 'losses', None) is not BaseDecodeHead.losses:
        return _own_losses(head, seg_logit, label, weight)
    logits = resize(seg_logit.float(), size=label.shape[2:], mode='bilinear', align_corners=head.align_corners)
    weight = _pixel_weight(head.sampler, logits, label, weight)
    parts = head.loss_decode if isinstance(head.loss_decode, nn.ModuleList) else [head.loss_decode]
    losses: dict[str, Tensor] = {}
    for part in parts:
        value = part(logits, label.squeeze(1), weight=weight, ignore_index=head.ignore_index)
        losses[part.loss_name] = losses[part.loss_name] + value if part.loss_name in losses else value
    return losses


def _own_losses(head: nn.Module, seg_logit: Any, label: Tensor, weight: Optional[Tensor]) -> dict[str, Tensor]:
    sampler = getattr(head, 'sampler', None)
    if weight is not None:
        head.sampler = _LentWeight(weight, sampler)
    try:
        losses = head.losses(seg_logit, label)
    finally:
        if weight is not None:
            head.sampler = sampler
    return {name: value for name, value in losses.items() if 'loss' in name}

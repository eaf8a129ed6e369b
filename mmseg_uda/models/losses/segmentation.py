"""Losses of any MMSeg decode head with a weight per pixel, on the unmodified head."""

from __future__ import annotations

import contextlib
import types
from typing import Any, Iterator, Optional

from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from torch import Tensor, nn

from ...ops.binary import class_planes, one_plane
from ...ops.resize import resize_scores
from ...utils.config_errors import ConfigError
from ..heads import heads_of
from .weighted import ADJUSTED, loss_of, loss_of_one_channel


class _LentWeight:
    """Stands in for a head's pixel sampler: MMSeg's ``losses`` takes its pixel weight from there."""

    def __init__(self, weight: Tensor, sampler: Any) -> None:
        self.weight = weight
        self.sampler = sampler
        self.asked = False

    def sample(self, seg_logit: Tensor, seg_label: Tensor) -> Optional[Tensor]:
        self.asked = True
        return _pixel_weight(self.sampler, seg_logit, seg_label, self.weight)


def _pixel_weight(sampler: Any, seg_logit: Tensor, seg_label: Tensor, weight: Optional[Tensor]) -> Optional[Tensor]:
    if sampler is None:
        return weight
    if seg_logit.shape[1] == 1 and getattr(sampler, 'thresh', None) is not None:  # it compares probabilities
        seg_logit = class_planes(seg_logit)
    sampled = sampler.sample(seg_logit, seg_label)
    return sampled if weight is None else sampled * weight


def loss_parts(head: Any) -> list[Any]:
    """The loss modules of a head (``loss_decode``, one or several)."""
    return list(head.loss_decode) if isinstance(head.loss_decode, nn.ModuleList) else [head.loss_decode]


def _counts(part: Any) -> bool:
    weight = getattr(part, 'loss_weight', 1.0)
    return not isinstance(weight, (int, float)) or weight != 0


def trained_heads(segmentor: nn.Module) -> list[str]:
    """Names of the heads whose own losses count: all decode heads, and the auxiliary heads with a loss of another
    weight than 0. Others are computed for nobody. Heads with ``losses`` of their own may have losses besides
    ``loss_decode``."""
    return [
        name
        for name, head in heads_of(segmentor).items()
        if not name.startswith('aux')
        or getattr(type(head), 'losses', None) is not BaseDecodeHead.losses
        or any(map(_counts, loss_parts(head)))
    ]


def head_losses(head: Any, seg_logit: Any, label: Tensor, weight: Optional[Tensor] = None) -> dict[str, Tensor]:
    """The losses of a decode head, weighted per pixel; accuracy is not computed.

    Args:
        head: any MMSeg decode head. Heads with a ``losses`` of their own (several outputs) keep it; the weight then
            reaches them as the result of a pixel sampler that is lent for this one call.
        seg_logit: what the head's ``forward`` returned; resized to the label here. For a one-channel head the two
            planes that stand for its logit do as well.
        label: int64 (B, 1, H, W), the head's ``ignore_index`` = no loss.
        weight: float (B, H, W), or None.

    Returns:
        ``{loss_name: scalar}``, without losses of weight 0 beside others. Ignored and zero-weight pixels count in the
        mean of MMSeg's default cross entropy, so that an all-ignored label gives 0 with zero gradient.

    Raises:
        ConfigError: weights for a head or a loss that cannot weigh pixels.
    """
    one_channel = getattr(head, 'out_channels', None) == 1
    if one_channel and isinstance(seg_logit, Tensor) and seg_logit.shape[1] == 2:
        seg_logit = one_plane(seg_logit)
    if getattr(type(head), 'losses', None) is not BaseDecodeHead.losses:
        return _own_losses(head, seg_logit, label, weight)
    logits = resize_scores(seg_logit.float(), label.shape[2:], head.align_corners)
    weight = _pixel_weight(head.sampler, logits, label, weight)
    single = loss_of_one_channel if one_channel else loss_of
    losses: dict[str, Tensor] = {}
    parts = loss_parts(head)
    for part in list(filter(_counts, parts)) or parts:
        value = single(part, logits, label.squeeze(1), weight, head.ignore_index)
        losses[part.loss_name] = losses[part.loss_name] + value if part.loss_name in losses else value
    return losses


def _own_losses(head: nn.Module, seg_logit: Any, label: Tensor, weight: Optional[Tensor]) -> dict[str, Tensor]:
    if weight is None:
        losses = head.losses(seg_logit, label)  # type: ignore[operator]
    else:
        with _lent_weight(head, weight):
            losses = head.losses(seg_logit, label)  # type: ignore[operator]
    return {name: value for name, value in losses.items() if 'loss' in name}


@contextlib.contextmanager
def _lent_weight(head: nn.Module, weight: Tensor) -> Iterator[None]:
    """Samplers that give ``weight``, and losses that heed it, in a head and the heads inside it.

    Raises:
        ConfigError: nobody asked for the weight.
    """
    heads = [module for module in head.modules() if module is head or isinstance(module, BaseDecodeHead)]
    lent: list[tuple[Any, Any]] = [(module, getattr(module, 'sampler', None)) for module in heads]
    parts: list[Any] = [module for module in head.modules() if isinstance(module, ADJUSTED)]
    samplers = []
    try:
        for module, sampler in lent:
            samplers.append(_LentWeight(weight, sampler))
            module.sampler = samplers[-1]
        for part in parts:
            part.forward = types.MethodType(_weighted_forward, part)
        yield
    finally:
        for module, sampler in lent:
            module.sampler = sampler
        for part in parts:
            del part.forward
    if not any(sampler.asked for sampler in samplers):
        raise ConfigError(
            f'{type(head).__name__}.losses does not ask its pixel sampler, but the method weighs pixels '
            '(pseudo-labels that are unsure, margins): they would count fully. Let it call BaseDecodeHead.losses, or '
            'self.sampler.sample(seg_logit, seg_label) for the weight (B, H, W), or train with SourceOnly'
        )


def _weighted_forward(
    part: Any, logits: Tensor, label: Tensor, weight: Optional[Tensor] = None, ignore_index: int = 255, **options: Any
) -> Tensor:
    if weight is None or logits.shape[2:] != label.shape[1:]:
        return type(part).forward(part, logits, label, weight=weight, ignore_index=ignore_index, **options)
    return loss_of(part, logits, label, weight, ignore_index)

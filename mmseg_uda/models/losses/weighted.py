"""MMSegmentation's losses with a weight per pixel.

Its cross entropy takes the weight map as it is. Focal loss wants it flat, Dice, Tversky and Lovasz let it vanish in
``**kwargs``. Here each of them is weighted such that weights of 1 change nothing, a common factor of the weights is a
factor of the loss, and a pixel of weight 0 has no say.
"""

from __future__ import annotations

import inspect
from typing import Any, Callable, Optional

import torch
import torch.nn.functional as F
from mmseg.models.losses import CrossEntropyLoss, DiceLoss, FocalLoss, LovaszLoss, TverskyLoss
from mmseg.models.losses.focal_loss import py_sigmoid_focal_loss
from mmseg.models.losses.lovasz_loss import lovasz_grad
from torch import Tensor, nn

from ...ops.binary import class_planes, one_plane
from ...utils.config_errors import ConfigError

#: losses of MMSegmentation that need this module to heed a weight map
ADJUSTED = (DiceLoss, TverskyLoss, LovaszLoss, FocalLoss)


def loss_of(part: nn.Module, logits: Tensor, label: Tensor, weight: Optional[Tensor], ignore_index: int) -> Tensor:
    """One of a head's losses.

    Args:
        part: a loss of MMSegmentation or a user's own.
        logits: class scores (B, C, H, W) at the size of the label; of a one-channel head either its logit (B, 1, H, W)
            or the two planes that stand for it.
        label: int64 (B, H, W).
        weight: float (B, H, W), or None.
        ignore_index: label of pixels without loss.

    Raises:
        ConfigError: weights for a loss whose ``forward`` takes none.
    """
    if isinstance(part, LovaszLoss):
        return _lovasz(part, logits, label, weight, ignore_index)
    if isinstance(part, (DiceLoss, TverskyLoss)):
        logits = class_planes(logits) if logits.shape[1] == 1 else logits
        if weight is not None:
            return _overlap(part, logits, label, weight, ignore_index)
    if isinstance(part, FocalLoss):
        return _focal(part, logits, label, weight, ignore_index)
    if weight is not None and not _takes_weight(part):
        raise ConfigError(
            f'{type(part).__name__}.forward has no parameter weight, but the method weighs pixels (pseudo-labels that '
            'are unsure, margins): they would count fully. Give the loss a parameter weight (B, H, W), or use '
            'CrossEntropyLoss, FocalLoss, DiceLoss, TverskyLoss or LovaszLoss'
        )
    return part(logits, label, weight=weight, ignore_index=ignore_index, **_divisor(part, label, ignore_index))


def _divisor(part: nn.Module, label: Tensor, ignore_index: int) -> dict[str, Tensor]:
    """The number of valid pixels for a cross entropy with ``avg_non_ignore``, counted on the device: MMSegmentation
    asks the device for it, and the host waits."""
    if not isinstance(part, CrossEntropyLoss) or part.use_sigmoid or part.use_mask:
        return {}
    if not getattr(part, 'avg_non_ignore', False) or part.reduction != 'mean':
        return {}
    return dict(avg_factor=(label != ignore_index).sum().float())


def loss_of_one_channel(
    part: nn.Module, logit: Tensor, label: Tensor, weight: Optional[Tensor], ignore_index: int
) -> Tensor:
    """A loss of a one-channel head on its logit (B, 1, H, W); other arguments as in :func:`loss_of`.

    A sigmoid loss sees the logit, a softmax loss the two planes that stand for it.
    """
    if isinstance(part, CrossEntropyLoss) and part.use_sigmoid:
        if not (label != ignore_index).any():  # MMSegmentation takes the largest label of none
            return logit.sum() * 0
        return part(logit, label, weight=weight, ignore_index=ignore_index)
    if isinstance(part, (CrossEntropyLoss, TverskyLoss, DiceLoss)) or _is_softmax_lovasz(part):
        return loss_of(part, class_planes(logit), label, weight, ignore_index)
    return loss_of(part, logit, label, weight, ignore_index)


def _is_softmax_lovasz(part: nn.Module) -> bool:
    return isinstance(part, LovaszLoss) and part.cls_criterion.__name__ == 'lovasz_softmax'


def _takes_weight(part: nn.Module) -> bool:
    return 'weight' in inspect.signature(part.forward).parameters


def _focal(part: Any, logits: Tensor, label: Tensor, weight: Optional[Tensor], ignore_index: int) -> Tensor:
    """Sigmoid focal loss (Lin et al. 2017) of flat pixels, in plain torch: no compiled op is needed."""
    channels = logits.shape[1]
    valid = (label != ignore_index).flatten()  # (N,)
    kept = label.flatten().where(valid, label.new_zeros(()))
    target = kept[:, None] if channels == 1 else F.one_hot(kept, channels)  # (N, C)
    shares = valid.to(logits) if weight is None else weight.flatten() * valid
    return part.loss_weight * py_sigmoid_focal_loss(
        logits.movedim(1, -1).reshape(-1, channels),
        target,
        weight=shares[:, None],
        gamma=part.gamma,
        alpha=part.alpha,
        class_weight=part.class_weight,
        reduction=part.reduction,
    )


def _overlap(part: Any, logits: Tensor, label: Tensor, weight: Tensor, ignore_index: int) -> Tensor:
    """Dice (Milletari et al. 2016) or Tversky loss of the weighted pixels of each image, times their mean weight."""
    probabilities = logits.softmax(1).flatten(2)  # (B, C, N)
    classes = probabilities.shape[1]
    one_hot = F.one_hot(label.clamp(0, classes - 1), classes).flatten(1, 2).transpose(1, 2)  # (B, C, N)
    valid = (label != ignore_index) & (label != part.ignore_index)
    weight = (weight * valid).flatten(1)  # (B, N)
    mean = weight.sum(1) / valid.flatten(1).sum(1).clamp(min=1)  # (B,)
    shares = (weight / mean.clamp(min=torch.finfo(weight.dtype).tiny)[:, None])[:, None]  # (B, 1, N), mean 1
    kind: Callable[..., Tensor] = _dice if isinstance(part, DiceLoss) else _tversky
    losses = kind(part, probabilities, one_hot.to(probabilities), shares) * mean[:, None]  # (B, C)
    if part.class_weight is not None:
        losses = losses * losses.new_tensor(part.class_weight)
    per_image = losses[:, [c for c in range(classes) if c != part.ignore_index]].sum(1) / classes
    reduction = getattr(part, 'reduction', 'mean')
    reduced = per_image.sum() if reduction == 'sum' else per_image.mean() if reduction == 'mean' else per_image
    return part.loss_weight * reduced


def _dice(part: Any, probabilities: Tensor, one_hot: Tensor, weight: Tensor) -> Tensor:
    common = (weight * probabilities * one_hot).sum(2)
    sizes = (weight * (probabilities.pow(part.exponent) + one_hot.pow(part.exponent))).sum(2)
    return 1 - (2 * common + part.smooth) / (sizes + part.smooth)


def _tversky(part: Any, probabilities: Tensor, one_hot: Tensor, weight: Tensor) -> Tensor:
    hits = (weight * probabilities * one_hot).sum(2)
    false_positives = (weight * probabilities * (1 - one_hot)).sum(2)
    false_negatives = (weight * (1 - probabilities) * one_hot).sum(2)
    return 1 - (hits + part.smooth) / (hits + part.alpha * false_positives + part.beta * false_negatives + part.smooth)


def _lovasz(part: Any, logits: Tensor, label: Tensor, weight: Optional[Tensor], ignore_index: int) -> Tensor:
    """Lovasz-Softmax or -hinge (Berman et al. 2018) on errors times their weight; pixels of weight 0 are left out.

    Unlike MMSegmentation's it is 0, with zero gradient, where no pixel is left.
    """
    softmax = _is_softmax_lovasz(part)
    if not softmax and logits.shape[1] == 2:
        logits = one_plane(logits)
    scores = logits.softmax(1) if softmax else logits
    valid = label != ignore_index
    if weight is not None:
        valid = valid & (weight > 0)
    weight = torch.ones_like(scores[:, 0]) if weight is None else weight.to(scores)
    groups = [slice(i, i + 1) for i in range(len(label))] if part.per_image else [slice(None)]
    losses = []
    for rows in groups:
        keep = valid[rows]
        pixels = scores[rows].movedim(1, -1)[keep]  # (P, C)
        flat = _lovasz_softmax if softmax else _lovasz_hinge
        losses.append(flat(part, pixels, label[rows][keep], weight[rows][keep]) + 0 * scores[rows].sum())
    stacked = torch.stack(losses)
    reduced = {'mean': stacked.mean, 'sum': stacked.sum}.get(part.reduction, lambda: stacked)()
    return part.loss_weight * (reduced if part.per_image else stacked[0])


def _lovasz_softmax(part: Any, pixels: Tensor, label: Tensor, weight: Tensor) -> Tensor:
    classes = range(pixels.shape[1]) if part.classes in ('all', 'present') else part.classes
    losses = []
    for c in classes:
        truth = (label == c).to(pixels)
        if len(label) == 0 or (part.classes == 'present' and not truth.any()):
            continue
        errors, order = ((truth - pixels[:, c]).abs() * weight).sort(descending=True)
        loss = torch.dot(errors, lovasz_grad(truth[order]))
        losses.append(loss if part.class_weight is None else loss * part.class_weight[c])
    return torch.stack(losses).mean() if losses else pixels.sum() * 0


def _lovasz_hinge(part: Any, pixels: Tensor, label: Tensor, weight: Tensor) -> Tensor:
    if len(label) == 0:
        return pixels.sum() * 0
    errors, order = ((1 - pixels[:, 0] * (2 * label - 1)) * weight).sort(descending=True)
    return torch.dot(errors.relu(), lovasz_grad(label[order]))

"""How good pseudo-labels are: figures over a run, from the views of a method (see ``UDASegmentor.record_view``)."""

from __future__ import annotations

from typing import Any, Mapping, Optional, Sequence

import torch
from torch import Tensor

from ..ops.labels import IGNORE
from .view_pictures import Views

#: figures that go into every log line; the others are for the curves of a report
LOGGED = ('weight', 'confidence', 'accuracy')


def quality_of(
    views: Views, classes: Sequence[str], truth: Optional[Mapping[str, Tensor]] = None
) -> dict[str, dict[str, Any]]:
    """Figures of the pseudo-labels of every view that has some; one device-to-host transfer.

    Args:
        views: with ``pseudo_label`` int64 (B, H, W), ``weight`` float (B, H, W) and ``confidence`` (B, H, W) as far as
            the method has them.
        classes: names by class id.
        truth: ground truth (B, H, W) by view, 255 = not known.

    Returns:
        By view: ``kept``, the share of pixels with a weight; ``weight`` and ``confidence``, means over all pixels;
        ``share``, of the kept pixels by class. With a truth ``accuracy`` of the pixels where it is known,
        ``kept_accuracy`` of those with a weight, and ``class_accuracy`` by the class of the pseudo-label (precision);
        None where there is no such pixel.
    """
    names, values = [], []
    for name, view in views.items():
        if 'pseudo_label' in view:
            names.append((name, 'confidence' in view, truth is not None and name in truth))
            values.append(_figures(view, len(classes), (truth or {}).get(name)))
    if not values:
        return {}
    flat = torch.cat(values).tolist()
    found = {}
    for name, has_confidence, has_truth in names:
        found[name], flat = _unpacked(flat, classes, has_confidence, has_truth)
    return found


def _figures(view: Mapping[str, Tensor], count: int, truth: Optional[Tensor]) -> Tensor:
    """All figures of a view in one vector, on the device."""
    label = view['pseudo_label'].reshape(-1).long()
    weight = view['weight'].reshape(-1).float() if 'weight' in view else torch.ones_like(label, dtype=torch.float32)
    labelled = (label >= 0) & (label < count)
    kept = labelled & (weight > 0)
    figures = [(weight > 0).float().mean(), weight.mean()]
    if 'confidence' in view:
        figures.append(view['confidence'].float().mean())
    total = _histogram(label, kept, count)
    parts = [torch.stack(figures), total / total.sum().clamp(min=1)]
    if truth is not None:
        known = labelled & (truth.reshape(-1) != IGNORE)
        right = known & (truth.reshape(-1) == label)
        parts += [_histogram(label, among, count) for among in (known, right, known & kept, right & kept)]
    return torch.cat(parts)


def _histogram(label: Tensor, among: Tensor, count: int) -> Tensor:
    """Pixels of every class among some."""
    return torch.bincount(torch.where(among, label, count), minlength=count + 1)[:count].float()


def _unpacked(
    flat: list[float], classes: Sequence[str], has_confidence: bool, has_truth: bool
) -> tuple[dict[str, Any], list[float]]:
    head = 2 + has_confidence
    count = len(classes)
    found: dict[str, Any] = dict(zip(('kept', 'weight', 'confidence'), flat[:head]))
    found['share'] = dict(zip(classes, flat[head : head + count]))
    end = head + count
    if has_truth:
        known, right, kept, kept_right = (flat[end + i * count : end + (i + 1) * count] for i in range(4))
        end += 4 * count
        found['accuracy'] = sum(right) / sum(known) if sum(known) else None
        found['kept_accuracy'] = sum(kept_right) / sum(kept) if sum(kept) else None
        found['class_accuracy'] = {name: r / k if k else None for name, r, k in zip(classes, right, known)}
    return found, flat[end:]

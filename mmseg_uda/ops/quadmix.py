"""Masks, pastes and composites of QuadMix (Unified Domain Adaptive Semantic Segmentation, arXiv 2311.13254)."""

from __future__ import annotations

from typing import Any, Mapping, NamedTuple, Optional, Sequence, Tuple

import torch
from torch import Tensor

from .mixing import LABEL_VALUES, mix
from .normalize import normalize_on_device

EXCLUSIONS = ('class_id', 'position')
PATCH_NORMS = ('consistent', 'legacy')
PATCH_WEIGHTS = ('one', 'keep')
#: what is pasted, from below to the top
PASTE_ORDER = ('source', 'target', 'patches')
#: label of the pixels that an overlay leaves as they are
NOTHING = 255
_LEGACY_MEAN = (123.675, 116.28, 103.53)


class Composite(NamedTuple):
    """Images (B, 3, H, W), labels int64 (B, 1, H, W) and pixel weights float32 (B, H, W)."""

    img: Tensor
    label: Tensor
    weight: Tensor


Region = Tuple[Tensor, Composite]


class Patches(NamedTuple):
    """K class patches per image in pasting order: images (B, K, 3, H, W), labels (B, K, H, W), classes int64 (B, K)."""

    img: Tensor
    label: Tensor
    classes: Tensor


class Overlay(NamedTuple):
    """Merged class patches: images (B, 3, H, W) and labels (B, H, W), :data:`NOTHING` where nothing is pasted."""

    img: Tensor
    label: Tensor


def draw_classes(present: Tensor, scores: Tensor, count: int) -> Tensor:
    """Draw up to ``count`` of the present classes of each image: those with the lowest scores.

    Args:
        present: bool (B, 256).
        scores: float (B, 256), independent uniform draws.

    Returns:
        bool (B, 256) with min(count, number of present classes) values set per image.
    """
    order = scores.masked_fill(~present, float('inf')).argsort(1).argsort(1)
    return present & (order < count)


def excluded_classes(present: Tensor, chosen: Tensor, mode: str = 'class_id') -> Tensor:
    """Classes that target patches must not carry.

    Args:
        present: bool (B, 256), values of the source template.
        chosen: bool (B, 256), the drawn ones.
        mode: ``class_id`` excludes the drawn classes; ``position`` the classes whose ids equal the *positions* of the
            drawn ones among the ascending values, as the released image code does.

    Returns:
        bool (B, 256).
    """
    if mode not in EXCLUSIONS:
        raise ValueError(f"exclude must be one of {EXCLUSIONS}, got '{mode}'")
    if mode == 'class_id':
        return chosen
    positions = (present.long().cumsum(1) - 1).clamp(min=0)
    return torch.zeros_like(chosen, dtype=torch.long).scatter_add_(1, positions, chosen.long()) > 0


def paste(mask: Tensor, front: Composite, back: Composite) -> Composite:
    """``front`` where ``mask`` (B, 1, H, W) is set, ``back`` elsewhere; NaN of the hidden side does not get through."""
    return Composite(
        mix(mask, front.img, back.img), mix(mask, front.label, back.label), mix(mask[:, 0], front.weight, back.weight)
    )


def merge_patches(patches: Patches) -> Overlay:
    """Merge the patches of each image, in pasting order: of each patch the pixels of its own class count, later ones
    win."""
    img = torch.zeros_like(patches.img[:, 0])
    label = torch.full_like(patches.label[:, 0], NOTHING)
    for k in range(patches.label.shape[1]):
        own = patches.label[:, k] == patches.classes[:, k].view(-1, 1, 1)
        img = mix(own.unsqueeze(1), patches.img[:, k], img)
        label = mix(own, patches.label[:, k], label)
    return Overlay(img, label)


def paste_overlay(image: Composite, overlay: Overlay, weight: str = 'one') -> Composite:
    """Paste merged class patches.

    Args:
        weight: of pasted pixels: ``one``, or ``keep`` that of the covered pixels (released code).
    """
    if weight not in PATCH_WEIGHTS:
        raise ValueError(f"the weight of class patches must be one of {PATCH_WEIGHTS}, got '{weight}'")
    label = overlay.label.unsqueeze(1).long()
    pasted = torch.ones_like(image.weight) if weight == 'one' else image.weight
    return paste(label != NOTHING, Composite(overlay.img.to(image.img.dtype), label, pasted), image)


def compose_quad(
    context: Composite,
    source: Optional[Region] = None,
    target: Optional[Region] = None,
    overlay: Optional[Overlay] = None,
    patch_weight: str = 'one',
    order: Sequence[str] = PASTE_ORDER,
) -> Composite:
    """The source template's regions over the context image, the target template's over both, class patches on top.

    Args:
        context: current source images (gives tss) or target images with pseudo-labels (gives tst).
        source, target: of each domain the mask (B, 1, H, W) and the template, or None to paste nothing.
        order: another order of the three, from below to the top.
    """
    mixed = context
    for layer in order:
        if layer == 'patches':
            mixed = mixed if overlay is None else paste_overlay(mixed, overlay, patch_weight)
        else:
            region = source if layer == 'source' else target
            mixed = mixed if region is None else paste(*region, mixed)
    return mixed


def is_quad_phase(iteration: int, start: int, filled: bool) -> bool:
    """Whether an iteration mixes in four directions: from ``start`` on, once there are templates."""
    return iteration >= start and filled


def normalize_patch(bgr: Tensor, metas: Sequence[Mapping[str, Any]], norm: str = 'consistent') -> Tensor:
    """Normalise uint8 BGR patches (B, 3, H, W) to float32; floating-point ones are taken as normalised.

    Args:
        metas: of the images that the patches are pasted into; their ``img_norm_cfg`` counts.
        norm: ``consistent`` as all other pixels; ``legacy`` as released: BGR minus the RGB means, over 255.
    """
    if norm not in PATCH_NORMS:
        raise ValueError(f"the normalisation of class patches must be one of {PATCH_NORMS}, got '{norm}'")
    if bgr.is_floating_point():
        return bgr
    if norm == 'legacy':
        return (bgr.float() - torch.tensor(_LEGACY_MEAN, device=bgr.device).view(3, 1, 1)) / 255.0
    return normalize_on_device(bgr, [dict(img_norm_cfg=meta['img_norm_cfg']) for meta in metas])


def accept_patch(label: Tensor, cls: int, min_pixels: int) -> bool:
    """Whether a patch label on the CPU holds more than ``min_pixels`` pixels of class ``cls``."""
    return int((label == cls).sum()) > min_pixels


def class_table(classes: Tensor) -> Tensor:
    """Class ids (B, K) as bool (B, 256); negative ids are left out."""
    table = torch.zeros((classes.shape[0], LABEL_VALUES + 1), dtype=torch.bool, device=classes.device)
    table.scatter_(1, torch.where(classes < 0, LABEL_VALUES, classes).long(), True)
    return table[:, :LABEL_VALUES]

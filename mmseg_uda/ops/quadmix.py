"""Masks, pastes and composites of QuadMix (Unified Domain Adaptive Semantic Segmentation, arXiv 2311.13254)."""

from __future__ import annotations

from typing import NamedTuple, Optional, Sequence

import torch
from torch import Tensor

from .mixing import LABEL_VALUES, mix

EXCLUSIONS = ('class_id', 'position')
PATCH_NORMS = ('consistent', 'legacy')
PATCH_WEIGHTS = ('one', 'keep')
_LEGACY_MEAN = (123.675, 116.28, 103.53)


class Composite(NamedTuple):
    """Images (B, 3, H, W), labels int64 (B, 1, H, W) and pixel weights float32 (B, H, W)."""

    img: Tensor
    label: Tensor
    weight: Tensor


class Patches(NamedTuple):
    """K class patches per image in pasting order: images (B, K, 3, H, W), labels (B, K, H, W), classes int64 (B, K)."""

    img: Tensor
    label: Tensor
    classes: Tensor


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


def confidence_mask(logits: Tensor, threshold: float = 0.9) -> Tensor:
    """Where the highest probability is at least ``threshold``, compared in float32: bool (B, H, W) of (B, C, H, W)."""
    return logits.float().softmax(1).amax(1) >= torch.tensor(threshold, dtype=torch.float32, device=logits.device)


def paste(mask: Tensor, front: Composite, back: Composite) -> Composite:
    """``front`` where ``mask`` (B, 1, H, W) is set, ``back`` elsewhere; NaN of the hidden side does not get through."""
    return Composite(
        mix(mask, front.img, back.img), mix(mask, front.label, back.label), mix(mask[:, 0], front.weight, back.weight)
    )


def paste_patches(image: Composite, patches: Patches, weight: str = 'one') -> Composite:
    """Paste the pixels of each patch's own class; later patches win.

    Args:
        weight: of pasted pixels: ``one``, or ``keep`` that of the covered pixels (released code).
    """
    if weight not in PATCH_WEIGHTS:
        raise ValueError(f"the weight of online patches must be one of {PATCH_WEIGHTS}, got '{weight}'")
    for k in range(patches.label.shape[1]):
        label = patches.label[:, k : k + 1].long()
        mask = label == patches.classes[:, k].view(-1, 1, 1, 1)
        pasted = torch.ones_like(image.weight) if weight == 'one' else image.weight
        image = paste(mask, Composite(patches.img[:, k].to(image.img.dtype), label, pasted), image)
    return image


def compose_quad(
    context: Composite,
    source: tuple[Tensor, Composite],
    target: tuple[Tensor, Composite],
    patches: Optional[Patches] = None,
    patch_weight: str = 'one',
) -> Composite:
    """The source template's regions over the context image, the target template's over both, class patches on top.

    Args:
        context: current source images (gives tss) or target images with pseudo-labels (gives tst).
        source, target: mask (B, 1, H, W) and template of each domain; an empty mask shows the context.
    """
    mixed = paste(*target, paste(*source, context))
    return mixed if patches is None else paste_patches(mixed, patches, patch_weight)


def is_quad_phase(iteration: int, start: int, filled: bool) -> bool:
    """Whether an iteration mixes in four directions: from ``start`` on, once there are templates."""
    return iteration >= start and filled


def normalize_patch(rgb: Tensor, mean: Sequence[float], std: Sequence[float], norm: str = 'consistent') -> Tensor:
    """Normalise uint8 RGB patches (..., 3, H, W) to float32.

    Args:
        mean, std: of the data pipeline, in RGB order.
        norm: ``consistent`` as all other pixels; ``legacy`` as released: BGR minus the RGB means, over 255.
    """
    if norm not in PATCH_NORMS:
        raise ValueError(f"the norm of online patches must be one of {PATCH_NORMS}, got '{norm}'")
    values = (rgb.flip(-3) if norm == 'legacy' else rgb).float()
    shift, scale = (_LEGACY_MEAN, (255.0,) * 3) if norm == 'legacy' else (mean, std)
    return (values - values.new_tensor(shift).view(3, 1, 1)) / values.new_tensor(scale).view(3, 1, 1)


def accept_patch(label: Tensor, cls: int, min_pixels: int) -> bool:
    """Whether a patch label on the CPU holds more than ``min_pixels`` pixels of class ``cls``."""
    return int((label == cls).sum()) > min_pixels


def class_table(classes: Tensor) -> Tensor:
    """Class ids (B, K) as bool (B, 256); negative ids are left out."""
    table = torch.zeros((classes.shape[0], LABEL_VALUES + 1), dtype=torch.bool, device=classes.device)
    table.scatter_(1, torch.where(classes < 0, LABEL_VALUES, classes).long(), True)
    return table[:, :LABEL_VALUES]

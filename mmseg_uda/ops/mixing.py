"""ClassMix across domains (DACS, arXiv 2007.08702, section 3; Olsson et al., arXiv 2007.07936)."""

from __future__ import annotations

import torch
from torch import Tensor

from .world import ALONE, World

#: labels are train ids in [0, 255], 255 = ignore
LABEL_VALUES = 256
SCOPES = ('batch', 'image')


def classes_present(label: Tensor, scope: str = 'image', world: World = ALONE) -> Tensor:
    """Which label values occur.

    Args:
        label: int64 (B, 1, H, W) or (B, H, W) in [0, 255].
        scope: ``image`` or ``batch`` (a value counts for every image when it occurs in any image of all ranks).

    Returns:
        bool (B, 256).
    """
    if scope not in SCOPES:
        raise ValueError(f"scope must be one of {SCOPES}, got '{scope}'")
    flat = label.flatten(1)  # (B, H * W)
    present = torch.zeros((flat.shape[0], LABEL_VALUES), dtype=torch.bool, device=label.device)
    present.scatter_(1, flat, torch.ones((), dtype=torch.bool, device=label.device).expand_as(flat))
    if scope == 'image':
        return present
    return (world.total(present.any(0).int()) > 0).expand_as(present)


def choose_half(present: Tensor, scores: Tensor) -> Tensor:
    """Draw ceil(n/2) of the n present classes of each image: those with the lowest scores.

    Args:
        present: bool (B, K).
        scores: float (B, K), independent uniform draws.

    Returns:
        bool (B, K).
    """
    # the place of each class in the order of its draws; absent classes come last
    ranks = scores.masked_fill(~present, float('inf')).argsort(1).argsort(1)  # (B, K)
    count = present.sum(1, keepdim=True)
    return present & (ranks < (count + 1) // 2)


def class_mask(label: Tensor, chosen: Tensor) -> Tensor:
    """1 where the label is a chosen class.

    Args:
        label: int64 (B, 1, H, W).
        chosen: bool (B, 256).

    Returns:
        int64 (B, 1, H, W).
    """
    return chosen.gather(1, label.flatten(1)).view(label.shape).long()


def class_mix_masks(label: Tensor, scores: Tensor, scope: str = 'batch', world: World = ALONE) -> Tensor:
    """ClassMix masks: half of the classes (rounded up) of the source label are pasted.

    Args:
        label: int64 source label (B, 1, H, W); 255 counts as a class, as in the released code of the DAFormer family.
        scores: float (B, 256) on the label's device, one uniform draw per image and class.
        scope: ``batch`` draws from the classes of the whole batch (released code of DAFormer, HRDA, MIC), ``image``
            from those of the image
            (DACS and the papers).

    Returns:
        int64 (B, 1, H, W), 1 = source pixel. Nothing is copied to the host.
    """
    return class_mask(label, choose_half(classes_present(label, scope, world), scores))


def mix(mask: Tensor, source: Tensor, target: Tensor) -> Tensor:
    """mask * source + (1 - mask) * target; shapes broadcast, the dtype of ``source`` is kept."""
    return torch.where(mask.bool(), source, target.to(source.dtype))

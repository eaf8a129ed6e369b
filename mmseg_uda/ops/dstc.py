"""Pure functions of DSTC (Gao, Wang, Zhang, ICME 2024): class draws, class-wise alignment, repeated parameters in
SGD."""

from __future__ import annotations

from typing import Optional, Sequence

import torch
from torch import Tensor

from .labels import IGNORE
from .mixing import LABEL_VALUES, choose_half, class_mask, classes_present, mix
from .world import ALONE, World

#: partial sums of a class mean; one float32 sum over all pixels of large crops would lose its last digits
PARTIAL_SUMS = 64


def label_classes(label: Tensor) -> Tensor:
    """Classes of each image without ignore; int64 (B, H, W) -> bool (B, 256)."""
    present = classes_present(label)
    present[:, IGNORE] = False
    return present


def draw_half(present: Tensor, scores: Tensor, replacement: bool) -> Tensor:
    """Draw ceil(n/2) of the n classes of each image.

    Args:
        present: bool (B, 256).
        scores: (B, 256) independent uniform draws in [0, 1).
        replacement: independent draws, of which some may fall on one class (labelled source images); else
            distinct classes (pseudo-labels).

    Returns:
        bool (B, 256).
    """
    if not replacement:
        return choose_half(present, scores)
    count = present.sum(1, keepdim=True)
    # position of the drawn class among the present ones, then its id: present classes come first in a stable sort
    ids = present.int().argsort(dim=1, descending=True, stable=True)
    drawn = ids.gather(1, (scores * count).long().clamp(max=LABEL_VALUES - 1))
    used = torch.arange(LABEL_VALUES, device=present.device) < (count + 1) // 2
    return torch.zeros_like(drawn).scatter_add_(1, drawn, used.long()) > 0


def class_set(classes: Sequence[Tensor], device: Optional[torch.device] = None) -> Tensor:
    """Class ids per image (repeats and none allowed) as bool (B, 256)."""
    chosen = torch.zeros((len(classes), LABEL_VALUES), dtype=torch.bool, device=device)
    for row, ids in zip(chosen, classes):
        row[ids.long()] = True
    return chosen


def paste_classes(
    img: Tensor, label: Tensor, chosen: Tensor, base_img: Tensor, base_label: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Paste the pixels of the chosen classes of image b onto base image b.

    Args:
        img, base_img: (B, 3, H, W).
        label, base_label: int64 (B, H, W), 255 = ignore.
        chosen: bool (B, 256); ignored pixels are pasted only if 255 is chosen.

    Returns:
        images (B, 3, H, W), labels (B, H, W), mask int64 (B, 1, H, W).
    """
    mask = class_mask(label[:, None], chosen)
    return mix(mask, img, base_img), mix(mask[:, 0], label, base_label), mask


def keep_sure(label: Tensor, sure: Tensor) -> Tensor:
    """``label`` (B, H, W) with 255 where the bool map ``sure`` is False."""
    return label.masked_fill(~sure, IGNORE)


def class_mean_logits(logits: Tensor, label: Tensor, world: World = ALONE) -> tuple[Tensor, Tensor]:
    """Mean logit vector of all pixels of the batch that carry each label.

    Args:
        logits: (B, C, H, W).
        label: int64 (B, H, W) in [0, C) or 255.

    Returns:
        float32 (C + 1, C), the last row for ignored pixels, 0 for absent groups; and the pixel counts (C + 1,).
        Gradients reach this rank's pixels, scaled so that the mean over the ranks is that of the whole batch.
    """
    number = logits.shape[1]
    rows = torch.arange(label.shape[1], device=label.device) % PARTIAL_SUMS
    group = (label.masked_fill(label == IGNORE, number) + rows[:, None] * (number + 1)).flatten()
    flat = logits.float().permute(0, 2, 3, 1).reshape(-1, number)
    own = (
        flat.new_zeros(PARTIAL_SUMS * (number + 1), number)
        .index_add(0, group, flat)
        .view(PARTIAL_SUMS, number + 1, number)
        .sum(0)
    )
    ones = flat.new_zeros(PARTIAL_SUMS * (number + 1)).index_add(0, group, torch.ones_like(flat[:, 0]))
    counts = world.total(ones.view(PARTIAL_SUMS, number + 1).sum(0))
    sums = world.total(own.detach()) + (own - own.detach()) * world.world_size
    return sums / counts.clamp(min=1)[:, None], counts


def target_preferred_alignment(
    source: Tensor, target: Tensor, label: Tensor, include_ignore: bool = True, world: World = ALONE
) -> Tensor:
    """L1 distance of the class-wise mean logits of two networks, averaged over the groups present and their channels.

    Args:
        source: logits of the source-biased network (B, C, H, W); the only ones that get a gradient.
        target: logits of the target-biased network.
        label: ground truth of the source images, int64 (B, H, W), 255 = ignore.
        include_ignore: ignored pixels form one more group, as in the released code.

    Returns:
        Scalar; 0 with a zero gradient when there is no group.
    """
    mean_source, counts = class_mean_logits(source, label, world)
    mean_target, _ = class_mean_logits(target.detach(), label, world)
    present = counts > 0
    if not include_ignore:
        present = present & (torch.arange(len(counts), device=counts.device) < len(counts) - 1)
    distance = (mean_source - mean_target).abs().mean(1)
    return (distance * present).sum() / present.sum().clamp(min=1)


def repeated_sgd_update(
    param: Tensor, grad: Tensor, buffer: Optional[Tensor], lr: float, momentum: float, weight_decay: float, repeats: int
) -> tuple[Tensor, Tensor]:
    """One SGD step of a parameter that stands ``repeats`` times in the optimiser's list (AdaptSegNet code family).

    Args:
        param, grad: equal shapes.
        buffer: momentum of the step before; None on the first step, when every repeat starts with its own.

    Returns:
        new parameter and momentum; 1 repeat is ordinary SGD.
    """
    velocity = buffer
    for _ in range(repeats):
        direction = grad + weight_decay * param
        velocity = direction if buffer is None or velocity is None else momentum * velocity + direction
        param = param - lr * velocity
    if velocity is None:
        raise ValueError(f'repeats must be at least 1, got {repeats}')
    return param, velocity

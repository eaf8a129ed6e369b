"""Mixing by class statistics: copy-paste and box CutMix of AEL (arXiv 2110.05474), batch mixing of U2PL (arXiv
2203.03884)."""

from __future__ import annotations

import math
from typing import NamedTuple, Optional, Sequence, Union

import numpy as np
import torch
from torch import Tensor

from .labels import IGNORE


def class_copy_paste(
    images: Tensor, labels: Tensor, paste_images: Tensor, paste_labels: Tensor, paste_classes: Tensor
) -> tuple[Tensor, Tensor]:
    """Paste the pixels of some classes from a donor into each image.

    A sample whose donor label sums to 0 (an empty donor) stays as it is.

    Args:
        images, paste_images: (B, 3, H, W).
        labels, paste_labels: (B, H, W) int64.
        paste_classes: (Q,) int64, repetitions allowed.

    Returns:
        images, labels: new tensors.
    """
    wanted = torch.zeros(IGNORE + 1, dtype=torch.bool, device=labels.device).index_fill_(
        0, paste_classes.to(labels.device), True
    )
    mask = wanted[paste_labels] & (paste_labels.flatten(1).sum(dim=1) != 0)[:, None, None]
    return torch.where(mask[:, None], paste_images, images), torch.where(mask, paste_labels, labels)


def random_half_area_box(
    size: Union[int, tuple[int, int]], u_y: float, u_pos: Sequence[float], share: float = 0.5
) -> tuple[int, int, int, int]:
    """A random box that covers ``share`` of the image (CutMix as in AEL).

    Args:
        size: edge of a square image, or (height, width).
        u_y: uniform draw for the aspect: relative height exp(u_y * log(share)), relative width share / height.
        u_pos: two uniform draws for the position, (y, x).

    Returns:
        y0, x0, y1, x1, end-exclusive. Rounding is half to even.
    """
    height, width = (size, size) if isinstance(size, int) else size
    relative = math.exp(u_y * math.log(share))
    box_h, box_w = round(relative * height), round(share / relative * width)
    y0, x0 = round((height - box_h) * u_pos[0]), round((width - box_w) * u_pos[1])
    return y0, x0, y0 + box_h, x0 + box_w


class Components(NamedTuple):
    """The connected components of a mask, numbered from 1 by the raster order of their first pixels.

    Attributes:
        areas: (n,) pixels of each.
        boxes: (n, 4) bounding boxes y0, x0, y1, x1, end-exclusive.
        size: (H, W) of the mask.
    """

    areas: np.ndarray
    boxes: np.ndarray
    size: tuple[int, int]


def class_box(
    components: Components, order: Sequence[int], area_threshold: float, u_y: float, u_pos: Sequence[float]
) -> tuple[int, int, int, int]:
    """The bounding box of the first large component of a class, or a random box of half the area.

    Args:
        components: those of the class.
        order: component ids in the order in which they are tried.
        area_threshold: a component is large when its area exceeds area_threshold * H * W.
        u_y, u_pos: draws for :func:`random_half_area_box`, used when no component is large.

    Returns:
        y0, x0, y1, x1, end-exclusive.
    """
    large = components.areas > area_threshold * math.prod(components.size)
    for component in order:
        if large[component - 1]:
            y0, x0, y1, x1 = components.boxes[component - 1].tolist()
            return y0, x0, y1, x1
    return random_half_area_box(components.size, u_y, u_pos)


def box_mask(box: Sequence[int], size: tuple[int, int], device: Optional[torch.device] = None) -> Tensor:
    """Mask of a box [y0, x0, y1, x1]: (H, W) float, 1 inside."""
    mask = torch.zeros(size, device=device)
    mask[box[0] : box[2], box[1] : box[3]] = 1
    return mask


def raster_order(components: np.ndarray) -> np.ndarray:
    """Ids of 8-connected components (H, W; 0 = background) by the raster order of their first pixels; (n,).

    A first pixel has no neighbour before it, which leaves few pixels to be sorted.
    """
    inside = components != 0
    follows = np.zeros_like(inside)
    follows[:, 1:] |= inside[:, :-1]
    follows[1:] |= inside[:-1]
    follows[1:, 1:] |= inside[:-1, :-1]
    follows[1:, :-1] |= inside[:-1, 1:]
    ids, first = np.unique(components[inside & ~follows], return_index=True)
    return ids[np.argsort(first)]


def class_presence(prediction: Tensor, classes: int, area_threshold: float) -> Tensor:
    """Which classes cover a noticeable part of each image.

    Args:
        prediction: (B, H, W) int64 class ids below ``classes``.
        area_threshold: share of the pixels a class needs at least (and more than none).

    Returns:
        (C, B) float of 0 and 1.
    """
    batch = len(prediction)
    offset = torch.arange(batch, device=prediction.device)[:, None] * classes
    flat = (prediction.flatten(1) + offset).flatten()  # (B * H * W,): every image counts in classes of its own
    counts = torch.zeros(batch * classes, device=flat.device).index_add_(
        0, flat, torch.ones_like(flat, dtype=torch.float32)
    )
    counts = counts.view(batch, classes).T  # (C, B)
    return ((counts > 0) & (counts >= area_threshold * prediction[0].numel())).float()


def update_presence_bank(bank: Tensor, prediction: Tensor, image_ids: Sequence[int], area_threshold: float) -> Tensor:
    """The (C, N) presence bank with the columns of the predicted images replaced; of equal ids the later image wins.

    Args:
        bank: (C, N) of 0 and 1.
        prediction: (B, H, W) int64.
        image_ids: column of each image.
    """
    columns = class_presence(prediction, len(bank), area_threshold)
    updated = bank.clone()
    for position, image in enumerate(image_ids):
        updated[:, image] = columns[:, position]
    return updated


def cutout_mask(size: tuple[int, int], width: int, x0: int, y0: int) -> Tensor:
    """Keep-mask of U2PL's rectangle of half the image: 0 in a box of the given width and round(H W / 2 / width) rows;
    (H, W) float."""
    height = int(np.round(size[0] * size[1] / 2 / width))
    return 1 - box_mask((y0, x0, y0 + height, x0 + width), size)


def classmix_mask(label: Tensor, permutation: Sequence[int]) -> Tensor:
    """Keep-mask of half (floor) of the classes of one label map.

    Args:
        label: (H, W) int64.
        permutation: of the sorted classes in ``label``; its first half is kept.

    Returns:
        (H, W) float.
    """
    classes = torch.unique(label)
    chosen = classes[torch.as_tensor(np.asarray(permutation), device=label.device, dtype=torch.int64)][
        : len(classes) // 2
    ]
    return torch.isin(label, chosen).float()


def mix_batch(
    images: Tensor, labels: Tensor, confidence: Tensor, masks: Tensor, cutout: bool = False
) -> tuple[Tensor, Tensor, Tensor]:
    """Mix every image with the next one of the batch (a batch of one mixes with itself).

    Args:
        images: (B, 3, H, W); labels: (B, H, W) int64; confidence: (B, H, W).
        masks: (B, H, W), 1 keeps the image, 0 shows its partner.
        cutout: show nothing instead of the partner: image 0, label 255, confidence 0.
    """
    if cutout:
        return images * masks[:, None], labels.masked_fill(masks == 0, IGNORE), confidence * masks
    keep = masks.bool()
    mixed = torch.where(keep[:, None], images, images.roll(-1, 0))
    return mixed, torch.where(keep, labels, labels.roll(-1, 0)), torch.where(keep, confidence, confidence.roll(-1, 0))

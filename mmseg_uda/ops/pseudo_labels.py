"""Pseudo-labels of a teacher and their weight (DACS, arXiv 2007.08702, eq. 3; DAFormer, arXiv 2111.14887, eq. 4)."""

from __future__ import annotations

from typing import Optional

import torch
from torch import Tensor

from .world import ALONE, World

SCOPES = ('batch', 'image')


def class_probabilities(logits: Tensor, mirrored: Optional[Tensor] = None) -> Tensor:
    """Softmax over classes, float32 (B, C, H, W).

    Args:
        logits: (B, C, H, W).
        mirrored: logits of the horizontally mirrored images, not mirrored back; the two softmaxes are averaged
            (VFM-UDA).
    """
    probabilities = logits.float().softmax(1)
    return probabilities if mirrored is None else (probabilities + mirrored.float().softmax(1).flip(-1)) / 2


def pseudo_label(
    logits: Tensor,
    threshold: Optional[float] = 0.968,
    scope: str = 'batch',
    world: World = ALONE,
    mirrored: Optional[Tensor] = None,
) -> tuple[Tensor, Tensor]:
    """Most probable class of every pixel, and the share of confident pixels as the weight of all.

    Args:
        logits: (B, C, H, W).
        mirrored: see :func:`class_probabilities`.
        threshold: a pixel is confident when its highest probability is at least this; None = weight 1 everywhere.
        scope: ``batch`` takes the share over the whole batch of all ranks (released code), ``image`` per image
            (papers).

    Returns:
        labels int64 (B, H, W) (ties: lowest class), weights float32 (B, H, W). The share stays on the device.

    Raises:
        ValueError: unknown scope.
    """
    if scope not in SCOPES:
        raise ValueError(f"weight_scope must be one of {SCOPES}, got '{scope}'")
    confidence, label = class_probabilities(logits, mirrored).max(1)
    if threshold is None:
        return label, torch.ones_like(confidence)
    confident = (confidence >= threshold).float()
    share = confident.mean((1, 2), keepdim=True)
    if scope == 'batch':
        share = world.total(share.mean()) / world.world_size
    return label, share.expand_as(confidence).clone()


def confidence_mask(logits: Tensor, threshold: float = 0.9, mirrored: Optional[Tensor] = None) -> Tensor:
    """Where the highest probability is at least ``threshold``, compared in float32: bool (B, H, W) of (B, C, H, W)."""
    return class_probabilities(logits, mirrored).amax(1) >= torch.tensor(
        threshold, dtype=torch.float32, device=logits.device
    )


def filter_pseudo_weight(weight: Tensor, top: int = 0, bottom: int = 0, valid: Optional[Tensor] = None) -> Tensor:
    """Take away trust where the target image is known to mislead (rectification borders, own car).

    Args:
        weight: (B, H, W).
        top, bottom: rows whose weight becomes 0.
        valid: (B, 1, H, W) or (B, H, W) in {0, 1}, multiplied into the weight.

    Raises:
        ValueError: margins together with a mask: the published configs use one or the other.
    """
    if valid is not None:
        if top or bottom:
            raise ValueError(
                'pseudo_weight_ignore_top/bottom and a valid_pseudo_mask from the data exclude each other: use one'
            )
        return weight * valid.view(weight.shape).to(weight.dtype)
    if top or bottom:
        weight = weight.clone()
        weight[:, :top] = 0
        weight[:, weight.shape[1] - bottom :] = 0
    return weight

"""Image memory for class-guided box CutMix (AEL's adaptive CutMix)."""

from __future__ import annotations

from typing import Any, Optional

import cv2
import numpy as np
import torch
from torch import Tensor

from ..ops.adaptive_mix import Components, class_presence, raster_order
from ..utils.undo import UndoableBuffers


def class_components(mask: np.ndarray) -> Components:
    """8-connected components of a bool mask (H, W), whatever order OpenCV finds them in."""
    _, components, found, _ = cv2.connectedComponentsWithStats(mask.view(np.uint8), connectivity=8)
    found = found[raster_order(components)]
    x0, y0, width, height, areas = found.T
    return Components(areas, np.stack([y0, x0, y0 + height, x0 + width], axis=1), (mask.shape[0], mask.shape[1]))


class ImageBank(UndoableBuffers):
    """The last target crops and which classes the teacher saw in each: partners for mixing are drawn by class without
    loading anything.

    Args:
        num_classes: C.
        size: number of crops K.
        presence_threshold: share of its pixels that a class needs in a crop to be present.
        dtype: of the stored crops.

    State: ``images`` (n, 3, H, W), allocated with the first crop (n = 0 or K), ``presence`` (C, K), ``filled`` (K,)
        bool, ``head`` (slot that
    is written next).
    """

    images: Tensor
    presence: Tensor
    filled: Tensor
    head: Tensor
    noted = ('images',)

    def __init__(
        self, num_classes: int, size: int = 32, presence_threshold: float = 0.01, dtype: str = 'float16'
    ) -> None:
        super().__init__()
        if size < 1:
            raise ValueError(f'the image bank needs room for at least one crop, got size={size}')
        self.size = size
        self.presence_threshold = presence_threshold
        self.register_buffer('images', torch.zeros(0, 3, 0, 0, dtype=getattr(torch, dtype)))
        self.register_buffer('presence', torch.zeros(num_classes, size))
        self.register_buffer('filled', torch.zeros(size, dtype=torch.bool))
        self.register_buffer('head', torch.zeros((), dtype=torch.int64))

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        stored: Optional[Tensor] = state_dict.get(prefix + 'images')
        if stored is not None and stored.shape != self.images.shape:
            self.images = self.images.new_zeros(stored.shape)
        super()._load_from_state_dict(state_dict, prefix, *args)

    @torch.no_grad()
    def insert(self, images: Tensor) -> Tensor:
        """Store crops (B, 3, H, W) in the next slots, classes still unknown; returns the slots (B,) int64.

        Raises:
            ValueError: more crops than slots, or crops of another size.
        """
        if len(images) > self.size:
            raise ValueError(
                f'{len(images)} crops per step do not fit into the image bank: set uda.cutmix.size to at least '
                f'{len(images)}'
            )
        if not len(self.images):
            self.replace('images', self.images.new_zeros(self.size, *images.shape[1:]))
        if self.images.shape[1:] != images.shape[1:]:
            raise ValueError(
                f'the image bank holds crops of {tuple(self.images.shape[1:])}, the batch has '
                f'{tuple(images.shape[1:])}: '
                'resume with the crop size of the checkpoint'
            )
        slots = (self.head + torch.arange(len(images), device=self.head.device)) % self.size
        self.write_rows('images', slots, images.to(self.images.dtype))
        self.presence[:, slots] = 0
        self.filled[slots] = True
        self.head.copy_((self.head + len(images)) % self.size)
        return slots

    def candidates(self, classes: Tensor) -> Tensor:
        """Weights of the slots as partners that show a class: 1 where it is present, or wherever there is a crop if
        it is nowhere.

        Args:
            classes: (M,) int64.

        Returns:
            (M, K) float of 0 and 1.
        """
        showing = self.presence[classes] * self.filled
        anything = self.filled.float().expand_as(showing)
        return torch.where(showing.any(dim=1, keepdim=True), showing, anything)

    def fetch(self, slots: Tensor) -> Tensor:
        """Stored crops as float32; slots (M,) -> (M, 3, H, W)."""
        return self.images[slots].float()

    @torch.no_grad()
    def note_presence(self, slots: Tensor, predictions: Tensor) -> None:
        """Replace the presence columns of slots (B,) by the classes in ``predictions`` (B, H, W); of equal slots the
        later one wins."""
        columns = class_presence(predictions, len(self.presence), self.presence_threshold)
        order = torch.arange(len(slots), device=slots.device)
        latest = torch.full((self.size,), -1, device=slots.device).scatter_reduce(0, slots, order, 'amax')
        self.presence.copy_(torch.where(latest >= 0, columns[:, latest.clamp(min=0)], self.presence))

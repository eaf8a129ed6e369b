"""The templates of QuadMix: what the previous iteration saw."""

from __future__ import annotations

from typing import Any, Optional, Union

import torch
from mmcv.runner import get_dist_info
from torch import Tensor

from ..ops.quadmix import Composite
from ..utils.undo import UndoableBuffers
from ..utils.world import current_world

_FIELDS = ('source_img', 'source_label', 'target_img', 'target_label', 'target_weight', 'confident')


class TemplateBank(UndoableBuffers):
    """The last batch of both domains: clean images, labels, pseudo-labels with weights, and where the teacher was
    confident.

    Bounded: one batch, 31 bytes per pixel and image (19 with ``dtype='float16'``). With several ranks every rank
        holds the batch of
    all ranks, gathered when it is stored, so that rank 0's checkpoint resumes all of them; ``save=False`` keeps each
    rank's own batch only.

    Args:
        dtype: of the stored images.
        save: write the templates into checkpoints. Without them the first iteration after a resume is a plain one.

    State: ``source_img``, ``target_img`` (N, 3, H, W), ``source_label``, ``target_label`` uint8 (N, 1, H, W),
        ``target_weight``
    float32 and ``confident`` bool (N, H, W); N = 0 until the first batch.
    """

    source_img: Tensor
    source_label: Tensor
    target_img: Tensor
    target_label: Tensor
    target_weight: Tensor
    confident: Tensor
    noted = _FIELDS

    def __init__(self, dtype: str = 'float32', save: bool = True) -> None:
        super().__init__()
        self.save = save
        image, label, plane = (
            torch.zeros(0, 3, 0, 0, dtype=getattr(torch, dtype)),
            torch.zeros(0, 1, 0, 0, dtype=torch.uint8),
            torch.zeros(0, 0, 0),
        )
        empty = (image, label, image, label, plane, plane.bool())
        for name, value in zip(_FIELDS, empty):
            self.register_buffer(name, value.clone(), persistent=save)

    def _load_from_state_dict(self, state: dict[str, Any], prefix: str, *args: Any) -> None:
        """Take templates of any size; a checkpoint without them (of another method) leaves the bank as it is."""
        for name in _FIELDS if self.save else ():
            stored: Optional[Tensor] = state.setdefault(prefix + name, getattr(self, name))
            assert stored is not None
            self._resize(name, stored.shape)
        super()._load_from_state_dict(state, prefix, *args)

    def _resize(self, name: str, shape: Any) -> None:
        own = getattr(self, name)
        if own.shape != shape:
            setattr(self, name, own.new_zeros(shape))

    def filled_for(self, img: Tensor) -> bool:
        """Whether there are templates of the size of ``img`` (B, 3, H, W)."""
        return len(self.source_img) > 0 and self.source_img.shape[2:] == self.target_img.shape[2:] == img.shape[2:]

    def source(self, batch: int) -> Composite:
        """The source templates of a batch: image i meets image i of the previous batch, cyclically when that had
        fewer."""
        rows = self._rows(len(self.source_img), batch)
        label = self.source_label[rows].long()
        return Composite(self.source_img[rows].float(), label, torch.ones_like(label[:, 0], dtype=torch.float32))

    def target(self, batch: int) -> tuple[Composite, Tensor]:
        """The target templates with their pseudo-labels, and the confident pixels, bool (batch, 1, H, W)."""
        rows = self._rows(len(self.target_img), batch)
        image = Composite(self.target_img[rows].float(), self.target_label[rows].long(), self.target_weight[rows])
        return image, self.confident[rows].unsqueeze(1)

    def _rows(self, stored: int, batch: int) -> Union[slice, list[int]]:
        """This rank's part of the stored rows."""
        rank, world_size = get_dist_info() if self.save else (0, 1)
        own = max(stored // world_size, 1)
        if batch <= own and (rank + 1) * own <= stored:
            return slice(rank * own, rank * own + batch)
        return [(rank * own + i % own) % stored for i in range(batch)]

    @torch.no_grad()
    def store(self, source: Composite, target: Composite, confident: Tensor) -> None:
        """Replace the templates by copies of this iteration's batch (images clean, ``confident`` bool (B, H, W))."""
        world = current_world()
        values = (source.img, source.label, target.img, target.label, target.weight, confident)
        for name, value in zip(_FIELDS, values):
            value = value.detach().to(getattr(self, name).dtype, copy=True)
            self.replace(name, world.gather(value) if self.save and world.world_size > 1 else value)

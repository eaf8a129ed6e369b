"""The templates of QuadMix: what the previous iteration saw."""

from __future__ import annotations

from typing import Any, Mapping, Optional, Union

import torch
from mmcv.runner import get_dist_info
from torch import Tensor

from ..ops.quadmix import Composite
from ..utils.undo import UndoableBuffers
from ..utils.world import current_world

_IMAGE, _LABEL, _PLANE = (0, 3, 0, 0), (0, 1, 0, 0), (0, 0, 0)


class TensorBank(UndoableBuffers):
    """The last batch of some named tensors (N, ...), N = 0 until the first one.

    With several ranks every rank holds the batch of all ranks, gathered when it is stored, so that rank 0's checkpoint
    resumes all of them; ``save=False`` keeps each rank's own batch only.

    Args:
        empty: an empty tensor of each name: its type and number of axes.
        save: write the tensors into checkpoints. Without them the first iteration after a resume is a plain one.
    """

    def __init__(self, empty: Mapping[str, Tensor], save: bool = True) -> None:
        super().__init__()
        self.save = save
        self.fields = self.noted = tuple(empty)  # type: ignore[misc]
        for name, value in empty.items():
            self.register_buffer(name, value.clone(), persistent=save)

    def _load_from_state_dict(self, state: dict[str, Any], prefix: str, *args: Any) -> None:
        """Take tensors of any size; a checkpoint without them (of another method) leaves the bank as it is."""
        for name in self.fields if self.save else ():
            stored: Optional[Tensor] = state.setdefault(prefix + name, getattr(self, name))
            assert stored is not None
            self._resize(name, stored.shape)
        super()._load_from_state_dict(state, prefix, *args)

    def _resize(self, name: str, shape: Any) -> None:
        own = getattr(self, name)
        if own.shape != shape:
            setattr(self, name, own.new_zeros(shape))

    def rows(self, batch: int, name: Optional[str] = None) -> Union[slice, list[int]]:
        """This rank's part of the stored rows: row i meets image i of the batch, cyclically when there are fewer."""
        stored = len(getattr(self, name or self.fields[0]))
        rank, world_size = get_dist_info() if self.save else (0, 1)
        own = max(stored // world_size, 1)
        if batch <= own and (rank + 1) * own <= stored:
            return slice(rank * own, rank * own + batch)
        return [(rank * own + i % own) % stored for i in range(batch)]

    def read(self, batch: int) -> dict[str, Tensor]:
        """All tensors for a batch of images; whole numbers come as int64, others as float32."""
        values = {name: getattr(self, name)[self.rows(batch, name)] for name in self.fields}
        return {
            name: value if value.dtype == torch.bool else value.float() if value.is_floating_point() else value.long()
            for name, value in values.items()
        }

    @torch.no_grad()
    def renew(self, **values: Tensor) -> None:
        """Put copies of this iteration's tensors in place of the stored ones."""
        world = current_world()
        for name, value in values.items():
            value = value.detach().to(getattr(self, name).dtype, copy=True)
            self.replace(name, world.gather(value) if self.save and world.world_size > 1 else value)


class TemplateBank(TensorBank):
    """The last batch of both domains: clean images, labels, pseudo-labels with weights, and where the teacher was
    confident.

    Bounded: one batch, 31 bytes per pixel and image (19 with ``dtype='float16'``).

    Args:
        dtype: of the stored images.
        save: see :class:`TensorBank`.

    State: ``source_img``, ``target_img`` (N, 3, H, W), ``source_label``, ``target_label`` uint8 (N, 1, H, W),
        ``target_weight`` float32 and ``confident`` bool (N, H, W).
    """

    source_img: Tensor
    source_label: Tensor
    target_img: Tensor
    target_label: Tensor
    target_weight: Tensor
    confident: Tensor

    def __init__(self, dtype: str = 'float32', save: bool = True) -> None:
        image, label = torch.zeros(_IMAGE, dtype=getattr(torch, dtype)), torch.zeros(_LABEL, dtype=torch.uint8)
        plane = torch.zeros(_PLANE)
        super().__init__(
            dict(
                source_img=image,
                source_label=label,
                target_img=image,
                target_label=label,
                target_weight=plane,
                confident=plane.bool(),
            ),
            save,
        )

    def filled_for(self, img: Tensor) -> bool:
        """Whether there are templates of the size of ``img`` (B, 3, H, W)."""
        return len(self.source_img) > 0 and self.source_img.shape[2:] == self.target_img.shape[2:] == img.shape[2:]

    def source(self, batch: int) -> Composite:
        """The source templates of a batch: image i meets image i of the previous batch, cyclically when that had
        fewer."""
        rows = self.rows(batch, 'source_img')
        label = self.source_label[rows].long()
        return Composite(self.source_img[rows].float(), label, torch.ones_like(label[:, 0], dtype=torch.float32))

    def target(self, batch: int) -> tuple[Composite, Tensor]:
        """The target templates with their pseudo-labels, and the confident pixels, bool (batch, 1, H, W)."""
        rows = self.rows(batch, 'target_img')
        image = Composite(self.target_img[rows].float(), self.target_label[rows].long(), self.target_weight[rows])
        return image, self.confident[rows].unsqueeze(1)

    def store(self, source: Composite, target: Composite, confident: Tensor) -> None:
        """Replace the templates by copies of this iteration's batch (images clean, ``confident`` bool (B, H, W))."""
        self.renew(
            source_img=source.img,
            source_label=source.label,
            target_img=target.img,
            target_label=target.label,
            target_weight=target.weight,
            confident=confident,
        )


class FrameBank(TensorBank):
    """:class:`TemplateBank` for clips: the last batch of both frames of both domains, their labels and flows.

    Bounded: one batch, 36 bytes per pixel of the source and of the target clip each (24 with ``dtype='float16'``).

    Args:
        dtype: of the stored frames.
        save: see :class:`TensorBank`.

    State: by domain (``source_``, ``target_``): ``img``, ``key`` (N, 3, H, W), ``label``, ``key_label`` uint8 (N, 1, H,
        W), ``flow`` (N, 2, H, W); for the target also ``mask`` and ``key_mask`` bool (N, 1, H, W): pixels that may be
        pasted.
    """

    def __init__(self, dtype: str = 'float32', save: bool = True) -> None:
        image, label = torch.zeros(_IMAGE, dtype=getattr(torch, dtype)), torch.zeros(_LABEL, dtype=torch.uint8)
        frames = dict(img=image, key=image, label=label, key_label=label, flow=torch.zeros(0, 2, 0, 0))
        masks = dict(target_mask=label.bool(), target_key_mask=label.bool())
        named = {f'{domain}_{name}': value for domain in ('source', 'target') for name, value in frames.items()}
        super().__init__({**named, **masks}, save)

    def filled_for(self, source: Tensor, target: Tensor) -> bool:
        """Whether there are templates of the sizes of a source and a target batch (B, 3, H, W)."""
        stored = [getattr(self, f'{domain}_img') for domain in ('source', 'target')]
        return all(len(own) > 0 and own.shape[2:] == new.shape[2:] for own, new in zip(stored, (source, target)))

"""Memory banks as tensors on the training device: class confidence, contrastive keys."""

from __future__ import annotations

from typing import Any, Sequence, Union

import torch
from torch import Tensor, nn

from ..ops.on_cpu import computed_on_cpu
from ..ops.u2pl import rank_to_index
from ..utils.undo import UndoableBuffers


class ClassConfidenceBank(nn.Module):
    """Running mean probability of each class on its labelled pixels (AEL's confidence bank).

    Args:
        num_classes: C.
        momentum: weight of the old value.
        skip_absent: leave classes alone that are absent from a batch; the released code counts them as confidence 0.
        seed: of the initial values.

    State: ``value`` (C,), initialised uniformly in [0, 1) from ``seed``.
    """

    value: Tensor

    def __init__(self, num_classes: int, momentum: float = 0.999, skip_absent: bool = False, seed: int = 0) -> None:
        super().__init__()
        self.momentum = momentum
        self.skip_absent = skip_absent
        self.register_buffer(
            'value', torch.rand(num_classes, generator=torch.Generator().manual_seed(seed), device='cpu')
        )

    @torch.no_grad()
    def update(self, sums: Tensor, counts: Tensor) -> None:
        """Blend in the mean confidences ``sums / counts``, both (C,), of one batch (all ranks)."""
        mean = sums / counts.clamp(min=1)
        updated = self.momentum * self.value + (1 - self.momentum) * mean
        self.value.copy_(torch.where(counts > 0, updated, self.value) if self.skip_absent else updated)


class KeyBank(UndoableBuffers):
    """Ring buffers of feature vectors, one per class, in one tensor; oldest entries are overwritten.

    Enqueueing and drawing are batched over classes and never wait for the device.

    Args:
        num_classes: C.
        channels: D.
        sizes: capacity per class, one number for all or C numbers.
        dtype: ``float32``, or ``float16``/``bfloat16`` for half the memory.

    State: ``keys`` (sum of sizes + 1, D), whose last row is scratch space; ``lengths`` and ``heads`` (C,) int64:
        filled entries and the
    slot that is written next.
    """

    keys: Tensor
    lengths: Tensor
    heads: Tensor
    sizes: Tensor
    starts: Tensor
    noted = ('keys',)

    def __init__(
        self, num_classes: int, channels: int, sizes: Union[int, Sequence[int]] = 30000, dtype: str = 'float32'
    ) -> None:
        super().__init__()
        capacity = [sizes] * num_classes if isinstance(sizes, int) else [int(size) for size in sizes]
        if len(capacity) != num_classes or min(capacity) < 1:
            raise ValueError(f'sizes of the key bank: need {num_classes} positive numbers, got {capacity}')
        self.capacity = capacity
        per_class = torch.tensor(capacity)
        self.register_buffer('sizes', per_class, persistent=False)
        self.register_buffer('starts', per_class.cumsum(0) - per_class, persistent=False)
        self.register_buffer('keys', torch.zeros(sum(capacity) + 1, channels, dtype=getattr(torch, dtype)))
        self.register_buffer('lengths', torch.zeros(num_classes, dtype=torch.int64))
        self.register_buffer('heads', torch.zeros(num_classes, dtype=torch.int64))

    @torch.no_grad()
    def enqueue(self, features: Tensor, masks: Tensor) -> None:
        """Append to each class's ring the features that its mask selects, in order; only the newest that fit are kept.

        Args:
            features: (N, D); masks: (C, N) bool.
        """
        if not features.shape[0]:
            return
        # class c owns the rows starts[c] .. starts[c] + sizes[c]; heads[c] is its next row to write, as in a ring.
        # All classes are written by one indexed copy of a fixed shape, so that no count has to reach the host.
        counts = masks.sum(dim=1)  # (C,)
        first = (counts - self.sizes).clamp(min=0)
        offsets = torch.arange(min(max(self.capacity), masks.shape[1]), device=masks.device)[None]
        ranks = first[:, None] + offsets  # (C, R): which of its selected features each class writes
        slots = self.starts[:, None] + (self.heads[:, None] + ranks) % self.sizes[:, None]  # (C, R) rows of keys
        written = ranks < counts[:, None]
        pixels = rank_to_index(masks, ranks)  # (C, R) rows of features
        if computed_on_cpu(slots):  # where counting the written rows makes nobody wait
            slots, pixels = slots[written], pixels[written]
        else:  # a class with fewer features writes the rest into the scratch row at the end
            slots = torch.where(written, slots, torch.full_like(slots, len(self.keys) - 1))
        self.write_rows('keys', slots.flatten(), features[pixels.flatten()].to(self.keys.dtype))
        self.keys[-1] = 0
        self.heads.copy_((self.heads + counts) % self.sizes)
        self.lengths.copy_(torch.minimum(self.lengths + counts, self.sizes))

    def gather(self, classes: Tensor, ranks: Tensor) -> Tensor:
        """Stored features by age.

        Args:
            classes: (S,) int64; ranks: (S, Q) int64, 0 = oldest, below the class's length.

        Returns:
            (S, Q, D) float32.
        """
        sizes = self.sizes[classes][:, None]
        oldest = (self.heads - self.lengths)[classes][:, None]
        return self.keys[self.starts[classes][:, None] + (oldest + ranks) % sizes].float()

    def contents(self, label: int) -> Tensor:
        """All stored features of one class, oldest first; (n, D). For inspection: waits for the device."""
        count = int(self.lengths[label])
        return self.gather(
            torch.tensor([label], device=self.keys.device), torch.arange(count, device=self.keys.device)[None]
        )[0]

    @torch.no_grad()
    def load(self, features: Tensor, lengths: Sequence[Any]) -> None:
        """Replace everything by the concatenation over classes ``features`` (sum of lengths, D), oldest first."""
        self.lengths.zero_()
        self.heads.zero_()
        owner = torch.repeat_interleave(torch.arange(len(self.lengths)), torch.as_tensor(lengths).cpu()).to(
            self.keys.device
        )
        classes = torch.arange(len(self.lengths), device=self.keys.device)
        self.enqueue(features.to(self.keys.device), owner[None] == classes[:, None])

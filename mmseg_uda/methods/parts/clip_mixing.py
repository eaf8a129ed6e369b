"""Windows, regions and class patches of mixed clips."""

from __future__ import annotations

from typing import Any, Mapping, NamedTuple, Optional, Sequence

import torch
from torch import Tensor

from ...components.quad_mixer import PASSES
from ...ops.quadmix import NOTHING, Composite, Overlay

_PATCHES = ('class_patches', 'class_patch_labels', 'class_patch_counts')


class Window(NamedTuple):
    """A window of the source's frames that has the size of the target's."""

    top: int
    left: int
    height: int
    width: int

    @classmethod
    def draw(
        cls,
        source: tuple[int, int],
        target: tuple[int, int],
        generator: torch.Generator,
        rows: Optional[Sequence[int]] = None,
    ) -> Window:
        """Draw a window.

        Args:
            source, target: (H, W) of the frames.
            rows: first and last row at which it may begin; None: any.

        Raises:
            ValueError: source frames that are smaller than the target's, or too low for ``rows``.
        """
        room = [big - small for big, small in zip(source, target)]
        if min(room) < 0:
            raise ValueError(
                f'VideoQuadMix mixes windows of the target size: source frames of {source} pixels are smaller than the '
                f"target's {target}; enlarge the source's size or crop the target (crop_size)"
            )
        first, last = (0, room[0]) if rows is None else rows
        if last > room[0]:
            raise ValueError(
                f'uda.window_rows={tuple(rows or ())}: windows of {target} pixels begin at row {room[0]} of source '
                f'frames of {source} pixels at the latest'
            )
        top = int(torch.randint(first, last + 1, (1,), generator=generator))
        return cls(top, int(torch.randint(room[1] + 1, (1,), generator=generator)), *target)

    def of(self, values: Tensor) -> Tensor:
        """Cut it from (..., H, W)."""
        return values[..., self.top : self.top + self.height, self.left : self.left + self.width]

    def patches(self, batch: Mapping[str, Any], source: tuple[int, int], target: tuple[int, int]) -> dict[str, Any]:
        """The class patches of a batch, cut where they have the size of the source's frames; none: an empty dict."""
        found = {name: batch[name] for name in _PATCHES if name in batch}
        if found and tuple(found['class_patches'].shape[3:]) == source != target:
            found = {name: self.of(value) for name, value in found.items()}
        return found


class Regions(NamedTuple):
    """Where templates are pasted, bool (B, 1, H, W): by frame for the source's and the target's template."""

    source: dict[str, Tensor]
    target: dict[str, Tensor]

    def anywhere(self, frame: str) -> Tensor:
        """The regions of both templates in a frame."""
        return self.source[frame] | self.target[frame]


def patch_masks(
    overlays: Mapping[str, Optional[Overlay]], extras: Mapping[str, Any], counting: str
) -> dict[str, Tensor]:
    """Where the class patches of each pass lie: bool (B, 1, H, W); with ``counting='sum'`` how many lie there.

    Raises:
        ValueError: ``sum`` without the numbers.
    """
    there = {name: overlay for name, overlay in overlays.items() if overlay is not None}
    if counting == 'clamped' or not there:
        return {name: (overlay.label != NOTHING).unsqueeze(1) for name, overlay in there.items()}
    if 'class_patch_counts' not in extras:
        raise ValueError("overlay='sum' needs the number of patches at each pixel: set class_patches.counts=True")
    counts = extras['class_patch_counts']
    rows = [i % len(counts) for i in range(len(next(iter(there.values())).label))]
    found = [counts[rows, p].unsqueeze(1).float() for p in range(counts.shape[1])]
    return {name: found[i % len(found)] for i, name in enumerate(PASSES)}


def as_composite(img: Tensor, label: Tensor) -> Composite:
    """Images (B, 3, H, W) and labels (B, H, W) or (B, 1, H, W), every pixel of weight 1."""
    label = label if label.dim() == 4 else label.unsqueeze(1)
    return Composite(img, label, torch.ones_like(label[:, 0], dtype=torch.float32))


def blended(own: Sequence[Tensor], other: Sequence[Tensor], mask: Tensor, share: float) -> list[Tensor]:
    """Features (B, C, h, w) that take ``share`` of other ones where ``mask`` (B, 1, H, W) is set."""
    found = []
    for mine, theirs in zip(own, other):
        count = min(len(mine), len(theirs))
        small = torch.nn.functional.interpolate(mask[:count].to(mine.dtype), size=mine.shape[2:], mode='nearest')
        mixed = torch.lerp(mine[:count], theirs[:count].to(mine.dtype), share * small)
        found.append(torch.cat([mixed, mine[count:]]))
    return found

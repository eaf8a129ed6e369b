"""Class-adaptive copy-paste between labelled images (AEL)."""

from __future__ import annotations

from typing import Optional, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from ..ops.adaptive_mix import class_copy_paste
from ..ops.ael import paste_class_probability
from ..ops.labels import IGNORE
from ..streams import Stream
from .adaptive_draws import AdaptiveDraws

#: road, sidewalk, building, vegetation and sky of the 19 Cityscapes classes are never pasted
CITYSCAPES_STUFF = (0, 1, 2, 8, 10)


class ClassCopyPaste:
    """Pastes the least confident classes from a donor into each labelled image.

    Donors come from the batch's ``paste`` stream where the data set provides one. Otherwise the donor of an image is
    the one of the other labelled stream with the same number (itself without another stream), rescaled and placed at
    random on the device.

    Args:
        prob: probability that an image gets a donor.
        draws: classes drawn (with replacement) per batch.
        never: class ids that are never pasted.
        scale: range of the donor's scale; half of the draws lie below 1, half above.
    """

    def __init__(
        self,
        prob: float = 0.5,
        draws: int = 3,
        never: Sequence[int] = CITYSCAPES_STUFF,
        scale: tuple[float, float] = (0.1, 2.0),
    ) -> None:
        if not 0 <= prob <= 1:
            raise ValueError(f'copy_paste.prob must lie in [0, 1], got {prob}')
        self.prob = prob
        self.draws = draws
        self.never = tuple(never)
        self.scale = scale

    def __call__(
        self,
        images: Tensor,
        labels: Tensor,
        donors: Optional[Stream],
        kappa: Tensor,
        draws: AdaptiveDraws,
        samples: Sequence[int],
    ) -> tuple[Tensor, Tensor]:
        """Paste into images (B, 3, H, W) with labels (B, H, W); ``samples`` numbers the images for their random
        generators."""
        chosen = draws.paste_classes(*paste_class_probability(kappa, self.never), self.draws)
        if donors is not None and donors.label is not None:
            picks = [sample % donors.batch_size for sample in samples]
            donor_images, donor_labels = donors.img[picks], donors.label[picks, 0]
        else:
            donor_images, donor_labels = self._donors(images, labels, draws, samples)
        absent = [draws.uniform(sample)[0] >= self.prob for sample in samples]
        donor_labels = donor_labels.masked_fill(torch.tensor(absent, device=labels.device)[:, None, None], 0)
        return class_copy_paste(images, labels, donor_images, donor_labels, chosen)

    def _donors(
        self, images: Tensor, labels: Tensor, draws: AdaptiveDraws, samples: Sequence[int]
    ) -> tuple[Tensor, Tensor]:
        placed = []
        for i, sample in enumerate(samples):
            donor = next((j for j, other in enumerate(samples) if other == sample and j != i), i)
            placed.append(self._place(images[donor], labels[donor], draws.uniform(sample, 4)))
        return torch.stack([image for image, _ in placed]), torch.stack([label for _, label in placed])

    def _place(self, image: Tensor, label: Tensor, uniform: Sequence[float]) -> tuple[Tensor, Tensor]:
        low, high = self.scale
        factor = low + (1 - low) * uniform[1] if uniform[0] < 0.5 else 1 + (high - 1) * uniform[1]
        height, width = label.shape
        size = (max(int(height * factor), 1), max(int(width * factor), 1))
        scaled = F.interpolate(image[None], size=size, mode='bilinear', align_corners=False)[0]
        ids = F.interpolate(label[None, None].float(), size=size, mode='nearest')[0, 0].long()
        y, x = (round((big - small) * u) for big, small, u in zip((height, width), size, uniform[2:]))
        padding = (x, width - size[1] - x, y, height - size[0] - y)  # negative values crop
        return F.pad(scaled, padding), F.pad(ids, padding, value=IGNORE)

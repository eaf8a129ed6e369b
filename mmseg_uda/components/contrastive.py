"""The contrastive loss with a memory bank as a component."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Callable, Mapping, NamedTuple, Optional

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ..ops import u2pl as ops
from ..ops.ael import ENTROPY_TIE
from ..ops.world import World
from ..utils.world import gather_with_gradient
from .banks import KeyBank


class PixelGroup(NamedTuple):
    """What the contrast needs of the labelled or of the mixed images.

    Attributes:
        representation: student's (B, D, h, w), with gradient.
        keys: teacher's representation, same shape.
        label: (B, H, W) int64, 255 = ignore: ground truth or kept pseudo-labels.
        scores: teacher's class scores (B, C, H, W) at label size.
    """

    representation: Tensor
    keys: Tensor
    label: Tensor
    scores: Tensor


#: (counts per slot (C,), number of draws per slot, name) -> ranks (C, n) below the counts
RankDraw = Callable[[Tensor, int], Tensor]


class MemoryBankContrast(nn.Module):
    """Pixel contrast of U2PL/STAL: anchors of the student against class prototypes and keys of the teacher.

    Args:
        num_classes: C.
        channels: D.
        bank_size: keys per class.
        bank_size_overrides: class id -> another size.
        bank_dtype: of the stored keys (``float16`` halves the memory).
        low_percent, high_percent: fixed entropy percentiles of reliable and unreliable pixels; None: a and 100 - a
            with the scheduled share a (U2PL).
        official: the released code's one-hot encoding, keys, slots and percentiles over all pixels (see
            docs/methods/stal.md, Q2 to Q4).
        rules: further options of :class:`~mmseg_uda.ops.u2pl.ContrastRules`.

    Keys, masks and anchors are taken over all ranks; the loss value is that of the whole batch.
    """

    def __init__(
        self,
        num_classes: int,
        channels: int = 256,
        bank_size: int = 30000,
        bank_size_overrides: Optional[Mapping[int, int]] = None,
        bank_dtype: str = 'float32',
        low_percent: Optional[float] = None,
        high_percent: Optional[float] = None,
        official: bool = False,
        **rules: Any,
    ) -> None:
        super().__init__()
        self.rules = replace(ops.ContrastRules(official_keys=official, official_slots=official), **rules)
        if not 0 < self.rules.low_rank < num_classes:
            raise ValueError(
                f'contrast.low_rank={self.rules.low_rank} with {num_classes} classes leaves no negative keys, the '
                'loss would always be 0: '
                f'set it between 1 and {num_classes - 1}'
            )
        self.num_classes = num_classes
        self.official = official
        self.entropy_tie = 0.0 if official else ENTROPY_TIE  # the released code compares exactly
        self.low_percent = low_percent
        self.high_percent = high_percent
        overrides = {int(label): size for label, size in (bank_size_overrides or {}).items()}
        self.bank = KeyBank(
            num_classes, channels, [overrides.get(label, bank_size) for label in range(num_classes)], bank_dtype
        )

    def _masks(
        self, labeled: PixelGroup, mixed: PixelGroup, entropy: Tensor, share: float, world: World
    ) -> tuple[Tensor, Tensor]:
        low = share if self.low_percent is None else self.low_percent
        high = 100 - share if self.high_percent is None else self.high_percent
        size = (mixed.keys.shape[2], mixed.keys.shape[3])
        return ops.contrast_masks(
            labeled.label,
            mixed.label,
            entropy,
            low,
            high,
            size,
            valid_only=not self.official,
            world=world,
            tie=self.entropy_tie,
        )

    @torch.no_grad()
    def sets(
        self, labeled: PixelGroup, mixed: PixelGroup, entropy: Tensor, share: float, world: World
    ) -> tuple[ops.ContrastSets, Tensor]:
        """Pixel sets over the images of all ranks, labelled ones first, and the largest probability of each pixel
        (N,)."""
        size = mixed.keys.shape[2:]
        low, high = self._masks(labeled, mixed, entropy, share, world)
        counts = (len(labeled.label), len(mixed.label))

        def small(group: PixelGroup) -> tuple[Tensor, Tensor]:
            label = F.interpolate(group.label[:, None].float(), size=size, mode='nearest')[:, 0].long()
            scores = F.interpolate(group.scores.float(), size=size, mode='bilinear', align_corners=True)
            return label, torch.softmax(scores, dim=1)

        def everywhere(labeled_part: Tensor, mixed_part: Tensor) -> Tensor:
            return torch.cat([world.gather(labeled_part), world.gather(mixed_part)])

        (label_l, prob_l), (label_m, prob_m) = small(labeled), small(mixed)
        onehot = torch.cat(
            [ops.onehot_ignore(world.gather(part), self.num_classes, self.official) for part in (label_l, label_m)]
        )
        prob = everywhere(prob_l, prob_m)
        sets = ops.contrast_sets(
            onehot,
            prob,
            everywhere(*low.split(counts)),
            everywhere(*high.split(counts)),
            counts[0] * world.world_size,
            self.rules,
        )
        return sets, prob.amax(dim=1).flatten()

    def forward(
        self, labeled: PixelGroup, mixed: PixelGroup, entropy: Tensor, share: float, draw: RankDraw, world: World
    ) -> Tensor:
        """Update the banks and return the loss (scalar).

        Args:
            entropy: teacher's entropy of the mixed images (Bm, H, W).
            share: scheduled percentage a of unreliable pixels.
            draw: where the uniform ranks of anchors and negatives come from.
        """
        sets, confidence = self.sets(labeled, mixed, entropy, share, world)
        keys = _flat(torch.cat([world.gather(labeled.keys), world.gather(mixed.keys)])).float()  # (N, D)
        self.bank.enqueue(keys, sets.keys)
        slots = ops.contrast_slots(sets, self.bank.lengths, self.rules.official_slots)
        rules = self.rules
        anchor_ranks = draw(sets.anchors.sum(dim=1), rules.num_queries)
        negative_ranks = draw(self.bank.lengths[slots.bank_class], rules.num_queries * rules.num_negatives)
        student = torch.cat([gather_with_gradient(group.representation, world) for group in (labeled, mixed)])
        anchors = _flat(student).float()[ops.rank_to_index(sets.anchors, anchor_ranks)]  # (C, Q, D)
        prototypes = ops.class_prototypes(keys, sets, confidence if rules.confidence_weighted else None)
        negatives = self.bank.gather(slots.bank_class, negative_ranks).unflatten(
            1, (rules.num_queries, rules.num_negatives)
        )
        return ops.contrast_loss(anchors, prototypes[:, None].expand_as(anchors), negatives, slots, rules.temperature)


def _flat(maps: Tensor) -> Tensor:
    return maps.permute(0, 2, 3, 1).flatten(0, 2)

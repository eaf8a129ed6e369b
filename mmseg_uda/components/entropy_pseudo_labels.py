"""ESL's entropy criterion inside self-training with a teacher."""

from __future__ import annotations

from typing import Optional

import torch
from torch import Tensor, nn

from ..ops.entropy import entropy_from_logits
from ..ops.esl import COMPACT_LEVELS, class_histogram, decayed_thresholds, quantize
from ..ops.pseudo_labels import SCOPES, filter_pseudo_weight
from ..registry import PSEUDO_LABELERS
from ..utils.world import current_world

MODES = ('image_ratio', 'pixel_mask', 'pixel_soft')


@PSEUDO_LABELERS.register_module()
class EntropyPseudoLabel(nn.Module):
    """Labels are the teacher's most probable classes; a pixel is trusted when its entropy passes a class-wise
    threshold.

    The thresholds are medians of the entropies of the last 1 / (1 - gamma) iterations or so (arXiv 2006.08658
    computes them once for the whole data set). All pixels keep their label, so that mixing by class sees whole label
    maps; trust becomes weight:

    * ``image_ratio``: all pixels weigh as much as the share of trusted ones, as in DACS;
    * ``pixel_mask``: trusted pixels weigh 1, others 0 (ESL's hard selection);
    * ``pixel_soft``: every pixel weighs 1 - entropy; no thresholds.

    Args:
        num_classes: classes of the network; methods fill it in.
        mode: see above.
        threshold: one entropy threshold for all classes instead of the class-wise ones (0.05 to 0.08 lets about as
            much pass as a probability of 0.968, for 19 classes).
        fraction: share of each class that its order statistic keeps.
        floor: smallest class-wise threshold, and the only one during ``warmup`` and for classes with less than
            ``min_mass`` pixels.
        min_mass: decayed number of pixels from which a class has a threshold of its own.
        limit: largest class-wise threshold, or None.
        gamma: decay of the counts per iteration; 1 counts everything since the start.
        levels: resolution of the thresholds.
        warmup: iterations that use ``floor`` only: medians admit half of every class even when nothing is learnt yet.
        weight_scope: in ``image_ratio``, share over the ``batch`` of all ranks or per ``image``.
        normalize: in ``pixel_mask``, scale the weights to the mean 1, so that the loss does not shrink when little is
            trusted; False = divide by all pixels, as the host does.
        ignore_top, ignore_bottom: rows of the crop without weight.
    """

    mass: Tensor
    updates: Tensor

    def __init__(
        self,
        num_classes: int,
        mode: str = 'image_ratio',
        threshold: Optional[float] = None,
        fraction: float = 0.5,
        floor: float = 0.1,
        limit: Optional[float] = 0.5,
        gamma: float = 0.999,
        levels: int = COMPACT_LEVELS,
        min_mass: float = 1e4,
        warmup: int = 3000,
        weight_scope: str = 'batch',
        normalize: bool = False,
        ignore_top: int = 0,
        ignore_bottom: int = 0,
    ) -> None:
        super().__init__()
        for name, value, valid in (('mode', mode, MODES), ('weight_scope', weight_scope, SCOPES)):
            if value not in valid:
                raise ValueError(f"pseudo_labeler.{name} must be one of {', '.join(valid)}, got '{value}'")
        shares = dict(threshold=threshold, fraction=fraction, floor=floor, limit=limit, gamma=gamma)
        wrong = [name for name, value in shares.items() if value is not None and not 0 <= value <= 1]
        if wrong:
            raise ValueError(f'pseudo_labeler.{wrong[0]} must lie in [0, 1], got {shares[wrong[0]]}')
        self.num_classes = num_classes
        self.mode = mode
        self.threshold = threshold
        self.fraction = fraction
        self.floor = floor
        self.limit = limit
        self.gamma = gamma
        self.levels = levels
        self.min_mass = min_mass
        self.warmup = warmup
        self.weight_scope = weight_scope
        self.normalize = normalize
        self.ignore_top = ignore_top
        self.ignore_bottom = ignore_bottom
        self.register_buffer('mass', torch.zeros(num_classes, levels + 1, dtype=torch.float64))
        self.register_buffer('updates', torch.zeros((), dtype=torch.int64))

    def thresholds(self) -> Tensor:
        """Current entropy thresholds (C,) float64."""
        found = decayed_thresholds(self.mass, self.floor, self.min_mass, self.limit, self.fraction)
        return torch.where(self.updates <= self.warmup, torch.full_like(found, self.floor), found)

    @torch.no_grad()
    def forward(self, logits: Tensor, valid: Optional[Tensor] = None) -> tuple[Tensor, Tensor]:
        """Labels int64 (B, H, W) and weights float32 (B, H, W) from logits (B, C, H, W).

        ``valid`` (B, 1, H, W) excludes pixels from counts and weights. Counts are updated before use.
        """
        label = logits.argmax(dim=1)
        entropy = entropy_from_logits(logits)
        counted = filter_pseudo_weight(torch.ones_like(entropy), self.ignore_top, self.ignore_bottom, valid)
        if self.mode == 'pixel_soft':
            return label, counted * (1 - entropy).clamp(min=0)
        trusted = counted * self._passes(label, entropy, counted > 0)
        if self.mode == 'pixel_mask':
            return label, self._normalized(trusted) if self.normalize else trusted
        share = trusted.mean((1, 2), keepdim=True)
        if self.weight_scope == 'batch':
            world = current_world()
            share = world.total(share.mean()) / world.world_size
        return label, share * counted

    def _passes(self, label: Tensor, entropy: Tensor, counted: Tensor) -> Tensor:
        if self.threshold is not None:
            return (entropy <= self.threshold).float()
        codes = quantize(entropy, self.levels)
        counts = current_world().total(class_histogram(label, codes, self.num_classes, self.levels + 1, counted))
        self.mass.mul_(self.gamma).add_(counts)
        self.updates.add_(1)
        return (entropy.double() <= self.thresholds()[label]).float()

    def _normalized(self, trusted: Tensor) -> Tensor:
        world = current_world()
        share = world.total(trusted.mean()) / world.world_size
        return trusted / share.clamp(min=1 / trusted.numel())

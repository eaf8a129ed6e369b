"""Mixing in four directions: within and across the domains (QuadMix, arXiv 2311.13254)."""

from __future__ import annotations

from typing import Any, Mapping, NamedTuple, Optional, Sequence

import torch
from torch import Tensor

from ..ops.labels import IGNORE
from ..ops.mixing import LABEL_VALUES, class_mask, classes_present
from ..ops.quadmix import (
    EXCLUSIONS,
    PASTE_ORDER,
    PATCH_NORMS,
    PATCH_WEIGHTS,
    Composite,
    Overlay,
    Region,
    compose_quad,
    draw_classes,
    excluded_classes,
    normalize_patch,
)
from ..registry import MIXERS
from ..utils.rng import StepRng, rand_per_sample

#: from the template of a domain into the current image of a domain: s = source, t = target
DIRECTIONS = ('ss', 'st', 'ts', 'tt')
#: mixed images by the domain of their context
PASSES = {'tss': 's', 'tst': 't'}


class Templates(NamedTuple):
    """What patches are cut from: the previous source batch, the previous target batch, and its confident pixels (B,
    1, H, W)."""

    source: Composite
    target: Composite
    confident: Tensor


@MIXERS.register_module()
class QuadMixer:
    """Cuts class regions from the templates of both domains and pastes them into both current images.

    The source template gives the regions of a few of its classes; the target template those of a few other classes,
    as far as the teacher was confident there. Both go into the current source image (``tss``) and into the current
    target image (``tst``), the target's over the source's, class patches from the data loader over everything.

    Args:
        directions: active pastes among :data:`DIRECTIONS`.
        num_source_classes, num_target_classes: classes drawn per image.
        exclude: target patches leave out the ``class_id`` of the source patches, or the classes whose ids equal their
            ``position`` (released code).
        template_ignore: 255 may be drawn from the source template like a class (released code).
        patch_norm: ``consistent`` or ``legacy`` (released code), see :func:`~mmseg_uda.ops.quadmix.normalize_patch`.
        patch_weight: pixels of class patches weigh ``one`` or ``keep`` the weight of what they cover (released code).
        paste_order: what lies over what, from below: the released video code has ``('source', 'patches', 'target')``.
        always_paste: classes (ids) that are pasted from every source template besides the drawn ones (the long-tail
            classes in the released video code); target patches may carry them too.
    """

    def __init__(
        self,
        directions: Sequence[str] = DIRECTIONS,
        num_source_classes: int = 2,
        num_target_classes: int = 2,
        exclude: str = 'class_id',
        template_ignore: bool = False,
        patch_norm: str = 'consistent',
        patch_weight: str = 'one',
        paste_order: Sequence[str] = PASTE_ORDER,
        always_paste: Sequence[int] = (),
    ) -> None:
        unknown = [direction for direction in directions if direction not in DIRECTIONS]
        if unknown or not directions:
            raise ValueError(f'quad.directions takes some of {DIRECTIONS}, got {tuple(directions)}')
        choices = (
            ('exclude', exclude, EXCLUSIONS),
            ('patch_norm', patch_norm, PATCH_NORMS),
            ('patch_weight', patch_weight, PATCH_WEIGHTS),
        )
        for name, value, valid in choices:
            if value not in valid:
                raise ValueError(f"quad.{name} must be one of {', '.join(valid)}, got '{value}'")
        if sorted(paste_order) != sorted(PASTE_ORDER):
            raise ValueError(f'quad.paste_order takes {PASTE_ORDER} in any order, got {tuple(paste_order)}')
        if any(not 0 <= cls < IGNORE for cls in always_paste):
            raise ValueError(f'quad.always_paste takes class ids, got {tuple(always_paste)}')
        if min(num_source_classes, num_target_classes) < 0:
            raise ValueError(
                f'quad.num_source_classes and num_target_classes must not be negative, got {num_source_classes}, '
                f'{num_target_classes}'
            )
        self.directions = tuple(directions)
        self.num_source_classes = num_source_classes
        self.num_target_classes = num_target_classes
        self.exclude = exclude
        self.template_ignore = template_ignore
        self.patch_norm = patch_norm
        self.patch_weight = patch_weight
        self.paste_order = tuple(paste_order)
        self.always_paste = tuple(always_paste)

    @property
    def passes(self) -> tuple[str, ...]:
        """Mixed images that some direction leads into."""
        return tuple(
            name for name, domain in PASSES.items() if any(direction[1] == domain for direction in self.directions)
        )

    def draw_classes(self, source_label: Tensor, target_label: Tensor, rng: StepRng) -> tuple[Tensor, Tensor]:
        """The drawn classes of each pair of labels (B, 1, H, W): bool (B, 256) of the source, and of the target."""
        batch = len(source_label)
        scores = rand_per_sample(rng.samples, batch, 2, LABEL_VALUES).to(source_label.device, non_blocking=True)
        present = classes_present(source_label)
        if not self.template_ignore:
            present[:, IGNORE] = False
        chosen = draw_classes(present, scores[:, 0], self.num_source_classes)
        candidates = classes_present(target_label) & ~excluded_classes(present, chosen, self.exclude)
        return chosen, draw_classes(candidates, scores[:, 1], self.num_target_classes)

    def draw_target_classes(self, label: Tensor, excluded: Optional[Tensor], rng: StepRng) -> Tensor:
        """Classes of labels (B, 1, H, W), without the excluded ones (bool (B, 256)), as those of target patches."""
        scores = rand_per_sample(rng.samples, len(label), LABEL_VALUES).to(label.device, non_blocking=True)
        candidates = classes_present(label)
        return draw_classes(candidates if excluded is None else candidates & ~excluded, scores, self.num_target_classes)

    def source_mask(self, label: Tensor, chosen: Tensor) -> Tensor:
        """The source template's region, bool like ``label`` (B, 1, H, W): drawn classes, and those that are always
        pasted."""
        if self.always_paste:
            chosen = chosen.clone()
            chosen[:, list(self.always_paste)] = True
        return class_mask(label, chosen).bool()

    def draw_masks(self, templates: Templates, rng: StepRng) -> tuple[Tensor, Tensor]:
        """Regions of the source and of the target templates, bool (B, 1, H, W)."""
        chosen, taken = self.draw_classes(templates.source.label, templates.target.label, rng)
        target_mask = class_mask(templates.target.label, taken).bool() & templates.confident
        return self.source_mask(templates.source.label, chosen), target_mask

    @torch.no_grad()
    def __call__(
        self, contexts: Mapping[str, Composite], regions: Sequence[Region], overlays: Mapping[str, Optional[Overlay]]
    ) -> dict[str, Composite]:
        """The mixed images of each pass.

        Args:
            contexts: by pass: the current images (B, 3, H, W) with labels and weights.
            regions: mask and template of the source and of the target, of at least B images.
            overlays: by pass: class patches of at least B images, or None.
        """
        mixed = {}
        for name in self.passes:
            count = len(contexts[name].img)
            pasted = [
                (mask[:count], first_rows(template, count)) if domain + PASSES[name] in self.directions else None
                for domain, (mask, template) in zip('st', regions)
            ]
            overlay = overlays.get(name)
            if overlay is not None:  # several targets: more patches than source images
                overlay = Overlay(*(value[:count] for value in overlay))
            mixed[name] = compose_quad(
                contexts[name], pasted[0], pasted[1], overlay, self.patch_weight, self.paste_order
            )
        return mixed

    def overlays(
        self, extras: Mapping[str, Any], metas: Sequence[Mapping[str, Any]], img: Tensor
    ) -> dict[str, Optional[Overlay]]:
        """The class patches that came with the source stream, by pass.

        Args:
            extras: may hold ``class_patches`` uint8 (B, P, 3, H, W) and ``class_patch_labels`` (B, P, H, W), one per
                pass or one for both.
            metas: of the source images; their normalisation counts.
            img: batch (B, 3, H, W) that takes the patches, cyclically when the source has fewer images.

        Raises:
            ValueError: patches of another size than the images.
        """
        patches, labels = extras.get('class_patches'), extras.get('class_patch_labels')
        if patches is None or labels is None:
            return dict.fromkeys(PASSES)
        if patches.shape[3:] != img.shape[2:]:
            raise ValueError(
                f'class patches of {tuple(patches.shape[3:])} pixels do not fit images of {tuple(img.shape[2:])}: '
                'set data.train.class_patches.crop_size to the crop size of the pipelines'
            )
        rows: Any = slice(len(img)) if len(patches) >= len(img) else [i % len(patches) for i in range(len(img))]
        normalized = [normalize_patch(patches[:, p], metas, self.patch_norm)[rows] for p in range(patches.shape[1])]
        found = [Overlay(values, labels[:, p][rows]) for p, values in enumerate(normalized)]
        return {name: found[i % len(found)] for i, name in enumerate(PASSES)}


def first_rows(image: Composite, count: int) -> Composite:
    """The first ``count`` images of a batch."""
    return image if count == len(image.img) else Composite(*(value[:count] for value in image))

"""QuadMix: self-training with mixing in four directions (Unified Domain Adaptive Semantic Segmentation, arXiv
2311.13254, images)."""

from __future__ import annotations

from typing import Any, Iterator, Mapping, Optional

import torch
from torch import Tensor

from ..components.quad_mixer import PASSES, Templates, first_rows
from ..components.template_bank import TemplateBank
from ..ops.quadmix import Composite, is_quad_phase, paste
from ..registry import MIXERS, UDA
from ..streams import Stream
from ..utils.config import build_from_config, check_options, signature_names
from ..utils.rng import StepRng
from .base import LossTerm
from .parts.teacher_labels import PseudoLabels, label_with
from .self_training import FlatSelfTraining

Options = Optional[Mapping[str, Any]]


@UDA.register_module()
class QuadMix(FlatSelfTraining):
    """Any method of :class:`~mmseg_uda.methods.self_training.FlatSelfTraining` whose mixed pass gives way, from
    ``start_iter`` on, to the two passes of QuadMix.

    Args:
        start_iter: iterations before this one (of the whole run) are those of the method without QuadMix; they only
            fill the templates. So is every iteration that finds no templates: the first of a run, and the first after
            a start from another method's checkpoint.
        confidence: teacher probability from which a pixel may become part of a target patch.
        pass_weights: weights of the losses ``tss`` and ``tst``. Without a direction into one of them its weight goes
            to the other. A pass of weight 0 is left out.
        quad: config in MIXERS (``type='QuadMixer'``).
        templates: options of :class:`~mmseg_uda.components.template_bank.TemplateBank`.
        reinit_teacher: in a run that starts from the checkpoint of another method, set the teacher to the student
            once (released code); otherwise the checkpoint's teacher goes on.
        kwargs: flat keys and components as ``type='DACS'`` takes them.

    Class patches of long-tail classes are pasted when the training data offer them (``data.train.class_patches``).
    """

    started: Tensor
    python_state = ('_started',)

    def __init__(
        self,
        start_iter: int = 6000,
        confidence: float = 0.9,
        pass_weights: Optional[Mapping[str, float]] = None,
        quad: Options = None,
        templates: Options = None,
        reinit_teacher: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if start_iter < 0 or not 0 <= confidence <= 1:
            raise ValueError(
                f'start_iter must not be negative and confidence must lie in [0, 1], got {start_iter} and {confidence}'
            )
        self.start_iter = start_iter
        self.confidence = confidence
        self.reinit_teacher = reinit_teacher
        self.quad = build_from_config({'type': 'QuadMixer', **(quad or {})}, MIXERS)
        check_options(templates or {}, signature_names(TemplateBank) or (), 'uda.templates')
        self.templates = TemplateBank(**(templates or {}))
        self.pass_weights = self._weights(dict(pass_weights or {}))
        self.register_buffer('started', torch.zeros((), dtype=torch.bool))
        self._started = False  # ``started`` for the host, which must not wait for the device to know

    @classmethod
    def option_names(cls) -> list[str]:
        """Accepted config keys: those of ``type='DACS'`` and its own."""
        return sorted({*super().option_names(), *(signature_names(cls) or ())})

    def _weights(self, given: dict[str, float]) -> dict[str, float]:
        """Loss weights of the passes; what belongs to a pass without directions goes to the other."""
        check_options(given, PASSES, 'uda.pass_weights')
        weights = {name: float(given.get(name, 0.5)) for name in PASSES}
        if min(weights.values()) < 0 or not any(weights.values()):
            raise ValueError(f'pass_weights must not be negative, and one of them above 0, got {weights}')
        passes = self.quad.passes
        return weights if len(passes) == len(PASSES) else {passes[0]: sum(weights.values())}

    def _load_from_state_dict(
        self, state: dict[str, Any], prefix: str, metadata: Any, strict: bool, missing: list[str], *args: Any
    ) -> None:
        super()._load_from_state_dict(state, prefix, metadata, strict, missing, *args)
        if prefix + 'started' in missing:  # the checkpoint of another method
            missing.remove(prefix + 'started')
        else:
            self._started = bool(self.started)

    # ---- one iteration ---------------------------------------------------------------------------------------------
    def begin_iteration(self, iteration: int, rng: StepRng) -> None:
        if not self._started:
            if self.reinit_teacher and self.teacher is not None:
                self.teacher.restart(self.student)
            self.started.fill_(True)
            self._started = True
        super().begin_iteration(iteration, rng)

    def label_target(self, target: Stream) -> PseudoLabels:
        assert self.teacher is not None
        return label_with(self.teacher, self.pseudo_labeler, target, self.confidence, self.views is not None)

    def mixed_terms(self, source: Stream, target: Stream, pseudo: PseudoLabels) -> Iterator[LossTerm]:
        """Terms ``tss`` and ``tst``, or those of the method without QuadMix; this iteration's batch becomes the
        templates."""
        assert source.label is not None and pseudo.confident is not None
        contexts = {
            'tss': Composite(source.img, source.label, torch.ones_like(source.label[:, 0], dtype=torch.float32)),
            'tst': Composite(target.img, pseudo.label.unsqueeze(1), pseudo.weight),
        }
        if is_quad_phase(self.iteration, self.start_iter, self.templates.filled_for(source.img)):
            yield from self._quad_terms(source, contexts)
        else:
            yield from super().mixed_terms(source, target, pseudo)
        self.templates.store(contexts['tss'], contexts['tst'], pseudo.confident)

    def _quad_terms(self, source: Stream, contexts: Mapping[str, Composite]) -> Iterator[LossTerm]:
        templates = self._templates(max(len(context.img) for context in contexts.values()))
        masks = self.quad.draw_masks(templates, self.rng)
        regions = [(masks[0], templates.source), (masks[1], templates.target)]
        longest = max((context.img for context in contexts.values()), key=len)
        overlays = self.quad.overlays(source.extras, source.metas, longest)
        self._record_paths(contexts, regions)
        counts = self._counts(masks, source)
        for name, mixed in self.quad(contexts, regions, overlays).items():
            if self.pass_weights[name] == 0:
                continue
            img = mixed.img if self.augmentation is None else self.augmentation(mixed.img, source.metas, self.rng)
            term = self.mixed_term(name, img, mixed.label, mixed.weight, f'mix_{name}.', self.pass_weights[name])
            term.log.update(counts)
            counts = {}
            yield term

    def _templates(self, batch: int) -> Templates:
        target, confident = self.templates.target(batch)
        return Templates(self.templates.source(batch), target, confident)

    def _counts(self, masks: tuple[Tensor, Tensor], source: Stream) -> dict[str, Tensor]:
        """Logged shares: pixels of both regions, images without a target region, class patches that were not found."""
        counts = {
            'quad.source_share': masks[0].float().mean(),
            'quad.target_share': masks[1].float().mean(),
            'quad.no_target': (~masks[1].flatten(1).any(1)).float().mean(),
        }
        if 'class_patches_missing' in source.extras:
            counts['quad.patches_missing'] = source.extras['class_patches_missing'].float().mean()
        return counts

    def _record_paths(self, contexts: Mapping[str, Composite], regions: Any) -> None:
        """Views of the templates and of each direction alone, for pictures."""
        if self.views is None:
            return
        for domain, (mask, template) in zip('st', regions):
            shown = template.img.clone()  # the bank is overwritten at the end of the iteration
            self.record_view(f'template {domain}', img=shown, label=template.label, weight=template.weight * mask[:, 0])
            for name, context in contexts.items():
                if domain + PASSES[name] in self.quad.directions:
                    count = len(context.img)
                    alone = paste(mask[:count], first_rows(template, count), context)
                    self.record_view(
                        f'path {domain}{PASSES[name]}', img=alone.img, label=alone.label, weight=alone.weight
                    )

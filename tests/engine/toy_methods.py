"""Small methods that exercise the engine's contract."""

from __future__ import annotations

from typing import Any, Iterator

import torch
from torch import nn

from mmseg_uda.methods.base import LossTerm, OptimizerStep, TrainingEvent, UDASegmentor
from mmseg_uda.registry import UDA


@UDA.register_module()
class ToyAdversarial(UDASegmentor):
    """A segmentation term, an adversarial term through a discriminator, and the discriminator's own term."""

    required_streams = ('source', 'target')

    def __init__(self, step_early: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.discriminator = nn.Conv2d(5, 1, 3, padding=1)
        self.step_early = step_early

    def networks(self) -> dict[str, nn.Module]:
        return {'segmentor': self.student, 'discriminator': self.discriminator}

    def training_losses(self, batch: Any) -> Iterator[TrainingEvent]:
        losses = self.student.forward_train(batch['img'], batch['img_metas'], batch['gt_semantic_seg'])
        yield LossTerm.from_losses('source', {'decode.loss_ce': losses['decode.loss_ce']})
        if self.step_early:
            yield OptimizerStep(('segmentor',))
        prediction = self.student.encode_decode(batch['target_img'], batch['target_img_metas']).softmax(1)
        fooled = self.discriminator(prediction).square().mean()
        yield LossTerm('adversarial', fooled, weight=0.1, updates=('segmentor',))
        judged = (self.discriminator(prediction.detach()) - 1).square().mean()
        yield LossTerm('discriminator', judged, updates=('discriminator',))


@UDA.register_module()
class ToySharedGraph(UDASegmentor):
    """Two terms on one graph, then a third of its own; ``bad_iterations`` give NaN."""

    def __init__(self, bad_iterations: tuple[int, ...] = (), **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.bad_iterations = tuple(bad_iterations)
        self.seen: list[int] = []

    def training_losses(self, batch: Any) -> Iterator[TrainingEvent]:
        self.seen.append(self.iteration)
        features = self.student.extract_feat(batch['img'])
        loss = self.student.decode_head.forward_train(features, batch['img_metas'], batch['gt_semantic_seg'], {})[
            'loss_ce'
        ]
        yield LossTerm('source', loss, keep_graph=True, log={'decode.loss_ce': loss})
        yield LossTerm('feature', features[-1].square().mean(), weight=0.5)
        factor = float('nan') if self.iteration in self.bad_iterations else 1.0
        yield LossTerm(
            'other', self.student.encode_decode(batch['img'], batch['img_metas']).square().mean() * factor, weight=0.1
        )


@UDA.register_module()
class ToySometimes(UDASegmentor):
    """A term of every iteration, and in the iterations ``present`` (0-based) a second one that logs the number of the
    iteration."""

    def __init__(self, present: tuple[int, ...] = (), **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.present = tuple(present)

    def training_losses(self, batch: Any) -> Iterator[TrainingEvent]:
        scores = self.student.encode_decode(batch['img'], batch['img_metas'])
        yield LossTerm('source', scores.square().mean())
        if self.iteration in self.present:
            number = torch.tensor(self.iteration + 1.0)
            yield LossTerm(
                'warm_up',
                self.student.encode_decode(batch['img'], batch['img_metas']).mean(),
                log={'sometimes': number},
            )


def gradients(module: nn.Module) -> dict[str, torch.Tensor]:
    """Copies of the gradients by parameter name."""
    return {name: p.grad.clone() for name, p in module.named_parameters() if p.grad is not None}

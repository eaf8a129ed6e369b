"""Several targets with one classifier each: multi-target knowledge transfer (MTKT of MTAF, arXiv 2108.06962), also CoaST's warm-up."""

from __future__ import annotations

import copy
from abc import abstractmethod
from typing import Any, Iterator, Mapping, Optional

from mmcv.runner import ModuleList
from mmseg.ops import resize
from torch import Tensor, nn

from ..components.levels import classifier_levels
from ..models.losses.segmentation import head_losses
from ..ops.adversarial import SOURCE_DOMAIN, TARGET_DOMAIN, domain_bce
from ..ops.cooperative import distillation_loss
from ..ops.entropy import self_information
from ..registry import DISCRIMINATORS, UDA
from ..utils.config import build_from_config
from .base import LossTerm, UDASegmentor
from .streams import SOURCE, Stream, split_streams, target_names


def scores_at(head: Any, features: Any, size: Any) -> Tensor:
    """Class scores of a head, float32 and resized to (height, width) ``size``."""
    return resize(head(features).float(), size=tuple(size), mode='bilinear', align_corners=head.align_corners)


class DomainHeads(UDASegmentor):
    """Base of the methods with a classifier per target besides the decode head, which is target-agnostic and answers at test time.

    The domain heads are clones of the decode head's architecture. They are part of the student (``domain_heads.<i>.*`` in checkpoints),
    so that the segmentor's optimiser trains them.

    Args:
        num_targets: number of target streams.
        kwargs: options of :class:`~mmseg_uda.methods.base.UDASegmentor`.
    """

    required_streams = ('source', 'target')

    def __init__(self, num_targets: int = 2, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if num_targets < 1:
            raise ValueError(f'num_targets must be at least 1, got {num_targets}')
        self.num_targets = num_targets
        head = classifier_levels(self.student)['main']
        self.student.domain_heads = ModuleList([copy.deepcopy(head) for _ in range(num_targets)])

    def training_losses(self, batch: Mapping[str, Any]) -> Iterator[LossTerm]:
        streams = split_streams(batch)
        names = target_names(list(streams))
        if len(names) != self.num_targets:
            raise ValueError(f'{type(self).__name__} was built for num_targets={self.num_targets}, but the batch holds {names}: '
                             'give data.train.target a list of that many data sets')
        for name in (SOURCE, *names):
            self.record_view(name, img=streams[name].img, label=streams[name].label)
        yield from self.domain_terms(streams[SOURCE], [streams[name] for name in names])

    @abstractmethod
    def domain_terms(self, source: Stream, targets: list[Stream]) -> Iterator[LossTerm]:
        """Yield the loss terms of one iteration."""

    def source_losses(self, scores: Mapping[str, Tensor], source: Stream) -> dict[str, Tensor]:
        """The decode head's own losses on the source label, for every classifier in ``scores``."""
        assert source.label is not None
        return {f'{name}.{key}': value for name, logits in scores.items()
                for key, value in head_losses(self.student.decode_head, logits, source.label).items()}


@UDA.register_module()
class MTKT(DomainHeads):
    """A discriminator and a classifier per target; the agnostic classifier learns from the target classifiers.

    Args:
        lambda_adv: weight of every target's adversarial loss.
        lambda_kd: weight of the distillation; 0 = none, with the source loss on the agnostic classifier instead, so that the
            warm-up of CoaST can be evaluated.
        teacher_start: first iteration with distillation.
        discriminator: config of one target's discriminator; ``num_classes`` is filled in.
        discriminator_weight: factor of each domain's discriminator loss.
        kwargs: options of :class:`DomainHeads`.
    """

    def __init__(
        self,
        lambda_adv: float = 0.0005,
        lambda_kd: float = 1.0,
        teacher_start: int = 0,
        discriminator: Optional[Mapping[str, Any]] = None,
        discriminator_weight: float = 0.5,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        for option, value in (('lambda_adv', lambda_adv), ('lambda_kd', lambda_kd)):
            if value < 0:
                raise ValueError(f'{option} must not be negative, got {value}')
        self.lambda_adv = lambda_adv
        self.lambda_kd = lambda_kd
        self.teacher_start = teacher_start
        self.discriminator_weight = discriminator_weight
        self.discriminators = nn.ModuleList(
            build_from_config(dict(discriminator or dict(type='FCDiscriminator')), DISCRIMINATORS,
                              num_classes=self.student.decode_head.num_classes)
            for _ in range(self.num_targets))

    def networks(self) -> dict[str, nn.Module]:
        return {'segmentor': self.student, 'discriminator': self.discriminators}

    def domain_terms(self, source: Stream, targets: list[Stream]) -> Iterator[LossTerm]:
        features = self.student.extract_feat(source.img)
        size = source.img.shape[2:]
        scores = {f'domain{i}': scores_at(head, features, size) for i, head in enumerate(self.student.domain_heads)}
        if self.lambda_kd == 0:
            scores['agnostic'] = scores_at(self.student.decode_head, features, size)
        losses = self.source_losses(scores, source)
        kept = [scores[f'domain{i}'].detach() for i in range(self.num_targets)]
        del scores, features
        yield LossTerm.from_losses('source', losses, prefix='source.', updates=('segmentor',))
        for i, target in enumerate(targets):
            yield from self._target_terms(i, target, kept[i])

    def _target_terms(self, i: int, target: Stream, source_scores: Tensor) -> Iterator[LossTerm]:
        features = self.student.extract_feat(target.img)
        scores = scores_at(self.student.domain_heads[i], features, target.img.shape[2:])
        judge = self.discriminators[i]
        losses = {'adv.loss': self.lambda_adv * domain_bce(judge(self_information(scores)), SOURCE_DOMAIN)}
        if self.lambda_kd > 0 and self.iteration >= self.teacher_start:
            agnostic = scores_at(self.student.decode_head, features, target.img.shape[2:])
            losses['kd.loss'] = self.lambda_kd * distillation_loss(scores, agnostic)
        detached = scores.detach()
        del features, scores
        yield LossTerm.from_losses(f'target{i}', losses, prefix=f'target{i}.', updates=('segmentor',))
        for name, domain, shown in (('source', SOURCE_DOMAIN, source_scores), ('target', TARGET_DOMAIN, detached)):
            loss = domain_bce(judge(self_information(shown)), domain)
            yield LossTerm(f'disc{i}.{name}', loss, self.discriminator_weight, {f'disc{i}.{name}.loss': loss.detach()},
                           updates=('discriminator',))

"""FDA: source images in the colours and light of target images (Yang, Soatto 2020, arXiv 2004.05498)."""

from __future__ import annotations

from typing import Any, Iterator, Mapping, Optional

import torch
from torch import Tensor

from ..models.heads import heads_of, positive, weight_per_head
from ..ops.entropy import robust_entropy_loss
from ..ops.fourier import exchange_amplitudes
from ..ops.normalize import black_of
from ..registry import UDA
from ..streams import SOURCE, Stream, concat_streams, split_streams, target_names
from .adversarial import OutputAdaptation
from .base import LossTerm


@UDA.register_module()
class FDA(OutputAdaptation):
    """Trains on source images with the low-frequency amplitudes of target images, and against undecided predictions.

    Args:
        beta: share of the sides of the spectrum that is exchanged.
        lambda_ent: weight of the robust entropy per head; default ``dict(decode=0.005)``.
        eta: exponent of the robust entropy.
        kwargs: options of :class:`~mmseg_uda.methods.adversarial.OutputAdaptation`; with ``target_ce`` pseudo-labels
            are trained on as well (the later rounds of the paper).
    """

    def __init__(
        self, beta: float = 0.01, lambda_ent: Optional[Mapping[str, float]] = None, eta: float = 2.0, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        if not 0 <= beta <= 0.5 or eta <= 0:
            raise ValueError(f'uda.beta must lie in [0, 0.5] and uda.eta be positive, got {beta} and {eta}')
        self.beta, self.eta = beta, eta
        weights = dict(decode=0.005) if lambda_ent is None else lambda_ent
        self.lambda_ent = weight_per_head(weights, {}, heads_of(self.student), 'lambda_ent')

    def training_losses(self, batch: Mapping[str, Any]) -> Iterator[LossTerm]:
        """Term ``source`` on restyled images with their own labels, then term ``target``: the robust entropy."""
        streams = split_streams(batch)
        styled = {'img': self.restyled(streams)} if SOURCE in streams else {}
        yield from super().training_losses({**batch, **styled})

    @torch.no_grad()
    def restyled(self, streams: Mapping[str, Stream]) -> Tensor:
        """The source images (B, C, H, W); image i takes the style of target image i, cyclically."""
        source, target = streams[SOURCE], concat_streams([streams[name] for name in target_names(list(streams))])
        if source.img.shape[1:] != target.img.shape[1:]:
            shapes = f'{tuple(source.img.shape)} and {tuple(target.img.shape)}'
            raise ValueError(f'FDA exchanges frequencies of images of one size, got {shapes}: use one crop_size')
        style = target.img[[i % target.batch_size for i in range(source.batch_size)]]
        black = black_of([*source.metas, *target.metas], source.img.device)
        return exchange_amplitudes(source.img - black, style - black, self.beta) + black

    @property
    def adapted_heads(self) -> list[str]:
        return positive(self.lambda_ent)

    def target_losses(self, scores: Mapping[str, Tensor], source: Stream) -> dict[str, Tensor]:
        """The robust entropy of each head's scores."""
        return {f'ent.{head}.loss': robust_entropy_loss(scores[head], self.eta) for head in self.adapted_heads}

    @property
    def target_weights(self) -> dict[str, float]:
        return {f'ent.{head}.loss': weight for head, weight in self.lambda_ent.items()}

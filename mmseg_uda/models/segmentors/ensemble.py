"""Several networks that answer together."""

from __future__ import annotations

from typing import Any, Sequence

import torch
from mmseg.models.segmentors import BaseSegmentor
from torch import Tensor, nn

from ..heads import class_probabilities, decision_scores


class SegmentorEnsemble(BaseSegmentor):
    """The mean of several segmentors, for prediction only.

    Args:
        networks: MMSeg segmentors with the same classes; each keeps its own ``test_cfg`` (whole image or windows).
        average: ``prob`` takes the mean of the class probabilities, ``logit`` that of the scores at the size of the
            image ("AdvEnt+MinEnt" of arXiv 1811.12833).
    """

    def __init__(self, networks: Sequence[nn.Module], average: str = 'prob') -> None:
        super().__init__()
        if average not in ('prob', 'logit'):
            raise ValueError(f"average must be 'prob' or 'logit', got '{average}'")
        self.members: Any = nn.ModuleList(networks)
        self.average = average

    def extract_feat(self, imgs: Tensor) -> list[Any]:
        """The features of every member."""
        return [member.extract_feat(imgs) for member in self.members]

    def encode_decode(self, img: Tensor, img_metas: Any) -> Tensor:
        """Mean scores, or the log of the mean probabilities, so that a softmax gives these; (B, C, H, W) at the
        input's size."""
        scores = [decision_scores(member, member.encode_decode(img, img_metas).float()) for member in self.members]
        if self.average == 'logit':
            return _mean(scores)
        return _mean([one.softmax(1) for one in scores]).clamp(min=torch.finfo(torch.float32).tiny).log()

    def inference(self, img: Tensor, img_meta: Any, rescale: bool) -> Tensor:
        """Class probabilities of the ensemble; (B, C, H, W), at the size of the original image with ``rescale``."""
        if self.average == 'logit':
            scores = [decision_scores(member, _scores(member, img, img_meta, rescale)) for member in self.members]
            flips = {'horizontal': (3,), 'vertical': (2,)}
            probabilities = _mean(scores).softmax(1)
            return (
                probabilities.flip(flips[img_meta[0]['flip_direction']]) if img_meta[0].get('flip') else probabilities
            )
        return _mean([class_probabilities(member, member.inference(img, img_meta, rescale)) for member in self.members])

    def simple_test(self, img: Tensor, img_meta: Any, rescale: bool = True) -> list[Any]:
        """One label map (H, W) int64 per image."""
        return list(self.inference(img, img_meta, rescale).argmax(1).cpu().numpy())

    def aug_test(self, imgs: Sequence[Tensor], img_metas: Sequence[Any], rescale: bool = True) -> list[Any]:
        """As :meth:`simple_test`, with the mean over augmented versions of the images."""
        views = [self.inference(img, meta, rescale) for img, meta in zip(imgs, img_metas)]
        return list(_mean(views).argmax(1).cpu().numpy())

    def forward_train(self, imgs: Tensor, img_metas: Any, **kwargs: Any) -> dict[str, Tensor]:
        """An ensemble is not trained.

        Raises:
            RuntimeError: always.
        """
        raise RuntimeError('an ensemble only predicts: train its members')


def _mean(values: Sequence[Tensor]) -> Tensor:
    return torch.stack(list(values)).mean(0)


def _scores(member: Any, img: Tensor, img_meta: Any, rescale: bool) -> Tensor:
    """What ``member.inference`` takes the softmax of."""
    slide = member.test_cfg.get('mode', 'whole') == 'slide'
    return (member.slide_inference if slide else member.whole_inference)(img, img_meta, rescale).float()

"""The classifiers of a segmentor as levels: ``main`` is the decode head, ``aux`` (``aux_0`` ...) the auxiliary
heads."""

from __future__ import annotations

from typing import Mapping, Optional

from mmseg.ops import resize
from torch import Tensor, nn


def classifier_levels(segmentor: nn.Module) -> dict[str, nn.Module]:
    """The heads of an MMSeg ``EncoderDecoder`` by level.

    Raises:
        TypeError: a cascade, or HRDA, whose outputs are not plain class scores.
    """
    main = getattr(segmentor, 'decode_head', None)
    if main is None or isinstance(main, nn.ModuleList) or hasattr(segmentor, 'extract_multi_resolution'):
        raise TypeError(
            f'{type(segmentor).__name__} has no single decode head with plain class scores: this method needs an '
            'EncoderDecoder'
        )
    levels = {'main': main}
    auxiliary = getattr(segmentor, 'auxiliary_head', None)
    if isinstance(auxiliary, nn.ModuleList):
        levels.update({f'aux_{i}': head for i, head in enumerate(auxiliary)})
    elif auxiliary is not None:
        levels['aux'] = auxiliary
    return levels


def level_weights(
    given: Optional[Mapping[str, float]], default: Mapping[str, float], levels: Mapping[str, nn.Module], option: str
) -> dict[str, float]:
    """The weight of each level that takes part.

    Args:
        given: weights from the config, or None for ``default`` (``main`` and ``aux``) on the levels that exist.
        option: the config key, for messages.

    Raises:
        ValueError: a level that the segmentor lacks, or a negative weight.
    """
    if given is None:
        return {name: default[name.split('_')[0]] for name in levels}
    unknown = [name for name in given if name not in levels]
    if unknown:
        raise ValueError(
            f"{option}: the segmentor has no level '{unknown[0]}', only {sorted(levels)}; add the auxiliary_head"
        )
    negative = [name for name, weight in given.items() if weight < 0]
    if negative:
        raise ValueError(f'{option}.{negative[0]} must not be negative, got {given[negative[0]]}')
    return {name: float(weight) for name, weight in given.items()}


def level_scores(segmentor: nn.Module, img: Tensor) -> dict[str, Tensor]:
    """Class scores of every level at the size of the image: (B, C, H, W) float32, one forward pass."""
    features = segmentor.extract_feat(img)  # type: ignore[operator]
    return {
        name: resize(head(features).float(), size=img.shape[2:], mode='bilinear', align_corners=head.align_corners)
        for name, head in classifier_levels(segmentor).items()
    }

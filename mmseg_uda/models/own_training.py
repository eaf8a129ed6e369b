"""Segmentors and heads of a user whose training is more than features, scores and losses.

MMSeg's ``forward_train`` is the place where a class adds a loss of its own. Methods drive features and heads instead,
so an overridden one would never run, and its loss would be lost without a word.
"""

from __future__ import annotations

from typing import Any, Mapping, Sequence

from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from torch import Tensor, nn

from .heads import heads_of, is_hrda

#: packages whose classes the training interface knows
KNOWN = ('mmseg', 'mmseg_uda')
SEGMENTOR_STEPS = ('forward_train', '_decode_head_forward_train', '_auxiliary_head_forward_train')


def own_training_steps(segmentor: nn.Module) -> list[str]:
    """The training entry points that a user's classes override, such as ``MySegmentor.forward_train``."""
    steps = [(segmentor, name) for name in SEGMENTOR_STEPS]
    steps += [(head, 'forward_train') for head in heads_of(segmentor).values()]
    return [f'{type(module).__name__}.{name}' for module, name in steps if _is_own(module, name)]


def _is_own(module: nn.Module, name: str) -> bool:
    function = getattr(type(module), name, None)
    return function is not None and function.__module__.split('.')[0] not in KNOWN


def check_own_training(segmentor: nn.Module, who: str, calls_forward_train: bool) -> None:
    """Refuse training that could not run.

    Args:
        who: the method, for the message.
        calls_forward_train: whether the method's passes on labelled images can go through ``forward_train``.

    Raises:
        TypeError: names the class that overrides it.
    """
    if not hasattr(segmentor, 'decode_head'):
        return
    own = own_training_steps(segmentor)
    if own and (not calls_forward_train or is_hrda(segmentor)):
        what = type(segmentor).__name__ if calls_forward_train else who
        raise TypeError(
            f'{own[0]} adds to the training of the network, but {what} drives its features and heads and would never '
            'call it: move the loss into loss_decode or into losses() of the head, or take a method that calls '
            'forward_train on labelled images (source-only, DACS, DAFormer, MIC)'
        )
    inner = [
        module
        for head in heads_of(segmentor).values()
        for module in head.modules()
        if module is not head and isinstance(module, BaseDecodeHead) and _is_own(module, 'forward_train')
    ]
    if inner:
        raise TypeError(
            f'{type(inner[0]).__name__}.forward_train would never be called: the head stands inside '
            f'{type(segmentor.decode_head).__name__}, which calls forward alone. Move its loss into losses()'
        )


def forward_train(
    segmentor: Any, img: Tensor, metas: Sequence[Mapping[str, Any]], label: Tensor
) -> tuple[Sequence[Tensor], Sequence[Tensor], dict[str, Any]]:
    """What the segmentor's own ``forward_train`` says about labelled images.

    Args:
        img: (B, 3, H, W).
        metas: one per image.
        label: int64 (B, 1, H, W).

    Returns:
        The feature maps of the pass as the heads take them, those of the backbone (before a neck), and all entries
        whose name contains ``loss``.
    """
    seen: list[Sequence[Tensor]] = []
    before: list[Sequence[Tensor]] = []
    extract = segmentor.extract_feat

    def remembering(image: Tensor) -> Sequence[Tensor]:
        seen.append(extract(image))
        return seen[-1]

    segmentor.extract_feat = remembering
    hook = segmentor.backbone.register_forward_hook(lambda _, __, output: before.append(output))
    try:
        losses = segmentor.forward_train(img, list(metas), label)
        maps = seen[0] if seen else extract(img)
    finally:
        del segmentor.extract_feat
        hook.remove()
    return maps, before[0] if before else maps, {name: value for name, value in losses.items() if 'loss' in name}

"""The one way to ask a segmentor for its heads and their class scores.

Heads have one vocabulary, that of MMSeg's log lines: ``decode`` is the decode head (``decode_0``, ``decode_1`` ...
those of a cascade), ``aux`` the auxiliary head (``aux_0`` ... when there are several). Configs may write ``main`` for
``decode``. A *plain* segmentor computes features once and has one decode head on them (MMSeg's ``EncoderDecoder``);
cascades and HRDA are not.
"""

from __future__ import annotations

import warnings
from typing import Any, Mapping, Optional, Sequence, Union

from mmseg.models.decode_heads import IterativeDecodeHead
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from torch import Tensor, nn

from ..ops.binary import class_planes, one_plane, probability_planes
from ..ops.resize import resize_scores

#: accepted in configs, and the name in checkpoints of versions of 0.1.0
ALIASES = {'main': 'decode'}


def is_hrda(segmentor: nn.Module) -> bool:
    """Whether ``segmentor`` has passes of its own at two resolutions."""
    return hasattr(segmentor, 'extract_multi_resolution')


def is_plain(segmentor: nn.Module) -> bool:
    """Whether ``segmentor`` computes features once and has one decode head on them."""
    head = getattr(segmentor, 'decode_head', None)
    return head is not None and not isinstance(head, nn.ModuleList) and not is_hrda(segmentor)


def require_plain(segmentor: nn.Module, who: str) -> None:
    """Refuse a segmentor whose classifiers are not plain functions of one set of features.

    Args:
        who: what needs a plain one, for the message: ``AdvEnt``, ``the pixel representation``.

    Raises:
        TypeError: a cascade, HRDA, or an ensemble.
    """
    if not is_plain(segmentor):
        raise TypeError(
            f'{who} needs a segmentor with one decode head on one set of features (EncoderDecoder), '
            f'{type(segmentor).__name__} decodes in several passes: change model.type, or take a self-training method '
            '(DACS, DAFormer, MIC), which trains any segmentor'
        )


def require_plain_losses(segmentor: nn.Module, who: str) -> None:
    """Refuse a plain segmentor with a head whose losses take more than its class scores (EncNet's, DANet's, K-Net's).

    Args:
        who: what computes losses on scores, for the message.

    Raises:
        TypeError: names the head.
    """
    require_plain(segmentor, who)
    for name, head in heads_of(segmentor).items():
        own_losses = getattr(type(head), 'losses', None) is not BaseDecodeHead.losses
        own_output = getattr(type(head), 'forward_test', None) is not BaseDecodeHead.forward_test
        if own_losses and (own_output or isinstance(head, IterativeDecodeHead)):
            raise TypeError(
                f'{who} computes losses on class scores, but those of {type(head).__name__} ({name}) take several '
                'outputs of its training pass: change the type of this head, or take a self-training method (DACS, '
                'DAFormer, MIC), which trains any segmentor'
            )


def heads_of(segmentor: nn.Module) -> dict[str, Any]:
    """All heads by name, ``decode`` (or ``decode_0`` ...) first."""
    named: dict[str, Any] = {}
    for name, attribute in (('decode', 'decode_head'), ('aux', 'auxiliary_head')):
        heads = getattr(segmentor, attribute, None)
        if isinstance(heads, nn.ModuleList):
            named.update({f'{name}_{i}': head for i, head in enumerate(heads)})
        elif heads is not None:
            named[name] = heads
    return named


def has_one_channel(head: Any) -> bool:
    """Whether a head (or segmentor) says two classes with one channel, a sigmoid (``out_channels=1``)."""
    return getattr(head, 'out_channels', None) == 1


def class_scores(head: Any, output: Any, size: Optional[Sequence[int]]) -> Tensor:
    """Class scores of what ``head`` returned.

    Args:
        head: gives ``align_corners``.
        output: (B, C, h, w), of any float type; a list of stages (K-Net in training), of which the last one counts.
        size: (H, W) of the result, bilinear; None = that of ``output``.

    Returns:
        (B, C, H, W) float32, one channel for every class: a one-channel head gives the planes [0, z], whose softmax is
        (1 - sigmoid(z), sigmoid(z)).

    Raises:
        TypeError: several outputs.
    """
    if isinstance(output, list):
        output = output[-1]
    if not isinstance(output, Tensor):
        raise TypeError(
            f'{type(head).__name__} gives several outputs in training, this method needs class scores alone: change '
            'the type of the head'
        )
    scores = output.float()
    if size is not None:
        scores = resize_scores(scores, size, head.align_corners)
    return class_planes(scores) if has_one_channel(head) and scores.shape[1] == 1 else scores


def threshold_of(segmentor: Any) -> float:
    """The probability of class 1 above which a segmentor with a one-channel head says class 1."""
    head: Any = segmentor.decode_head
    last: Any = head[-1] if isinstance(head, nn.ModuleList) else head
    return float(last.threshold)


def decision_scores(segmentor: Any, scores: Tensor, threshold: Optional[float] = None) -> Tensor:
    """Class scores that labels are taken from: argmax is what the segmentor says at test time.

    Args:
        scores: (B, C, ...) of :func:`class_scores`, or of ``encode_decode``.
        threshold: boundary of a one-channel head; None = its own.

    Returns:
        ``scores``; of a one-channel head the planes (B, 2, ...) with the boundary at the head's ``threshold``.
    """
    if not has_one_channel(segmentor):
        return scores
    boundary = threshold_of(segmentor) if threshold is None else threshold
    return class_planes(one_plane(scores) if scores.shape[1] == 2 else scores, boundary)


def class_probabilities(segmentor: Any, prob: Tensor) -> Tensor:
    """Class probabilities (B, C, ...) of what ``segmentor.inference`` returned: the softmax of
    :func:`decision_scores`."""
    if not has_one_channel(segmentor) or prob.shape[1] != 1:
        return prob
    return probability_planes(prob, threshold_of(segmentor))


def scores_of(
    segmentor: nn.Module,
    features: Any,
    size: Optional[Sequence[int]],
    heads: Union[None, Sequence[str], Mapping[str, Any]] = None,
) -> dict[str, Tensor]:
    """Class scores of the heads of a plain segmentor on ``features``.

    Args:
        segmentor: see :func:`require_plain`.
        features: what ``segmentor.extract_feat`` returned.
        size: (H, W) of the scores, that of the image or of the label; None = each head's own resolution.
        heads: names of :func:`heads_of`, or other heads on the same features by any name (those of the targets); None
            = all heads of the segmentor.

    Returns:
        (B, C, H, W) float32 by name. Gradients flow; the caller decides about modes and autograd.
    """
    require_plain(segmentor, 'scores_of')
    if not isinstance(heads, Mapping):
        own = heads_of(segmentor)
        heads = own if heads is None else {name: own[name] for name in heads}
    # forward_test, because the training output of some heads (EncHead) holds more than the scores
    return {name: class_scores(head, head.forward_test(features, None, None), size) for name, head in heads.items()}


def weight_per_head(
    given: Optional[Mapping[str, float]], default: Mapping[str, float], heads: Mapping[str, Any], option: str
) -> dict[str, float]:
    """The weight of each head that takes part.

    Args:
        given: weights from the config (``main`` is ``decode``; of both the later one counts, with a warning: that is
            the one of a config that changes its base), or None for ``default`` (``decode`` and ``aux``) on the heads
            that exist.
        heads: see :func:`heads_of`.
        option: the config key, for messages.

    Raises:
        ValueError: a head that the segmentor lacks, or a negative weight.
    """
    if given is None:
        return {name: default[name.split('_')[0]] for name in heads}
    weights = {ALIASES.get(name, name): float(weight) for name, weight in given.items()}
    if len(weights) < len(given):
        warnings.warn(f"{option}: 'main' and 'decode' name the same head, {weights['decode']} counts", stacklevel=2)
    unknown = [name for name in weights if name not in heads]
    if unknown:
        raise ValueError(
            f"{option}: the segmentor has no head '{unknown[0]}', only {sorted(heads)}; add the auxiliary_head"
        )
    negative = [name for name, weight in weights.items() if weight < 0]
    if negative:
        raise ValueError(f'{option}.{negative[0]} must not be negative, got {weights[negative[0]]}')
    return weights


def positive(weights: Mapping[str, float]) -> list[str]:
    """The heads of :func:`weight_per_head` whose weight is not 0: nothing is computed for the others."""
    return [name for name, weight in weights.items() if weight > 0]


class ByHead(nn.ModuleDict):
    """Modules by the name of a head, such as discriminators; loads checkpoints that say ``main`` for ``decode``."""

    def _load_from_state_dict(self, state: dict[str, Tensor], prefix: str, *args: Any) -> None:
        for key in [key for key in state if key.startswith(prefix)]:
            name, _, rest = key[len(prefix) :].partition('.')
            if name in ALIASES:
                state[f'{prefix}{ALIASES[name]}.{rest}'] = state.pop(key)
        super()._load_from_state_dict(state, prefix, *args)

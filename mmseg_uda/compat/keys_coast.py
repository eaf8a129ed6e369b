"""Names of CoaST's released networks: a ResNet-101 with a list of classifiers inside, the target-agnostic one last.

==============================  =============================================  ==========================================
released                        here                                           remark
==============================  =============================================  ==========================================
``conv1``, ``bn1``, ``layer1``  ``backbone.conv1`` ...                         same inside
to ``layer4``
``layer5_list.<d>.<key>``       ``domain_heads.<d>.<key>``                     the classifier of target ``d``
``layer5_list.<T>.<key>``       ``decode_head.<key>``                          T targets; a warm-up has no such
classifier ``<head>.head.1.weight``        ``<head>.conv_seg.weight``
==============================  =============================================  ==========================================

A released file holds ``{'ResNet101': {'model_state': weights}, ...}``.
"""

from __future__ import annotations

import re
from typing import Any, Mapping, Optional

from torch import Tensor

State = Mapping[str, Tensor]

NETWORK, WEIGHTS = 'ResNet101', 'model_state'
AGNOSTIC, DOMAIN = 'decode_head', 'domain_heads'
BACKBONE = re.compile(r'(conv1|bn1|layer[1-4]\.\d+)\.')
_RELEASED = re.compile(r'layer5_list\.(\d+)\.(.+)')
_OURS = re.compile(rf'(?:{AGNOSTIC}|{DOMAIN}\.(\d+))\.(.+)')
_CLASSIFIER = {'head.1.weight': 'conv_seg.weight'}
_RELEASED_CLASSIFIER = {ours: released for released, ours in _CLASSIFIER.items()}


def is_coast(state: State) -> bool:
    """Whether ``state`` is a whole network of this kind."""
    return any(_RELEASED.fullmatch(key) for key in state)


def released_weights(checkpoint: Mapping[str, Any]) -> Optional[State]:
    """The weights inside a released file, or None when it is another kind of file."""
    network = checkpoint.get(NETWORK)
    return network.get(WEIGHTS) if isinstance(network, Mapping) else None


def released_file(state: State) -> dict[str, Any]:
    """A file in the released layout."""
    return {NETWORK: {WEIGHTS: dict(state)}}


def coast_to_ours(state: State, domain_heads: Optional[int] = None) -> dict[str, Tensor]:
    """A released network -> this package's ``EncoderDecoder`` with ``AdventResNet``, ``SEASPPHead`` and domain heads.

    Args:
        state: the weights.
        domain_heads: number of targets. Default: one less than there are classifiers, as after self-training; a
            warm-up has as many classifiers as targets, and ``decode_head`` is missing in its result.

    Raises:
        KeyError: a key of another network, or a number that does not fit.
    """
    heads = 1 + max((int(found.group(1)) for key in state if (found := _RELEASED.fullmatch(key))), default=-1)
    targets = heads - 1 if domain_heads is None else domain_heads
    if targets < 1 or heads - targets not in (0, 1):
        raise KeyError(
            f'the network has {heads} classifiers: that fits {max(heads - 1, 1)} targets (after self-training) or '
            f'{heads} (warm-up), '
            f'not {targets}; give the number of targets (--domain-heads)'
        )
    renamed = {}
    for key, value in state.items():
        found = _RELEASED.fullmatch(key)
        if found is not None:
            number, rest = int(found.group(1)), found.group(2)
            head = AGNOSTIC if number == targets else f'{DOMAIN}.{number}'
            renamed[f'{head}.{_CLASSIFIER.get(rest, rest)}'] = value
        elif BACKBONE.match(key):
            renamed[f'backbone.{key}'] = value
        else:
            raise KeyError(f"'{key}' belongs to no network of CoaST")
    return renamed


def ours_to_coast(state: State) -> dict[str, Tensor]:
    """Inverse of :func:`coast_to_ours`; ``uda.*`` has no counterpart and is left out.

    Raises:
        KeyError: a key of another network.
    """
    numbers = {int(found.group(1)) for key in state if (found := _OURS.fullmatch(key)) and found.group(1)}
    renamed = {}
    for key, value in state.items():
        found = _OURS.fullmatch(key)
        if found is not None and numbers:
            number = found.group(1) or len(numbers)
            renamed[f'layer5_list.{number}.{_RELEASED_CLASSIFIER.get(found.group(2), found.group(2))}'] = value
        elif key.startswith('backbone.') and BACKBONE.match(key[len('backbone.') :]):
            renamed[key[len('backbone.') :]] = value
        elif not key.startswith('uda.'):
            raise KeyError(f"'{key}' belongs to no network of CoaST")
    return renamed

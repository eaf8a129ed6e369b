"""Names of the ADVENT lineage (AdaptSegNet, ADVENT, BDL, ESL, MTAF): DeepLabV2 with its classifiers inside the ResNet.

==============================  =============================================  ==================
published                       here                                           remark
==============================  =============================================  ==================
``conv1``, ``bn1``, ``layer1``  ``backbone.conv1`` ...                         same inside
to ``layer4``
``layer5.conv2d_list.<i>``      ``auxiliary_head.aspp_modules.<i>.conv``       absent: one level
``layer6.conv2d_list.<i>``      ``decode_head.aspp_modules.<i>.conv``
``Scale.<key>``                 ``backbone.<key>``                             ImageNet file
==============================  =============================================  ==================
"""

from __future__ import annotations

import re
from typing import Mapping

from torch import Tensor

State = Mapping[str, Tensor]

SCALE = 'Scale.'
HEADS = {'layer5': 'auxiliary_head', 'layer6': 'decode_head'}
_CLASSIFIER = re.compile(r'(layer[56])\.conv2d_list\.(\d+)\.(weight|bias)')
_OURS = re.compile(r'(auxiliary_head|decode_head)\.aspp_modules\.(\d+)\.conv\.(weight|bias)')


def is_advent(state: State) -> bool:
    """Whether ``state`` is a whole network of this lineage."""
    return any(_CLASSIFIER.fullmatch(key) for key in state)


def without_scale(state: State) -> dict[str, Tensor]:
    """The ImageNet file's keys without their first component; its old 21-class classifier is dropped."""
    if not any(key.startswith(SCALE) for key in state):
        return dict(state)
    names = {key: key[len(SCALE) :] for key in state if key.startswith(SCALE)}
    return {name: state[key] for key, name in names.items() if not name.startswith(('layer5.', 'layer6.', 'fc.'))}


def advent_to_ours(state: State) -> dict[str, Tensor]:
    """A published network -> this package's ``EncoderDecoder`` with ``AdventResNet`` and ``AdventHead``."""
    return {_renamed(key): value for key, value in state.items()}


def _renamed(key: str) -> str:
    found = _CLASSIFIER.fullmatch(key)
    if found is None:
        return f'backbone.{key}'
    return f'{HEADS[found.group(1)]}.aspp_modules.{found.group(2)}.conv.{found.group(3)}'


def ours_to_advent(state: State) -> dict[str, Tensor]:
    """Inverse of :func:`advent_to_ours`.

    Raises:
        KeyError: a key of another network.
    """
    layers = {head: layer for layer, head in HEADS.items()}
    renamed = {}
    for key, value in state.items():
        found = _OURS.fullmatch(key)
        if found is not None:
            renamed[f'{layers[found.group(1)]}.conv2d_list.{found.group(2)}.{found.group(3)}'] = value
        elif key.startswith('backbone.'):
            renamed[key[len('backbone.') :]] = value
        else:
            raise KeyError(f"'{key}' belongs to no network of the ADVENT lineage")
    return renamed

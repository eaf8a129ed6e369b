"""Names of the published networks of TPS, DA-VSN and the video part of UDASS.

=============================  =================================================  =====================
published                      here                                               remark
=============================  =================================================  =====================
``conv1`` ... ``layer4``       ``backbone.conv1`` ...                             same inside
``layer5.conv2d_list.<i>``     ``auxiliary_head.aspp_modules.<i>.conv``
``layer6.conv2d_list.<i>``     ``decode_head.aspp_modules.<i>.conv``              TPS, DA-VSN
``layer7.conv2d_list.<i>``     ``decode_head.aspp_modules.<i>.conv``              UDASS: 256 channels
``layer7.head.1.weight``       ``decode_head.classifier.weight``                  UDASS
``sf_layer.weight``            ``fusion.weight``
``model.*``, ``decoder.*``     ``backbone.*``, ``decode_head.*``                  UDASS, transformer
``decoder.sf_layer.weight``    ``fusion.weight``                                  UDASS, transformer
=============================  =================================================  =====================
"""

from __future__ import annotations

import re
from typing import Mapping

from torch import Tensor

from .keys_advent import HEADS

State = Mapping[str, Tensor]

FUSION = 'sf_layer.weight'
_CLASSIFIER = re.compile(r'(layer[567])\.conv2d_list\.(\d+)\.(weight|bias)')
_OURS = re.compile(r'(auxiliary_head|decode_head)\.aspp_modules\.(\d+)\.conv\.(weight|bias)')
_MIDDLE = {'layer7.head.1.weight': 'decode_head.classifier.weight'}


def is_video(state: State) -> bool:
    """Whether ``state`` is a published network of this lineage: it fuses scores."""
    return FUSION in state or f'decoder.{FUSION}' in state


def video_to_ours(state: State) -> dict[str, Tensor]:
    """A published network -> this package's ``FlowFusedSegmentor``; a transformer's inner names are left as they are."""
    return {_renamed(key): value for key, value in state.items()}


def _renamed(key: str) -> str:
    if key in (FUSION, f'decoder.{FUSION}'):
        return 'fusion.weight'
    for old, new in (('model.', 'backbone.'), ('decoder.', 'decode_head.')):
        if key.startswith(old):
            return new + key[len(old) :]
    if key in _MIDDLE:
        return _MIDDLE[key]
    found = _CLASSIFIER.fullmatch(key)
    if found is None:
        return f'backbone.{key}'
    return f'{HEADS.get(found.group(1), "decode_head")}.aspp_modules.{found.group(2)}.conv.{found.group(3)}'


def ours_to_video(state: State) -> dict[str, Tensor]:
    """Inverse of :func:`video_to_ours` for the convolutional networks.

    Raises:
        KeyError: a key of another network.
    """
    main = 'layer7' if 'decode_head.classifier.weight' in state else 'layer6'
    layers, renamed = {'auxiliary_head': 'layer5', 'decode_head': main}, {}
    for key, value in state.items():
        found = _OURS.fullmatch(key)
        if found is not None:
            name = f'{layers[found.group(1)]}.conv2d_list.{found.group(2)}.{found.group(3)}'
        elif key in ('fusion.weight', 'decode_head.classifier.weight'):
            name = FUSION if key == 'fusion.weight' else 'layer7.head.1.weight'
        elif key.startswith('backbone.'):
            name = key[len('backbone.') :]
        else:
            raise KeyError(f"'{key}' belongs to no convolutional network of TPS, DA-VSN or UDASS video")
        renamed[name] = value
    return renamed

"""Names of the released U2PL and STAL networks, and the layout of their checkpoint files.

============================  ==========================================  ====================================================
released                      here                                        remark
============================  ==========================================  ====================================================
``encoder.conv1.<i>``         ``backbone.stem.<i>``                       ``ResNetV1c`` with ``stem_channels=128``
``encoder.bn1``               ``backbone.stem.7``
``encoder.*``                 ``backbone.*``                              same inside
``decoder.classifier.8``      ``decode_head.conv_seg``
``decoder.*``                 ``decode_head.*``                           ``DLV3PlusRepHead``
``auxor.aux.0``, ``.1``,      ``auxiliary_head.convs.0.conv``, ``.bn``,   ``FCNHead``; the bias of the first
convolution moves ``.4``                        ``auxiliary_head.conv_seg``                 into the running mean that
follows
============================  ==========================================  ====================================================

A training checkpoint holds ``{'model_state': student, 'teacher_state': teacher, ...}``.
"""

from __future__ import annotations

from typing import Any, Mapping, Optional

import torch
from torch import Tensor

State = Mapping[str, Tensor]

STUDENT, TEACHER = 'model_state', 'teacher_state'
OUR_TEACHER = 'uda.teacher.'
PARTS = ('encoder.', 'decoder.', 'auxor.')
_MODULE = 'module.'
_RENAMES = {
    'encoder.conv1.': 'backbone.stem.',
    'encoder.bn1.': 'backbone.stem.7.',
    'encoder.': 'backbone.',
    'decoder.classifier.8.': 'decode_head.conv_seg.',
    'decoder.': 'decode_head.',
    'auxor.aux.0.': 'auxiliary_head.convs.0.conv.',
    'auxor.aux.1.': 'auxiliary_head.convs.0.bn.',
    'auxor.aux.4.': 'auxiliary_head.conv_seg.',
}
_FOLDED, _MEAN = 'auxiliary_head.convs.0.conv.bias', 'auxiliary_head.convs.0.bn.running_mean'


def is_stal(state: State) -> bool:
    """Whether ``state`` is a network of this kind: it has an encoder and a decoder with a representation tower."""
    keys = [_plain(key) for key in state]
    return any(key.startswith(PARTS[0]) for key in keys) and any(
        key.startswith('decoder.representation.') for key in keys
    )


def stal_to_ours(state: State) -> dict[str, Tensor]:
    """A released network -> this package's segmentor (``configs/_base_/models/deeplabv3plus-rep_r101-d8_stem128.py``).

    Args:
        state: weights by name; prefixes ``module.`` are dropped.

    Raises:
        KeyError: a key of another network.
    """
    plain = {_plain(key): value for key, value in state.items()}
    foreign = [key for key in plain if not key.startswith(PARTS)]
    if foreign:
        raise KeyError(f"'{foreign[0]}' belongs to no network of STAL ({', '.join(PARTS)})")
    converted: dict[str, Tensor] = {}
    for key, value in plain.items():
        old = next(old for old in (*_RENAMES, *PARTS) if key.startswith(old))
        converted[_RENAMES.get(old, old) + key[len(old) :]] = value
    bias = converted.pop(_FOLDED, None)
    if bias is not None:
        converted[_MEAN] = converted[_MEAN] - bias
    return converted


def stal_checkpoint(checkpoint: Mapping[str, Any]) -> Optional[dict[str, Tensor]]:
    """The student and the teacher of a released training checkpoint under this package's names; None when it is
    another kind of file.

    Raises:
        KeyError: a key of another network.
    """
    networks = [checkpoint.get(name) for name in (STUDENT, TEACHER)]
    if not (isinstance(networks[0], Mapping) and is_stal(networks[0])):
        return None
    converted = stal_to_ours(networks[0])
    if isinstance(networks[1], Mapping):
        converted.update({f'{OUR_TEACHER}model.{key}': value for key, value in stal_to_ours(networks[1]).items()})
        converted[f'{OUR_TEACHER}initialized'] = torch.ones((), dtype=torch.bool)
    return converted


def _plain(key: str) -> str:
    return key[len(_MODULE) :] if key.startswith(_MODULE) else key

"""Names of released VFM-UDA and VFM-UDA++ checkpoints (Lightning), and back.

============================================  ===========================================  ============================
published                                     here                                         remark
============================================  ===========================================  ============================
``network.encoder.*`` (official DINOv2)       ``backbone.model.*``                         student
``network.encoder.{spm,interactions,up,       ``backbone.*``                               adapter of VFM-UDA++
norm1..4,level_embed}``
``network.upscale.*``                         ``decode_head.upscale.*``
``network.out.weight``                        ``decode_head.conv_seg.weight``
``network_ema.*``                             ``uda.teacher.model.*``                      teacher
``network_feature_head.*``                    (dropped)                                    only used in training
``network_feature_extractor.*``               (dropped)                                    frozen DINOv2
``*.mask_token``                              (dropped)                                    written back as zeros
============================================  ===========================================  ============================
"""

from __future__ import annotations

import re
from typing import Mapping

import torch
from torch import Tensor

from .keys_timm import dinov2_to_timm

State = Mapping[str, Tensor]

STUDENT, TEACHER = 'network.', 'network_ema.'
OWN_TEACHER = 'uda.teacher.'
_DROPPED = ('network_feature_head.', 'network_feature_extractor.')
#: names of the parts around the transformer in VFM-UDA++
ADAPTER = re.compile(r'(level_embed$|(spm|interactions|up|norm[1-4])\.)')


def is_vfm(state: State) -> bool:
    """Whether ``state`` is a checkpoint of VFM-UDA or VFM-UDA++."""
    return any(key.startswith(f'{STUDENT}encoder.') for key in state)


def vfm_to_ours(state: State) -> dict[str, Tensor]:
    """A released checkpoint -> this package's segmentor (``TimmEncoder`` or ``ViTAdapter``, ``VFMHead``) and teacher.

    Raises:
        KeyError: keys that belong to no known part.
    """
    unknown = [key for key in state if not key.startswith((STUDENT, TEACHER, *_DROPPED))]
    if unknown:
        raise KeyError(f'{len(unknown)} keys belong to no known part of VFM-UDA: {", ".join(unknown[:5])}')
    converted = _network_to_ours({k[len(STUDENT) :]: v for k, v in state.items() if k.startswith(STUDENT)})
    teacher = {k[len(TEACHER) :]: v for k, v in state.items() if k.startswith(TEACHER)}
    if teacher:
        converted.update({f'{OWN_TEACHER}model.{key}': value for key, value in _network_to_ours(teacher).items()})
        converted[f'{OWN_TEACHER}initialized'] = torch.ones((), dtype=torch.bool)
    return converted


def _network_to_ours(state: State) -> dict[str, Tensor]:
    converted: dict[str, Tensor] = {}
    encoder: dict[str, Tensor] = {}
    for key, value in state.items():
        part, _, rest = key.partition('.')
        if part == 'encoder':
            if ADAPTER.match(rest):
                converted[f'backbone.{rest}'] = value
            else:
                encoder[rest] = value
        elif part == 'upscale':
            converted[f'decode_head.{key}'] = value
        elif key == 'out.weight':
            converted['decode_head.conv_seg.weight'] = value
        elif part != 'token_masking':
            raise KeyError(f"unknown key '{key}' in a network of VFM-UDA")
    converted.update({f'backbone.model.{key}': value for key, value in dinov2_to_timm(encoder).items()})
    return converted


def ours_to_vfm(state: State) -> dict[str, Tensor]:
    """Student and teacher under released names.

    Raises:
        KeyError: a network that VFM-UDA's code does not have (another encoder or head, registers).
    """
    student = {key: value for key, value in state.items() if not key.startswith('uda.')}
    teacher = {
        key[len(f'{OWN_TEACHER}model.') :]: value
        for key, value in state.items()
        if key.startswith(f'{OWN_TEACHER}model.')
    }
    converted = {STUDENT + key: value for key, value in _network_to_vfm(student).items()}
    converted.update({TEACHER + key: value for key, value in _network_to_vfm(teacher).items()} if teacher else {})
    return converted


def _network_to_vfm(state: State) -> dict[str, Tensor]:
    if 'backbone.model.reg_token' in state or 'backbone.model.cls_token' not in state:
        raise KeyError(
            'only DINOv2 without registers has a counterpart in VFM-UDA (registers cannot be split off again)'
        )
    converted: dict[str, Tensor] = {}
    for key, value in state.items():
        if key == 'decode_head.conv_seg.weight':
            converted['out.weight'] = value
        elif key.startswith('decode_head.upscale.'):
            converted[key[len('decode_head.') :]] = value
        elif key.startswith('backbone.model.'):
            converted[f'encoder.{key[len("backbone.model.") :]}'] = value
        elif key.startswith('backbone.'):
            converted[f'encoder.{key[len("backbone.") :]}'] = value
        else:
            raise KeyError(f"'{key}' has no counterpart in VFM-UDA")
    converted['encoder.mask_token'] = torch.zeros_like(state['backbone.model.cls_token'][0])
    return converted

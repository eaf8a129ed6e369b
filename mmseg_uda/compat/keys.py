"""Names of published checkpoints of the self-training family (SegFormer, DAFormer, HRDA, MIC, UDASS), to this
package's names and back.

===========================  ==============================  ==========================================================
published                    here                            remark
===========================  ==============================  ==========================================================
``model.*``                  (root)                          student
``ema_model.*``              ``uda.teacher.model.*``         EMA teacher
``mic.teacher.ema_model.*``  ``uda.masking.teacher.model.*``  MIC's own teacher, where it has one
``imnet_model.*``            (dropped)                       ImageNet network; it is rebuilt from its own file
(root)                       (root)                          SegFormer and other plain MMSeg checkpoints
===========================  ==============================  ==========================================================

Inside a network only the Mix Transformer (:mod:`mmseg_uda.compat.keys_mit`) and SegFormer's first head have other
names; the heads of DAFormer, HRDA and DeepLabV2 keep theirs.
"""

from __future__ import annotations

import re
from typing import Callable, Mapping

import torch
from torch import Tensor

from .keys_advent import SCALE, advent_to_ours, is_advent, without_scale
from .keys_dstc import dstc_to_ours, is_dstc
from .keys_mit import is_original_mit, mit_from_mmseg, mit_to_mmseg
from .keys_transformers import is_transformers_mit, mit_to_original
from .keys_vfm import is_vfm, vfm_to_ours
from .keys_video import is_video, video_to_ours

State = Mapping[str, Tensor]

TEACHERS = {'ema_model.': 'uda.teacher.model.', 'mic.teacher.ema_model.': 'uda.masking.teacher.model.'}
STUDENT = 'model.'
DROPPED = ('imnet_model.',)
INITIALIZED = 'initialized'
BACKBONE = 'backbone.'
HEAD = 'decode_head.'


def below(state: State, prefix: str) -> dict[str, Tensor]:
    """The part of ``state`` whose keys begin with ``prefix``, without it."""
    return {key[len(prefix) :]: value for key, value in state.items() if key.startswith(prefix)}


def published_to_ours(state: State) -> dict[str, Tensor]:
    """A published checkpoint's weights under this package's names.

    Args:
        state: ``state_dict`` of a DAFormer, HRDA, MIC, UDASS or VFM-UDA run (student, teachers, ImageNet network), of
            a network of the ADVENT lineage or of DSTC, of a SegFormer or other MMSeg segmentor, or the ImageNet file
            of a Mix Transformer (original, or of the ``transformers`` library) or of the ADVENT lineage.

    Returns:
        Keys as in this package's checkpoints; for an ImageNet file the keys of the backbone alone.

    Raises:
        KeyError: nothing to convert, or keys that belong to no known network.
    """
    if any(key.startswith('uda.') for key in state):
        raise KeyError('the checkpoint already has the names of this package')
    if is_original_mit(state):
        return mit_to_mmseg(state)
    if is_transformers_mit(state):
        return mit_to_mmseg(mit_to_original(state))
    if is_vfm(state):
        return vfm_to_ours(state)
    if is_dstc(state):
        return dstc_to_ours(state)
    if any(key.startswith(SCALE) for key in state):
        return without_scale(state)
    if is_video(state):
        return segmentor_to_ours(video_to_ours(state))
    if is_advent(state):
        return advent_to_ours(state)
    if not any(key.startswith(STUDENT) for key in state):
        _require_segmentor(state)
        return segmentor_to_ours(state)
    student = below(state, STUDENT)
    _require_segmentor(student)
    converted = segmentor_to_ours(student)
    for prefix, own in TEACHERS.items():
        teacher = below(state, prefix)
        if teacher:
            converted.update({own + key: value for key, value in segmentor_to_ours(teacher).items()})
            converted[own[: -len(STUDENT)] + INITIALIZED] = torch.ones((), dtype=torch.bool)
    known = (STUDENT, *TEACHERS, *DROPPED)
    unknown = [key for key in state if not key.startswith(known)]
    if unknown:
        raise KeyError(f'{len(unknown)} keys belong to no known network: {", ".join(unknown[:5])}')
    return converted


def ours_to_published(state: State, prefixed: bool = True) -> dict[str, Tensor]:
    """This package's weights under published names.

    Args:
        state: ``state_dict`` of a checkpoint of this package.
        prefixed: as a DAFormer-family run writes it (``model.``, ``ema_model.``); otherwise the student alone, at the
            root, as SegFormer.

    Returns:
        Published names. The ImageNet network is not part of a checkpoint and therefore missing; other state of a
        method has no counterpart.
    """
    student = segmentor_to_published({key: value for key, value in state.items() if not key.startswith('uda.')})
    if not prefixed:
        return student
    converted = {STUDENT + key: value for key, value in student.items()}
    for prefix, own in TEACHERS.items():
        converted.update({prefix + key: value for key, value in segmentor_to_published(below(state, own)).items()})
    return converted


def _require_segmentor(state: State) -> None:
    if not any(key.startswith(BACKBONE) for key in state):
        raise KeyError(f"no key begins with '{BACKBONE}' (first keys: {', '.join(list(state)[:5])})")


def _with_backbone(state: State, convert: Callable[[State], dict[str, Tensor]]) -> dict[str, Tensor]:
    rest = {key: value for key, value in state.items() if not key.startswith(BACKBONE)}
    return {**{BACKBONE + key: value for key, value in convert(below(state, BACKBONE)).items()}, **rest}


def segmentor_to_ours(state: State) -> dict[str, Tensor]:
    """One network's weights (no prefix) under this package's names; names that are the same already are kept."""
    if is_original_mit(below(state, BACKBONE)):
        state = _with_backbone(state, mit_to_mmseg)
    state = _reorder_segformer_head(dict(state))
    if any(
        key.startswith(f'{HEAD}linear_pred.') for key in state
    ):  # the head's base class left an unused classifier there
        state = {key: value for key, value in state.items() if not key.startswith(f'{HEAD}conv_seg.')}
    return dict(state)


def segmentor_to_published(state: State) -> dict[str, Tensor]:
    """Inverse of :func:`segmentor_to_ours` in the naming of the DAFormer family."""
    if any(re.match(r'layers\.\d+\.1\.\d+\.attn\.attn\.in_proj_weight', key) for key in below(state, BACKBONE)):
        return _with_backbone(state, mit_from_mmseg)
    return dict(state)


def _reorder_segformer_head(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """SegFormer's own head: levels are called ``linear_c1`` to ``linear_c4`` and concatenated from the last to the
    first."""
    levels = sorted(
        {int(found.group(1)) for key in state if (found := re.match(rf'{re.escape(HEAD)}linear_c(\d+)\.', key))}
    )
    if not levels:
        return state
    fuse = f'{HEAD}linear_fuse.conv.weight'
    renamed = {
        re.sub(r'linear_c(\d+)\.', lambda found: f'linear_c.{int(found.group(1)) - 1}.', key): value
        for key, value in state.items()
    }
    renamed[fuse] = torch.cat(state[fuse].chunk(len(levels), dim=1)[::-1], dim=1)
    return renamed

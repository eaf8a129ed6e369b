"""Names of vision transformer weights as their authors publish them, to timm's.

=======================================  ==================================  =========================================
published                                timm                                remark
=======================================  ==================================  =========================================
DINOv2 ``register_tokens``               ``reg_token``                       the class token takes its position entry,
                                                                             which cannot be undone
DINOv2 ``mlp.w12``, ``mlp.w3``           ``mlp.fc1``, ``mlp.fc2``            giant
DINOv2, DINOv3 ``mask_token``            (dropped)                           pre-training only
DINOv3 ``storage_tokens``                ``reg_token``
DINOv3 ``ls1.gamma``, ``ls2.gamma``      ``gamma_1``, ``gamma_2``
DINOv3 ``attn.qkv.bias``                 ``attn.q_bias``, ``attn.v_bias``    models named ``_qkvb``; the part of the
                                                                             keys counts as 0
DINOv3 ``mlp.w1``, ``w2``, ``w3``        ``mlp.fc1_g``, ``fc1_x``, ``fc2``   gated
DINOv3 ``rope_embed.periods``, ...       (dropped)                           constants, pre-training heads
=======================================  ==================================  =========================================
"""

from __future__ import annotations

import re
from typing import Mapping, Optional

import torch
from torch import Tensor

State = Mapping[str, Tensor]

_DROPPED_DINOV3 = re.compile(r'.*(\.periods|\.bias_mask)$|mask_token$|local_cls_norm|projectors\.')
_SIZES = {
    (192, 12): 'tiny',
    (384, 12): 'small',
    (768, 12): 'base',
    (1024, 24): 'large',
    (1280, 32): 'huge_plus',
    (1536, 40): 'giant',
    (4096, 40): '7b',
}


def is_dinov3(state: State) -> bool:
    """Whether ``state`` has the names of the official DINOv3 transformers."""
    return 'storage_tokens' in state


def dinov2_to_timm(state: State) -> dict[str, Tensor]:
    """Official DINOv2 names, with or without registers, to timm's; other transformers' names stay."""
    converted = {key: value for key, value in state.items() if key != 'mask_token'}
    if 'register_tokens' in converted:
        converted['reg_token'] = converted.pop('register_tokens')
        positions = converted['pos_embed']
        converted['cls_token'] = converted['cls_token'] + positions[:, :1]
        converted['pos_embed'] = positions[:, 1:]
    renamed = {'.mlp.w12.': '.mlp.fc1.', '.mlp.w3.': '.mlp.fc2.'}
    for old, new in renamed.items():
        converted = {key.replace(old, new): value for key, value in converted.items()}
    return converted


def dinov3_to_timm(state: State, with_bias: bool) -> dict[str, Tensor]:
    """Official DINOv3 names to timm's.

    Args:
        with_bias: the network has ``q_bias`` and ``v_bias`` (names with ``_qkvb``).

    Raises:
        KeyError: biases that are not zero for a network without them.
    """
    converted: dict[str, Tensor] = {}
    for key, value in state.items():
        if _DROPPED_DINOV3.match(key):
            continue
        if key.endswith('.attn.qkv.bias'):
            query, _, values = value.chunk(3)
            if with_bias:
                converted[key.replace('qkv.bias', 'q_bias')] = query
                converted[key.replace('qkv.bias', 'v_bias')] = values
            elif bool(query.any() or values.any()):
                raise KeyError(
                    f"'{key}' holds biases, which this network lacks: take the model name that ends in _qkvb"
                )
            continue
        for old, new in (
            ('storage_tokens', 'reg_token'),
            ('.ls1.gamma', '.gamma_1'),
            ('.ls2.gamma', '.gamma_2'),
            ('.mlp.w1.', '.mlp.fc1_g.'),
            ('.mlp.w2.', '.mlp.fc1_x.'),
            ('.mlp.w3.', '.mlp.fc2.'),
        ):
            key = key.replace(old, new)
        converted[key] = value
    return converted


def likely_model(state: State) -> Optional[str]:
    """The timm name of the plain transformer that ``state`` (without prefix, official or timm names) looks like."""
    weight = state.get('patch_embed.proj.weight')
    blocks = {int(found.group(1)) for key in state if (found := re.match(r'blocks\.(\d+)\.', key))}
    if weight is None or weight.dim() != 4 or not blocks:
        return None
    size = _SIZES.get((weight.shape[0], len(blocks)))
    if size is None:
        return None
    patch = weight.shape[-1]
    if is_dinov3(state) or 'blocks.0.gamma_1' in state:
        biases = [value for key, value in state.items() if key.endswith(('.attn.qkv.bias', '.attn.q_bias'))]
        return f'vit_{size}_patch{patch}_dinov3' + ('_qkvb' if any(bool(torch.any(b != 0)) for b in biases) else '')
    if 'blocks.0.ls1.gamma' in state:
        registers = 'register_tokens' in state or 'reg_token' in state
        return f'vit_{size}_patch{patch}_{"reg4_" if registers else ""}dinov2'
    return f'vit_{size}_patch{patch}_224'

"""Names of Mix Transformer (MiT) weights: the original SegFormer naming and MMSegmentation's.

==================================  ============================================  ====================================
original (stage i = 1..4)           MMSegmentation                                remark
==================================  ============================================  ====================================
``patch_embed{i}.proj``             ``layers.{i-1}.0.projection``
``patch_embed{i}.norm``             ``layers.{i-1}.0.norm``
``block{i}.{j}.norm1``, ``norm2``   ``layers.{i-1}.1.{j}.norm1``, ``norm2``
``block{i}.{j}.attn.q``, ``.kv``    ``layers.{i-1}.1.{j}.attn.attn.in_proj_*``    rows: query, then key and value
``block{i}.{j}.attn.proj``          ``layers.{i-1}.1.{j}.attn.attn.out_proj``
``block{i}.{j}.attn.sr``, ``norm``  ``layers.{i-1}.1.{j}.attn.sr``, ``norm``
``block{i}.{j}.mlp.fc1``            ``layers.{i-1}.1.{j}.ffn.layers.0``           weight of a 1x1 convolution
``block{i}.{j}.mlp.dwconv.dwconv``  ``layers.{i-1}.1.{j}.ffn.layers.1``
``block{i}.{j}.mlp.fc2``            ``layers.{i-1}.1.{j}.ffn.layers.4``           weight of a 1x1 convolution
``norm{i}``                         ``layers.{i-1}.2``
``head``                            (dropped)                                     ImageNet classifier
==================================  ============================================  ====================================
"""

from __future__ import annotations

import re
from typing import Mapping

import torch
from torch import Tensor

_BLOCK_PARTS = {
    'norm1': 'norm1',
    'norm2': 'norm2',
    'attn.proj': 'attn.attn.out_proj',
    'attn.sr': 'attn.sr',
    'attn.norm': 'attn.norm',
    'mlp.fc1': 'ffn.layers.0',
    'mlp.dwconv.dwconv': 'ffn.layers.1',
    'mlp.fc2': 'ffn.layers.4',
}
_STAGE_PARTS = {'proj': 'projection', 'norm': 'norm'}
_LINEAR_AS_CONV = ('ffn.layers.0', 'ffn.layers.4')


def is_original_mit(state: Mapping[str, Tensor]) -> bool:
    """Whether ``state`` (without prefixes) has the original naming."""
    return any(re.match(r'(patch_embed|block)\d+\.', key) for key in state)


def mit_to_mmseg(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Original names to MMSegmentation's; a state that already has those is returned as it is.

    Args:
        state: weights of the backbone alone, without prefix.

    Raises:
        KeyError: neither naming is recognised, or a key of the original naming is unknown.
    """
    if not is_original_mit(state):
        if not any(re.match(r'layers\.\d+\.', key) for key in state):
            raise KeyError(f'no key of a Mix Transformer found (first keys: {", ".join(list(state)[:5])})')
        return dict(state)
    converted: dict[str, Tensor] = {}
    for key, value in state.items():
        if key.startswith('head.') or '.attn.kv.' in key:
            continue
        query = re.fullmatch(r'block(\d+)\.(\d+)\.attn\.q\.(weight|bias)', key)
        if query:
            stage, block, kind = query.groups()
            key_value = state[f'block{stage}.{block}.attn.kv.{kind}']
            converted[f'layers.{int(stage) - 1}.1.{block}.attn.attn.in_proj_{kind}'] = torch.cat([value, key_value])
            continue
        name = _mmseg_name(key)
        as_conv = name.endswith('weight') and any(f'.{part}.' in name for part in _LINEAR_AS_CONV)
        converted[name] = value[:, :, None, None] if as_conv else value
    return converted


def _mmseg_name(key: str) -> str:
    block = re.fullmatch(r'block(\d+)\.(\d+)\.(.+)\.(weight|bias)', key)
    if block and block.group(3) in _BLOCK_PARTS:
        return f'layers.{int(block.group(1)) - 1}.1.{block.group(2)}.{_BLOCK_PARTS[block.group(3)]}.{block.group(4)}'
    embed = re.fullmatch(r'patch_embed(\d+)\.(proj|norm)\.(weight|bias)', key)
    if embed:
        return f'layers.{int(embed.group(1)) - 1}.0.{_STAGE_PARTS[embed.group(2)]}.{embed.group(3)}'
    norm = re.fullmatch(r'norm(\d+)\.(weight|bias)', key)
    if norm:
        return f'layers.{int(norm.group(1)) - 1}.2.{norm.group(2)}'
    raise KeyError(f"unknown key '{key}' in weights with the original Mix Transformer naming")


def mit_from_mmseg(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """MMSegmentation's names to the original ones (inverse of :func:`mit_to_mmseg`, without a classifier)."""
    parts = {own: original for original, own in _BLOCK_PARTS.items()}
    stages = {own: original for original, own in _STAGE_PARTS.items()}
    converted: dict[str, Tensor] = {}
    for key, value in state.items():
        stage, kind, rest = re.fullmatch(r'layers\.(\d+)\.(\d)\.(.+)', key).groups()  # type: ignore[union-attr]
        number = int(stage) + 1
        if kind == '2':
            converted[f'norm{number}.{rest}'] = value
        elif kind == '0':
            part, suffix = rest.split('.')
            converted[f'patch_embed{number}.{stages[part]}.{suffix}'] = value
        else:
            block, part = rest.split('.', 1)
            base = f'block{number}.{block}'
            if '.in_proj_' in part:
                suffix = part.rsplit('_', 1)[1]
                channels = value.shape[0] // 3
                converted[f'{base}.attn.q.{suffix}'], converted[f'{base}.attn.kv.{suffix}'] = (
                    value[:channels],
                    value[channels:],
                )
                continue
            part, suffix = part.rsplit('.', 1)
            flat = suffix == 'weight' and part in _LINEAR_AS_CONV
            converted[f'{base}.{parts[part]}.{suffix}'] = value[:, :, 0, 0] if flat else value
    return converted

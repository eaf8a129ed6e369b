"""Names of the weight files of the ``transformers`` library (``model.safetensors``, ``pytorch_model.bin``) to the
original ones.

Known: Mix Transformer (``nvidia/mit-b0`` ... and SegFormer), DINOv2 with and without registers, DINOv3 transformers and
DINOv3 ConvNeXt. The library keeps these names in files, whatever it calls the modules in memory.
"""

from __future__ import annotations

import re
from typing import Mapping

import torch
from torch import Tensor

State = Mapping[str, Tensor]

_MIT = re.compile(r'(?:segformer\.)?encoder\.(?:block|patch_embeddings|layer_norm)\.\d+\.')
_CONVNEXT = re.compile(r'stages\.\d+\.(?:downsample_layers|layers)\.\d+\.')
_WRAPPERS = ('dinov2.', 'dinov2_with_registers.', 'dinov3_vit.', 'model.')

_MIT_BLOCK = {
    'layer_norm_1': 'norm1',
    'layer_norm_2': 'norm2',
    'attention.self.query': 'attn.q',
    'attention.self.sr': 'attn.sr',
    'attention.self.layer_norm': 'attn.norm',
    'attention.output.dense': 'attn.proj',
    'mlp.dense1': 'mlp.fc1',
    'mlp.dwconv.dwconv': 'mlp.dwconv.dwconv',
    'mlp.dense2': 'mlp.fc2',
}
_VIT_BLOCK = {
    'attention.output.dense': 'attn.proj',
    'attention.o_proj': 'attn.proj',
    'layer_scale1.lambda1': 'ls1.gamma',
    'layer_scale2.lambda1': 'ls2.gamma',
    'mlp.weights_in': 'mlp.w12',
    'mlp.weights_out': 'mlp.w3',
}
_VIT_ROOT = {
    'embeddings.cls_token': 'cls_token',
    'embeddings.mask_token': 'mask_token',
    'embeddings.position_embeddings': 'pos_embed',
    'embeddings.patch_embeddings.projection.weight': 'patch_embed.proj.weight',
    'embeddings.patch_embeddings.projection.bias': 'patch_embed.proj.bias',
    'embeddings.patch_embeddings.weight': 'patch_embed.proj.weight',
    'embeddings.patch_embeddings.bias': 'patch_embed.proj.bias',
    'layernorm.weight': 'norm.weight',
    'layernorm.bias': 'norm.bias',
    'norm.weight': 'norm.weight',
    'norm.bias': 'norm.bias',
}
_QUERY = re.compile(r'(?:attention\.attention\.|attention\.)(query|key|value|[qkv]_proj)\.(weight|bias)')
_CONVNEXT_LAYER = {
    'depthwise_conv': 'dwconv',
    'layer_norm': 'norm',
    'pointwise_conv1': 'pwconv1',
    'pointwise_conv2': 'pwconv2',
}


def is_transformers_mit(state: State) -> bool:
    """Whether ``state`` is a SegFormer or Mix Transformer file of the library."""
    return any(_MIT.match(key) for key in state)


def is_transformers_encoder(state: State) -> bool:
    """Whether ``state`` is a DINOv2 or DINOv3 file of the library."""
    bare = _unwrapped(state)
    return any(key.startswith('embeddings.patch_embeddings') for key in bare) or any(_CONVNEXT.match(k) for k in bare)


def mit_to_original(state: State) -> dict[str, Tensor]:
    """The encoder of a SegFormer or Mix Transformer file under the names of the original code.

    Raises:
        KeyError: a key of the encoder that is unknown.
    """
    converted: dict[str, Tensor] = {}
    for key, value in state.items():
        name = key[len('segformer.') :] if key.startswith('segformer.') else key
        if not name.startswith('encoder.'):
            continue  # the classifier or the decode head
        if '.attention.self.key.' in name:
            values = state[key.replace('.self.key.', '.self.value.')]
            converted[_mit_name(name.replace('.self.key.', '.self.query.')).replace('.q.', '.kv.')] = torch.cat(
                [value, values]
            )
        elif '.attention.self.value.' not in name:
            converted[_mit_name(name)] = value
    return converted


def _mit_name(key: str) -> str:
    block = re.fullmatch(r'encoder\.block\.(\d+)\.(\d+)\.(.+)\.(weight|bias)', key)
    if block and block.group(3) in _MIT_BLOCK:
        stage, number, part, kind = block.groups()
        return f'block{int(stage) + 1}.{number}.{_MIT_BLOCK[part]}.{kind}'
    embed = re.fullmatch(r'encoder\.patch_embeddings\.(\d+)\.(proj|layer_norm)\.(weight|bias)', key)
    if embed:
        return f'patch_embed{int(embed.group(1)) + 1}.{embed.group(2).replace("layer_", "")}.{embed.group(3)}'
    norm = re.fullmatch(r'encoder\.layer_norm\.(\d+)\.(weight|bias)', key)
    if norm:
        return f'norm{int(norm.group(1)) + 1}.{norm.group(2)}'
    raise KeyError(f"unknown key '{key}' in a Mix Transformer file of the transformers library")


def encoder_to_official(state: State) -> dict[str, Tensor]:
    """A DINOv2 or DINOv3 file of the library under the names of the official code (a classifier is dropped).

    Raises:
        KeyError: an unknown key.
    """
    state = _unwrapped(state)
    if any(_CONVNEXT.match(key) for key in state):
        return {_convnext_name(key): value for key, value in state.items()}
    dinov3 = 'embeddings.position_embeddings' not in state
    converted: dict[str, Tensor] = {}
    merged: dict[str, dict[str, Tensor]] = {}
    for key, value in state.items():
        if key in _VIT_ROOT:
            converted[_VIT_ROOT[key]] = value
        elif key == 'embeddings.register_tokens':
            converted['storage_tokens' if dinov3 else 'register_tokens'] = value
        elif not key.startswith('classifier.'):
            block = re.fullmatch(r'(?:encoder\.|model\.)?layer\.(\d+)\.(.+)', key)
            if block is None:
                raise KeyError(f"unknown key '{key}' in an encoder file of the transformers library")
            _add_block(converted, merged, f'blocks.{block.group(1)}.', block.group(2), value)
    for name, parts in merged.items():
        like = next(iter(parts.values()))  # DINOv3 files have no bias of the keys
        converted[name] = torch.cat([parts.get(part, torch.zeros_like(like)) for part in 'qkv'])
    return _ungated(converted)


def _add_block(
    converted: dict[str, Tensor], merged: dict[str, dict[str, Tensor]], prefix: str, part: str, value: Tensor
) -> None:
    query = _QUERY.fullmatch(part)
    if query:
        merged.setdefault(f'{prefix}attn.qkv.{query.group(2)}', {})[query.group(1)[0]] = value
        return
    for old, new in _VIT_BLOCK.items():
        part = part.replace(old, new)
    converted[prefix + part] = value


def _ungated(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The names of DINOv3's MLP: ``w1`` (gate), ``w2`` (up), ``w3`` (down), or ``fc1`` and ``fc2`` without a gate."""
    gated = any('.mlp.gate_proj.' in key for key in state)
    up, down = ('w2', 'w3') if gated else ('fc1', 'fc2')
    renamed = {'.mlp.gate_proj.': '.mlp.w1.', '.mlp.up_proj.': f'.mlp.{up}.', '.mlp.down_proj.': f'.mlp.{down}.'}
    for old, new in renamed.items():
        state = {key.replace(old, new): value for key, value in state.items()}
    return state


def _convnext_name(key: str) -> str:
    down = re.fullmatch(r'stages\.(\d+)\.downsample_layers\.(.+)', key)
    if down:
        return f'downsample_layers.{down.group(1)}.{down.group(2)}'
    layer = re.fullmatch(r'stages\.(\d+)\.layers\.(\d+)\.(\w+)(.*)', key)
    if layer:
        stage, number, part, rest = layer.groups()
        return f'stages.{stage}.{number}.{_CONVNEXT_LAYER.get(part, part)}{rest}'
    return key.replace('layer_norm.', 'norm.')


def _unwrapped(state: State) -> dict[str, Tensor]:
    for prefix in _WRAPPERS:
        if any(key.startswith(f'{prefix}embeddings.') for key in state):
            state = {k[len(prefix) :]: v for k, v in state.items() if k.startswith(prefix)}
    return dict(state)

"""Weights of timm encoders from the files that users have.

Recognised by their keys: official DINOv2 and DINOv3 files, timm's ``model.safetensors``, files of the ``transformers``
library (DINOv2, DINOv3), released VFM-UDA checkpoints, MMSeg's ``TIMMBackbone``, and segmentors of this package. Every
parameter of the encoder must be covered; whatever is left over must belong to a part that was pruned.
"""

from __future__ import annotations

import re
import sys
import warnings
from typing import TYPE_CHECKING, Any, Mapping

import torch
from torch import Tensor, nn

from ..compat.keys import below
from ..compat.keys_timm import dinov2_to_timm, dinov3_to_timm, is_dinov3, likely_model
from ..compat.keys_transformers import encoder_to_official, is_transformers_encoder, is_transformers_mit
from ..compat.keys_vfm import ADAPTER
from ..utils.checkpoint_io import CheckpointError, load_checkpoint_file, state_dict_of
from .lora import merged_state, with_lora_names
from .pretrained import BACKBONE_PREFIX, OPTIONAL_SUFFIX, load_backbone_weights, resolve_checkpoint

if TYPE_CHECKING:
    from .backbones.timm_encoder import TimmEncoder

OWN = 'backbone.model.'
#: what stands before the encoder's keys in files of others, in the order in which it is looked for
PREFIXES = ('network.encoder.', 'backbone.timm_model.', 'teacher.backbone.', 'backbone.', 'timm_model.', 'model.')
#: leftovers of any file that no encoder needs: classifiers, pre-training parts, constants
_USELESS = re.compile(
    r'(head|fc|classifier|head_dist|attn_pool|fc_norm|pre_logits|mask_token|decode_head|auxiliary_head|uda|'
    r'norm)(\.|$)|.*\.(relative_position_index|attn_mask|rope\.periods)$'
)
_PATCH = 'patch_embed.proj.weight'


def load_timm_weights(encoder: TimmEncoder, name: str) -> None:
    """Load a file strictly into ``encoder.model`` and fold the normalisation that its weights expect.

    Args:
        encoder: the network; gives what was pruned and which options were set.
        name: path or address.

    Raises:
        CheckpointError: names the keys and the model that the file looks like.
    """
    state = state_dict_of(load_checkpoint_file(resolve_checkpoint(name)))
    own = below(state, OWN)
    if own:
        own = own if encoder.lora is not None else merged_state(own)
        _load(encoder, own, name)  # trained here: already folded, positions already of this grid
        around = below(state, BACKBONE_PREFIX)
        _load_adapter(encoder, {k: v for k, v in around.items() if not k.startswith('model.')}, name)
        return
    try:
        state = _encoder_part(state)
        adapter = {key: state.pop(key) for key in list(state) if ADAPTER.match(key)}
    except (CheckpointError, KeyError) as error:
        raise CheckpointError(f"'{name}': {error.args[0]}") from error
    looks_like = likely_model(state)
    hint = f" It looks like timm's '{looks_like}'." if looks_like else ''
    try:
        _check_sizes(encoder, state, name)
        state = _timm_names(encoder, state)
        _load(encoder, _filtered(encoder.whole_network(), state), name)
    except (CheckpointError, KeyError) as error:
        message = error.args[0] if isinstance(error, CheckpointError) else f"'{name}': {error.args[0]}"
        raise CheckpointError(f"{message} (for TimmEncoder '{encoder.model_name}').{hint}") from error
    _load_adapter(encoder, adapter, name)
    _fold_normalisation(encoder, name)


def _load_adapter(encoder: TimmEncoder, given: Mapping[str, Tensor], name: str) -> None:
    """The part of a file that stands around the transformer, for encoders that have such a part."""
    own = {key: value for key, value in encoder.state_dict().items() if not key.startswith('model.')}
    if given and not own:
        kind = 'ReinEncoder' if any(key.startswith('rein.') for key in given) else 'ViTAdapter'
        raise CheckpointError(
            f"'{name}' holds a transformer that was trained with parts around it ({next(iter(given))} ...): take "
            f"type='{kind}'"
        )
    if not given:
        if any(ADAPTER.match(key) for key in own):  # Rein's tokens always start anew
            warnings.warn(f"'{name}' has no adapter: that part of the encoder starts from random weights", stacklevel=2)
        return
    needed = {key: value for key, value in own.items() if not key.endswith(OPTIONAL_SUFFIX)}
    wrong = [key for key, value in needed.items() if key not in given or given[key].shape != value.shape]
    if wrong or any(key not in own for key in given):
        raise CheckpointError(
            f"'{name}' holds another adapter than the encoder: {', '.join(wrong[:5]) or 'it has further keys'}"
        )
    encoder.load_state_dict(given, strict=False)


def _encoder_part(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    if is_transformers_mit(state):
        raise CheckpointError("this is a Mix Transformer: take a backbone of type 'mit_b0' to 'mit_b5' for it")
    if is_transformers_encoder(state):
        return encoder_to_official(state)
    for prefix in PREFIXES:
        part = below(state, prefix)
        if part:
            return part
    return dict(state)


def _check_sizes(encoder: TimmEncoder, state: Mapping[str, Tensor], name: str) -> None:
    """Refuse what timm's own converters would silently resample or crash on."""
    own = encoder.model.state_dict()
    if _PATCH in state and _PATCH in own and state[_PATCH].dim() == 4:
        theirs, ours = tuple(state[_PATCH].shape[2:]), tuple(own[_PATCH].shape[2:])
        if theirs != ours and not encoder.given_patch_size:
            raise CheckpointError(
                f"'{name}' was trained with patches of {theirs} pixels, the encoder has {ours}: set patch_size in the "
                'backbone to resample the patch kernels on purpose'
            )
        if state[_PATCH].shape[0] != own[_PATCH].shape[0]:
            raise CheckpointError(
                f"'{name}' belongs to another size: {_PATCH} {tuple(state[_PATCH].shape)} instead of "
                f'{tuple(own[_PATCH].shape)}'
            )
    registers = any(key in state for key in ('register_tokens', 'storage_tokens', 'reg_token'))
    wanted = 'reg_token' in own
    if 'cls_token' in state and registers != wanted:
        raise CheckpointError(
            f"'{name}' {'has' if registers else 'lacks'} register tokens, the encoder {'has' if wanted else 'lacks'} "
            'them'
        )


def _timm_names(encoder: TimmEncoder, state: dict[str, Tensor]) -> dict[str, Tensor]:
    if is_dinov3(state):
        return dinov3_to_timm(state, any(key.endswith('.attn.q_bias') for key in encoder.model.state_dict()))
    from timm.models.vision_transformer import VisionTransformer

    return dinov2_to_timm(state) if isinstance(encoder.model, VisionTransformer) else state


def _filtered(network: nn.Module, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """timm's own conversion for this family (older names, positions of another grid)."""
    module = next(
        (sys.modules[cls.__module__] for cls in type(network).__mro__ if cls.__module__.startswith('timm.models.')),
        None,
    )
    convert = getattr(module, 'checkpoint_filter_fn', None) or getattr(module, '_filter_fn', None)
    if convert is None:
        return state
    try:
        return dict(convert(dict(state), network))
    except TypeError:  # some take the state alone
        return dict(convert(dict(state)))


def _load(encoder: TimmEncoder, state: Mapping[str, Tensor], name: str) -> None:
    network = encoder.model
    state = with_lora_names(state, network.state_dict())
    left = load_backbone_weights(network, state, name)
    unknown = [key for key in left if key not in encoder.pruned_keys and not _USELESS.match(key)]
    beyond = re.compile(r'(blocks|stages|layers)\.\d+\.')
    unknown = [key for key in unknown if not (beyond.match(key) and _is_pruned(encoder, key))]
    if unknown:
        raise CheckpointError(
            f"'{name}' holds {len(unknown)} keys that the encoder has no place for: {', '.join(sorted(unknown)[:5])}"
        )


def _is_pruned(encoder: TimmEncoder, key: str) -> bool:
    return any(pruned.split('.')[:2] == key.split('.')[:2] for pruned in encoder.pruned_keys)


@torch.no_grad()
def _fold_normalisation(encoder: TimmEncoder, name: str) -> None:
    """Let the first convolution take images of the pipeline instead of those that the weights were trained on.

    With x = u * s_pipe + m_pipe = v * s_w + m_w: w' = w * s_pipe / s_w and b' = b + sum w * (m_pipe - m_w) / s_w,
    which is exact because the convolution does not pad.
    """
    if _close(encoder.in_mean_std, encoder.pipeline_mean_std):
        return
    (mean_w, std_w), (mean_pipe, std_pipe) = (
        [torch.tensor(values) for values in pair] for pair in (encoder.in_mean_std, encoder.pipeline_mean_std)
    )
    model: Any = encoder.model
    first = model.pretrained_cfg.get('first_conv')
    conv = model.get_submodule(first) if isinstance(first, str) else None
    if not isinstance(conv, nn.Conv2d) or any(conv.padding) or conv.bias is None:
        pixels = [[round(255 * v, 3) for v in values] for values in encoder.in_mean_std]
        raise CheckpointError(
            f"the weights '{name}' expect images normalised with mean {pixels[0]} and std {pixels[1]}, which cannot be "
            "folded exactly into this network's padded first layer: put these numbers into img_norm_cfg of the "
            'pipelines and set in_mean_std=None in the backbone'
        )
    weight = conv.weight.clone()
    shift = ((mean_pipe - mean_w) / std_w).view(1, -1, 1, 1).to(weight)
    conv.weight.copy_(weight * (std_pipe / std_w).view(1, -1, 1, 1).to(weight))
    conv.bias.add_((weight * shift).sum((1, 2, 3)))


def _close(first: object, second: object) -> bool:
    """Whether two normalisations are the same up to the rounding of the numbers in configs."""
    return bool(torch.allclose(torch.tensor(first), torch.tensor(second), atol=1e-4))

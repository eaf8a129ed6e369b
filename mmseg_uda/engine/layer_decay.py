"""Layer-wise learning rates for any encoder (optimiser constructor ``EncoderLayerDecay``)."""

from __future__ import annotations

import fnmatch
import re
from typing import Any, Mapping, Optional, Sequence, Union

from mmcv.runner.optimizer import OPTIMIZER_BUILDERS
from torch import nn

from ..ops.layer_decay import layer_factor
from ..utils.config import check_options

#: options of ``paramwise_cfg`` that only this constructor understands
OPTIONS = ('layer_decay', 'backbone_mult', 'no_decay', 'final_norm')
#: how MMSeg's and this package's backbones are divided, in the form of timm's ``group_matcher``
MATCHERS: dict[str, dict[str, Any]] = {
    'MixVisionTransformer': dict(
        stem=r'^layers\.0\.(?:patch_embed|0)\.',
        blocks=[
            (r'^layers\.(\d+)\.(?:patch_embed|0)\.', (0,)),
            (r'^layers\.(\d+)\.(?:blocks|1)\.(\d+)', None),
            (r'^layers\.(\d+)\.(?:norm|2)\.', (99999,)),
        ],
    ),
    'ResNet': dict(stem=r'^(?:conv1|bn1|stem|norm1)', blocks=r'^layer(\d+)\.(\d+)'),
    'ConvNeXt': dict(
        stem=r'^downsample_layers\.0',
        blocks=[
            (r'^downsample_layers\.(\d+)', (0,)),
            (r'^stages\.(\d+)\.(\d+)', None),
            (r'^norm(\d+)', (99999,)),
        ],
    ),
    'SwinTransformer': dict(
        stem=r'^(?:patch_embed|absolute_pos_embed)',
        blocks=[
            (r'^stages\.(\d+)\.blocks\.(\d+)', None),
            (r'^stages\.(\d+)\.downsample', (99999,)),
            (r'^norm(\d+)', (99999,)),
        ],
    ),
    'VisionTransformer': dict(
        stem=r'^(?:cls_token|pos_embed|patch_embed|mask_token)',
        blocks=[(r'^layers\.(\d+)', None), (r'^(?:ln1|norm)', (99999,))],
    ),
}
MATCHERS['BEiT'] = MATCHERS['VisionTransformer']


def layer_numbers(backbone: nn.Module) -> dict[str, int]:
    """Layer of every parameter of a backbone: 0 = stem, then the blocks in order.

    timm networks (in ``TimmEncoder`` or MMSeg's ``TIMMBackbone``) say it themselves; MMSeg's are in :data:`MATCHERS`.
    Parameters of a wrapper around a timm network (an adapter) are missing in the result: they train at the full rate.

    Raises:
        ValueError: a backbone that is divided in an unknown way.
    """
    for holder in ('model', 'timm_model'):
        network: Any = getattr(backbone, holder, None)
        if hasattr(network, 'group_matcher'):
            numbers = _grouped(network, network.group_matcher(coarse=False))
            return {f'{holder}.{name}': layer for name, layer in numbers.items()}
    names = [cls.__name__ for cls in type(backbone).__mro__]
    found = next((name for name in names if name in MATCHERS), None)
    if found is None:
        raise ValueError(
            f"layer_decay: {names[0]} is divided into layers in an unknown way; known are TimmEncoder and MMSeg's "
            f'{", ".join(sorted(MATCHERS))}'
        )
    patterns = [
        p for entry in MATCHERS[found].values() for p in ([entry] if isinstance(entry, str) else [e[0] for e in entry])
    ]
    unknown = [name for name, _ in backbone.named_parameters() if not any(re.match(p, name) for p in patterns)]
    if unknown:
        raise ValueError(f"layer_decay: {names[0]} has parameters of no known layer, such as '{unknown[0]}'")
    return _grouped(backbone, MATCHERS[found])


def _grouped(network: nn.Module, matcher: Mapping[str, Any]) -> dict[str, int]:
    from timm.models import group_parameters

    return dict(group_parameters(network, matcher, reverse=True))


@OPTIMIZER_BUILDERS.register_module()
class EncoderLayerDecay:
    """Parameter groups with rates that fall from the last block of the encoder to its stem.

    Rate of block i of d: lr * backbone_mult * layer_decay^(d - 1 - i); of the stem (patch embedding, tokens,
    positions): layer_decay^d; of everything else (heads, necks, adapters): lr. Chosen by ``layer_decay`` in
    ``paramwise_cfg``, or by ``constructor='EncoderLayerDecay'``.

    ``paramwise_cfg``:
        layer_decay: factor from block to block (1 = none).
        backbone_mult: factor of the whole encoder.
        no_decay: weight decay 0 for parameters whose name contains one of these (or matches it as a pattern with
            ``*``); ``'auto'`` = one-dimensional parameters and what the network names (positions, tokens). Default:
            weight decay for everything, as VFM-UDA.
        final_norm: the last norm of a plain transformer goes with the ``'stem'`` (VFM-UDA) or with the ``'last'``
            block (timm).
        custom_keys: ``{part of a name: dict(lr_mult=..., decay_mult=...)}`` on top, the longest match counts.
    """

    def __init__(self, optimizer_cfg: Mapping[str, Any], paramwise_cfg: Optional[Mapping[str, Any]] = None) -> None:
        options = dict(paramwise_cfg or {})
        check_options(options, (*OPTIONS, 'custom_keys'), 'optimizer.paramwise_cfg (with layer_decay)')
        self.lr = float(optimizer_cfg['lr'])
        self.weight_decay: Optional[float] = optimizer_cfg.get('weight_decay')
        self.layer_decay = float(options.get('layer_decay', 1.0))
        self.backbone_mult = float(options.get('backbone_mult', 1.0))
        self.no_decay: Union[str, Sequence[str]] = options.get('no_decay') or ()
        self.final_norm = options.get('final_norm', 'stem')
        self.custom_keys = dict(options.get('custom_keys') or {})
        if not 0 < self.layer_decay <= 1:
            raise ValueError(f'layer_decay must lie in (0, 1], got {self.layer_decay}')
        if self.backbone_mult < 0:
            raise ValueError(f'backbone_mult must not be negative, got {self.backbone_mult}')
        if self.final_norm not in ('stem', 'last'):
            raise ValueError(f"final_norm must be 'stem' or 'last', got '{self.final_norm}'")
        if isinstance(self.no_decay, str) and self.no_decay != 'auto':
            raise ValueError(f"no_decay must be 'auto' or a list of names, got '{self.no_decay}'")
        for key, values in self.custom_keys.items():
            check_options(values, ('lr_mult', 'decay_mult'), f"optimizer.paramwise_cfg.custom_keys['{key}']")

    def add_params(self, params: list[dict[str, Any]], module: nn.Module, **_: Any) -> None:
        """Add one group per trainable parameter of ``module``, a network with or without a ``backbone``."""
        factors = self._encoder_factors(getattr(module, 'backbone', None))
        exempt = self._exempt_names(getattr(module, 'backbone', None))
        for name, param in module.named_parameters():
            if not param.requires_grad:
                continue
            found = [key for key in self.custom_keys if key in name]
            rule = self.custom_keys[max(found, key=len)] if found else {}
            group: dict[str, Any] = dict(params=[param], lr=self.lr * factors.get(name, 1.0) * rule.get('lr_mult', 1.0))
            if self.weight_decay is not None:
                decay = 0.0 if self._is_exempt(name, param, exempt) else float(self.weight_decay)
                group['weight_decay'] = decay * rule.get('decay_mult', 1.0)
            params.append(group)

    def _encoder_factors(self, backbone: Optional[nn.Module]) -> dict[str, float]:
        """Factor of the rate by name, relative to the network, of every parameter of the encoder."""
        if backbone is None:
            return {}
        numbers = layer_numbers(backbone)
        last = max(numbers.values())
        if self.final_norm == 'stem':
            numbers.update({name: 0 for name in numbers if _is_final_norm(name)})
        return {
            f'backbone.{name}': self.backbone_mult * layer_factor(layer, last, self.layer_decay)
            for name, layer in numbers.items()
        }

    def _exempt_names(self, backbone: Optional[nn.Module]) -> set[str]:
        if self.no_decay != 'auto' or backbone is None:
            return set()
        network: Any = getattr(backbone, 'model', backbone)
        named = network.no_weight_decay() if hasattr(network, 'no_weight_decay') else ()
        prefix = 'backbone.model.' if network is not backbone else 'backbone.'
        return {prefix + name for name in named}

    def _is_exempt(self, name: str, param: nn.Parameter, named: set[str]) -> bool:
        if self.no_decay == 'auto':
            return param.ndim <= 1 or name in named
        return any(part in name or fnmatch.fnmatch(name, part) for part in self.no_decay)


def _is_final_norm(name: str) -> bool:
    """Whether this is the norm behind the last block of a plain timm transformer."""
    return name.startswith(('model.norm.', 'model.fc_norm.'))

"""Named optimisers with few, merged parameter groups."""

from __future__ import annotations

import copy
import inspect
from typing import Any, Mapping, Optional, Union

import torch
from mmcv.runner.optimizer import OPTIMIZERS
from mmseg.core.builder import build_optimizer_constructor
from torch import nn
from torch.optim import Optimizer

from ..utils.config import nearest
from . import layer_decay, repeated_sgd  # noqa: F401  (register their constructors)

OptimizerOrDict = Union[Optimizer, dict[str, Optimizer]]


def build_optimizers(cfg: Mapping[str, Any], networks: Mapping[str, nn.Module]) -> dict[str, Optimizer]:
    """One optimiser per network.

    Args:
        cfg: an MMSeg optimiser config (``type``, ``lr``, ``paramwise_cfg``, ``constructor`` ...), used for every
            network, or a dict with the names of ``networks`` as keys and such a config for each.
        networks: trainable networks by name (``UDASegmentor.networks``); they share no parameter.

    Returns:
        Optimisers by network name. Parameters are grouped by equal options (lr, weight decay ...): ``paramwise_cfg``
        gives what mmcv's one-group-per-parameter constructor gives, but an optimiser steps a handful of groups
        instead of hundreds.

    Raises:
        KeyError: a missing or unknown network name or optimiser type.
        ValueError: networks that share parameters, or have none that are trained.
    """
    configs = _config_per_network(cfg, networks)
    _check_disjoint(networks)
    return {name: _build(configs[name], network, name) for name, network in networks.items()}


def as_mmcv(optimizers: dict[str, Optimizer]) -> OptimizerOrDict:
    """What mmcv's runner and hooks expect: the optimiser itself when there is only one."""
    return next(iter(optimizers.values())) if len(optimizers) == 1 else optimizers


def _config_per_network(cfg: Mapping[str, Any], networks: Mapping[str, nn.Module]) -> dict[str, Mapping[str, Any]]:
    if 'type' in cfg:
        return {name: cfg for name in networks}
    unknown = [name for name in cfg if name not in networks]
    if unknown:
        raise KeyError(f"optimizer: unknown network '{unknown[0]}' ({nearest(unknown[0], networks)})")
    missing = [name for name in networks if name not in cfg]
    if missing:
        raise KeyError(f"optimizer: no entry for network '{missing[0]}'; this method trains {sorted(networks)}")
    return dict(cfg)


def _check_disjoint(networks: Mapping[str, nn.Module]) -> None:
    owner: dict[int, str] = {}
    for name, network in networks.items():
        for parameter in network.parameters():
            if owner.setdefault(id(parameter), name) != name:
                raise ValueError(
                    f"networks '{owner[id(parameter)]}' and '{name}' share a parameter: each parameter has one "
                    'optimiser'
                )


def _build(cfg: Mapping[str, Any], network: nn.Module, name: str) -> Optimizer:
    cfg = dict(cfg)
    kind = cfg.get('type')
    if kind not in OPTIMIZERS.module_dict:
        raise KeyError(
            f"optimizer of network '{name}': unknown type '{kind}' ({nearest(str(kind), OPTIMIZERS.module_dict)})"
        )
    paramwise = cfg.pop('paramwise_cfg', None)
    constructor = cfg.pop('constructor', None)
    groups: list[dict[str, Any]] = [{'params': [p]} for p in network.parameters()]
    if paramwise or constructor:
        groups = _grouped(constructor, cfg, paramwise, network, name)
    groups = merge_groups(groups, {key: cfg[key] for key in ('lr', 'weight_decay') if key in cfg})
    if not groups:
        raise ValueError(
            f"network '{name}' has no parameter that is trained: unfreeze it or drop it from the method's networks"
        )
    cls = OPTIMIZERS.get(kind)
    options = {key: value for key, value in cfg.items() if key != 'type'}
    parameters = [p for group in groups for p in group['params']]
    for key, value in _fast_options(cls, parameters).items():
        options.setdefault(key, value)
    _check_options(cls, options, name)
    return cls(groups, **options)


def _grouped(
    constructor: Optional[str], cfg: Mapping[str, Any], paramwise: Any, network: nn.Module, name: str
) -> list[dict[str, Any]]:
    """The parameter groups that a constructor of mmcv or MMSegmentation makes.

    Those with a rate per layer look at ``network.backbone``; a network without one (a discriminator) has no layers to
    tell apart and gets the plain rates.
    """
    layered = 'layer_decay_rate' in (paramwise or {}) or 'decay_rate' in (paramwise or {})
    if layered and not hasattr(network, 'backbone'):
        constructor, paramwise = None, None
    built = build_optimizer_constructor(
        dict(
            type=constructor or _constructor_for(paramwise),
            optimizer_cfg=dict(cfg),
            paramwise_cfg=copy.deepcopy(paramwise),  # some take their keys out of it
        )
    )
    groups: list[dict[str, Any]] = []
    try:
        built.add_params(groups, network)
    except NotImplementedError:
        raise ValueError(
            f"optimizer of network '{name}': {constructor} knows no layers of {type(network.backbone).__name__} "
            f'with paramwise_cfg={dict(paramwise or {})}: leave constructor out and take '
            'paramwise_cfg=dict(layer_decay=...), which knows every encoder'
        ) from None
    return groups


def _constructor_for(paramwise: Optional[Mapping[str, Any]]) -> str:
    """The constructor that understands ``paramwise_cfg``: mmcv's would ignore the options of the layer decay."""
    layered = any(key in layer_decay.OPTIONS for key in paramwise or ())
    return 'EncoderLayerDecay' if layered else 'DefaultOptimizerConstructor'


def _check_options(cls: type, options: Mapping[str, Any], name: str) -> None:
    valid = set(inspect.signature(cls).parameters) - {'params'}
    unknown = [key for key in options if key not in valid]
    if unknown:
        raise KeyError(
            f"optimizer of network '{name}': {cls.__name__} has no option '{unknown[0]}' ({nearest(unknown[0], valid)})"
        )


def merge_groups(groups: list[dict[str, Any]], defaults: Optional[Mapping[str, Any]] = None) -> list[dict[str, Any]]:
    """Merge parameter groups whose options are equal, in order of first appearance; parameters that need no gradient
    are dropped.

    Args:
        groups: parameter groups of a torch optimiser.
        defaults: options of a group that does not give its own.
    """
    merged: dict[tuple[Any, ...], dict[str, Any]] = {}
    for group in groups:
        params = [p for p in _listed(group['params']) if p.requires_grad]
        # mmcv and mmseg constructors add bookkeeping such as param_names that differs for every parameter and that no
        # optimiser reads
        options = {
            **(defaults or {}),
            **{k: v for k, v in group.items() if k not in ('params', 'param_names', 'group_name', 'lr_scale')},
        }
        if params:
            key = tuple(sorted((k, repr(v)) for k, v in options.items()))
            merged.setdefault(key, {'params': [], **options})['params'].extend(params)
    return list(merged.values())


def _listed(params: Any) -> list[nn.Parameter]:
    return [params] if isinstance(params, nn.Parameter) else list(params)


def _fast_options(cls: type, parameters: list[nn.Parameter]) -> dict[str, Any]:
    """``fused`` where torch offers it for this optimiser and device, else ``foreach``."""
    accepted = inspect.signature(cls).parameters
    device = parameters[0].device.type
    version = tuple(int(part) for part in torch.__version__.split('+')[0].split('.')[:2])
    floating = all(p.is_floating_point() for p in parameters)
    fused_here = floating and ((device == 'cuda') or (device == 'cpu' and version >= (2, 4)))
    if 'fused' in accepted and fused_here and cls.__module__.startswith('torch.optim'):
        return {'fused': True}
    return {'foreach': device == 'cuda'} if 'foreach' in accepted else {}

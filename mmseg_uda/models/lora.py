"""Low-rank adaptation (LoRA, arXiv 2106.09685) of linear layers: W' = W + (alpha / rank) * B A, with W frozen."""

from __future__ import annotations

import math
from typing import Mapping, Sequence

import torch
import torch.nn.utils.parametrize as parametrize
from torch import Tensor, nn

#: between a layer's name and the parts of its weight in a state dict
MARKER = '.parametrizations.weight.'
#: names of the projections of self-attention in timm
ATTENTION = ('qkv', 'q_proj', 'k_proj', 'v_proj', 'proj')


class LoRA(nn.Module):
    """Parametrisation of a weight (out, in): adds the scaled product of ``b`` (out, rank) and ``a`` (rank, in).

    ``b`` starts at zero, so that nothing changes before training.
    """

    scale: Tensor

    def __init__(self, weight: Tensor, rank: int, alpha: float) -> None:
        super().__init__()
        self.register_buffer('scale', torch.tensor(alpha / rank, dtype=weight.dtype, device=weight.device))
        self.a = nn.Parameter(torch.empty(rank, weight.shape[1], dtype=weight.dtype, device=weight.device))
        self.b = nn.Parameter(torch.zeros(weight.shape[0], rank, dtype=weight.dtype, device=weight.device))
        nn.init.kaiming_uniform_(self.a, a=math.sqrt(5))

    def forward(self, weight: Tensor) -> Tensor:
        return weight + self.scale * (self.b @ self.a)


def add_lora(
    network: nn.Module, rank: int = 16, alpha: float = 16, targets: Sequence[str] = ATTENTION, first_block: int = 0
) -> int:
    """Give linear layers of ``network`` a low-rank update and freeze their weights.

    Args:
        network: holds ``blocks`` (transformer) or any linear layers.
        rank: r.
        alpha: the update is scaled by alpha / rank.
        targets: last parts of the names of the layers.
        first_block: layers of earlier ``blocks.<i>`` are left alone.

    Returns:
        Number of layers that were changed.

    Raises:
        ValueError: no layer has such a name, or a rank that is not positive.
    """
    if rank < 1:
        raise ValueError(f'lora.rank must be positive, got {rank}')
    changed = 0
    for name, module in list(network.named_modules()):
        parts = name.split('.')
        early = parts[0] == 'blocks' and len(parts) > 1 and int(parts[1]) < first_block
        if not isinstance(module, nn.Linear) or parts[-1] not in targets or early:
            continue
        module.weight.requires_grad_(False)
        parametrize.register_parametrization(module, 'weight', LoRA(module.weight, rank, alpha))
        changed += 1
    if not changed:
        names = sorted({name.split('.')[-1] for name, m in network.named_modules() if isinstance(m, nn.Linear)})
        raise ValueError(f'lora.targets {list(targets)} name no linear layer of the encoder, which has {names}')
    return changed


def merge_lora(network: nn.Module) -> int:
    """Put every low-rank update into its weight, in place: the network computes the same, with its ordinary keys.

    Returns:
        Number of layers that were merged.
    """
    merged = 0
    for module in list(network.modules()):
        parametrizations = getattr(module, 'parametrizations', None)
        if parametrizations is None or 'weight' not in parametrizations:
            continue
        if any(isinstance(part, LoRA) for part in parametrizations['weight']):
            parametrize.remove_parametrizations(module, 'weight', leave_parametrized=True)
            merged += 1
    return merged


def merged_state(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A state dict with the low-rank updates in its weights: ``<layer>.parametrizations.weight.*`` becomes
    ``<layer>.weight``; everything else stays."""
    merged = {key: value for key, value in state.items() if MARKER not in key}
    for key in [key for key in state if key.endswith(f'{MARKER}original')]:
        layer = key[: -len(f'{MARKER}original')]
        a, b, scale = (state[f'{layer}{MARKER}0.{part}'] for part in ('a', 'b', 'scale'))
        merged[f'{layer}.weight'] = state[key] + scale * (b @ a)
    return merged


def with_lora_names(state: Mapping[str, Tensor], own: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights of a plain network under the names of one with LoRA whose state dict is ``own``; its updates stay as
    they are."""
    layers = [key[: -len(f'{MARKER}original')] for key in own if key.endswith(f'{MARKER}original')]
    named = dict(state)
    for layer in layers:
        if f'{layer}.weight' in named:
            named[f'{layer}{MARKER}original'] = named.pop(f'{layer}.weight')
            named.update({key: own[key] for key in own if key.startswith(f'{layer}{MARKER}0.')})
    return named

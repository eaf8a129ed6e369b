"""Building networks of timm for dense prediction: any input size where the network can, clear refusals where not."""

from __future__ import annotations

import difflib
import inspect
import re
import sys
from typing import Any, Mapping, Optional, Sequence

import torch
from torch import nn

from ...utils.config import nearest

#: constructor options that let a network take inputs of another size than the configured one, tried in this order
ANY_SIZE: tuple[dict[str, Any], ...] = (dict(dynamic_img_size=True), dict(strict_img_size=False), {})


#: options of timm that have no meaning here, and what to do instead
REFUSED = {
    'num_classes': 'the encoder has no classifier; set num_classes of the heads',
    'features_only': 'it gives feature maps anyway; out_indices chooses them',
    'checkpoint_path': "name the file with 'pretrained'",
}


def import_timm() -> Any:
    """timm, or an error that says how to get it."""
    try:
        import timm
    except ImportError as error:
        raise ImportError("TimmEncoder needs timm: pip install 'timm>=1.0.15'") from error
    return timm


def build_network(model_name: str, options: dict[str, Any], known: Sequence[str]) -> tuple[nn.Module, bool]:
    """A timm network without classifier and without pretrained weights.

    Args:
        model_name: name in timm.
        options: further options of the network.
        known: options of the encoder around it, for messages.

    Returns:
        The network, and whether it takes inputs of any size.

    Raises:
        KeyError: unknown name or option, with the nearest valid one. ValueError: no intermediate feature maps.
    """
    timm = import_timm()
    if not timm.is_model(model_name):
        close = difflib.get_close_matches(model_name, timm.list_models(), n=1)
        hint = f"did you mean '{close[0]}'?" if close else "timm.list_models('*dinov2*') lists names"
        raise KeyError(f"TimmEncoder: timm {timm.__version__} has no model '{model_name}' ({hint})")
    for option in options:
        if option in REFUSED:
            raise KeyError(f"TimmEncoder takes no '{option}': {REFUSED[option]}")
    network: Optional[nn.Module] = None
    for attempt in ANY_SIZE:
        try:
            network = timm.create_model(model_name, pretrained=False, num_classes=0, **{**attempt, **options})
            break
        except TypeError as error:
            unknown = re.search(r"unexpected keyword argument(?:\(s\): \[| )'(\w+)'", str(error))
            if unknown is None:
                raise
            if unknown.group(1) not in attempt:
                raise KeyError(_unknown_option(timm, model_name, unknown.group(1), str(error), known)) from error
    assert network is not None
    if not hasattr(network, 'forward_intermediates') or not hasattr(network, 'prune_intermediate_layers'):
        raise ValueError(f"TimmEncoder: '{model_name}' gives no intermediate feature maps in timm {timm.__version__}")
    return network, bool(attempt) or not _has_fixed_positions(network)


def _has_fixed_positions(network: nn.Module) -> bool:
    """Whether weights belong to places of an input of one size (absolute positions, relative ones of whole maps)."""
    names = [name.rsplit('.', 1)[-1] for name, _ in network.named_parameters()]  # XCiT computes them in a ``pos_embed``
    strict = getattr(getattr(network, 'patch_embed', None), 'strict_img_size', False)
    return strict or any(name.startswith(('pos_embed', 'rel_pos', 'relative_position')) for name in names)


def _unknown_option(timm: Any, model_name: str, option: str, message: str, known: Sequence[str]) -> str:
    module = sys.modules[timm.model_entrypoint(model_name.split('.')[0]).__module__]
    cls = getattr(module, message.split('.')[0], None)
    valid = set(known) | (set(inspect.signature(cls).parameters) if inspect.isclass(cls) else set())
    return f"TimmEncoder: neither the encoder nor timm's '{model_name}' has an option '{option}' " + (
        f'({nearest(option, valid)})'
    )


def default_indices(network: Any, plain: bool) -> list[int]:
    """Blocks d/4-1, d/2-1, 3d/4-1, d-1 of a plain transformer of depth d; the last four levels of a pyramid."""
    levels = len(network.feature_info)
    if not plain:
        return list(range(max(levels - 4, 0), levels))
    return sorted({max(-(-levels * quarter // 4) - 1, 0) for quarter in (1, 2, 3, 4)})


def is_plain(network: Any) -> bool:
    """Whether all maps have one stride: a plain transformer, not a pyramid."""
    return len({info['reduction'] for info in network.feature_info}) == 1


def size_divisor(network: Any, plain: bool) -> int:
    """What the sides of inputs are rounded up to, so that the maps cover the whole image.

    The patch of a transformer (Swin pads behind its patches); the deepest stride of networks that begin with an
    unpadded convolution (ConvNeXt), which would cut the rest; 1 for networks that pad.
    """
    if plain:
        return int(network.feature_info[0]['reduction'])
    first = next((name, conv) for name, conv in network.named_modules() if isinstance(conv, nn.Conv2d))
    if any(first[1].padding):
        return 1
    if first[0].startswith('patch_embed.'):
        return int(first[1].stride[0])
    return int(max(info['reduction'] for info in network.feature_info))


def native_size(network: Any, options: Mapping[str, Any]) -> tuple[int, int]:
    """The input size (H, W) that the network was built for."""
    given = options.get('img_size') or getattr(getattr(network, 'patch_embed', None), 'img_size', None)
    given = network.pretrained_cfg['input_size'][1:] if given is None else given
    return (given, given) if isinstance(given, int) else (int(given[0]), int(given[1]))


def final_norm_of(network: nn.Module) -> Optional[nn.Module]:
    """The norm behind the last block of a plain transformer, or None."""
    norm = getattr(network, 'norm', None)
    return None if norm is None or isinstance(norm, nn.Identity) else norm


def normed(norm: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """A norm over channels of a map (B, C, H, W)."""
    return norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2).contiguous()

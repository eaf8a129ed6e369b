"""Stylisers: give a target's images and features the channel statistics of another target (CoaST, arXiv 2210.01578)."""

from __future__ import annotations

from contextlib import contextmanager
from typing import Any, Iterator, NamedTuple, Optional, Sequence

import torch
from mmcv.runner import get_dist_info
from torch import Tensor, nn

from ..ops.style import instance_stats, restyle
from ..ops.world import World
from ..registry import STYLISERS

STYLE_MODES = ('clean', 'official')


class StyleSlots(nn.Module):
    """Channel statistics of the last batch of every domain at one place of the network.

    The slots are buffers (domains, images of all processes, channels) and travel in checkpoints, so that a resumed
    run continues exactly. A process writes and reads its own images; :meth:`ChannelStatistics.synchronise` fetches
    the others'. A slot that was not written since the number of images last changed holds mean 0 and deviation 1.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, num_domains: int) -> None:
        super().__init__()
        self.num_domains = num_domains
        self.register_buffer('mean', torch.zeros(num_domains, 0, 0))
        self.register_buffer('std', torch.ones(num_domains, 0, 0))

    @torch.no_grad()
    def write(self, x: Tensor, domain: int) -> None:
        """Store the statistics of ``x`` (B, C, H, W) as those of ``domain``."""
        own = self.own(x)
        self.mean[domain, own], self.std[domain, own] = (value[..., 0, 0] for value in instance_stats(x))

    def apply_style(self, x: Tensor, domain: int) -> Tensor:
        """``x`` with the stored statistics of ``domain``, image by image."""
        own = self.own(x)
        mean, std = (value[domain, own, :, None, None].clone() for value in (self.mean, self.std))
        return restyle(x, mean, std)

    def own(self, x: Tensor) -> slice:
        """The images of this process among those of all; the slots are emptied when they do not fit ``x`` (B, C, H,
        W)."""
        rank, world_size = get_dist_info()
        shape = (self.num_domains, world_size * x.shape[0], x.shape[1])
        if self.mean.shape != shape:
            self.mean = torch.zeros(shape, device=x.device)
            self.std = torch.ones(shape, device=x.device)
        return slice(rank * x.shape[0], (rank + 1) * x.shape[0])

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        for name in ('mean', 'std'):
            value = state_dict.get(f'{prefix}{name}')
            if value is not None and value.shape[:1] == (self.num_domains,):
                setattr(self, name, torch.empty_like(value, device=getattr(self, name).device))
        super()._load_from_state_dict(state_dict, prefix, *args)


class _Pass(NamedTuple):
    current: int
    transfer: Optional[int]
    write: bool


@STYLISERS.register_module()
class ChannelStatistics(nn.Module):
    """Image-level and feature-level style of several domains.

    Args:
        num_domains: number of targets.
        layers: names of submodules of the backbone whose outputs (a tensor, or a sequence that starts with one) are
            restyled, such as ``layer1.0``; empty = images only.
        mode: ``clean`` stores statistics in natural passes only; ``official`` in every pass once the first natural
            one came, as the released code does: stylised views then take the statistics of source and stylised
            passes.
    """

    def __init__(self, num_domains: int, layers: Sequence[str] = (), mode: str = 'clean') -> None:
        super().__init__()
        if mode not in STYLE_MODES:
            raise ValueError(f"mode of ChannelStatistics must be one of {', '.join(STYLE_MODES)}, got '{mode}'")
        self.mode = mode
        self.layers = tuple(layers)
        self.image = StyleSlots(num_domains)
        self.features = nn.ModuleList(StyleSlots(num_domains) for _ in self.layers)
        self._pass: Optional[_Pass] = None

    def attach(self, backbone: nn.Module) -> None:
        """Hook the named layers of ``backbone``.

        Raises:
            ValueError: a layer that the backbone lacks.
        """
        modules = dict(backbone.named_modules())
        for name, slots in zip(self.layers, self.features):
            if name not in modules:
                raise ValueError(f"styliser.layers: {type(backbone).__name__} has no submodule '{name}'")
            if getattr(modules[name], 'output_fmt', None) == 'NHWC':
                raise ValueError(
                    f"styliser.layers: '{name}' puts the channels last, where their statistics would be taken over the "
                    f"wrong axes; take its convolution '{name}.proj' or a block"
                )
            modules[name].register_forward_hook(self._hook(slots))

    def _hook(self, slots: nn.Module) -> Any:
        def restyled(_: nn.Module, __: Any, output: Any) -> Any:
            if torch.is_tensor(output):
                return self.through(slots, output)
            return type(output)([self.through(slots, output[0]), *output[1:]])

        return restyled

    def through(self, slots: Any, x: Tensor) -> Tensor:
        """``x`` as it leaves one place during the current pass: a map (B, C, H, W), or tokens (B, N, C) of a
        transformer."""
        if self._pass is None:
            return x
        if x.dim() == 3:
            return self.through(slots, x.transpose(1, 2).unsqueeze(3)).squeeze(3).transpose(1, 2)
        if self._pass.write:
            slots.write(x, self._pass.current)
        return x if self._pass.transfer is None else slots.apply_style(x, self._pass.transfer)

    @torch.no_grad()
    def synchronise(self, world: World) -> None:
        """Bring the images of all processes into every process's slots, with one collective; called once per
        iteration."""
        filled = [slots for slots in (self.image, *self.features) if slots.mean.numel()]
        if world.world_size == 1 or not filled:
            return
        rank = get_dist_info()[0]
        values = [value.chunk(world.world_size, dim=1)[rank] for slots in filled for value in (slots.mean, slots.std)]
        gathered = world.gather(torch.cat([value.flatten() for value in values])).view(world.world_size, -1)
        parts = gathered.split([value.numel() for value in values], dim=1)
        for k, slots in enumerate(filled):
            for buffer, like, part in zip((slots.mean, slots.std), values[2 * k :], parts[2 * k :]):
                buffer.copy_(torch.cat([row.view(like.shape) for row in part], dim=1))

    @contextmanager
    def source_pass(self) -> Iterator[None]:
        """A pass of source images; the released code takes it for one of the last target."""
        writes = self.mode == 'official' and self.image.mean.numel() > 0
        with self._during(_Pass(self.image.num_domains - 1, None, writes)):
            yield

    @contextmanager
    def natural_pass(self, domain: int) -> Iterator[None]:
        """A pass of a target's own images: its statistics are stored."""
        with self._during(_Pass(domain, None, True)):
            yield

    @contextmanager
    def stylised_pass(self, domain: int, style: int) -> Iterator[None]:
        """A pass of images of ``domain`` with features in the style of another one."""
        with self._during(_Pass(domain, style, self.mode == 'official')):
            yield

    @contextmanager
    def _during(self, state: _Pass) -> Iterator[None]:
        self._pass = state
        try:
            yield
        finally:
            self._pass = None

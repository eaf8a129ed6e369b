"""Where and how networks compute: the ``engine`` part of a config."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any, Mapping, Optional, Union

import torch
from mmseg.models.segmentors import EncoderDecoder

from ..methods.base import UDASegmentor
from ..models.checkpointing import checkpoint_blocks
from ..models.compiling import compile_backbone, compile_blocks
from ..models.decode_heads.daformer_head import ASPPFusion
from ..models.execution import speed_up
from ..ops.hrda import checked_chunk
from ..utils.config import check_options

#: what saves memory, by the name under which it is measured: the plain training and the overlays of
#: ``configs/_base_/memory``, as they stand under ``memory`` in a config
MEMORY_VARIANTS: dict[str, dict[str, Any]] = {
    'fp32': dict(precision='fp32'),
    'fp32 + checkpointing': dict(activation_checkpointing=True, windows_per_chunk='auto', precision='fp32'),
    'bf16': dict(precision='bf16'),
    'small_gpu': dict(activation_checkpointing=True, windows_per_chunk='auto', precision='bf16', teacher_copy='host'),
}


#: of the channels of DAFormer's head where windows are taken in chunks
STRIPS = 8
#: what ``engine.compile`` may name
COMPILED = ('backbone', 'blocks')


@dataclass(frozen=True)
class EngineOptions:
    """``engine = dict(...)`` of a config; none of them changes what is computed but for rounding.

    Attributes:
        channels_last: memory format of images and convolutions. On a CPU it pays for networks of depthwise and 1x1
            convolutions.
        compile: ``torch.compile`` of the student's passes with gradients: ``'backbone'`` (or True), as one graph, or
            ``'blocks'``: every repeated block of backbone and head, of which equal ones share their graph. What
            cannot be compiled (no compiler, code that torch does not understand, too many shapes) runs as ever, with
            a warning that names it. It does not pay on a CPU (first iteration 149 s, then no gain).
        cuda_graphs: the compiled backbone replays its passes as CUDA graphs, a launch each. Crops must have one size.
            Warns and goes on without them where there is no CUDA, or where they fail.
        activation_checkpointing: blocks of backbones keep their inputs only and are computed again in backward: less
            memory for one more forward pass of the encoder.
        windows_per_chunk: detail windows (per image) that HRDA's network takes at a time where no gradient is needed;
            ``'auto'``: as many as need less memory than a training pass. Heads that need all windows at once, for
            their batch statistics, compute their widest layers in strips of channels.
    """

    channels_last: bool = False
    compile: Union[bool, str] = False
    cuda_graphs: bool = False
    activation_checkpointing: bool = False
    windows_per_chunk: Union[int, str, None] = None

    @classmethod
    def from_config(cls, engine: Optional[Mapping[str, Any]]) -> EngineOptions:
        """Read ``engine``.

        Raises:
            TypeError: an unknown option, with the nearest valid one. ValueError: a chunk that is not positive, another
                kind of compilation, options that do not go together.
        """
        options = dict(engine or {})
        check_options(options, cls.__dataclass_fields__, 'engine')
        checked_chunk('engine.windows_per_chunk', options.get('windows_per_chunk'))
        found = cls(**options)
        found._check_compilation()
        return found

    def _check_compilation(self) -> None:
        if self.compile not in (False, True, *COMPILED):
            raise ValueError(f"engine.compile must be 'backbone', 'blocks', True or False, got {self.compile!r}")
        if self.cuda_graphs and self.compile == 'blocks':
            raise ValueError(
                "engine.cuda_graphs captures the backbone as a whole: leave compile='blocks' out, or write 'backbone'"
            )
        if self.activation_checkpointing and self.cuda_graphs:
            raise ValueError(
                'engine.cuda_graphs cannot capture blocks that are computed again in backward: leave out '
                'activation_checkpointing, or cuda_graphs'
            )
        if self.activation_checkpointing and self.compile in (True, 'backbone'):
            raise ValueError(
                "engine.compile='backbone' would compile activation_checkpointing away: write compile='blocks'"
            )


def spread_memory(cfg: Any) -> None:
    """Write ``memory = dict(...)`` of an overlay (``configs/_base_/memory``) where its options are read.

    A key of its own, because two files of one ``_base_`` list must not set the same key: ``precision`` and
    ``teacher_copy`` go to ``optimizer_config``, the rest to ``engine``. What these say themselves stays.
    """
    memory = dict(cfg.get('memory') or {})
    step = {key: memory.pop(key) for key in ('precision', 'teacher_copy') if key in memory}
    if step:
        cfg['optimizer_config'] = {**step, **(cfg.get('optimizer_config') or {})}
    if memory:
        check_options(memory, EngineOptions.__dataclass_fields__, 'memory')
        cfg['engine'] = {**memory, **(cfg.get('engine') or {})}


def place(method: UDASegmentor, device: torch.device, options: EngineOptions) -> UDASegmentor:
    """Bring a method to its device and choose how its networks compute; returns it."""
    return arrange(speed_up(method.to(device)), options)


def arrange(method: UDASegmentor, options: EngineOptions) -> UDASegmentor:
    """Apply ``options`` to a method, on whatever device it is; returns it."""
    if options.channels_last:
        method.to(memory_format=torch.channels_last)
    _compile(method, options)
    for segmentor in (module for module in method.modules() if isinstance(module, EncoderDecoder)):
        if options.windows_per_chunk is not None and hasattr(segmentor, 'hr_windows_per_chunk'):
            segmentor.hr_windows_per_chunk = options.windows_per_chunk
            for fusion in (module for module in segmentor.modules() if isinstance(module, ASPPFusion)):
                fusion.strips = STRIPS  # a head with batch statistics gets all windows at once
        if options.activation_checkpointing and any(p.requires_grad for p in segmentor.backbone.parameters()):
            checkpoint_blocks(segmentor.backbone)
    return method


def _compile(method: UDASegmentor, options: EngineOptions) -> None:
    """Before blocks are checkpointed: what is computed again is then the compiled block."""
    student: Any = method.student
    device = next(student.parameters()).device.type
    if options.cuda_graphs and device != 'cuda':
        logging.getLogger('mmseg').warning('engine.cuda_graphs: %s has none, the training goes on without them', device)
    if options.compile == 'blocks':
        compile_blocks(student.backbone, student.decode_head)
    elif options.compile or (options.cuda_graphs and device == 'cuda'):
        compile_backbone(student.backbone, options.cuda_graphs and device == 'cuda')

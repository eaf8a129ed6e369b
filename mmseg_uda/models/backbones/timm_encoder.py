"""Any encoder of timm as a backbone: DINOv2, DINOv3, EVA-02, SigLIP, Swin, ConvNeXt ..."""

from __future__ import annotations

import contextlib
import re
import warnings
from typing import Any, Mapping, Optional, Sequence, Union

import torch
import torch.nn.functional as F
from mmcv.runner import BaseModule
from mmseg.models.builder import BACKBONES
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from ...ops.position_embedding import RULES
from ..lora import add_lora
from ..pretrained_timm import load_timm_weights
from .timm_build import build_network, default_indices, final_norm_of, is_plain, native_size, normed, size_divisor

Normalisation = Sequence[Sequence[float]]
#: mean and std of MMSeg's ImageNet pipelines, RGB in 0..1
IMAGENET = ((123.675 / 255, 116.28 / 255, 103.53 / 255), (58.395 / 255, 57.12 / 255, 57.375 / 255))


@BACKBONES.register_module()
class TimmEncoder(BaseModule):
    """A timm network that gives feature maps to MMSeg heads.

    Blocks, norms and classifiers that no output needs are removed, so that every parameter gets a gradient. Inputs of
    any size work where the network allows it: they are resized to whole patches (never padded, which would shift the
    maps). Maps come as NCHW for every family. Nothing is ever downloaded by timm.

    Args:
        model_name: timm name, such as ``vit_large_patch14_dinov2``; ``name`` is accepted too.
        out_indices: blocks of a plain transformer or levels of a pyramid, in rising order. Default: a quarter, half,
            three quarters and all of the blocks (2, 5, 8, 11 of 12); the last four levels.
        final_norm: of a plain transformer: False = none, True = the last norm on every output (DINOv2's
            ``get_intermediate_layers``), ``'last'`` = on the last output only.
        fit: sides that are no multiple of the patch: ``'resize'`` the image up to the next multiple, or ``'error'``.
        input_scale: factor of the sides before that, rounded down to whole patches (1.1 in VFM-UDA: 1024 -> 1120).
        pos_embed_resize: rule of :mod:`mmseg_uda.ops.position_embedding`; ``'auto'`` = what the weights were trained
            with: ``hub`` for DINOv2 without registers, else ``antialias``.
        pretrained: weight file (``.pth``, ``.safetensors``), address, or None; ``weights`` is accepted too. Formats:
            :mod:`mmseg_uda.models.pretrained_timm`.
        frozen: True, or the number of blocks that are frozen together with everything before them. Frozen parts stay
            in evaluation mode.
        with_cp: activation checkpointing.
        drop_path_rate: stochastic depth; None = the network's own default.
        fused_attention: ``scaled_dot_product_attention`` (the default of timm) or explicit softmax.
        in_mean_std: (mean, std) in 0..1 that the weights expect, folded into the patch convolution when ``pretrained``
            is loaded; ``'auto'`` = timm's entry for this model, None = those of the pipeline.
        pipeline_mean_std: (mean, std) of the data pipeline in 0..1.
        lora: options of :func:`~mmseg_uda.models.lora.add_lora`, or None. The rest of the encoder is then frozen.
        kwargs: options of the timm network (``img_size``, ``patch_size``, ``embed_dim`` ...).

    Attributes:
        embed_dims: channels of every output. stride: of the outputs of a plain transformer (its patch), else None.
        depth: blocks or levels that are kept.

    Raises:
        KeyError: unknown model or option. ValueError: an option that this network cannot honour.
    """

    loads_strictly = True
    model: Any  # a timm network

    def __init__(
        self,
        model_name: Optional[str] = None,
        out_indices: Optional[Sequence[int]] = None,
        final_norm: Union[bool, str] = False,
        fit: str = 'resize',
        input_scale: float = 1.0,
        pos_embed_resize: str = 'auto',
        pretrained: Optional[str] = None,
        frozen: Union[bool, int] = False,
        with_cp: bool = False,
        drop_path_rate: Optional[float] = None,
        fused_attention: Optional[bool] = None,
        in_mean_std: Union[str, Normalisation, None] = 'auto',
        pipeline_mean_std: Normalisation = IMAGENET,
        lora: Optional[Mapping[str, Any]] = None,
        init_cfg: Any = None,
        name: Optional[str] = None,
        weights: Optional[str] = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(None)
        self.model_name = _one_of('model_name', model_name, 'name', name)
        if self.model_name is None:
            raise ValueError("TimmEncoder needs model_name, such as 'vit_base_patch14_dinov2'")
        self.pretrained = _one_of('pretrained', pretrained, 'weights', weights)
        if init_cfg is not None:
            if init_cfg.get('type') != 'Pretrained':
                raise ValueError("TimmEncoder: init_cfg may only be dict(type='Pretrained', checkpoint=...)")
            self.pretrained = _one_of('pretrained', self.pretrained, 'init_cfg', init_cfg['checkpoint'])
        if self.pretrained is not None and not isinstance(self.pretrained, str):
            raise ValueError(f'TimmEncoder.pretrained must be a file or an address, got {self.pretrained!r}')
        if fit not in ('resize', 'error'):
            raise ValueError(f"TimmEncoder.fit must be 'resize' or 'error', got '{fit}'")
        if not input_scale > 0:
            raise ValueError(f'TimmEncoder.input_scale must be positive, got {input_scale}')
        if drop_path_rate is not None and not 0 <= drop_path_rate < 1:
            raise ValueError(f'TimmEncoder.drop_path_rate must lie in [0, 1), got {drop_path_rate}')
        self.fit, self.input_scale = fit, float(input_scale)
        self.given_patch_size = 'patch_size' in kwargs
        options = dict(kwargs) if drop_path_rate is None else dict(kwargs, drop_path_rate=drop_path_rate)
        self._options = options
        self.model, self.any_size = build_network(self.model_name, options, _OPTIONS)
        self.plain = is_plain(self.model)
        self.divisor = size_divisor(self.model, self.plain)
        self._native_size = native_size(self.model, options)
        self._prune(out_indices, final_norm)
        self._set_positions(pos_embed_resize)
        self._set_normalisation(in_mean_std, pipeline_mean_std)
        if with_cp:
            self.model.set_grad_checkpointing(True)
        module: Any
        for module in self.model.modules():
            if fused_attention is not None and hasattr(module, 'fused_attn'):
                module.fused_attn = fused_attention
        self.lora = dict(lora) if lora is not None else None
        self.frozen = frozen
        self._freeze()
        if self.lora is not None:
            add_lora(self.model, **self.lora)

    # ---- construction ----------------------------------------------------------------------------------------------
    def _prune(self, out_indices: Optional[Sequence[int]], final_norm: Union[bool, str]) -> None:
        levels = len(self.model.feature_info)
        if out_indices is not None and not _are_numbers(out_indices):
            raise ValueError(f'TimmEncoder.out_indices must be a list of whole numbers, got {out_indices!r}')
        indices = default_indices(self.model, self.plain) if out_indices is None else list(out_indices)
        indices = [i + levels if i < 0 else i for i in indices]
        if not indices or sorted(set(indices)) != indices or indices[0] < 0 or indices[-1] >= levels:
            raise ValueError(
                f'out_indices must be rising numbers of the {levels} {"blocks" if self.plain else "levels"} of '
                f"'{self.model_name}', got {out_indices}"
            )
        if final_norm not in (False, True, 'last'):
            raise ValueError(f"final_norm must be False, True or 'last', got {final_norm!r}")
        if final_norm and (not self.plain or final_norm_of(self.model) is None):
            raise ValueError(f"final_norm={final_norm!r}: '{self.model_name}' has no norm behind its last block")
        info = self.model.feature_info
        self.out_indices, self.final_norm = tuple(indices), final_norm
        self.embed_dims = tuple(int(info[i]['num_chs']) for i in indices)
        self.strides = tuple(int(info[i]['reduction']) for i in indices)
        self.stride = self.divisor if self.plain else None
        self.depth = indices[-1] + 1
        whole = set(self.model.state_dict())
        self.model.prune_intermediate_layers(indices, prune_norm=not final_norm, prune_head=True)
        #: keys of the whole network that a weight file may hold although nothing takes them
        self.pruned_keys = frozenset(whole - set(self.model.state_dict()))

    def _set_positions(self, rule: str) -> None:
        if rule != 'auto' and rule not in RULES:
            raise ValueError(f"pos_embed_resize must be 'auto' or one of {RULES}, got '{rule}'")
        if rule == 'auto':
            name = str(self.model_name)
            rule = 'hub' if '_patch14_dinov2' in name and 'reg' not in name else 'antialias'
        elif getattr(self.model, 'pos_embed', None) is None:
            raise ValueError(f"pos_embed_resize='{rule}': '{self.model_name}' has no table of absolute positions")
        self.position_rule = rule
        if rule != 'antialias':
            from .timm_positions import use_rule

            use_rule(self.model, rule)

    def _set_normalisation(self, given: Any, pipeline: Normalisation) -> None:
        if given == 'auto':
            config = self.model.pretrained_cfg
            given = (config['mean'], config['std'])
        self.pipeline_mean_std = tuple(tuple(map(float, values)) for values in pipeline)
        self.in_mean_std = (
            self.pipeline_mean_std if given is None else tuple(tuple(map(float, values)) for values in given)
        )
        if [len(values) for values in (*self.in_mean_std, *self.pipeline_mean_std)] != [3] * 4:
            raise ValueError('in_mean_std and pipeline_mean_std are (mean, std) with three values each')

    def _freeze(self) -> None:
        if self.lora is not None and self.frozen is not False:
            raise ValueError('TimmEncoder: lora freezes the encoder already; leave frozen out')
        self._frozen_modules: list[nn.Module] = []
        if self.frozen is True or self.lora is not None:
            self.model.requires_grad_(False)
            self._frozen_modules = [] if self.lora is not None else [self.model]
        elif self.frozen is not False:
            if not self.plain or not _are_numbers([self.frozen]) or not 0 <= self.frozen <= self.depth:
                raise ValueError(
                    f'frozen={self.frozen}: a number of blocks is for plain transformers and lies between 0 and the '
                    f"{self.depth} kept blocks; '{self.model_name}' also takes True"
                )
            stem = [getattr(self.model, key, None) for key in ('patch_embed', 'norm_pre', 'rope')]
            self._frozen_modules = [m for m in stem if isinstance(m, nn.Module)] + list(
                self.model.blocks[: self.frozen]
            )
            for module in self._frozen_modules:
                module.requires_grad_(False)
            for token in ('cls_token', 'reg_token', 'pos_embed'):
                if getattr(self.model, token, None) is not None:
                    getattr(self.model, token).requires_grad_(False)

    @property
    def channels(self) -> tuple[int, ...]:
        """The same as ``embed_dims``."""
        return self.embed_dims

    def whole_network(self) -> nn.Module:
        """The network before anything was pruned, without storage: its shapes serve timm's converters of files."""
        with torch.device('meta'):
            return build_network(str(self.model_name), self._options, _OPTIONS)[0]

    # ---- weights and modes -----------------------------------------------------------------------------------------
    def init_weights(self) -> None:
        """timm's random weights, or those of ``pretrained``.

        Raises:
            CheckpointError: the file is missing, lacks keys, or belongs to another network; names the likely one.
        """
        if self.pretrained is None:
            warnings.warn(
                f"TimmEncoder: '{self.model_name}' starts from random weights (pretrained=None)", stacklevel=2
            )
            return
        load_timm_weights(self, self.pretrained)

    def train(self, mode: bool = True) -> TimmEncoder:
        """Train mode; frozen parts stay in evaluation mode."""
        super().train(mode)
        for module in self._frozen_modules:
            module.eval()
        return self

    # ---- forward ---------------------------------------------------------------------------------------------------
    def _fitted_size(self, size: Sequence[int]) -> tuple[int, int]:
        step = self.divisor
        if self.input_scale != 1:
            fitted = tuple(max(int(side * self.input_scale / step), 1) * step for side in size)
        else:
            fitted = tuple(-(-side // step) * step for side in size)
            if fitted != tuple(size) and self.fit == 'error':
                raise ValueError(
                    f"an input of {tuple(size)} pixels is no multiple of {step}, which '{self.model_name}' needs: "
                    "change the crop size, or leave fit at 'resize'"
                )
        if not self.any_size and fitted != self._native_size:
            raise ValueError(
                f"'{self.model_name}' takes inputs of {self._native_size} pixels only, got {fitted}: set "
                f'img_size={fitted} in the backbone (and crop and test with that size), or take another encoder'
            )
        return fitted[0], fitted[1]

    def _fitted(self, x: Tensor) -> Tensor:
        size = self._fitted_size(x.shape[2:])
        if size == tuple(x.shape[2:]):
            return x
        return F.interpolate(x, size=size, mode='bilinear', align_corners=False)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Normalised images (B, 3, H, W) -> maps (B, C_i, h_i, w_i) of ``out_indices``, each of the whole image."""
        x = self._fitted(x)
        with torch.no_grad() if self.frozen is True else contextlib.nullcontext():
            maps = self._intermediates(x)
            if self.final_norm == 'last':
                maps = [*maps[:-1], normed(self.model.norm, maps[-1])]
        return tuple(maps)

    def _intermediates(self, x: Tensor) -> list[Tensor]:
        try:
            return self.model.forward_intermediates(
                x, indices=list(self.out_indices), norm=self.final_norm is True, intermediates_only=True
            )
        except (RuntimeError, AssertionError) as error:
            size = tuple(x.shape[2:])
            if size == self._native_size or not re.search('size|shape|dimension|view|height|width', str(error)):
                raise
            raise ValueError(
                f"'{self.model_name}' failed on an input of {size} pixels ({error}). It was built for "
                f'{self._native_size}: set img_size={size} in the backbone, crop and test with the size that it takes, '
                'or take another encoder'
            ) from error

    # ---- for subclasses that walk through the blocks ---------------------------------------------------------------
    def embed(self, x: Tensor) -> tuple[Tensor, Optional[Tensor], tuple[int, int]]:
        """Fitted images -> tokens with positions (B, prefix + h * w, C), rotary positions or None, (h, w)."""
        patches = self.model.patch_embed(x)  # (B, h, w, C)
        embedded = self.model._pos_embed(patches)
        tokens, rope = embedded if isinstance(embedded, tuple) else (embedded, None)
        return self.model.norm_pre(tokens), rope, (patches.shape[1], patches.shape[2])

    def run_block(self, block: nn.Module, tokens: Tensor, rope: Optional[Tensor]) -> Tensor:
        """One block, with activation checkpointing where it is on."""
        given: dict[str, Any] = {} if rope is None else dict(rope=rope)
        if self.model.grad_checkpointing and torch.is_grad_enabled():
            return checkpoint(block, tokens, use_reentrant=False, **given)
        return block(tokens, **given)


def _are_numbers(values: Any) -> bool:
    return isinstance(values, (list, tuple, range)) and all(isinstance(value, int) for value in values)


def _one_of(name: str, value: Any, other_name: str, other: Any) -> Any:
    if value is not None and other is not None and value != other:
        raise ValueError(f'TimmEncoder: give either {name} or {other_name}, not both')
    return value if value is not None else other


_OPTIONS = (
    *('model_name', 'out_indices', 'final_norm', 'fit', 'input_scale', 'pos_embed_resize', 'pretrained', 'frozen'),
    *('with_cp', 'drop_path_rate', 'fused_attention', 'in_mean_std', 'pipeline_mean_std', 'lora', 'init_cfg'),
)

"""The decode head of HRDA: one head for both resolutions, and a scale attention that fuses them."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any, Mapping, NamedTuple, Optional, Sequence, Union

import torch
from mmseg.core import add_prefix
from mmseg.models.builder import HEADS, build_head
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.ops import resize
from torch import Tensor, nn

from ...ops.hrda import Box, crop, hrda_fuse, merge_windows
from ..losses.segmentation import head_losses

#: output stride of the heads that the published configurations use
HEAD_STRIDES = {'DAFormerHead': 4, 'SegFormerHead': 4, 'SegformerHead': 4, 'DLV2Head': 8}


@dataclass(frozen=True)
class HRDAFeatures:
    """Features of one pass.

    Attributes:
        low: feature maps of the whole input at low resolution.
        high: feature maps at high resolution: of ``box`` in training, of all ``windows`` (box-major) at inference.
        box: detail crop in input pixels; None when the detail covers everything.
        windows: detail windows at inference.
        sizes: (H, W) in pixels of what the two maps were made from. The predictions are brought to the grid
            ceil(side / head stride) of each, which encoders with patches miss for sides that are no multiple of the
            patch; None = they lie on it.
        maps: the backbone's maps at both resolutions, before the neck, in training.
        scores: :meth:`HRDAHead.detail_scores` of all windows where they were decoded before, in chunks; ``high`` is
            then empty.
    """

    low: Sequence[Tensor]
    high: Sequence[Tensor]
    box: Optional[Box] = None
    windows: Optional[Sequence[Box]] = None
    sizes: Optional[tuple[Sequence[int], Sequence[int]]] = None
    maps: Optional[tuple[Sequence[Tensor], Sequence[Tensor]]] = None
    scores: Optional[Tensor] = None


class HRDALogits(NamedTuple):
    """Predictions of one pass: fused (B, C, H/s, W/s), attended context (1 - a) * low, detail, and the detail's box."""

    fused: Tensor
    low: Tensor
    high: Tensor
    box: Optional[Box]


@HEADS.register_module()
class HRDAHead(BaseDecodeHead):
    """Multi-resolution fusion head of HRDA (Hoyer et al. 2022, sec. 3.2 to 3.4).

    Args:
        single_scale_head: type of the head shared by both resolutions; ``kwargs`` configure it.
        lr_loss_weight, hr_loss_weight: weights of the context's and the detail's own loss; the fused prediction gets
            the rest.
        scales: the two resolutions, set by ``HRDAEncoderDecoder``.
        attention_embed_dim: width of the attention head.
        attention_classwise: one attention map per class instead of one for all.
        fixed_attention: a constant instead of the learned attention (0 = context only, 1 = detail only).
        debug_output_attention: return, in place of class scores, the attention averaged over the predicted classes.
        head_stride: output stride of ``single_scale_head``; known for the published heads.
        enable_hr_crop, hr_slide_inference: accepted from published configs; the segmentor decides.
        kwargs: options of ``single_scale_head``.

    The box of the detail crop comes in with the features and leaves with the predictions: a head holds no state of a
    pass.
    """

    def __init__(
        self,
        single_scale_head: str,
        lr_loss_weight: float = 0,
        hr_loss_weight: float = 0,
        scales: Sequence[float] = (0.5, 1),
        attention_embed_dim: int = 256,
        attention_classwise: bool = True,
        fixed_attention: Optional[float] = None,
        debug_output_attention: bool = False,
        head_stride: Optional[int] = None,
        enable_hr_crop: bool = True,
        hr_slide_inference: bool = True,
        **kwargs: Any,
    ) -> None:
        if min(lr_loss_weight, hr_loss_weight, 1 - lr_loss_weight - hr_loss_weight) < 0:
            raise ValueError(
                f'lr_loss_weight {lr_loss_weight} and hr_loss_weight {hr_loss_weight} must be >= 0 and sum to at most 1'
            )
        if head_stride is None and single_scale_head not in HEAD_STRIDES:
            raise ValueError(f"HRDAHead does not know the output stride of '{single_scale_head}': set head_stride")
        multiple = isinstance(kwargs['in_channels'], (list, tuple))
        base = {
            key: kwargs[key]
            for key in (
                'in_channels',
                'in_index',
                'num_classes',
                'out_channels',
                'threshold',
                'norm_cfg',
                'align_corners',
                'ignore_index',
                'loss_decode',
                'sampler',
            )
            if key in kwargs
        }
        super().__init__(
            channels=1, dropout_ratio=0, init_cfg=None, input_transform='multiple_select' if multiple else None, **base
        )
        del self.conv_seg
        self.head_stride = head_stride or HEAD_STRIDES[single_scale_head]
        self.scales = tuple(sorted(scales))
        self.lr_loss_weight = lr_loss_weight
        self.hr_loss_weight = hr_loss_weight
        self.fixed_attention = fixed_attention
        self.debug_output_attention = debug_output_attention
        self.head = build_head(dict(copy.deepcopy(kwargs), type=single_scale_head))
        self.scale_attention: Optional[nn.Module] = None
        if fixed_attention is None:
            attention_cfg = attention_head_cfg(dict(copy.deepcopy(kwargs), type=single_scale_head), attention_embed_dim)
            if not attention_classwise:
                attention_cfg.update(num_classes=1, out_channels=1, threshold=0.5)
            self.scale_attention = build_head(attention_cfg)

    @property
    def ratio(self) -> float:
        """High over low resolution."""
        return self.scales[1] / self.scales[0]

    def forward(self, inputs: HRDAFeatures) -> HRDALogits:
        """Decode both resolutions and fuse them, in float32 also under autocast."""
        context, detail = inputs.sizes or (None, None)
        low = self._on_grid(self.head(inputs.low).float(), context)
        high = inputs.scores if inputs.scores is not None else self.detail_scores(inputs.high, detail)
        if inputs.windows is not None:
            high = merge_windows(high, inputs.windows, self.head_stride)
        attention = self._attention(inputs)
        fused, low = hrda_fuse(low, high, attention, inputs.box, self.head_stride, self.ratio)
        return HRDALogits(fused, low, high, inputs.box)

    def detail_scores(self, maps: Sequence[Tensor], size: Optional[Sequence[int]]) -> Tensor:
        """Scores, float32 on their grid, of detail images or windows of ``size`` pixels from their feature maps."""
        return self._on_grid(self.head(maps).float(), size)

    def _on_grid(self, prediction: Tensor, size: Optional[Sequence[int]]) -> Tensor:
        """``prediction`` (B, C, h, w) resized to the grid of an input of ``size`` pixels, unless it lies on it."""
        if size is None:
            return prediction
        grid = tuple(-(-side // self.head_stride) for side in size)
        if grid == tuple(prediction.shape[2:]):
            return prediction
        return resize(prediction, size=grid, mode='bilinear', align_corners=self.align_corners)

    def _attention(self, inputs: HRDAFeatures) -> Union[Tensor, float]:
        if self.scale_attention is None:
            return float(self.fixed_attention or 0)
        scores = self.scale_attention(inputs.low).float()
        return torch.sigmoid(self._on_grid(scores, inputs.sizes[0] if inputs.sizes else None))

    def forward_test(self, inputs: HRDAFeatures, img_metas: Any = None, test_cfg: Any = None) -> Tensor:
        """Fused class scores at the head's stride; the attention map when ``debug_output_attention`` is set."""
        fused = self(inputs).fused
        if not self.debug_output_attention:
            return fused
        attention = self._attention(inputs)
        if not isinstance(attention, Tensor):
            return torch.full_like(fused[:, :1], attention)
        attention = nn.functional.interpolate(attention, size=fused.shape[2:], mode='bilinear', align_corners=False)
        return (attention * fused.softmax(1)).sum(1, keepdim=True) if attention.shape[1] > 1 else attention

    def weighted_losses(self, outputs: HRDALogits, label: Tensor, weight: Optional[Tensor] = None) -> dict[str, Tensor]:
        """Losses of the fused prediction, of the detail (``hr.``) and of the attended context (``lr.``), each times
        its weight.

        Args:
            outputs: result of :meth:`forward`.
            label: int64 (B, 1, H, W).
            weight: float (B, H, W) or None.
        """
        parts = [
            ('', outputs.fused, None, 1 - self.lr_loss_weight - self.hr_loss_weight),
            ('lr', outputs.low, None, self.lr_loss_weight),
            ('hr', outputs.high, outputs.box, self.hr_loss_weight),
        ]
        losses: dict[str, Tensor] = {}
        for prefix, logits, box, factor in parts:
            if prefix and not factor:
                continue
            part = head_losses(self.head, logits, crop(label, box), None if weight is None else crop(weight, box))
            part = {name: value * factor for name, value in part.items()}
            losses.update(add_prefix(part, prefix) if prefix else part)
        return losses

    def losses(self, seg_logit: HRDALogits, seg_label: Tensor) -> dict[str, Tensor]:
        """MMSeg's name for :meth:`weighted_losses` without pixel weight."""
        return self.weighted_losses(seg_logit, seg_label)


def attention_head_cfg(cfg: dict[str, Any], embed_dim: int) -> dict[str, Any]:
    """Config of the scale attention head: the single-scale head, for heads with a fusion made narrow and with a 1x1
    fusion in place of ASPP."""
    params: Optional[Mapping[str, Any]] = cfg.get('decoder_params')
    if params is None:
        return cfg
    params = dict(params, embed_dims=embed_dim)
    fusion = params.get('fusion_cfg')
    if fusion is not None:
        cfg['channels'] = embed_dim
        if fusion['type'] == 'aspp':
            params['fusion_cfg'] = dict(
                type='conv', kernel_size=1, act_cfg=dict(type='ReLU'), norm_cfg=fusion['norm_cfg']
            )
    return dict(cfg, decoder_params=params)

"""HRDA: every pass sees a context crop at low and a detail crop at high resolution."""

from __future__ import annotations

from typing import Any, Mapping, Optional, Sequence, Union

import torch
from mmseg.core import add_prefix
from mmseg.models.builder import SEGMENTORS
from mmseg.models.segmentors.encoder_decoder import EncoderDecoder
from mmseg.ops import resize
from torch import Tensor, nn

from ...ops.hrda import (
    Box,
    Generator,
    averages_probabilities,
    checked_chunk,
    crop,
    crop_windows,
    draw_crop_box,
    hrda_slide_boxes,
    merge_windows,
    sliding_boxes,
    windows_that_fit,
)
from ..decode_heads.hrda_head import HRDAFeatures


@SEGMENTORS.register_module()
class HRDAEncoderDecoder(EncoderDecoder):
    """Multi-resolution segmentor of HRDA (Hoyer et al. 2022), also the network of MIC(HRDA).

    Args:
        backbone, decode_head, neck, train_cfg, test_cfg, pretrained, init_cfg: as in ``EncoderDecoder``;
            ``decode_head`` is a ``HRDAHead``.
        scales: the two resolutions relative to the input.
        hr_crop_size: (h, w) of the detail crop in training and of the detail windows at inference; None = no crop,
            full resolution.
        hr_slide_inference: sliding detail windows at inference; otherwise the whole image at once.
        hr_slide_overlapping: windows overlap by half.
        crop_coord_divisible: offsets of the detail crop are multiples of it. ``auto`` = head stride times the ratio of
            the resolutions, which keeps both prediction grids aligned (8 for DAFormer, 16 for DeepLabV2; the released
            code uses 8 for both).
        legacy_crop_range: never draw the last aligned offset, as the released code.
        blur_hr_crop: ablation: the detail is down- and upsampled, so that it has no more information than the context.
        feature_scale: resolution of the features for a feature distance; ``all`` = both resolutions.
        hr_windows_per_chunk: how many detail windows (times the batch) go through the network at once at inference;
            None = all; ``'auto'`` = as many as need less memory than a training pass
            (:func:`~mmseg_uda.ops.hrda.windows_that_fit`). A chunk has the same result as all at once: a part
            (backbone, head) that computes batch statistics always gets all windows.
        hr_labels_overlapping: whether the windows overlap when a teacher labels images in training (9 windows of 512
            on 1024x1024, or 4); None = as ``hr_slide_overlapping``. The released code overlaps.

    ``test_cfg`` may hold, besides MMSeg's keys, ``batched_slide`` (several outer windows per pass) and
    ``max_windows_per_batch``.
    """

    def __init__(
        self,
        backbone: Any,
        decode_head: Any,
        neck: Any = None,
        auxiliary_head: Any = None,
        train_cfg: Any = None,
        test_cfg: Any = None,
        pretrained: Optional[str] = None,
        init_cfg: Any = None,
        scales: Sequence[float] = (0.5, 1),
        hr_crop_size: Optional[Sequence[int]] = None,
        hr_slide_inference: bool = True,
        hr_slide_overlapping: bool = True,
        crop_coord_divisible: Union[int, str] = 'auto',
        legacy_crop_range: bool = False,
        blur_hr_crop: bool = False,
        feature_scale: Union[float, str] = 0.5,
        hr_windows_per_chunk: Union[int, str, None] = None,
        hr_labels_overlapping: Optional[bool] = None,
    ) -> None:
        self._check_options(scales, feature_scale, auxiliary_head, hr_crop_size, crop_coord_divisible)
        scales = tuple(sorted(scales))
        super().__init__(
            backbone=backbone,
            decode_head=dict(decode_head, scales=scales),
            neck=neck,
            train_cfg=train_cfg,
            test_cfg=test_cfg,
            pretrained=pretrained,
            init_cfg=init_cfg,
        )
        self.scales = scales
        self.crop_size = None if hr_crop_size is None else tuple(hr_crop_size)
        self.hr_slide_inference = hr_slide_inference
        self.hr_slide_overlapping = hr_slide_overlapping
        self.legacy_crop_range = legacy_crop_range
        self.blur_hr_crop = blur_hr_crop
        self.feature_scale = feature_scale
        self.hr_windows_per_chunk = checked_chunk('model.hr_windows_per_chunk', hr_windows_per_chunk)
        self.hr_labels_overlapping = hr_labels_overlapping
        aligned = round(self.decode_head.head_stride * self.decode_head.ratio)
        if self.crop_size is not None and any(side % aligned for side in self.crop_size):
            raise ValueError(
                f'hr_crop_size {self.crop_size} must be multiples of {aligned} (output stride of the head times the '
                'ratio of the resolutions), so that the detail crop lies on both prediction grids'
            )
        self.crop_divisor = aligned if crop_coord_divisible == 'auto' else int(crop_coord_divisible)

    @staticmethod
    def _check_options(
        scales: Sequence[float], feature_scale: Union[float, str], auxiliary_head: Any, crop_size: Any, divisor: Any
    ) -> None:
        if len(scales) != 2 or max(scales) != 1:
            raise ValueError(f'HRDA works on two resolutions, the higher one 1: got scales={list(scales)}')
        if isinstance(feature_scale, str) and feature_scale != 'all':
            raise ValueError(f"feature_scale must be a number or 'all', got '{feature_scale}'")
        if auxiliary_head is not None:
            raise ValueError('HRDAEncoderDecoder has no auxiliary head: remove auxiliary_head from the config')
        if crop_size is not None and len(crop_size) != 2:
            raise ValueError(f'hr_crop_size must be (height, width), got {crop_size}')
        if isinstance(divisor, str) and divisor != 'auto':
            raise ValueError(f"crop_coord_divisible must be an integer or 'auto', got '{divisor}'")

    # ---- features --------------------------------------------------------------------------------------------------
    def _scaled(self, img: Tensor, scale: float) -> Tensor:
        return img if scale == 1 else resize(img, scale_factor=scale, mode='bilinear', align_corners=self.align_corners)

    def _detail_image(self, img: Tensor) -> Tensor:
        if not self.blur_hr_crop:
            return img
        return resize(self._scaled(img, 0.5), size=img.shape[2:], mode='bilinear', align_corners=self.align_corners)

    def _encode(self, img: Tensor) -> Sequence[Tensor]:
        return self._through_neck(self.backbone(img))

    def _through_neck(self, maps: Sequence[Tensor]) -> Sequence[Tensor]:
        return self.neck(maps) if self.with_neck else maps

    def _view_input(self, img: Tensor) -> Tensor:
        return self._scaled(img, self.scales[0] if self.feature_scale == 'all' else float(self.feature_scale))

    def extract_feat(self, img: Tensor) -> Sequence[Tensor]:
        """Features of the whole input at ``feature_scale`` (the low resolution for ``all``), behind the neck."""
        return self._encode(self._view_input(img))

    def extract_window(self, img: Tensor, box: Optional[Box]) -> Sequence[Tensor]:
        """Backbone maps of the detail crop ``box``, or of the whole input at ``feature_scale`` for None."""
        return self.backbone(self._view_input(img) if box is None else crop(self._detail_image(img), box))

    def extract_multi_resolution(
        self, img: Tensor, generator: Generator = None, box: Optional[Box] = None
    ) -> HRDAFeatures:
        """Features of one training pass; draws the detail crop from ``generator`` unless ``box`` is given."""
        context = self._scaled(img, self.scales[0])
        low = self.backbone(context)
        if box is None and self.crop_size is not None:
            box = draw_crop_box(img.shape[2:], self.crop_size, self.crop_divisor, generator, self.legacy_crop_range)
        detail = crop(self._detail_image(img), box)
        high = self.backbone(detail)
        return HRDAFeatures(
            self._through_neck(low),
            self._through_neck(high),
            box,
            sizes=(tuple(context.shape[2:]), tuple(detail.shape[2:])),
            maps=(low, high),
        )

    def feature_views(self, img: Tensor, features: HRDAFeatures) -> list[tuple[Sequence[Tensor], Optional[Box]]]:
        """Backbone maps for losses on features, each with its window: the low resolution, and the detail for
        ``feature_scale='all'``."""
        assert features.maps is not None
        low, high = features.maps
        if self.feature_scale == 'all':
            box = features.box or (0, img.shape[2], 0, img.shape[3])
            return [(low, None), (high, box)]
        if self.feature_scale == self.scales[0]:
            return [(low, None)]
        return [(self.extract_window(img, None), None)]

    # ---- training --------------------------------------------------------------------------------------------------
    def forward_train(
        self,
        img: Tensor,
        img_metas: Any,
        gt_semantic_seg: Tensor,
        seg_weight: Optional[Tensor] = None,
        generator: Generator = None,
    ) -> dict[str, Tensor]:
        """MMSeg's training entry point: losses ``decode.*`` of one pass with a detail crop of its own."""
        features = self.extract_multi_resolution(img, generator)
        return add_prefix(
            self.decode_head.weighted_losses(self.decode_head(features), gt_semantic_seg, seg_weight), 'decode'
        )

    # ---- inference -------------------------------------------------------------------------------------------------
    def encode_decode(self, img: Tensor, img_metas: Any = None) -> Tensor:
        """Class scores (B, C, H, W): context of the whole input, detail of sliding windows, fused."""
        context = self._scaled(img, self.scales[0])
        low = self._encode(context)
        detail = self._detail_image(img)
        windows: Optional[list[Box]] = None
        if self.hr_slide_inference and self.crop_size is not None:
            windows = hrda_slide_boxes(img.shape[2:], self.crop_size, self.hr_slide_overlapping)
            detail = crop_windows(detail, windows)
        sizes = (tuple(context.shape[2:]), tuple(detail.shape[2:]))
        high, scores = self._detail_in_chunks(detail, img.shape[0], sizes[0])
        features = HRDAFeatures(low, high, windows=windows, sizes=sizes, scores=scores)
        logits = self.decode_head.forward_test(features, img_metas, self.test_cfg)
        return resize(logits, size=img.shape[2:], mode='bilinear', align_corners=self.align_corners)

    def _detail_in_chunks(
        self, img: Tensor, batch: int, context: Sequence[int]
    ) -> tuple[Sequence[Tensor], Optional[Tensor]]:
        """Maps of the detail windows, or nothing and their scores where the head can take them in chunks, too."""
        chunk = self.hr_windows_per_chunk
        if chunk == 'auto':
            chunk = windows_that_fit(img.shape[0] // batch, img.shape[2:], context)
        size = None if chunk is None else int(chunk) * batch
        encoder = [part for part in (self.backbone, getattr(self, 'neck', None)) if part is not None]
        if size is None or size >= img.shape[0] or any(map(_uses_batch_statistics, encoder)):
            return self._encode(img), None
        if not _uses_batch_statistics(self.decode_head):
            head = self.decode_head
            return (), torch.cat([head.detail_scores(self._encode(part), part.shape[2:]) for part in img.split(size)])
        parts = [self._encode(part) for part in img.split(size)]
        return [torch.cat(level) for level in zip(*parts)], None

    def become_teacher(self) -> None:
        """From now on this network labels images in training."""
        if self.hr_labels_overlapping is not None:
            self.hr_slide_overlapping = self.hr_labels_overlapping

    def slide_inference(self, img: Tensor, img_meta: Sequence[Mapping[str, Any]], rescale: bool) -> Tensor:
        """Outer sliding windows of ``test_cfg``, averaged; several per pass with ``batched_slide`` and equal results
        in eval mode."""
        cfg = self.test_cfg
        boxes = sliding_boxes(img.shape[2:], cfg['crop_size'], cfg['stride'])
        per_pass = (cfg.get('max_windows_per_batch') or len(boxes)) if cfg.get('batched_slide', False) else 1
        chunks = [boxes[i : i + per_pass] for i in range(0, len(boxes), per_pass)]
        logits = merge_windows(
            torch.cat([self.encode_decode(crop_windows(img, chunk), img_meta) for chunk in chunks]),
            boxes,
            probabilities=averages_probabilities(cfg, self.out_channels),
        )
        if not rescale:
            return logits
        height, width = img_meta[0]['img_shape'][:2]
        return resize(
            logits[:, :, :height, :width],
            size=img_meta[0]['ori_shape'][:2],
            mode='bilinear',
            align_corners=self.align_corners,
            warning=False,
        )


def _uses_batch_statistics(network: nn.Module) -> bool:
    return any(isinstance(m, nn.modules.batchnorm._BatchNorm) and m.training for m in network.modules())

"""Prediction with batched sliding windows and autocast, for evaluation and for ``tools/predict.py``."""

from __future__ import annotations

import contextlib
import types
from typing import Any, Iterator

import torch
from mmseg.models.segmentors import EncoderDecoder
from torch import Tensor, nn

from ..models.modes import kept_modes
from ..ops.hrda import crop_windows, sliding_boxes
from ..ops.label_maps import label_map
from .step_options import PRECISIONS


def batched_slide_inference(
    segmentor: EncoderDecoder, img: Tensor, img_meta: Any, rescale: bool, windows_per_batch: int = 8
) -> Tensor:
    """MMSeg's ``slide_inference`` with several windows in one forward pass: mean of the logits of overlapping windows.

    Args:
        img: (B, 3, H, W).
        rescale: resize the logits to the original image size.
        windows_per_batch: bound of images x windows in one forward pass.

    Returns:
        logits (B, classes, H or original height, W or original width), float32.
    """
    from mmseg.ops import resize

    batch, _, height, width = img.shape
    boxes = sliding_boxes((height, width), segmentor.test_cfg.crop_size, segmentor.test_cfg.stride)
    total = img.new_zeros((batch, segmentor.out_channels, height, width), dtype=torch.float32)
    count = img.new_zeros((1, 1, height, width), dtype=torch.float32)
    step = max(windows_per_batch // batch, 1)
    for start in range(0, len(boxes), step):
        part = boxes[start : start + step]
        logits = segmentor.encode_decode(crop_windows(img, part), img_meta).float()
        for (top, bottom, left, right), window in zip(part, logits.split(batch)):
            total[:, :, top:bottom, left:right] += window
            count[:, :, top:bottom, left:right] += 1
    total /= count
    if rescale:
        shape = img_meta[0]['img_shape'][:2]
        total = resize(
            total[:, :, : shape[0], : shape[1]],
            size=img_meta[0]['ori_shape'][:2],
            mode='bilinear',
            align_corners=segmentor.align_corners,
            warning=False,
        )
    return total


def direct_labels(segmentor: EncoderDecoder, img: Tensor, img_meta: Any, rescale: bool = True) -> list[Any]:
    """MMSeg's ``simple_test`` without softmax and full-size scores: see :func:`~mmseg_uda.ops.label_maps.label_map`.

    Args:
        img: (B, 3, H, W).
        rescale: to the original size of the images.

    Returns:
        B NumPy maps of class ids.
    """
    if segmentor.test_cfg.mode == 'slide':
        scores = segmentor.slide_inference(img, img_meta, False)
    else:
        scores = segmentor.encode_decode(img, img_meta)
    size = scores.shape[2:]
    if rescale:
        height, width = img_meta[0]['img_shape'][:2]  # without padding
        scores, size = scores[:, :, :height, :width], img_meta[0]['ori_shape'][:2]
    threshold = segmentor.decode_head.threshold if segmentor.out_channels == 1 else None
    labels = label_map(scores.float(), size, segmentor.align_corners, threshold)
    if img_meta[0]['flip']:
        labels = labels.flip(2 if img_meta[0]['flip_direction'] == 'horizontal' else 1)
    return list(labels.cpu().numpy())


def _is_stock(module: EncoderDecoder, *names: str) -> bool:
    return all(getattr(type(module), name) is getattr(EncoderDecoder, name) for name in names)


@contextlib.contextmanager
def inference_mode(
    model: nn.Module, device: torch.device, precision: str = 'fp32', windows_per_batch: int = 8
) -> Iterator[None]:
    """Evaluate ``model`` fast: eval mode, no gradients, autocast, batched windows, labels without full-size scores;
    everything is put back afterwards."""
    patched = []
    for module in model.modules():
        if isinstance(module, EncoderDecoder) and type(module).slide_inference is EncoderDecoder.slide_inference:

            def slide(self: EncoderDecoder, img: Tensor, img_meta: Any, rescale: bool) -> Tensor:
                return batched_slide_inference(self, img, img_meta, rescale, windows_per_batch)

            module.slide_inference = types.MethodType(slide, module)
            patched.append((module, 'slide_inference'))
        if isinstance(module, EncoderDecoder) and _is_stock(module, 'simple_test', 'inference', 'whole_inference'):
            module.simple_test = types.MethodType(direct_labels, module)
            patched.append((module, 'simple_test'))
    dtype = PRECISIONS[precision]
    autocast = contextlib.nullcontext() if dtype is None else torch.autocast(device.type, dtype=dtype)
    try:
        with kept_modes(model), torch.no_grad(), autocast:
            model.eval()
            yield
    finally:
        for module, name in patched:
            delattr(module, name)

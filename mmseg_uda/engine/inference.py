"""Prediction with batched sliding windows and autocast, for evaluation and for ``tools/predict.py``."""
from __future__ import annotations

import contextlib
import types
from typing import Any, Iterator

import torch
from mmseg.models.segmentors import EncoderDecoder
from torch import Tensor, nn

from .step import PRECISIONS


def window_boxes(height: int, width: int, crop: tuple[int, int], stride: tuple[int, int]) -> list[tuple[int, int, int, int]]:
    """Windows (top, bottom, left, right) that cover an image; the last ones are shifted inwards, as in MMSeg."""
    rows = max(height - crop[0] + stride[0] - 1, 0) // stride[0] + 1
    columns = max(width - crop[1] + stride[1] - 1, 0) // stride[1] + 1
    boxes = []
    for row in range(rows):
        for column in range(columns):
            bottom = min(row * stride[0] + crop[0], height)
            right = min(column * stride[1] + crop[1], width)
            boxes.append((max(bottom - crop[0], 0), bottom, max(right - crop[1], 0), right))
    return boxes


def batched_slide_inference(segmentor: EncoderDecoder, img: Tensor, img_meta: Any, rescale: bool, windows_per_batch: int = 8) -> Tensor:
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
    boxes = window_boxes(height, width, tuple(segmentor.test_cfg.crop_size), tuple(segmentor.test_cfg.stride))
    total = img.new_zeros((batch, segmentor.num_classes, height, width), dtype=torch.float32)
    count = img.new_zeros((1, 1, height, width), dtype=torch.float32)
    step = max(windows_per_batch // batch, 1)
    for start in range(0, len(boxes), step):
        part = boxes[start:start + step]
        crops = torch.cat([img[:, :, top:bottom, left:right] for top, bottom, left, right in part])
        logits = segmentor.encode_decode(crops, img_meta).float()
        for (top, bottom, left, right), window in zip(part, logits.split(batch)):
            total[:, :, top:bottom, left:right] += window
            count[:, :, top:bottom, left:right] += 1
    total /= count
    if rescale:
        shape = img_meta[0]['img_shape'][:2]
        total = resize(total[:, :, :shape[0], :shape[1]], size=img_meta[0]['ori_shape'][:2], mode='bilinear',
                       align_corners=segmentor.align_corners, warning=False)
    return total


@contextlib.contextmanager
def inference_mode(model: nn.Module, device: torch.device, precision: str = 'fp32', windows_per_batch: int = 8) -> Iterator[None]:
    """Evaluate ``model`` fast: eval mode, no gradients, autocast, batched windows; everything is put back afterwards."""
    training = model.training
    patched = []
    for module in model.modules():
        if isinstance(module, EncoderDecoder) and type(module).slide_inference is EncoderDecoder.slide_inference:
            def slide(self: EncoderDecoder, img: Tensor, img_meta: Any, rescale: bool) -> Tensor:
                return batched_slide_inference(self, img, img_meta, rescale, windows_per_batch)
            module.slide_inference = types.MethodType(slide, module)
            patched.append(module)
    dtype = PRECISIONS[precision]
    autocast = contextlib.nullcontext() if dtype is None else torch.autocast(device.type, dtype=dtype)
    model.eval()
    try:
        with torch.no_grad(), autocast:
            yield
    finally:
        for module in patched:
            del module.slide_inference
        model.train(training)

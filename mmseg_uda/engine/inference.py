"""Prediction with batched sliding windows and autocast, for evaluation and for ``tools/predict.py``."""

from __future__ import annotations

import contextlib
import functools
from typing import Any, Iterator

import torch
from mmseg.models.segmentors import EncoderDecoder
from torch import Tensor, nn

from ..models.modes import kept_modes
from ..ops.hrda import as_scores, averages_probabilities, crop_windows, sliding_boxes
from ..ops.label_maps import label_map
from .step_options import PRECISIONS


def batched_slide_inference(
    segmentor: EncoderDecoder, img: Tensor, img_meta: Any, rescale: bool, windows_per_batch: int = 8
) -> Tensor:
    """MMSeg's ``slide_inference`` with several windows in one forward pass: mean of the logits of overlapping windows.

    With ``test_cfg.average='probabilities'`` it is the logarithm of the mean of their softmaxes.

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
    probabilities = averages_probabilities(segmentor.test_cfg, segmentor.out_channels)
    for start in range(0, len(boxes), step):
        part = boxes[start : start + step]
        logits = segmentor.encode_decode(crop_windows(img, part), img_meta).float()
        logits = logits.softmax(1) if probabilities else logits
        for (top, bottom, left, right), window in zip(part, logits.split(batch)):
            total[:, :, top:bottom, left:right] += window
            count[:, :, top:bottom, left:right] += 1
    total /= count
    total = as_scores(total) if probabilities else total
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
    elif rescale and hasattr(segmentor, 'score_map') and tuple(img_meta[0]['img_shape'][:2]) == tuple(img.shape[2:]):
        return _labels(segmentor, segmentor.score_map(img, img_meta), img_meta, img_meta[0]['ori_shape'][:2])
    else:
        scores = segmentor.encode_decode(img, img_meta)
    size = scores.shape[2:]
    if rescale:
        height, width = img_meta[0]['img_shape'][:2]  # without padding
        scores, size = scores[:, :, :height, :width], img_meta[0]['ori_shape'][:2]
    return _labels(segmentor, scores, img_meta, size)


def _labels(segmentor: EncoderDecoder, scores: Tensor, img_meta: Any, size: Any) -> list[Any]:
    """Label maps of ``size`` from scores of any size, mirrored back."""
    threshold = segmentor.decode_head.threshold if segmentor.out_channels == 1 else None
    labels = label_map(scores.float(), size, segmentor.align_corners, threshold)
    if img_meta[0]['flip']:
        labels = labels.flip(2 if img_meta[0]['flip_direction'] == 'horizontal' else 1)
    return list(labels.cpu().numpy())


class BatchedWindows:
    """A segmentor that runs several sliding windows in one forward pass."""

    windows_per_batch = 8

    def slide_inference(self: Any, img: Tensor, img_meta: Any, rescale: bool) -> Tensor:
        """See :func:`batched_slide_inference`."""
        return batched_slide_inference(self, img, img_meta, rescale, self.windows_per_batch)


class DirectLabels:
    """A segmentor that labels without softmax and full-size scores."""

    def simple_test(self: Any, img: Tensor, img_meta: Any, rescale: bool = True) -> list[Any]:
        """See :func:`direct_labels`."""
        return direct_labels(self, img, img_meta, rescale)


@functools.lru_cache(maxsize=None)
def fast_class(kind: type, windows_per_batch: int) -> type:
    """The class of a segmentor with MMSeg's slow ways replaced; what ``kind`` does in a way of its own stays."""

    def stock(*names: str) -> bool:
        return all(getattr(kind, name) is getattr(EncoderDecoder, name) for name in names)

    parts: list[type] = [BatchedWindows] * stock('slide_inference')
    own_scores = hasattr(kind, 'score_map')  # then whole_inference differs from MMSeg's by them only
    parts += [DirectLabels] * stock('simple_test', 'inference', *(() if own_scores else ('whole_inference',)))
    return type(kind.__name__, (*parts, kind), dict(windows_per_batch=windows_per_batch, __doc__=kind.__doc__))


@contextlib.contextmanager
def inference_mode(
    model: nn.Module, device: torch.device, precision: str = 'fp32', windows_per_batch: int = 8
) -> Iterator[None]:
    """Evaluate ``model`` fast: eval mode, no gradients, autocast, batched windows, labels without full-size scores;
    everything is put back afterwards.

    Raises:
        ValueError: ``test_cfg.average`` of a network that cannot honour it.
    """
    kinds = [(module, type(module)) for module in model.modules() if isinstance(module, EncoderDecoder)]
    dtype = PRECISIONS[precision]
    autocast = contextlib.nullcontext() if dtype is None else torch.autocast(device.type, dtype=dtype)
    try:
        for module, kind in kinds:
            averages_probabilities(module.test_cfg or {}, module.out_channels)
            module.__class__ = fast_class(kind, windows_per_batch)  # type: ignore[arg-type]  # the same parameters under other ways to predict
        with kept_modes(model), torch.no_grad(), autocast:
            model.eval()
            yield
    finally:
        for module, kind in kinds:
            module.__class__ = kind

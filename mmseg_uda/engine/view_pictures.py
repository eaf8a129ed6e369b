"""Pictures of what networks are shown in training: ``tools/browse_dataset.py`` and ``ViewsHook`` draw them."""

from __future__ import annotations

from typing import Any, Mapping, Optional, Sequence

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ..ops.flow import warp
from ..ops.normalize import as_picture, normalize_on_device
from ..streams import Stream, split_streams
from .predictions import colorize

#: what was shown, by name: ``img`` (B, 3, H, W) normalised, ``label`` or ``pseudo_label`` (B, 1, H, W) or (B, H, W),
#: ``weight`` and ``confidence`` (B, H, W)
Views = Mapping[str, Mapping[str, Tensor]]
_LABELS = ('label', 'pseudo_label')
_GREY = ('weight', 'confidence')
_TITLE, _GAP = 20, 2


def draw_views(
    views: Views,
    meta: Mapping[str, Any],
    palette: Any,
    classes: Optional[Sequence[str]] = None,
    images: Optional[int] = None,
    width: Optional[int] = None,
) -> np.ndarray:
    """One row per view and image: the image, labels in colours, weight and confidence in grey (white = 1).

    Args:
        views: at least one.
        meta: of an image of the batch (``img_norm_cfg``).
        palette: RGB per class.
        classes: their names, for a legend of those that occur.
        images: rows of a view at most; None: all.
        width: of a picture in pixels at most.

    Returns:
        RGB uint8 (H, W, 3).
    """
    rows = []
    for name, view in views.items():
        for i in range(min(len(view['img']), images or len(view['img']))):
            one = {key: value[i] for key, value in view.items()}
            rows.append(_row(f'{name} {i}', one, meta, palette, width))
    total = max(row.shape[1] for row in rows)
    if classes is not None:
        rows.append(legend(_classes_in(views, len(classes)), classes, palette, total))
        total = max(total, rows[-1].shape[1])
    return np.concatenate([_padded(row, total) for row in rows])


def _padded(row: np.ndarray, width: int) -> np.ndarray:
    return np.pad(row, ((0, 0), (0, width - row.shape[1]), (0, 0)), constant_values=255)


def _row(
    title: str, view: Mapping[str, Tensor], meta: Mapping[str, Any], palette: Any, width: Optional[int]
) -> np.ndarray:
    image = as_picture(view['img'].float(), meta).permute(1, 2, 0).cpu().numpy()  # (H, W, 3)
    height, full = image.shape[:2]
    cells, captions = [image], [title]
    for key in _LABELS:
        if key in view:
            cells.append(colorize(_at_size(view[key], (height, full)).astype(np.uint8), palette))
            captions.append(key.replace('_', '-'))
    for key in _GREY:
        if key in view:
            values = _at_size(view[key].float(), (height, full)).clip(0, 1)
            cells.append(np.repeat((values * 255).astype(np.uint8)[..., None], 3, 2))
            captions.append(f'{key}, mean {values.mean():.2f}')
    if width is not None and full > width:
        size = (width, max(round(height * width / full), 1))
        cells = [cv2.resize(cell, size, interpolation=cv2.INTER_AREA) for cell in cells]
    return np.concatenate([_captioned(cell, text) for cell, text in zip(cells, captions)], 1)


def _at_size(values: Tensor, size: tuple[int, int]) -> np.ndarray:
    """A map (h, w) or (1, h, w) at the size of its image, nearest."""
    flat = values.reshape(1, 1, *values.shape[-2:]).float()
    return F.interpolate(flat, size=size, mode='nearest')[0, 0].cpu().numpy()


def _captioned(cell: np.ndarray, text: str) -> np.ndarray:
    cell = np.pad(cell, ((_GAP, _GAP), (_GAP, _GAP), (0, 0)), constant_values=255)
    head = np.full((_TITLE, cell.shape[1], 3), 255, np.uint8)
    _write(head, text, (4, 15), 0.45)
    return np.concatenate([head, cell])


def _write(canvas: np.ndarray, text: str, where: tuple[int, int], size: float) -> None:
    cv2.putText(canvas, text, where, cv2.FONT_HERSHEY_SIMPLEX, size, (30, 30, 30), 1, cv2.LINE_AA)


def _classes_in(views: Views, count: int) -> list[int]:
    maps = [view[key].reshape(-1).long() for view in views.values() for key in _LABELS if key in view]
    if not maps:
        return []
    values = torch.cat(maps)
    found = torch.bincount(values[(values >= 0) & (values < count)], minlength=count)
    return [int(c) for c in found.nonzero().reshape(-1)]


def legend(shown: Sequence[int], classes: Sequence[str], palette: Any, width: int) -> np.ndarray:
    """Colours and names of classes, in as many lines as ``width`` asks for: RGB uint8 (h, >= width, 3)."""
    colors = np.asarray(palette, np.uint8)
    lines: list[list[tuple[int, str]]] = [[]]
    used = 0
    for c in shown:
        need = 28 + 8 * len(classes[c])
        if used + need > width and lines[-1]:
            lines.append([])
            used = 0
        lines[-1].append((c, classes[c]))
        used += need
    widest = max((sum(28 + 8 * len(name) for _, name in line) for line in lines), default=0)
    canvas = np.full((_TITLE * len(lines) + 4, max(width, widest), 3), 255, np.uint8)
    for number, line in enumerate(lines):
        left, top = 4, number * _TITLE
        for c, name in line:
            canvas[top + 4 : top + 16, left : left + 12] = colors[c]
            cv2.putText(
                canvas, name, (left + 16, top + 15), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (30, 30, 30), 1, cv2.LINE_AA
            )
            left += 28 + 8 * len(name)
    return canvas


def batch_views(batch: Mapping[str, Any]) -> dict[str, dict[str, Tensor]]:
    """What a batch holds beside the images of its streams: class patches, and key frames moved along the flow.

    Args:
        batch: flat batch on the device.
    """
    found: dict[str, dict[str, Tensor]] = {}
    for name, stream in split_streams(batch).items():
        prefix = '' if name == 'source' else f'{name} '
        if 'class_patches' in stream.extras:
            found[f'{prefix}class patches'] = _patches(stream)
        key, flow = stream.extras.get('key_frame'), stream.extras.get('flow')
        if key is not None and flow is not None and key.shape[-2:] == flow.shape[-2:]:
            frames = normalize_on_device(key, stream.metas)
            found[f'{name} key frame warped'] = dict(img=warp(frames, flow))
    return found


def _patches(stream: Stream) -> dict[str, Tensor]:
    """The patches of the first pass: (B, passes, 3, H, W) -> (B, 3, H, W)."""
    images = normalize_on_device(stream.extras['class_patches'][:, 0], stream.metas)
    return dict(img=images, label=stream.extras['class_patch_labels'][:, 0])


def meta_of(batch: Mapping[str, Any]) -> Mapping[str, Any]:
    """The meta data of an image of a batch."""
    return next(value[0] for key, value in batch.items() if key.endswith('img_metas'))

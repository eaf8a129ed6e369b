"""Image normalisation on the device: images travel as uint8 and become float here."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Mapping, Sequence

import torch
from torch import Tensor

from .color import value_limits


@lru_cache(maxsize=64)
def _constant(values: tuple[float, ...], device: torch.device) -> Tensor:
    return torch.tensor(values, dtype=torch.float32, device=device).view(1, -1, 1, 1)


def normalize_on_device(img: Tensor, metas: Sequence[Mapping[str, Any]]) -> Tensor:
    """Do on the device what MMSeg's ``Normalize`` does in a worker: channel order, minus mean, times 1/std.

    Args:
        img: uint8 (B, C, H, W) as loaded (BGR); a floating-point batch is returned as it is (already normalised).
        metas: per image ``img_norm_cfg`` (``mean``, ``std``, ``to_rgb``) and, where the image was padded,
            ``img_shape`` of the part that is image. The padding is 0 *after* normalisation, as MMSeg's pipelines have
            it. With ``padded`` in ``img_norm_cfg`` the image was padded before and all of ``pad_shape`` is normalised.

    Returns:
        float32 (B, C, H, W).

    Raises:
        KeyError: a uint8 batch whose meta data hold no ``img_norm_cfg``.
    """
    if img.is_floating_point():
        return img
    if any('img_norm_cfg' not in meta for meta in metas):
        raise KeyError(
            "a uint8 batch needs 'img_norm_cfg' in its img_metas: put dict(type='Normalize', ...) into the "
            'pipeline and '
            "'img_norm_cfg' among Collect's meta_keys"
        )
    configs = [
        (
            tuple(float(v) for v in meta['img_norm_cfg']['mean']),
            tuple(float(v) for v in meta['img_norm_cfg']['std']),
            bool(meta['img_norm_cfg'].get('to_rgb', True)),
        )
        for meta in metas
    ]
    if len(set(configs)) == 1:
        out = _normalize(img, *configs[0])
    else:
        out = torch.cat([_normalize(img[i : i + 1], *config) for i, config in enumerate(configs)])
    height, width = img.shape[2:]
    for i, meta in enumerate(metas):
        extent = 'pad_shape' if meta['img_norm_cfg'].get('padded') else 'img_shape'
        rows, columns = (meta.get(extent) or (height, width))[:2]
        if rows < height:
            out[i, :, rows:] = 0
        if columns < width:
            out[i, :, :, columns:] = 0
    return out


def _normalize(img: Tensor, mean: tuple[float, ...], std: tuple[float, ...], to_rgb: bool) -> Tensor:
    out = (img.flip(1) if to_rgb else img).float()
    return out.sub_(_constant(mean, img.device)).mul_(_constant(tuple(1 / s for s in std), img.device))


def black_of(metas: Sequence[Mapping[str, Any]], device: torch.device) -> Tensor:
    """What black is in normalised images: ``-mean / std``, (1, C, 1, 1) float32.

    Raises:
        ValueError: images that were not normalised alike.
    """
    configs = {tuple(tuple(map(float, meta['img_norm_cfg'][key])) for key in ('mean', 'std')) for meta in metas}
    if len(configs) != 1:
        raise ValueError(f'images of several streams need one img_norm_cfg, got {len(configs)} (mean, std)')
    mean, std = configs.pop()
    return _constant(tuple(-m / s for m, s in zip(mean, std)), device)


def denormalize(img: Tensor, meta: Mapping[str, Any]) -> Tensor:
    """The inverse of :func:`normalize_on_device`: float (C, H, W) -> uint8 (C, H, W), RGB for three bands."""
    config = meta['img_norm_cfg']
    mean, std = (_constant(tuple(float(v) for v in config[key]), img.device)[0] for key in ('mean', 'std'))
    out = (img * std + mean).round().clamp(0, 255).to(torch.uint8)
    return out if config.get('to_rgb', True) else out.flip(0)


def as_picture(img: Tensor, meta: Mapping[str, Any]) -> Tensor:
    """A normalised image of any number of bands and any depth for pictures: float (C, H, W) -> uint8 RGB (3, H, W).

    One or two bands are shown in grey (the first one), of more the first three, which files hold in the order blue,
    green, red as loaded; other depths than 8 bits are stretched between their black and white.
    """
    config = meta['img_norm_cfg']
    black, white = value_limits(config['mean'], config['std'], config.get('depth', 'uint8'))
    bands = img.shape[0]
    shown = 3 if bands >= 3 else 1
    mean, std = (_constant(tuple(float(v) for v in config[key])[:shown], img.device)[0] for key in ('mean', 'std'))
    out = ((img[:shown] * std + (mean - black)) * (255 / (white - black))).round().clamp(0, 255).to(torch.uint8)
    out = out.expand(3, -1, -1) if shown == 1 else out
    return out if config.get('to_rgb', True) else out.flip(0)


def image_values(img: Tensor, metas: Sequence[Mapping[str, Any]]) -> Tensor:
    """Normalised images as RGB values in [0, 255], not rounded: (B, 3, H, W) -> float32 (B, 3, H, W).

    Args:
        metas: that of the first image counts (``img_norm_cfg``).
    """
    mean, std, to_rgb = _norm_of(metas)
    out = img.float() * _constant(std, img.device) + _constant(mean, img.device)
    return out if to_rgb else out.flip(1)


def normalized_values(rgb: Tensor, metas: Sequence[Mapping[str, Any]]) -> Tensor:
    """Inverse of :func:`image_values`."""
    mean, std, to_rgb = _norm_of(metas)
    return ((rgb if to_rgb else rgb.flip(1)) - _constant(mean, rgb.device)) / _constant(std, rgb.device)


def _norm_of(metas: Sequence[Mapping[str, Any]]) -> tuple[tuple[float, ...], tuple[float, ...], bool]:
    if not metas or 'img_norm_cfg' not in metas[0]:
        raise KeyError(
            "grey values need 'img_norm_cfg' in img_metas: put dict(type='Normalize', ...) into the pipeline"
        )
    config = metas[0]['img_norm_cfg']
    mean, std = (tuple(float(value) for value in config[key]) for key in ('mean', 'std'))
    return mean, std, bool(config.get('to_rgb', True))

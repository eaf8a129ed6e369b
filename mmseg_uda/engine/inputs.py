"""What a batch brings besides its tensors: files, and which of its values are not finite."""

from __future__ import annotations

from typing import Any, Mapping, Sequence

import torch
from torch import Tensor


def files_of(batches: Sequence[Mapping[str, Any]]) -> list[str]:
    """Files of all images of some batches."""
    metas = [meta for batch in batches for key, value in batch.items() if key.endswith('img_metas') for meta in value]
    return [name for name in map(_file, metas) if name]


def _file(meta: Mapping[str, Any]) -> str:
    return str(meta.get('filename') or meta.get('ori_filename') or '')


def non_finite_inputs(batch: Mapping[str, Any]) -> tuple[list[str], list[Tensor]]:
    """Which floating-point inputs hold NaN or inf, image by image.

    Args:
        batch: flat batch on the device; ``<prefix><name>`` (B, ...) belongs to the images of ``<prefix>img_metas``.

    Returns:
        what each flag stands for (``target_img of a.png``), and the flags, bool (n_i,) on the device; together as
        many as there are descriptions.
    """
    prefixes = sorted((key[: -len('img_metas')] for key in batch if key.endswith('img_metas')), key=len, reverse=True)
    names: list[str] = []
    flags: list[Tensor] = []
    for key, value in batch.items():
        if not torch.is_tensor(value) or not value.is_floating_point() or not value.numel():
            continue
        prefix = next((prefix for prefix in prefixes if key.startswith(prefix)), None)
        metas = batch[f'{prefix}img_metas'] if prefix is not None else []
        if value.dim() == 0 or len(value) != len(metas):
            names.append(key)
            flags.append(~torch.isfinite(value).all().reshape(1))
            continue
        names += [f"{key} of '{_file(meta) or f'image {i}'}'" for i, meta in enumerate(metas)]
        flags.append(~torch.isfinite(value).flatten(1).all(dim=1) if value.dim() > 1 else ~torch.isfinite(value))
    return names, flags

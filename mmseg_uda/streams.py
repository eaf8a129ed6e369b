"""The streams of a batch: source, target(s), labelled target.

A batch is one flat dict, as in the DAFormer family; the stream is the key's prefix:

===================  ============================================================================
stream               keys
===================  ============================================================================
``source``           ``img``, ``img_metas``, ``gt_semantic_seg``
``target``           ``target_img``, ``target_img_metas``, ``valid_pseudo_mask`` (or ``target_valid_pseudo_mask``),
                     ``target_ground_truth`` where labels of some images are known
``target2`` ...      ``target2_img`` ... (further targets)
``labeled_target``   ``labeled_target_img``, ``labeled_target_img_metas``, ``labeled_target_gt_semantic_seg``
``paste``            ``paste_img``, ``paste_img_metas``, ``paste_gt_semantic_seg``: labelled images that only give
pixels
===================  ============================================================================
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Mapping, Optional, Sequence

import torch
from torch import Tensor

SOURCE = 'source'
TARGET = 'target'
LABELED_TARGET = 'labeled_target'
PASTE = 'paste'


@dataclass
class Stream:
    """One stream of a batch.

    Attributes:
        name: ``source``, ``target``, ``target2`` ..., ``labeled_target`` or a data set's own name.
        img: normalised float images (B, 3, H, W).
        metas: B dicts of MMSeg image meta data.
        label: int64 train ids (B, 1, H, W), 255 = ignore; None for an unlabelled stream.
        valid: uint8 (B, 1, H, W), 0 where a pseudo-label must not count; None when everything counts.
        truth: int64 train ids (B, 1, H, W) of a target stream in which some images are labelled, 255 = not known;
            else None.
        extras: every other key of this stream without its prefix.
    """

    name: str
    img: Tensor
    metas: list[dict[str, Any]]
    label: Optional[Tensor] = None
    valid: Optional[Tensor] = None
    truth: Optional[Tensor] = None
    extras: dict[str, Any] = field(default_factory=dict)

    @property
    def batch_size(self) -> int:
        return self.img.shape[0]

    def require_label(self) -> Tensor:
        """Labels (B, 1, H, W).

        Raises:
            KeyError: the stream has none.
        """
        if self.label is None:
            raise KeyError(
                f"the stream '{self.name}' has no labels: give its data set an ann_dir, and its pipeline a step that "
                'loads annotations'
            )
        return self.label


def split_streams(batch: Mapping[str, Any]) -> dict[str, Stream]:
    """Group a flat batch by stream.

    Args:
        batch: see the module's table. Extra keys of the source stand without a prefix.

    Returns:
        Streams by name, in the order of their image keys.

    Raises:
        KeyError: a key that belongs to no stream with images.
    """
    names = {key[:-3]: (key[:-4] or SOURCE) for key in batch if key == 'img' or key.endswith('_img')}
    groups: dict[str, dict[str, Any]] = {}
    prefixes = sorted(names, key=len, reverse=True)
    for key, value in batch.items():
        prefix = next((p for p in prefixes if p and key.startswith(p)), '')
        if not prefix and key == 'valid_pseudo_mask':
            prefix = 'target_'  # the published name of the first target's mask has no prefix
        if prefix not in names:
            raise KeyError(
                f'batch key {key!r} belongs to no stream: it has no matching "<stream>_img"; keys are {sorted(batch)}'
            )
        groups.setdefault(prefix, {})[key[len(prefix) :] if key.startswith(prefix) else key] = value
    streams = {}
    for prefix, name in names.items():
        values = dict(groups[prefix])
        streams[name] = Stream(
            name=name,
            img=values.pop('img'),
            metas=values.pop('img_metas', []),
            label=values.pop('gt_semantic_seg', None),
            valid=values.pop('valid_pseudo_mask', None),
            truth=values.pop('ground_truth', None),
            extras=values,
        )
    for stream in streams.values():
        if stream.label is None and isinstance(stream.metas, list):  # a single sample has one dict
            stream.valid = _without_padding(stream)
    return streams


def _without_padding(stream: Stream) -> Optional[Tensor]:
    """``valid`` with 0 where an image is padded (to its crop, or to the largest image of the batch): a pseudo-label
    there is about no pixel.
    """
    height, width = stream.img.shape[-2:]
    inside = [tuple(meta.get('img_shape') or (height, width))[:2] for meta in stream.metas]
    if all(rows >= height and columns >= width for rows, columns in inside):
        return stream.valid
    valid = stream.valid
    valid = stream.img.new_ones((len(inside), 1, height, width), dtype=torch.uint8) if valid is None else valid.clone()
    for i, (rows, columns) in enumerate(inside):
        valid[i, :, rows:] = 0
        valid[i, :, :, columns:] = 0
    return valid


def target_names(names: Sequence[str]) -> list[str]:
    """The unlabelled target streams among ``names``, in order: ``target``, ``target2``, ..."""
    targets = [name for name in names if re.fullmatch(r'target\d*', name)]
    return sorted(targets, key=lambda name: int(name[6:] or 1))


def concat_streams(streams: Sequence[Stream], name: str = TARGET) -> Stream:
    """Concatenate streams of equal image size along the batch axis (several targets merged into one)."""
    if len(streams) == 1:
        return streams[0]
    sizes = {tuple(s.img.shape[2:]) for s in streams}
    if len(sizes) > 1:
        raise ValueError(
            f'streams {[s.name for s in streams]} have different image sizes {sorted(sizes)}: give all targets '
            'the same crop size'
        )

    def joined(values: list[Optional[Tensor]], fill: int) -> Optional[Tensor]:
        if all(v is None for v in values):
            return None
        like = next(v for v in values if v is not None)
        return torch.cat(
            [
                v if v is not None else like.new_full((s.batch_size, 1, *s.img.shape[2:]), fill)
                for v, s in zip(values, streams)
            ]
        )

    return Stream(
        name=name,
        img=torch.cat([s.img for s in streams]),
        metas=[m for s in streams for m in s.metas],
        label=joined([s.label for s in streams], 255),
        valid=joined([s.valid for s in streams], 1),
        truth=joined([s.truth for s in streams], 255),
    )

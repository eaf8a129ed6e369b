"""What the files of a data set tell about it as a whole: files left out, depth and bands that are lost, turned images,
classes that never occur. Each finding is one line.

:mod:`mmseg_uda.datasets.inspection` reads the files; the start of a training looks at a sample of them.
"""

from __future__ import annotations

import os.path as osp
import struct
import warnings
from collections import Counter
from dataclasses import dataclass
from typing import Any, Optional, Sequence

import numpy as np
from mmseg.datasets.pipelines import LoadImageFromFile
from PIL import Image

from .image_files import IMAGE_SUFFIXES, folder_below, is_hidden, suffix_of, walk_files

#: an image with at most so many different colours looks like a label map
LABEL_COLORS = 40
_TURNED_SIDEWAYS = (5, 6, 7, 8)
_BITS = {'1': 1, 'I;16': 16, 'I;16B': 16, 'I;16L': 16, 'I': 32, 'F': 32}
_ORIENTATION, _BITS_PER_SAMPLE, _SAMPLES_PER_PIXEL = 0x0112, 258, 277


@dataclass(frozen=True)
class Header:
    """What the head of an image file says.

    Attributes:
        size: (height, width) as stored.
        bits: per value.
        bands: values per pixel.
        palette: whether the values are indices of a palette.
        orientation: EXIF's, 1 = upright.
        lossy: whether it is a JPEG.
    """

    size: tuple[int, int]
    bits: int
    bands: int
    palette: bool
    orientation: int
    lossy: bool

    @property
    def shown_size(self) -> tuple[int, int]:
        """(height, width) after EXIF has turned the image."""
        return self.size[::-1] if self.orientation in _TURNED_SIDEWAYS else self.size


def read_header(path: str) -> Optional[Header]:
    """The head of an image file without decoding it; None for what Pillow does not know."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            with Image.open(path) as img:
                tags = getattr(img, 'tag_v2', {})
                bits, bands = _BITS.get(img.mode, 8), len(img.getbands())
                if img.format == 'PNG':
                    bits = max(bits, _png_bits(path))
                if img.format == 'TIFF':
                    bits = max(np.atleast_1d(tags.get(_BITS_PER_SAMPLE, bits)).tolist())
                    bands = int(tags.get(_SAMPLES_PER_PIXEL, bands))
                turned = int(img.getexif().get(_ORIENTATION, 1) or 1)
                return Header(img.size[::-1], int(bits), bands, img.mode == 'P', turned, img.format in ('JPEG', 'MPO'))
    except (OSError, SyntaxError, ValueError, struct.error, Image.DecompressionBombError):
        return None


def _png_bits(path: str) -> int:
    with open(path, 'rb') as file:
        return file.read(25)[24]


def looks_like_labels(img: np.ndarray) -> bool:
    """Whether an image uint8 (H, W) or (H, W, C) has so few colours that it must be a map of ids or of class
    colours."""
    if img.dtype != np.uint8 or img.shape[0] * img.shape[1] < 256:
        return False
    planes = img.reshape(*img.shape[:2], -1)[:: max(img.shape[0] // 256, 1), :: max(img.shape[1] // 256, 1), :3]
    codes = planes.astype(np.int64) @ (256 ** np.arange(planes.shape[2]))
    return 1 < len(np.unique(codes)) <= LABEL_COLORS


def file_findings(dataset: Any) -> list[str]:
    """Findings that need only the names of the files: what is left out, listed twice, or has no label."""
    names = [info['filename'] for info in dataset.img_infos]
    lines = []
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        lines.append(f'{len(twice)} images are listed more than once (first: {twice[0]})')
    labels = [info['ann']['seg_map'] for info in dataset.img_infos if 'ann' in info]
    missing = [name for name in labels if not osp.exists(osp.join(dataset.ann_dir or '', name))]
    if missing:
        lines.append(
            f'{len(missing)} of {len(labels)} images have no label file (first: {missing[0]} in {dataset.ann_dir})'
        )
    lossy = [name for name in labels if suffix_of(name, ('.jpg', '.jpeg')) is not None]
    if lossy:
        lines.append(f'{len(lossy)} label maps are JPEGs, whose compression changes ids (first: {lossy[0]}): use PNGs')
    if dataset.split is None and dataset.img_dir and osp.isdir(dataset.img_dir):
        lines += _left_out(dataset, set(names))
    return lines


def _left_out(dataset: Any, names: set[str]) -> list[str]:
    suffixes = getattr(dataset, 'img_suffixes', (dataset.img_suffix,))
    inside = folder_below(getattr(dataset, 'ann_dir', None), dataset.img_dir)
    hidden, other, labels = [], [], []
    for name in walk_files(dataset.img_dir):
        if name in names or suffix_of(name, (*IMAGE_SUFFIXES, *suffixes)) is None:
            continue
        if is_hidden(name):
            hidden.append(name)
        elif suffix_of(name, suffixes) is None:
            other.append(name)
        else:
            labels.append(name)
    lines = []
    if hidden:
        lines.append(f'{len(hidden)} hidden files are left out (first: {hidden[0]})')
    if other and inside != '.':
        endings = ', '.join(sorted({osp.splitext(name)[1] for name in other})[:5])
        lines.append(
            f'{len(other)} files ({endings}; first: {other[0]}) in {dataset.img_dir} are left out: images are files '
            f'with the suffix {" or ".join(suffixes)} (img_suffix)'
        )
    if labels:
        lines.append(
            f'{len(labels)} files in {dataset.img_dir} are taken for label maps, not images (first: {labels[0]})'
        )
    return lines


def header_findings(headers: Sequence[tuple[str, Header]], dataset: Any) -> list[str]:
    """Findings about how images are stored and how the pipeline reads them.

    Args:
        headers: (image name, head) of the files looked at.
        dataset: for the options of its ``LoadImageFromFile``; without a pipeline the default ones.
    """
    steps = getattr(getattr(dataset, 'pipeline', None), 'transforms', [])
    loads = next((step for step in steps if isinstance(step, LoadImageFromFile)), None)
    color = getattr(loads, 'color_type', 'color')
    lines = []

    def report(found: list[str], text: str) -> None:
        if found:
            lines.append(f'{len(found)} of {len(headers)} images {text} (first: {found[0]})')

    if color != 'unchanged':
        report(
            [name for name, head in headers if head.bits > 8],
            "have more than 8 bits per value, which are cut down to 8: read them with color_type='unchanged' of "
            'LoadImageFromFile, with mean and std in the units of the files',
        )
        report(
            [name for name, head in headers if head.bands > 3 and not head.palette],
            f"have more than 3 bands, of which color_type='{color}' reads 3: color_type='unchanged' of "
            'LoadImageFromFile reads all',
        )
        report(
            [name for name, head in headers if head.orientation != 1],
            'are turned by their EXIF orientation when they are read: their labels must show the turned image',
        )
    else:
        report(
            [name for name, head in headers if head.orientation != 1],
            "have an EXIF orientation, which color_type='unchanged' does not heed",
        )
        bands = {head.bands for _, head in headers}
        if len(bands) > 1:
            lines.append(f"images have {sorted(bands)} bands, and color_type='unchanged' reads them as they are")
    report(
        [name for name, head in headers if head.palette],
        'are palette pictures, as label maps are: is img_dir the folder of the images?',
    )
    return lines


def class_findings(counts: Optional[np.ndarray], ids: set[int], number: int, whole: bool, dataset: Any) -> list[str]:
    """Findings about the classes in the label maps.

    Args:
        counts: pixels of every class and, last, ignored ones, summed over the maps.
        ids: the ids in the files.
        number: how many maps were read; ``whole``: whether these are all.
    """
    if counts is None or not number:
        return []
    classes = list(dataset.CLASSES)
    absent = [name for name, pixels in zip(classes, counts) if not pixels]
    where = f'none of the {number} label maps' + ('' if whole else ' looked at')
    if not absent:
        return []
    hint = ''
    if ids <= {0, 255} and 255 in ids and len(classes) == 2:
        hint = '. The files hold 0 and 255 only, and 255 means ignored: set id_map={0: 0, 255: 1} of a FolderDataset'
    elif len(absent) == len(classes):
        hint = f'. The files hold {_listed(sorted(ids))}: set id_map={{file id: class id}} of a FolderDataset'
    some = ', '.join(absent[:8]) + (f' and {len(absent) - 8} more' if len(absent) > 8 else '')
    verb = 'occur' if len(absent) > 1 else 'occurs'
    return [f'{"classes" if len(absent) > 1 else "class"} {some} {verb} in {where}{hint}']


def kept_share(margins: Sequence[int], sizes: Sequence[tuple[int, int]]) -> float:
    """Mean share of the pixels of images (height, width) that margins (top, bottom, left, right) leave."""
    top, bottom, left, right = margins
    return float(np.mean([max(h - top - bottom, 0) * max(w - left - right, 0) / (h * w) for h, w in sizes]))


def margins_line(margins: Sequence[int], sizes: Sequence[tuple[int, int]]) -> str:
    """What margins leave of images of these sizes."""
    return (
        f'crop_pseudo_margins={list(margins)} leave {kept_share(margins, sizes):.0%} of the pixels of images of '
        f'{sizes[0][1]}x{sizes[0][0]}: pseudo-labels count nowhere else'
    )


def check_margins(dataset: Any, looked_at: int = 20) -> None:
    """Refuse pseudo-label margins that were made for larger images: they leave less than half of the pixels.

    Raises:
        ValueError: names the margins, the size of the images and the remedy.
    """
    steps = getattr(getattr(dataset, 'pipeline', None), 'transforms', [])
    margins = next((step.margins for step in steps if hasattr(step, 'margins')), None)
    if margins is None:
        return
    chosen = np.unique(np.linspace(0, len(dataset) - 1, looked_at).astype(int))
    paths = [osp.join(dataset.img_dir or '', dataset.img_infos[i]['filename']) for i in chosen]
    sizes = [header.shown_size for header in map(read_header, paths) if header is not None]
    if sizes and kept_share(margins, sizes) < 0.5:
        raise ValueError(
            f'{margins_line(margins, sizes)}. These margins are pixels of other files (2048x1024 of Cityscapes): set '
            'crop_pseudo_margins=None, or margins of your own images'
        )


def size_findings(headers: Sequence[tuple[str, Header]], dataset: Any) -> list[str]:
    """Findings about images that are too small for the margins and the crop of the pipeline."""
    steps = getattr(getattr(dataset, 'pipeline', None), 'transforms', [])
    sizes = [head.shown_size for _, head in headers]
    if not sizes:
        return []
    lines = []
    margins = next((step.margins for step in steps if hasattr(step, 'margins')), None)
    if margins is not None and kept_share(margins, sizes) < 0.5:
        lines.append(margins_line(margins, sizes))
    crop = next((tuple(step.crop_size) for step in steps if hasattr(step, 'crop_size')), None)
    largest = [_largest_size(size, steps) for size in sizes]
    resized = [size for size in largest if size is not None]
    if crop is not None and len(resized) == len(largest):
        filled = [min(h, crop[0]) * min(w, crop[1]) / (crop[0] * crop[1]) for h, w in resized if h and w]
        if filled and np.mean(filled) < 0.75:
            lines.append(
                f'images of {sizes[0][1]}x{sizes[0][0]}, resized to {resized[0][1]}x{resized[0][0]} at most, fill '
                f'{np.mean(filled):.0%} of crops of {crop[1]}x{crop[0]} (width x height); the rest is padding'
            )
    return lines


def _largest_size(size: tuple[int, int], steps: Sequence[Any]) -> Optional[tuple[int, int]]:
    """(height, width) after the resizing steps of a pipeline before its crop, at their largest; None if unknown."""
    height, width = size
    for step in steps:
        kind = type(step).__name__
        if hasattr(step, 'crop_size'):
            break
        if kind in ('ExactResize', 'RandomExactResize'):
            factor = step.ratio_range[1] if kind == 'RandomExactResize' else 1
            height, width = int(step.size[1] * factor), int(step.size[0] * factor)
        elif kind == 'Resize':
            if not step.img_scale or len(step.img_scale) > 1 or step.multiscale_mode != 'range':
                return None
            factor = max(step.ratio_range) if step.ratio_range else 1
            across, down = (side * factor for side in step.img_scale[0])
            if step.keep_ratio:
                long, short = max(across, down), min(across, down)
                factor = min(long / max(height, width), short / min(height, width))
                across, down = width * factor + 0.5, height * factor + 0.5
            height, width = int(down), int(across)
        elif kind in ('MedianScaleResize', 'Letterbox'):
            return None
    return height, width


def _listed(values: Sequence[int], most: int = 12) -> str:
    return 'the ids ' + ', '.join(map(str, values[:most])) + (' ...' if len(values) > most else '')

"""The official file names, formats and raw label ids of the data sets that the toy world imitates."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional, Sequence

import cv2
import numpy as np
from PIL import Image

from ..datasets.label_spaces import CITY19, CITY19_PALETTE, RAW_TABLES, VOID_RAW_IDS
from .canvas import AUTORICKSHAW, EGO_VEHICLE, LANE_MARKING
from .square_items import isprs_names, loveda_names, polyp_names, square_ids

CITIES = ('aachen', 'bremen', 'cologne', 'jena')


@dataclass(frozen=True)
class Item:
    """One picture of a data set.

    Attributes:
        dataset: name of the data set.
        appearance: name of its appearance.
        split: ``train`` or ``val``; of data sets with several places such as ``Train/Rural``.
        number: 0-based within the split.
        image, label: paths relative to the data set's root; no label for unlabelled splits.
    """

    dataset: str
    appearance: str
    split: str
    number: int
    image: str
    label: Optional[str]

    @property
    def files(self) -> list[str]:
        """All files of the picture below the data set's root."""
        return [name for name in (self.image, self.label) if name]


def raw_lookup(dataset: str) -> np.ndarray:
    """Toy label value -> raw id of a data set, uint8 (256,).

    Lane markings are road but in SYNTHIA, which has an id for them.
    """
    void = VOID_RAW_IDS[dataset]
    lut = np.full(256, void, np.uint8)
    if dataset == 'train_ids':
        lut[: len(CITY19)] = np.arange(len(CITY19))
    else:
        for raw, train in sorted(RAW_TABLES[dataset]['city19'].items(), reverse=True):
            lut[train] = raw
    lut[LANE_MARKING] = 22 if dataset == 'synthia' else lut[0]
    if dataset in ('gta', 'cityscapes'):
        lut[EGO_VEHICLE] = 1
    if dataset == 'idd':
        lut[[AUTORICKSHAW, EGO_VEHICLE]] = 11, 36
    return lut


def items(dataset: str, counts: dict[str, int]) -> list[Item]:
    """All pictures of a data set.

    Args:
        dataset: one of the names of :data:`~mmseg_uda.toy.world.TOY_DATASETS`.
        counts: pictures per split (``train``, ``val``).
    """
    return [_ITEM[dataset](dataset, split, number) for split, count in counts.items() for number in range(count)]


def _gta(dataset: str, split: str, number: int) -> Item:
    name = f'{number + 1:05d}.png'
    return Item(dataset, 'gta', split, number, f'images/{name}', f'labels/{name}')


def _synthia(dataset: str, split: str, number: int) -> Item:
    name = f'{number:07d}.png'
    return Item(dataset, 'synthia', split, number, f'RGB/{name}', f'GT/LABELS/{name}')


def _cityscapes(dataset: str, split: str, number: int) -> Item:
    city = CITIES[number % len(CITIES)] if split == 'train' else 'munster'
    stem = f'{split}/{city}/{city}_{number:06d}_000019'
    return Item(
        dataset,
        'cityscapes',
        split,
        number,
        f'leftImg8bit/{stem}_leftImg8bit.png',
        f'gtFine/{stem}_gtFine_labelIds.png',
    )


def _idd(dataset: str, split: str, number: int) -> Item:
    stem = f'{split}/{number // 10:03d}/frame{number:04d}'
    return Item(
        dataset, 'idd', split, number, f'leftImg8bit/{stem}_leftImg8bit.png', f'gtFine/{stem}_gtFine_labelids.png'
    )


def _mapillary(dataset: str, split: str, number: int) -> Item:
    part = 'training' if split == 'train' else 'validation'
    stem = f'toy{number:019d}'
    return Item(dataset, 'mapillary', split, number, f'{part}/images/{stem}.jpg', f'{part}/labels/{stem}.png')


def _acdc(dataset: str, split: str, number: int) -> Item:
    condition = ('fog', 'night', 'rain', 'snow')[number % 4]
    stem = f'{condition}/{split}/GOPR{number % 4:04d}/GOPR{number % 4:04d}_frame_{number:06d}'
    return Item(dataset, condition, split, number, f'rgb_anon/{stem}_rgb_anon.png', f'gt/{stem}_gt_labelTrainIds.png')


def _dark_zurich(dataset: str, split: str, number: int) -> Item:
    middle = 'train/night/GOPR0351' if split == 'train' else 'val/night/GOPR0356'
    stem = f'{middle}/GOPR0351_frame_{number:06d}' if split == 'train' else f'{middle}/GOPR0356_frame_{number:06d}'
    label = None if split == 'train' else f'gt/{stem}_gt_labelTrainIds.png'
    return Item(dataset, 'night', split, number, f'rgb_anon/{stem}_rgb_anon.png', label)


def _loveda(dataset: str, split: str, number: int) -> Item:
    appearance, image, label = loveda_names(split, number)
    return Item(dataset, appearance, split, number, image, label)


def _isprs(dataset: str, split: str, number: int) -> Item:
    appearance, image, label = isprs_names(dataset, split, number)
    return Item(dataset, appearance, split, number, image, label)


def _polyps(dataset: str, split: str, number: int) -> Item:
    appearance, image, label = polyp_names(split, number)
    return Item(dataset, appearance, split, number, image, label)


#: the aerial and medical data sets
_SQUARE = ('loveda', 'potsdam', 'potsdam_irrg', 'vaihingen', 'polyps')
_ITEM = dict(
    gta=_gta,
    synthia=_synthia,
    cityscapes=_cityscapes,
    idd=_idd,
    mapillary=_mapillary,
    acdc=_acdc,
    dark_zurich=_dark_zurich,
    loveda=_loveda,
    potsdam=_isprs,
    potsdam_irrg=_isprs,
    vaihingen=_isprs,
    polyps=_polyps,
)


def make_folders(root: Path, written: Sequence[Any]) -> None:
    """Create the folders of all pictures.

    Workers do not: one that outlives a killed build must not bring back what the next build has cleared away.
    """
    for folder in {(root / name).parent for picture in written for name in picture.files}:
        folder.mkdir(parents=True, exist_ok=True)


def write_picture(path: Path, picture: np.ndarray, options: Sequence[int] = ()) -> None:
    """Write an image with OpenCV (BGR); a failure is an error."""
    if not cv2.imwrite(str(path), picture, list(options)):
        raise OSError(f"cannot write '{path}': is the disk full?")


def write_item(root: Path, item: Item, image: np.ndarray, label: np.ndarray) -> None:
    """Write one picture and its label.

    Args:
        root: of the data set; its folders exist (:func:`make_folders`).
        image: (H, W, 3) uint8 RGB.
        label: (H, W) uint8 toy label values.
    """
    target = root / item.image
    options = [cv2.IMWRITE_JPEG_QUALITY, 90] if target.suffix == '.jpg' else [cv2.IMWRITE_PNG_COMPRESSION, 1]
    write_picture(target, image[..., ::-1], options)
    if item.label is not None:
        _write_label(root / item.label, item.dataset, label)


def _write_label(path: Path, dataset: str, label: np.ndarray) -> None:
    if dataset in _SQUARE:
        Image.fromarray(square_ids(dataset, label)).save(path, compress_level=1)
        return
    ids = raw_lookup('train_ids' if dataset in ('acdc', 'dark_zurich') else dataset)[label]
    if dataset == 'synthia':  # 16 bit, class in the red channel, instance in green
        planes = np.stack([np.zeros_like(ids), np.zeros_like(ids), ids], -1).astype(np.uint16)
        write_picture(path, planes)
        return
    picture = Image.fromarray(ids)
    if dataset in ('gta', 'mapillary'):
        picture = picture.convert('P')
        picture.putpalette(_palette(dataset))
        picture.putdata(ids.ravel().tolist())
    picture.save(path, compress_level=1)


def _palette(dataset: str) -> list[int]:
    colors = np.zeros((256, 3), np.uint8)
    for raw, train in RAW_TABLES[dataset]['city19'].items():
        colors[raw] = CITY19_PALETTE[train]
    return colors.ravel().tolist()


def write_lists(root: Path, dataset: str, written: Sequence[Any]) -> None:
    """The split lists that come with some downloads."""
    if dataset == 'gta':
        (root / 'train.txt').write_text('\n'.join(Path(item.image).stem for item in written) + '\n')

"""Converting raw label files to Cityscapes train ids, with the class statistics of rare-class sampling."""

from __future__ import annotations

import os
import os.path as osp
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Callable, Mapping, Optional, Sequence

import numpy as np
from PIL import Image

from ..options.convert_datasets import LAYOUTS, parse_args
from ..utils.parallel import map_files
from .class_stats import Record, count_classes, write_stats
from .idd import draw_labels
from .label_spaces import RAW_ID_LIMIT, table
from .labels import LabelReader
from .mapillary import id_table, label_folders, released_labels


@dataclass(frozen=True)
class Conversion:
    """How one data set is converted.

    Attributes:
        ids: its raw table in :mod:`~mmseg_uda.datasets.label_spaces`.
        output: name of a raw label file -> name of the converted file, or None for files that are not raw labels.
        counted: whether a file (relative to ``gt_dir``) enters the statistics.
    """

    ids: str
    output: Callable[[str], Optional[str]]
    counted: Callable[[str], bool] = lambda name: True

    @property
    def name(self) -> str:
        """For messages."""
        return LAYOUTS[self.ids].name

    @property
    def gt_dir(self) -> str:
        """Its label folder below the root; empty: its converter finds it."""
        return LAYOUTS[self.ids].gt_dir


def numbered(name: str) -> Optional[str]:
    """``00001.png`` -> ``00001_labelTrainIds.png``; converted files end in a letter and are left alone."""
    stem, suffix = osp.splitext(name)
    return f'{stem}_labelTrainIds.png' if suffix == '.png' and stem[-1:].isdigit() else None


def cityscapes_name(name: str) -> Optional[str]:
    """``*_gtFine_labelIds.png`` -> ``*_gtFine_labelTrainIds.png``."""
    suffix = '_labelIds.png'
    return f'{name[: -len(suffix)]}_labelTrainIds.png' if name.endswith(suffix) else None


def idd_name(name: str) -> Optional[str]:
    """``*_gtFine_labelids.png`` -> ``*_gtFine_labelTrainIds.png``; both spellings of the data set's scripts are
    known."""
    suffix = '_labelids.png'
    return f'{name[: -len(suffix)]}_labelTrainIds.png' if name.lower().endswith(suffix) else None


def mapillary_name(name: str) -> Optional[str]:
    """``<key>.png`` -> ``<key>_labelTrainIds.png``; converted files are left alone."""
    stem, suffix = osp.splitext(name)
    return f'{stem}_labelTrainIds.png' if suffix == '.png' and not stem.endswith('_labelTrainIds') else None


def in_training_part(name: str) -> bool:
    return name.startswith('train/')


GTA = Conversion('gta', numbered)
SYNTHIA = Conversion('synthia', numbered)
CITYSCAPES = Conversion('cityscapes', cityscapes_name, in_training_part)
IDD = Conversion('idd', idd_name, in_training_part)
MAPILLARY = Conversion('mapillary', mapillary_name)
CONVERSIONS = {conversion.ids: conversion for conversion in (GTA, SYNTHIA, CITYSCAPES, IDD, MAPILLARY)}


def raw_files(folder: Path, conversion: Conversion) -> list[str]:
    """Raw label files below ``folder``, sorted, relative to it.

    Raises:
        FileNotFoundError: no such folder, or no raw label file in it.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f'{conversion.name}: no label folder {folder}; check the root and --gt-dir')
    names = sorted(
        osp.relpath(osp.join(where, name), folder).replace(os.sep, '/')
        for where, _, files in os.walk(folder, followlinks=True)
        for name in files
        if conversion.output(name)
    )
    if not names:
        raise FileNotFoundError(f'{conversion.name}: no raw label file in {folder}; check the root and --gt-dir')
    return names


def convert_file(name: str, folder: str, output: Callable[[str], Optional[str]], reader: LabelReader) -> Record:
    """Write the train-id file beside a raw label file; returns its name and class counts."""
    label = reader.read(osp.join(folder, name))
    converted = osp.join(osp.dirname(name), output(osp.basename(name)) or '').replace(os.sep, '/')
    temporary = osp.join(folder, f'{converted}.part')
    Image.fromarray(label).save(temporary, format='PNG')
    os.replace(temporary, osp.join(folder, converted))
    return converted, count_classes(label, reader.num_classes)


def convert(
    root: Path,
    conversion: Conversion,
    gt_dir: Optional[str] = None,
    out_dir: Optional[Path] = None,
    workers: int = 4,
    ids: Optional[Mapping[int, int]] = None,
) -> list[Record]:
    """Convert a data set and write ``sample_class_stats.json``, its dict form and ``samples_with_class.json``.

    Args:
        root: root of the data set.
        gt_dir: label folder below it, default the official one.
        out_dir: where the JSON files go, default ``root``.
        workers: processes.
        ids: file id -> class id instead of the data set's table.

    Returns:
        (converted file relative to the label folder, class -> pixels) of the counted files. Counts are at the labels'
        own resolution; the published scripts store the same numbers with another path prefix.
    """
    folder = root / (gt_dir or conversion.gt_dir)
    names = raw_files(folder, conversion)
    reader = LabelReader(ids or table(conversion.ids), 19, RAW_ID_LIMIT[conversion.ids])
    work = partial(convert_file, folder=str(folder), output=conversion.output, reader=reader)
    records = [record for record in map_files(work, names, conversion.name, workers) if conversion.counted(record[0])]
    if records:
        write_stats(records, out_dir or root)
    return records


def write_split_lists(root: Path, gt_dir: str = 'gtFine', out_dir: Optional[Path] = None) -> None:
    """Write Cityscapes' ``train.txt``, ``val.txt``, ``test.txt``: ``<city>/<city>_<sequence>_<frame>``, one a line."""
    for split in ('train', 'val', 'test'):
        folder = root / gt_dir / split
        if folder.is_dir():
            files = sorted(path.relative_to(folder).as_posix() for path in folder.rglob('*_gtFine_labelIds.png'))
            text = ''.join(f'{name[: -len("_gtFine_labelIds.png")]}\n' for name in files)
            ((out_dir or root) / f'{split}.txt').write_text(text, encoding='utf-8')


def convert_idd(root: Path, gt_dir: str = 'gtFine', out_dir: Optional[Path] = None, workers: int = 4) -> list[Record]:
    """Draw the polygons of IDD that have no label file yet, then :func:`convert` all of them."""
    draw_labels(root / gt_dir, workers)
    return convert(root, IDD, gt_dir, out_dir, workers)


def convert_mapillary(root: Path, gt_dir: str = '', out_dir: Optional[Path] = None, workers: int = 4) -> list[Record]:
    """:func:`convert` both parts of Mapillary Vistas v1.x (or the v1.2 labels of v2.0); the training part is counted.

    Args:
        gt_dir: one label folder instead of those of both parts.

    Raises:
        ValueError: the release's configuration file names other labels.
    """
    labels = released_labels(root)
    ids = id_table(labels) if labels is not None else None
    folders = {'training': gt_dir} if gt_dir else label_folders(root)
    if 'validation' in folders:
        validation = replace(MAPILLARY, counted=lambda name: False)
        convert(root, validation, folders['validation'], out_dir, workers, ids)
    return convert(root, MAPILLARY, folders['training'], out_dir, workers, ids) if 'training' in folders else []


#: converters that do more than :func:`convert`
SPECIAL: dict[str, Callable[..., list[Record]]] = {'idd': convert_idd, 'mapillary': convert_mapillary}


def main(argv: Optional[Sequence[str]] = None, data_set: str = '') -> None:
    """Run ``tools/convert_datasets/<data set>.py``."""
    args = parse_args(argv, data_set)
    if args.out_dir:
        args.out_dir.mkdir(parents=True, exist_ok=True)
    if data_set in SPECIAL:
        records = SPECIAL[data_set](args.root, args.gt_dir, args.out_dir, args.nproc)
    else:
        records = convert(args.root, CONVERSIONS[data_set], args.gt_dir, args.out_dir, args.nproc)
    pixels = np.zeros(19, np.int64)
    for _, counts in records:
        pixels[list(counts)] += list(counts.values())
    print(f'{len(records)} files in the statistics, {pixels.sum()} labelled pixels, {(pixels > 0).sum()} of 19 classes')
    if data_set == 'cityscapes':
        write_split_lists(args.root, args.gt_dir, args.out_dir)

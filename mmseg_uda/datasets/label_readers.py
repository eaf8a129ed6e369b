"""The label reader of a data set: from what its files hold to class ids, one translation for training, statistics,
checks and evaluation."""

from __future__ import annotations

import os.path as osp
from typing import Any

import numpy as np
from mmseg.datasets.custom import CustomDataset

from .labels import LabelReader


def stock_reader(dataset: CustomDataset, strict: bool = True) -> LabelReader:
    """The label reader of a data set whose files hold class ids, or, with ``reduce_zero_label``, 0 = ignored and class
    ids + 1.
    """
    classes = type(dataset).CLASSES if dataset.label_map else dataset.CLASSES
    number, shift = len(classes or ()), int(bool(dataset.reduce_zero_label))
    table = {cls + shift: cls for cls in range(number)}
    reader = LabelReader(table, number, number - 1 + shift, strict)
    return reader.then(dataset.label_map, len(dataset.CLASSES)) if dataset.label_map else reader


def label_reader_of(dataset: Any) -> LabelReader:
    """The label reader of any data set of files: one of this package or of MMSegmentation.

    Raises:
        ValueError: a wrapper, a data set without class names, or one whose classes MMSegmentation's evaluation would
            mix up.
    """
    if hasattr(dataset, 'label_reader'):
        return dataset.label_reader
    name = type(dataset).__name__
    if not isinstance(dataset, CustomDataset) or not dataset.CLASSES:
        raise ValueError(
            f'{name} is not a data set of image and label files with class names; FolderDataset takes any folder'
        )
    if dataset.reduce_zero_label and dataset.label_map:
        raise ValueError(
            f'{name} with classes={list(dataset.CLASSES)} and reduce_zero_label: MMSegmentation renames the classes '
            "before it reduces the labels, so that its evaluation mixes them up. Use type='FolderDataset' with "
            'id_map={file id: class id}'
        )
    dataset.label_reader = stock_reader(dataset)
    return dataset.label_reader


def label_path(dataset: Any, index: int) -> str:
    """The label file of an image of a data set of files."""
    name = dataset.get_ann_info(index)['seg_map']
    return osp.join(dataset.ann_dir, name) if dataset.ann_dir is not None else name


def read_label_of(dataset: Any, index: int) -> np.ndarray:
    """The label map of an image of any data set of files: uint8 (H, W) class ids, 255 = ignored."""
    if hasattr(dataset, 'read_label'):
        return dataset.read_label(index)
    return label_reader_of(dataset).read(label_path(dataset, index))

"""The base of this package's data sets: an MMSegmentation data set with safe lists, raw-id labels and clear errors."""

from __future__ import annotations

import os
import os.path as osp
from dataclasses import dataclass
from typing import Any, Mapping, Optional, Sequence

import numpy as np
import torch
from mmcv.utils import print_log
from mmseg.datasets.custom import CustomDataset
from mmseg.utils import get_root_logger

from ..ops.label_maps import areas
from . import label_spaces
from .image_files import ImageName, check_relative, find_images, find_listed, read_list, walk_files
from .label_readers import label_path, stock_reader
from .labels import LabelReader
from .pipeline_config import resolve_pipeline
from .pipelines import LoadLabels, label_at_size, pillow_resize

#: environment variable with the folder of all data sets, which the configs read too; default ``data``
DATA_VARIABLE = 'MMSEG_UDA_DATA'


@dataclass(frozen=True)
class LabelFiles:
    """One way in which a data set's labels may lie on disk.

    Attributes:
        suffix: what replaces the image's suffix.
        ids: ``train_ids`` or the name of a raw table of :mod:`~mmseg_uda.datasets.label_spaces`; None for class ids of
            the data set's own.
    """

    suffix: str
    ids: Optional[str] = 'train_ids'


class SegmentationDataset(CustomDataset):
    """A data set of image and label files.

    Subclasses set ``CLASSES``, ``PALETTE`` (or ``SPACES`` through ``label_space``), ``IMG_SUFFIX`` and ``LABEL_FILES``.

    Args:
        pipeline: transforms, as in MMSegmentation.
        data_root: folder of the data set; None where an environment variable or ``$MMSEG_UDA_DATA`` names it.
        img_dir: image folder below ``data_root``; searched recursively unless ``split`` is given.
        ann_dir: label folder; None where no labels are needed (an unlabelled target never opens one).
        labels: False: no label is ever read; ``ann_dir`` then only tells which files are no images.
        split: list file with one image name a line, with or without suffix. Absolute entries and ``..`` are refused.
        img_suffix: suffix(es) of the images, default the data set's own; capital letters do not matter.
        seg_map_suffix: suffix of the label files. By default the first form that exists: converted train ids, else the
            raw ids of the download, which are translated while loading.
        label_ids: what a label file given by ``seg_map_suffix`` holds, when its suffix does not tell: ``train_ids``, a
            raw table's name, or an id map ``{file id: class id}``.
        label_space: classes of the network: ``city19``, ``city16`` or ``super7``.
        strict_labels: an id out of range stops with the file's name; False ignores those pixels.
        crop_pseudo_margins: top, bottom, left, right in pixels of the file where pseudo-labels do not count (HRDA).
        score_size: (width, height) at which predictions are made and scored; labels are brought there by nearest
            neighbour (Pillow). None: the size of the files.
        allow_outside_root: accept absolute paths and ``..`` in ``split``.
        kwargs: other options of ``mmseg.datasets.CustomDataset``.

    Raises:
        FileNotFoundError: a missing folder or list. ValueError: no image in it, or an unsafe list.
    """

    NAME = 'data set'
    IMG_SUFFIX: Sequence[str] = ('.png',)
    LABEL_FILES: Sequence[LabelFiles] = (LabelFiles('.png', None),)
    HAS_LABEL_SPACES = True
    #: environment variable with the folder of a data set without ``data_root``, else DEFAULT_FOLDER of DATA_VARIABLE
    ROOT_VARIABLE: Optional[str] = None
    DEFAULT_FOLDER = ''
    CONVERTER = ''

    def __init__(
        self,
        pipeline: Sequence[Any] = (),
        img_dir: str = '',
        ann_dir: Optional[str] = None,
        split: Optional[str] = None,
        data_root: Optional[str] = None,
        img_suffix: Optional[str] = None,
        seg_map_suffix: Optional[str] = None,
        label_ids: Any = None,
        labels: bool = True,
        label_space: str = 'city19',
        strict_labels: bool = True,
        crop_pseudo_margins: Optional[Sequence[int]] = None,
        score_size: Optional[Sequence[int]] = None,
        allow_outside_root: bool = False,
        **kwargs: Any,
    ) -> None:
        if self.HAS_LABEL_SPACES and kwargs.get('classes') is None:
            if label_space not in label_spaces.SPACES:
                raise ValueError(f"unknown label_space '{label_space}'; known: {', '.join(label_spaces.SPACES)}")
            self.CLASSES, self.PALETTE = label_spaces.SPACES[label_space]
        self.label_space = label_space
        self.score_size = (int(score_size[0]), int(score_size[1])) if score_size is not None else None
        self.allow_outside_root = allow_outside_root
        self.img_suffixes = (img_suffix,) if isinstance(img_suffix, str) else tuple(img_suffix or self.IMG_SUFFIX)
        self._label_forms = self._forms(seg_map_suffix, label_ids)
        self._labels = labels
        if data_root is None and self.ROOT_VARIABLE is not None:
            data_root = os.environ.get(self.ROOT_VARIABLE) or osp.join(
                os.environ.get(DATA_VARIABLE, 'data'), self.DEFAULT_FOLDER
            )
        super().__init__(
            pipeline=resolve_pipeline(pipeline, margins=crop_pseudo_margins),
            img_dir=img_dir,
            ann_dir=ann_dir,
            split=split,
            data_root=data_root,
            img_suffix=self.img_suffixes[0],
            seg_map_suffix=self._label_forms[0].suffix,
            **kwargs,
        )
        self.ann_dir = self.ann_dir if labels else None  # type: ignore[has-type]
        self.label_reader = self._reader(label_ids, strict_labels)
        self.gt_seg_map_loader = LoadLabels()

    def _forms(self, seg_map_suffix: Optional[str], label_ids: Any) -> list[LabelFiles]:
        """The label files to look for, in order."""
        if seg_map_suffix is not None:
            known = {form.suffix: form.ids for form in self.LABEL_FILES}
            ids = label_ids if isinstance(label_ids, str) else known.get(seg_map_suffix, self.LABEL_FILES[0].ids)
            return [LabelFiles(seg_map_suffix, ids)]
        forms = [form for form in self.LABEL_FILES if not (self.label_space == 'super7' and form.ids == 'train_ids')]
        if isinstance(label_ids, str):
            forms = [form for form in forms if form.ids == label_ids]
        elif isinstance(label_ids, Mapping):  # an id map is about the raw ids
            forms = [form for form in forms if form.ids != 'train_ids'] or forms
        if not forms:
            raise ValueError(
                f"{type(self).__name__} has no label files of kind {label_ids!r} for label_space '{self.label_space}'; "
                f'it knows {[(form.suffix, form.ids) for form in self.LABEL_FILES]}'
            )
        return forms

    def id_table(self, ids: str) -> Mapping[int, int]:
        """Class ids of the label files' ids of a kind (see :class:`LabelFiles`)."""
        return label_spaces.table(ids, self.label_space)

    def _reader(self, label_ids: Any, strict: bool) -> LabelReader:
        ids = self.label_form.ids
        if self.reduce_zero_label and (ids is not None or isinstance(label_ids, Mapping)):
            raise ValueError(
                f'{type(self).__name__}: reduce_zero_label is for files that hold class ids + 1, but an id map already '
                'gives the class of every file id; leave reduce_zero_label out'
            )
        if isinstance(label_ids, Mapping):
            mapping: Mapping[int, int] = {int(raw): int(new) for raw, new in label_ids.items()}
            known = 254
        elif ids is None:
            return stock_reader(self, strict)
        else:
            mapping = self.id_table(ids)
            known = 18 if ids == 'train_ids' else label_spaces.RAW_ID_LIMIT[ids]
        reader = LabelReader(mapping, len(self.CLASSES), known, strict)
        return reader.then(self.label_map, len(self.CLASSES)) if self.label_map else reader

    def load_annotations(
        self, img_dir: str, img_suffix: str, ann_dir: Optional[str], seg_map_suffix: str, split: Optional[str]
    ) -> list[dict[str, Any]]:
        """Image and label names, sorted unless a split list gives the order."""
        names = self._listed(img_dir, ann_dir, split) if split is not None else self._found(img_dir, ann_dir)
        if not names:
            raise ValueError(
                f'{self.NAME}: no image with suffix {" or ".join(self.img_suffixes)} in {split or img_dir}. '
                'Check data_root, img_dir and img_suffix.'
            )
        self.label_form = self._existing_form(ann_dir, names[0])
        infos: list[dict[str, Any]] = [dict(filename=stem + suffix) for stem, suffix in names]
        if ann_dir is not None and self._labels:
            self._add_labels(infos, [stem for stem, _ in names], img_dir, ann_dir)
        print_log(f'{type(self).__name__}: {len(infos)} images in {img_dir}', logger=get_root_logger())
        return infos

    def _add_labels(self, infos: list[dict[str, Any]], stems: Sequence[str], img_dir: str, ann_dir: str) -> None:
        """Name the label file of every image, in the capital letters in which it exists."""
        labels = [self.label_name(stem) for stem in stems]
        if osp.isdir(ann_dir) and not all(osp.exists(osp.join(ann_dir, label)) for label in labels):
            written = {name.lower(): name for name in walk_files(ann_dir)}
            labels = [
                label if osp.exists(osp.join(ann_dir, label)) else written.get(label.lower(), label) for label in labels
            ]
        for info, label in zip(infos, labels):
            if osp.abspath(osp.join(img_dir, info['filename'])) == osp.abspath(osp.join(ann_dir, label)):
                raise ValueError(
                    f'{self.NAME}: {osp.join(img_dir, info["filename"])} would be its own label. Set img_suffix and '
                    'seg_map_suffix so that they tell images from labels, or move the labels into a folder of their own'
                )
            info['ann'] = dict(seg_map=label)

    def label_name(self, stem: str) -> str:
        """The label file, relative to ``ann_dir``, of an image name without suffix."""
        return stem + self.label_form.suffix

    def _existing_form(self, ann_dir: Optional[str], first: tuple[str, str]) -> LabelFiles:
        if ann_dir is not None:
            for form in self._label_forms:
                self.label_form = form
                if osp.exists(osp.join(ann_dir, self.label_name(first[0]))):
                    return form
        return self._label_forms[0]

    def _listed(self, img_dir: str, ann_dir: Optional[str], split: str) -> list[ImageName]:
        entries = read_list(split)
        if not self.allow_outside_root:
            for entry in entries:
                check_relative(entry, split)
        if (self.file_client_args or {}).get('backend', 'disk') != 'disk':
            return [(entry, self.img_suffixes[0]) for entry in entries]
        label_suffixes = [form.suffix for form in self._label_forms]
        names, unknown = find_listed(img_dir, entries, self.img_suffixes, ann_dir, label_suffixes)
        if unknown:
            raise FileNotFoundError(
                f'{self.NAME}: {len(unknown)} of {len(entries)} names in {split} are no image below {img_dir} '
                f"(first: '{unknown[0]}'; "
                f'looked for {" or ".join(self.img_suffixes)}): the list belongs to other data, or its names are '
                'not relative to img_dir'
            )
        return names

    def _found(self, img_dir: str, ann_dir: Optional[str]) -> list[ImageName]:
        if not osp.isdir(img_dir):
            raise FileNotFoundError(
                f'{self.NAME}: the image folder {img_dir} does not exist. Set data_root (and img_dir) in the config or '
                'with --cfg-options; docs/guides/datasets.md shows the layout and where to download it.'
            )
        return find_images(img_dir, self.img_suffixes, ann_dir, [form.suffix for form in self._label_forms])

    def get_ann_info(self, idx: int) -> dict[str, Any]:
        """The label file of an image.

        Raises:
            ValueError: the data set was built without ``ann_dir``.
        """
        if 'ann' not in self.img_infos[idx]:
            raise ValueError(
                f'{type(self).__name__} was built without ann_dir: it has no labels. Set ann_dir where labels are '
                'needed.'
            )
        return self.img_infos[idx]['ann']

    def pre_pipeline(self, results: dict[str, Any]) -> None:
        """Hand the label reader to the pipeline."""
        super().pre_pipeline(results)
        results['label_reader'] = self.label_reader
        results['label_remedy'] = self.CONVERTER
        results['score_size'] = self.score_size

    def get_gt_seg_map_by_idx(self, index: int) -> np.ndarray:
        """The label map that predictions are scored with: class ids, also with ``reduce_zero_label``."""
        label = super().get_gt_seg_map_by_idx(index)
        return label if self.score_size is None else self.at_score_size(label, self.score_size)

    def pre_eval(self, preds: Any, indices: Any) -> list[Any]:
        """MMSegmentation's counts of intersection, union, prediction and label for predictions (H, W).

        A label of another size is brought to the prediction's by the rule of training.
        """
        preds, indices = (values if isinstance(values, list) else [values] for values in (preds, indices))
        return [
            self._count(pred, self.get_gt_seg_map_by_idx(i), label_path(self, i)) for pred, i in zip(preds, indices)
        ]

    def _count(self, pred: np.ndarray, label: np.ndarray, path: str) -> Any:
        label = label_at_size(label, pred.shape[:2], path, 'prediction')
        return areas(torch.from_numpy(pred), torch.from_numpy(label), len(self.CLASSES), self.ignore_index)

    def evaluate(self, results: Sequence[Any], *args: Any, **kwargs: Any) -> dict[str, float]:
        """Metrics of pre-evaluated results, or of one prediction (H, W) for every image."""
        if len(results) and isinstance(results[0], np.ndarray):
            labels = kwargs.pop('gt_seg_maps', None) or map(self.get_gt_seg_map_by_idx, range(len(self)))
            results = [self._count(pred, label, 'a label map') for pred, label in zip(results, labels)]
        return super().evaluate(results, *args, **kwargs)

    def at_score_size(self, label: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """``label`` (H, W) at (width, height) ``size``."""
        return pillow_resize(label, size)

    def prepare_train_img(self, idx: int) -> dict[str, Any]:
        """A training sample; without ``ann_dir`` the pipeline must not read labels."""
        return super().prepare_train_img(idx) if 'ann' in self.img_infos[idx] else self.prepare_test_img(idx)

    def read_label(self, idx: int) -> np.ndarray:
        """The translated label map of an image: uint8 (H, W), 255 = ignored."""
        return self.label_reader.read(label_path(self, idx), self.CONVERTER)

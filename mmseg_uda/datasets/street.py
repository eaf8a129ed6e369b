"""The street data sets of the field, under their published names."""

from __future__ import annotations

import os
import os.path as osp
from pathlib import Path
from typing import Any, Mapping, Optional, Sequence

import numpy as np
from mmseg.datasets import CityscapesDataset as StockCityscapes
from mmseg.datasets.builder import DATASETS
from PIL import Image

from . import label_spaces
from .base import LabelFiles, SegmentationDataset
from .image_files import ImageName
from .mapillary import id_table, released_labels


@DATASETS.register_module()
class GTADataset(SegmentationDataset):
    """GTA5 (Playing for Data): ``images/*.png``, ``labels/*.png`` (palette PNGs of label ids) or
    ``labels/*_labelTrainIds.png``.
    """

    NAME = 'GTA5'
    CLASSES = label_spaces.CITY19
    PALETTE = label_spaces.CITY19_PALETTE
    LABEL_FILES = (LabelFiles('_labelTrainIds.png'), LabelFiles('.png', 'gta'))
    CONVERTER = 'Check ann_dir; tools/convert_datasets/gta.py writes *_labelTrainIds.png beside the original labels.'


@DATASETS.register_module()
class SynthiaDataset(SegmentationDataset):
    """SYNTHIA-RAND-CITYSCAPES: ``RGB/*.png``, ``GT/LABELS/*.png`` (16-bit, class in the red channel) or
    ``*_labelTrainIds.png``.
    """

    NAME = 'SYNTHIA'
    CLASSES = label_spaces.CITY19
    PALETTE = label_spaces.CITY19_PALETTE
    LABEL_FILES = (LabelFiles('_labelTrainIds.png'), LabelFiles('.png', 'synthia'))
    CONVERTER = (
        'Check ann_dir; tools/convert_datasets/synthia.py writes *_labelTrainIds.png beside the original labels.'
    )


@DATASETS.register_module(force=True)
class CityscapesDataset(SegmentationDataset, StockCityscapes):
    """Cityscapes: ``leftImg8bit/<split>/<city>``, ``gtFine/<split>/<city>`` with ``*_gtFine_labelTrainIds.png`` or
    ``*_gtFine_labelIds.png``.

    Replaces MMSegmentation's class of the same name and remains one of its subclasses; it also reads the raw ids of the
    download.
    """

    NAME = 'Cityscapes'
    IMG_SUFFIX: Sequence[str] = ('_leftImg8bit.png',)
    LABEL_FILES: Sequence[LabelFiles] = (
        LabelFiles('_gtFine_labelTrainIds.png'),
        LabelFiles('_gtFine_labelIds.png', 'cityscapes'),
    )
    CONVERTER = 'Check ann_dir; tools/convert_datasets/cityscapes.py writes *_gtFine_labelTrainIds.png.'
    SERVER_WANTS_LABEL_IDS = True

    def results2img(
        self,
        results: Sequence[np.ndarray],
        imgfile_prefix: str,
        to_label_id: bool,
        indices: Optional[Sequence[int]] = None,
    ) -> list[str]:
        """Write predictions as PNGs named like the images, as label ids (Cityscapes' server) or train ids (ACDC's, Dark
        Zurich's).
        """
        os.makedirs(imgfile_prefix, exist_ok=True)
        files = []
        for result, idx in zip(results, indices if indices is not None else range(len(self))):
            name = osp.splitext(osp.basename(self.img_infos[idx]['filename']))[0]
            ids = np.asarray(result).astype(np.uint8)
            files.append(osp.join(imgfile_prefix, f'{name}.png'))
            Image.fromarray(label_spaces.to_label_ids(ids) if to_label_id else ids).save(files[-1])
        return files

    def format_results(
        self,
        results: list[np.ndarray],
        imgfile_prefix: str,
        to_label_id: Optional[bool] = None,
        indices: Optional[Sequence[int]] = None,
    ) -> list[str]:
        """Predictions in the form of the data set's test server."""
        to_label_id = self.SERVER_WANTS_LABEL_IDS if to_label_id is None else to_label_id
        return self.results2img(results, imgfile_prefix, to_label_id, indices)


@DATASETS.register_module()
class ACDCDataset(CityscapesDataset):
    """ACDC (fog, night, rain, snow).

    Reads the merged layout of the published configs (``rgb_anon/<split>/<sequence>``) and the layout of the download
    (``rgb_anon/<condition>/<split>/<sequence>``): ``img_dir`` and ``ann_dir`` are written in the merged form for both.

    Args:
        conditions: which of fog, night, rain, snow (default all); needs the layout of the download.
    """

    NAME = 'ACDC'
    IMG_SUFFIX = ('_rgb_anon.png',)
    LABEL_FILES = (LabelFiles('_gt_labelTrainIds.png'), LabelFiles('_gt_labelIds.png', 'cityscapes'))
    CONVERTER = 'Check ann_dir.'
    SERVER_WANTS_LABEL_IDS = False
    CONDITIONS = ('fog', 'night', 'rain', 'snow')

    def __init__(self, conditions: Optional[Sequence[str]] = None, **kwargs: Any) -> None:
        unknown = set(conditions or ()) - set(self.CONDITIONS)
        if unknown:
            raise ValueError(f'unknown ACDC conditions {sorted(unknown)}; known: {list(self.CONDITIONS)}')
        self.conditions = tuple(conditions or self.CONDITIONS)
        self._filtered = conditions is not None
        super().__init__(**kwargs)

    def load_annotations(
        self, img_dir: str, img_suffix: str, ann_dir: Optional[str], seg_map_suffix: str, split: Optional[str]
    ) -> list[dict[str, Any]]:
        """List the images of either layout; with the layout of the download names are relative to ``rgb_anon``."""
        parent, self._part = osp.split(img_dir.rstrip('/'))
        self._by_condition = split is None and any(
            osp.isdir(osp.join(parent, condition, self._part)) for condition in self.conditions
        )
        if self._by_condition:
            self.img_dir = img_dir = parent
            self.ann_dir = ann_dir = osp.dirname(ann_dir.rstrip('/')) if ann_dir is not None else None
        elif self._filtered:
            raise ValueError(
                f'conditions={list(self.conditions)} needs the folders {parent}/<condition>/{self._part}: the merged '
                'layout and split '
                'lists do not tell conditions apart'
            )
        return super().load_annotations(img_dir, img_suffix, ann_dir, seg_map_suffix, split)

    def _found(self, img_dir: str, ann_dir: Optional[str]) -> list[ImageName]:
        if not self._by_condition:
            return super()._found(img_dir, ann_dir)
        folders = [
            f'{condition}/{self._part}'
            for condition in self.conditions
            if osp.isdir(osp.join(img_dir, condition, self._part))
        ]
        return [
            (f'{folder}/{stem}', suffix)
            for folder in folders
            for stem, suffix in super(ACDCDataset, self)._found(osp.join(img_dir, folder), ann_dir)
        ]


@DATASETS.register_module(force=True)
class DarkZurichDataset(CityscapesDataset):
    """Dark Zurich: ``rgb_anon/train/night``, ``rgb_anon/val``, ``gt/val``. Replaces MMSegmentation's class of the same
    name.
    """

    NAME = 'Dark Zurich'
    IMG_SUFFIX = ('_rgb_anon.png',)
    LABEL_FILES = (LabelFiles('_gt_labelTrainIds.png'), LabelFiles('_gt_labelIds.png', 'cityscapes'))
    CONVERTER = 'Check ann_dir.'
    SERVER_WANTS_LABEL_IDS = False


@DATASETS.register_module()
class IDDDataset(CityscapesDataset):
    """IDD (Indian Driving Dataset), segmentation: ``leftImg8bit/<split>/<drive>``, ``gtFine/<split>/<drive>`` with
    ``*_gtFine_labelids.png``.
    """

    NAME = 'IDD'
    IMG_SUFFIX = ('_leftImg8bit.png', '_leftImg8bit.jpg')
    LABEL_FILES = (
        LabelFiles('_gtFine_labelTrainIds.png'),
        LabelFiles('_gtFine_labelids.png', 'idd'),
        LabelFiles('_gtFine_labelIds.png', 'idd'),
    )
    CONVERTER = (
        'Check ann_dir; tools/convert_datasets/idd.py draws *_gtFine_labelids.png from the polygons of the download.'
    )
    SERVER_WANTS_LABEL_IDS = False


@DATASETS.register_module()
class MapillaryDataset(SegmentationDataset):
    """Mapillary Vistas v1.x (66 labels): ``training/images/*.jpg``, ``training/labels/*.png`` (palette PNGs); of v2.0
    use ``v1.2/labels``.
    """

    NAME = 'Mapillary Vistas'
    CLASSES = label_spaces.CITY19
    PALETTE = label_spaces.CITY19_PALETTE
    IMG_SUFFIX = ('.jpg',)
    LABEL_FILES = (LabelFiles('_labelTrainIds.png'), LabelFiles('.png', 'mapillary'))
    CONVERTER = 'Check ann_dir: training/labels (v1.x) or training/v1.2/labels (v2.0).'

    def id_table(self, ids: str) -> Mapping[int, int]:
        """As usual; raw ids are those of the release's ``config.json`` if it lies in ``data_root``."""
        labels = released_labels(Path(self.data_root)) if ids == 'mapillary' and self.data_root else None
        return super().id_table(ids) if labels is None else id_table(labels, self.label_space)


@DATASETS.register_module()
class BDD100KDataset(SegmentationDataset):
    """BDD100K, semantic segmentation: ``images/10k/<split>/*.jpg``, ``labels/sem_seg/masks/<split>/*.png`` (train
    ids), or ``seg/images``, ``seg/labels`` with ``*_train_id.png`` of its first release.
    """

    NAME = 'BDD100K'
    CLASSES = label_spaces.CITY19
    PALETTE = label_spaces.CITY19_PALETTE
    IMG_SUFFIX = ('.jpg',)
    LABEL_FILES = (LabelFiles('.png'), LabelFiles('_train_id.png'))
    CONVERTER = 'Check ann_dir: labels/sem_seg/masks/<split>, not the colour maps.'


@DATASETS.register_module()
class SynscapesDataset(SegmentationDataset):
    """Synscapes: ``img/rgb/<n>.png`` (or ``img/rgb-2k``), ``img/class/<n>.png`` with Cityscapes label ids."""

    NAME = 'Synscapes'
    CLASSES = label_spaces.CITY19
    PALETTE = label_spaces.CITY19_PALETTE
    LABEL_FILES = (LabelFiles('_labelTrainIds.png'), LabelFiles('.png', 'cityscapes'))
    CONVERTER = 'Check ann_dir: img/class, which holds Cityscapes label ids.'


@DATASETS.register_module()
class UrbanSynDataset(SegmentationDataset):
    """UrbanSyn: ``rgb/rgb_<n>.png``, ``ss/ss_<n>.png`` with Cityscapes train ids and 19 for what has no label."""

    NAME = 'UrbanSyn'
    CLASSES = label_spaces.CITY19
    PALETTE = label_spaces.CITY19_PALETTE
    LABEL_FILES = (LabelFiles('.png', 'urbansyn'),)
    CONVERTER = 'Check ann_dir: ss, not the colour maps of ss_colour.'

    def label_name(self, stem: str) -> str:
        """``rgb_0001`` -> ``ss_0001.png``; other image names are those of their labels, too."""
        folder, name = osp.split(stem)
        if name.startswith('rgb_'):
            name = f'ss_{name[len("rgb_") :]}'
        return super().label_name(osp.join(folder, name).replace(os.sep, '/'))

"""IDD and Mapillary Vistas from their downloads: polygons, converters, readers in 7 and 19 classes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Optional, Sequence

import numpy as np
import pytest
from mmseg.datasets import build_dataset
from PIL import Image

from mmseg_uda.datasets import conversion, idd, label_spaces, mapillary
from mmseg_uda.datasets.class_stats import STATS_FILE
from mmseg_uda.datasets.labels import CorruptFileError

from .worlds import blocks, write_image, write_label

DRIVES = ('train/0/1', 'train/10/1', 'val/3/1')  # base names repeat between drives


def square(label: str, left: float, right: float, **extra: Any) -> dict[str, Any]:
    return dict(label=label, polygon=[[left, 0.0], [right, 0.0], [right, 23.0], [left, 23.0]], **extra)


def make_idd(root: Path, objects: Sequence[dict[str, Any]]) -> Path:
    """The segmentation part of the download: images and polygons, no label maps."""
    for i, stem in enumerate(DRIVES):
        write_image(root / f'leftImg8bit/{stem}_leftImg8bit.png', i)
        path = root / f'gtFine/{stem}_gtFine_polygons.json'
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(dict(imgHeight=24, imgWidth=40, objects=list(objects))))
    return root


def make_vistas(root: Path, ids: Sequence[int], names: Optional[Sequence[str]] = None, folder: str = 'labels') -> Path:
    for part in mapillary.PARTS:
        write_image(root / part / 'images/a.jpg', 0)
        write_label(root / part / folder / 'a.png', blocks(ids)(0), 'palette')
    if names is not None:
        (root / 'config.json').write_text(json.dumps(dict(labels=[dict(readable=name) for name in names])))
    return root


def build(kind: str, root: Path, img_dir: str, ann_dir: str, **options: Any) -> Any:
    return build_dataset(dict(type=kind, data_root=str(root), img_dir=img_dir, ann_dir=ann_dir, pipeline=[], **options))


def classes_of(dataset: Any) -> list[int]:
    return np.unique(dataset.read_label(0)).tolist()


def test_names_agree_with_the_tables() -> None:
    for names, ids in ((idd.NAMES, 'idd'), (mapillary.NAMES, 'mapillary')):
        assert len(names) == label_spaces.RAW_ID_LIMIT[ids] + 1
        for raw, train in label_spaces.table(ids).items():
            ours, theirs = label_spaces.CITY19[train], names[raw].lower()
            assert (
                ours.split()[-1] in theirs
                or theirs in ('bicyclist', 'motorcyclist', 'other rider', 'on rails')
                or (ours, theirs) in (('terrain', 'non-drivable fallback'),)
            ), (ours, theirs)
    assert (
        idd.label_id('Obs Str Bar Fallback') == 28
        and idd.label_id('cargroup') == idd.label_id('car')
        and idd.label_id('polegroup') == 27
    )
    with pytest.raises(KeyError):
        idd.label_id('spaceship')


def test_idd_polygons_are_drawn_in_order() -> None:
    label = idd.draw_polygons(
        dict(
            imgWidth=40,
            imgHeight=24,
            objects=[square('road', 0, 29), square('autorickshaw', 10, 19), square('sky', 0, 39, deleted=1)],
        )
    )
    assert label.shape == (24, 40) and label.dtype == np.uint8
    assert [label[5, x] for x in (5, 15, 25, 35)] == [0, 11, 0, idd.UNLABELED]


def test_idd_from_the_download_to_both_label_spaces(tmp_path: Path) -> None:
    make_idd(tmp_path, [square('road', 0, 9), square('autorickshaw', 10, 19), square('billboard', 20, 29)])
    conversion.main([str(tmp_path), '--nproc', '0'], 'idd')
    train = ('leftImg8bit/train', 'gtFine/train')
    city = build('IDDDataset', tmp_path, *train)
    assert len(city) == 2 and city.label_form.ids == 'train_ids' and classes_of(city) == [0, 255]
    super7 = build('IDDDataset', tmp_path, *train, label_space='super7')
    assert super7.label_form.ids == 'idd' and classes_of(super7) == [0, 2, 6, 255]
    counted = json.loads((tmp_path / STATS_FILE).read_text())
    assert [entry['file'].split('_')[0] for entry in counted] == ['train/0/1', 'train/10/1']
    before = (tmp_path / 'gtFine/train/0/1_gtFine_labelids.png').stat().st_mtime_ns
    assert idd.draw_labels(tmp_path / 'gtFine') == 0
    assert (tmp_path / 'gtFine/train/0/1_gtFine_labelids.png').stat().st_mtime_ns == before


def test_idd_without_converting_reads_the_ids(tmp_path: Path) -> None:
    make_idd(tmp_path, [square('road', 0, 9), square('non-drivable fallback', 10, 39)])
    idd.draw_labels(tmp_path / 'gtFine', workers=2)
    assert classes_of(build('IDDDataset', tmp_path, 'leftImg8bit/val', 'gtFine/val')) == [0, 9]


@pytest.mark.parametrize(
    'objects, reason', [([square('spaceship', 0, 9)], 'spaceship'), ([dict(label='road')], 'polygon')]
)
def test_a_broken_annotation_names_its_file(tmp_path: Path, objects: list[dict[str, Any]], reason: str) -> None:
    make_idd(tmp_path, objects)
    with pytest.raises(CorruptFileError, match=f'train/0/1_gtFine_polygons.json .*{reason}'):
        idd.draw_labels(tmp_path / 'gtFine', workers=0)


@pytest.mark.parametrize('folder', mapillary.LABEL_FOLDERS)
def test_mapillary_from_the_download_to_both_label_spaces(tmp_path: Path, folder: str) -> None:
    make_vistas(tmp_path, (13, 24, 55, 65), mapillary.NAMES, folder)
    conversion.main([str(tmp_path), '--nproc', '0'], 'mapillary')
    for part in mapillary.PARTS:
        where = (f'{part}/images', f'{part}/{folder}')
        city = build('MapillaryDataset', tmp_path, *where)
        assert city.label_form.ids == 'train_ids' and classes_of(city) == [0, 13, 255]
        super7 = build('MapillaryDataset', tmp_path, *where, label_space='super7')
        assert super7.label_form.ids == 'mapillary' and classes_of(super7) == [0, 6, 255]
    assert [entry['file'] for entry in json.loads((tmp_path / STATS_FILE).read_text())] == ['a_labelTrainIds.png']


def test_mapillary_labels_in_another_order_are_matched_by_name(tmp_path: Path) -> None:
    names = [name.upper() for name in reversed(mapillary.NAMES)]
    ids = [names.index(name) for name in ('ROAD', 'CAR', 'UNLABELED')]
    make_vistas(tmp_path, ids, names)
    conversion.convert_mapillary(tmp_path, workers=0)
    converted = np.array(Image.open(tmp_path / 'training/labels/a_labelTrainIds.png'))
    assert np.unique(converted).tolist() == [0, 13, 255]
    super7 = build('MapillaryDataset', tmp_path, 'training/images', 'training/labels', label_space='super7')
    assert classes_of(super7) == [0, 6, 255] and super7.read_label(0)[0, 0] == 0


def test_other_versions_and_folders_of_mapillary_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match='training/labels'):
        conversion.convert_mapillary(tmp_path)
    make_vistas(tmp_path, (13,), [name for name in mapillary.NAMES if name != 'Road'] + ['Other'] * 59)
    with pytest.raises(ValueError, match="lack 'Road'.*124 instead of 66"):
        conversion.convert_mapillary(tmp_path)

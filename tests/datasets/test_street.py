"""The street data sets read the official layouts, raw or converted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mmseg.datasets import CityscapesDataset as StockCityscapes
from mmseg.datasets import build_dataset

from mmseg_uda.datasets.street import ACDCDataset, CityscapesDataset

from .worlds import (
    blocks,
    cityscapes_config,
    gta_config,
    labelled_pipeline,
    make_cityscapes,
    make_gta,
    write_image,
    write_label,
)


def build(kind: str, root: Path, **options: Any) -> Any:
    return build_dataset(dict(type=kind, data_root=str(root), pipeline=[], **options))


@pytest.mark.parametrize(
    'suffix, kind, label',
    [('.png', 'palette', blocks((7, 8, 34, 0))), ('_labelTrainIds.png', 'grey', blocks((0, 1, 255, 255)))],
)
def test_gta_reads_the_download_and_converted_files(tmp_path: Path, suffix: str, kind: str, label: Any) -> None:
    dataset = build_dataset(gta_config(make_gta(tmp_path, 3, label, suffix, kind)))
    assert len(dataset) == 3
    assert set(np.unique(dataset.read_label(0))) == {0, 1, 255}


def test_converted_files_are_preferred_and_not_taken_for_images(tmp_path: Path) -> None:
    make_gta(tmp_path, 2)
    for i in (1, 2):
        write_label(tmp_path / 'labels' / f'{i:05d}_labelTrainIds.png', blocks((5,))(0))
    dataset = build_dataset(gta_config(tmp_path))
    assert len(dataset) == 2
    assert set(np.unique(dataset.read_label(1))) == {5}


def test_synthia_takes_the_class_from_the_red_channel(tmp_path: Path) -> None:
    write_image(tmp_path / 'RGB/0000000.png', 0)
    write_label(tmp_path / 'GT/LABELS/0000000.png', blocks((3, 22, 10, 0))(0), '16-bit')
    dataset = build('SynthiaDataset', tmp_path, img_dir='RGB', ann_dir='GT/LABELS')
    assert set(np.unique(dataset.read_label(0))) == {0, 11, 255}


def test_cityscapes_replaces_the_stock_class_and_stays_one(tmp_path: Path) -> None:
    dataset = build_dataset(cityscapes_config(make_cityscapes(tmp_path)))
    assert type(dataset) is CityscapesDataset and isinstance(dataset, StockCityscapes)
    assert [info['filename'].split('/')[0] for info in dataset.img_infos] == ['aachen'] * 3 + ['ulm'] * 2
    assert set(np.unique(dataset.read_label(0))) == {0, 2, 10, 13}


@pytest.mark.parametrize('raw', [True, False])
def test_evaluation_is_stock_mmseg(tmp_path: Path, raw: bool) -> None:
    dataset = build_dataset(cityscapes_config(make_cityscapes(tmp_path, raw=raw), test_mode=True))
    predictions = [dataset.read_label(i) for i in range(len(dataset))]
    result = dataset.evaluate(dataset.pre_eval(predictions, list(range(len(dataset)))), metric='mIoU', logger='silent')
    assert result['mIoU'] == 1 and result['IoU.road'] == 1


@pytest.mark.parametrize('kind, expected', [('CityscapesDataset', 7), ('ACDCDataset', 0)])
def test_predictions_in_the_form_of_the_test_server(tmp_path: Path, kind: str, expected: int) -> None:
    stem = {
        'CityscapesDataset': 'leftImg8bit/test/bonn/bonn_000000_000019_leftImg8bit',
        'ACDCDataset': 'rgb_anon/test/GOPR1/GOPR1_frame_rgb_anon',
    }[kind]
    write_image(tmp_path / f'{stem}.png', 0)
    dataset = build(kind, tmp_path, img_dir='/'.join(stem.split('/')[:2]), test_mode=True)
    files = dataset.format_results([np.zeros((24, 40), np.int64)], str(tmp_path / 'out'))
    from PIL import Image

    assert Path(files[0]).stem == stem.split('/')[-1]
    assert np.unique(np.array(Image.open(files[0]))).tolist() == [expected]


def make_acdc(root: Path, merged: bool) -> None:
    for condition in ('fog', 'night'):
        folder = 'train' if merged else f'{condition}/train'
        stem = f'{folder}/GOPR_{condition}/GOPR_{condition}_000001'
        write_image(root / f'rgb_anon/{stem}_rgb_anon.png', 0)
        write_image(root / f'rgb_anon/{stem}_rgb_ref_anon.png', 0)
        write_label(root / f'gt/{stem}_gt_labelTrainIds.png', blocks((0, 1))(0))


@pytest.mark.parametrize('merged', [True, False])
def test_acdc_reads_both_layouts(tmp_path: Path, merged: bool) -> None:
    make_acdc(tmp_path, merged)
    dataset = build('ACDCDataset', tmp_path, img_dir='rgb_anon/train', ann_dir='gt/train')
    assert len(dataset) == 2
    assert set(np.unique(dataset.read_label(1))) == {0, 1}


def test_acdc_conditions_filter_the_download_only(tmp_path: Path) -> None:
    make_acdc(tmp_path / 'download', merged=False)
    make_acdc(tmp_path / 'merged', merged=True)
    night = build('ACDCDataset', tmp_path / 'download', img_dir='rgb_anon/train', conditions=['night'])
    assert ['night' in info['filename'] for info in night.img_infos] == [True]
    with pytest.raises(ValueError, match='merged layout'):
        build('ACDCDataset', tmp_path / 'merged', img_dir='rgb_anon/train', conditions=['night'])
    with pytest.raises(ValueError, match='dusk'):
        ACDCDataset(conditions=['dusk'])


def test_dark_zurich_night_train_set_needs_no_labels(tmp_path: Path) -> None:
    write_image(tmp_path / 'rgb_anon/train/night/GOPR0351/GOPR0351_frame_000159_rgb_anon.png', 0)
    dataset = build('DarkZurichDataset', tmp_path, img_dir='rgb_anon/train/night')
    assert len(dataset) == 1


def test_synthetic_sources_and_bdd100k_as_one_labelled_stream(tmp_path: Path) -> None:
    write_image(tmp_path / 'synscapes/img/rgb/1.png', 0)
    write_label(tmp_path / 'synscapes/img/class/1.png', blocks((7, 26, 0, 1))(0))
    write_image(tmp_path / 'urbansyn/rgb/rgb_0001.png', 0)
    write_label(tmp_path / 'urbansyn/ss/ss_0001.png', blocks((0, 13, 19, 19))(0))
    write_label(tmp_path / 'urbansyn/ss_colour/ss_colour_0001.png', blocks((200,))(0))
    write_image(tmp_path / 'bdd/images/10k/train/a.jpg', 0)
    write_label(tmp_path / 'bdd/labels/sem_seg/masks/train/a.png', blocks((0, 13, 255, 255))(0))
    parts = [
        dict(type='SynscapesDataset', data_root=str(tmp_path / 'synscapes'), img_dir='img/rgb', ann_dir='img/class'),
        dict(type='UrbanSynDataset', data_root=str(tmp_path / 'urbansyn'), img_dir='rgb', ann_dir='ss'),
        dict(
            type='BDD100KDataset',
            data_root=str(tmp_path / 'bdd'),
            img_dir='images/10k/train',
            ann_dir='labels/sem_seg/masks/train',
        ),
    ]
    for part in parts:
        dataset = build_dataset(dict(part, pipeline=[]))
        assert len(dataset) == 1 and set(np.unique(dataset.read_label(0))) == {0, 13, 255}, part['type']
    source = [dict(part, pipeline=labelled_pipeline()) for part in parts]
    stream = build_dataset(dict(type='UDADataset', source=source, shares=dict(source=[0.2, 0.3, 0.5]), seed=0))
    assert {0, 13} <= set(np.unique(stream[0]['gt_semantic_seg'].data)) <= {0, 13, 255}
    with pytest.raises(KeyError, match='no table from .*urbansyn.* to label space'):
        build_dataset(dict(parts[1], pipeline=[], label_space='super7'))


def test_idd_and_mapillary_in_seven_classes(tmp_path: Path) -> None:
    write_image(tmp_path / 'idd/leftImg8bit/train/0/1_leftImg8bit.png', 0)
    write_label(tmp_path / 'idd/gtFine/train/0/1_gtFine_labelids.png', blocks((0, 11, 33, 1))(0))
    write_image(tmp_path / 'vistas/training/images/a.jpg', 0)
    write_label(tmp_path / 'vistas/training/labels/a.png', blocks((13, 55, 27, 65))(0), 'palette')
    idd = build(
        'IDDDataset', tmp_path / 'idd', img_dir='leftImg8bit/train', ann_dir='gtFine/train', label_space='super7'
    )
    vistas = build(
        'MapillaryDataset', tmp_path / 'vistas/training', img_dir='images', ann_dir='labels', label_space='super7'
    )
    for dataset in (idd, vistas):
        assert dataset.CLASSES[0] == 'flat' and len(dataset.PALETTE) == 7
        assert set(np.unique(dataset.read_label(0))) == {0, 6, 4, 255}


def test_seven_classes_read_raw_ids_even_beside_converted_files(tmp_path: Path) -> None:
    make_gta(tmp_path, 1, blocks((7, 22)))
    write_label(tmp_path / 'labels/00001_labelTrainIds.png', blocks((0, 9))(0))
    assert set(np.unique(build_dataset(gta_config(tmp_path, label_space='super7')).read_label(0))) == {0}
    with pytest.raises(ValueError, match='label_space'):
        build_dataset(gta_config(tmp_path, label_space='super8'))


def test_an_id_map_replaces_the_table(tmp_path: Path) -> None:
    dataset = build_dataset(gta_config(make_gta(tmp_path, 1, blocks((7, 22))), label_ids={7: 3, 22: 4}))
    assert set(np.unique(dataset.read_label(0))) == {3, 4}


def test_predictions_are_scored_at_the_wanted_size(tmp_path: Path) -> None:
    test = dict(
        type='MultiScaleFlipAug',
        img_scale=(20, 10),
        flip=False,
        transforms=[
            dict(type='ExactResize', size=(20, 10), interpolation='bilinear'),
            dict(type='RandomFlip'),
            dict(type='ImageToTensor', keys=['img']),
            dict(type='Collect', keys=['img']),
        ],
    )
    dataset = build_dataset(
        cityscapes_config(
            make_cityscapes(tmp_path, 2),
            test_mode=True,
            score_size=(20, 12),
            pipeline=[dict(type='LoadImageFromFile'), test],
        )
    )
    meta = dataset[0]['img_metas'][0].data
    assert meta['ori_shape'] == (12, 20, 3) and meta['img_shape'] == (10, 20, 3)
    label = dataset.get_gt_seg_map_by_idx(0)
    assert label.shape == (12, 20)
    np.testing.assert_array_equal(label, dataset.read_label(0)[1::2, 1::2])  # nearest to the pixel centres
    assert dataset.evaluate(dataset.pre_eval([label], [0]), metric='mIoU', logger='silent')['mIoU'] == 1


def test_letterboxed_mapillary_is_scored_in_its_box(tmp_path: Path) -> None:
    write_image(tmp_path / 'images/a.jpg', 0)
    write_label(tmp_path / 'labels/a.png', blocks((13, 27))(0), 'palette')
    dataset = build(
        'LetterboxedMapillaryDataset', tmp_path, img_dir='images', ann_dir='labels', score_size=(40, 12), test_mode=True
    )
    label = dataset.get_gt_seg_map_by_idx(0)
    assert label.shape == (12, 40) and set(np.unique(label[:, :20])) == {0, 10} and (label[:, 20:] == 255).all()

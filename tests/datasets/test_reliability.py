"""Errors of files and lists: each names the thing and the remedy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from mmseg.datasets import build_dataset

from mmseg_uda.datasets.labels import CorruptFileError, LabelIdError
from mmseg_uda.datasets.uda_dataset import UDADataset

from .worlds import (
    blocks,
    cityscapes_config,
    folder_config,
    gta_config,
    image,
    labelled_pipeline,
    make_cityscapes,
    make_folder,
    make_gta,
    write_label,
)


@pytest.mark.parametrize('entry', ['../outside', '/etc/passwd', 'a/../../b', '~/x', 'C:/x', '..\\x'])
def test_path_traversal_in_a_split_list_is_refused(tmp_path: Path, entry: str) -> None:
    make_folder(tmp_path)
    (tmp_path / 'list.txt').write_text(f'0\n{entry}\n')
    with pytest.raises(ValueError, match='allow_outside_root') as error:
        build_dataset(folder_config(tmp_path, split='list.txt'))
    assert 'list.txt' in str(error.value) and entry in str(error.value)


def test_a_trusted_list_may_leave_the_root(tmp_path: Path) -> None:
    make_folder(tmp_path / 'data')
    make_folder(tmp_path / 'other')
    (tmp_path / 'data/list.txt').write_text('../../other/images/0\n')
    dataset = build_dataset(folder_config(tmp_path / 'data', split='list.txt', ann_dir=None, allow_outside_root=True))
    assert dataset.img_infos[0]['filename'] == '../../other/images/0.jpg'


def test_missing_folder_and_missing_list(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match='data_root'):
        build_dataset(gta_config(tmp_path / 'nowhere'))
    make_folder(tmp_path)
    with pytest.raises(FileNotFoundError, match='absent.txt'):
        build_dataset(folder_config(tmp_path, split='absent.txt'))


def test_empty_data_set(tmp_path: Path) -> None:
    (tmp_path / 'images').mkdir()
    with pytest.raises(ValueError, match='.png'):
        build_dataset(gta_config(tmp_path))


def test_missing_label_file_names_the_converter(tmp_path: Path) -> None:
    make_gta(tmp_path, 2)
    (tmp_path / 'labels/00002.png').unlink()
    with pytest.raises(FileNotFoundError, match='00002.png.*convert_datasets/gta.py'):
        build_dataset(gta_config(tmp_path))[1]


def test_label_id_out_of_range_names_file_and_ids(tmp_path: Path) -> None:
    make_folder(tmp_path, 2, blocks((0, 1, 7, 255)))
    with pytest.raises(LabelIdError, match=r'\[7\].*labels/0.png.*0..2.*strict_labels=False'):
        build_dataset(folder_config(tmp_path))[0]
    dataset = build_dataset(folder_config(tmp_path, strict_labels=False))
    assert set(np.unique(dataset.read_label(0))) == {0, 1, 255}


def test_raw_ids_that_the_data_set_does_not_have_are_refused(tmp_path: Path) -> None:
    with pytest.raises(LabelIdError, match='77'):
        build_dataset(gta_config(make_gta(tmp_path, 1, blocks((7, 77))))).read_label(0)


def test_a_colour_picture_is_no_label_map(tmp_path: Path) -> None:
    make_folder(tmp_path, 1)
    cv2.imwrite(str(tmp_path / 'labels/0.png'), image(0))
    with pytest.raises(CorruptFileError, match='colour picture'):
        build_dataset(folder_config(tmp_path)).read_label(0)


def truncate(path: Path, keep: int = 60) -> None:
    path.write_bytes(path.read_bytes()[:keep])


@pytest.mark.parametrize('broken', ['images/00001.png', 'labels/00001.png'])
def test_corrupt_file_is_named_with_the_remedy(tmp_path: Path, broken: str) -> None:
    make_gta(tmp_path, 1)
    truncate(tmp_path / broken)
    with pytest.raises(CorruptFileError, match=f'{broken}.*check_dataset'):
        UDADataset(source=gta_config(tmp_path))[0]


def test_corrupt_files_are_replaced_up_to_a_limit(tmp_path: Path) -> None:
    make_gta(tmp_path, 6)
    truncate(tmp_path / 'images/00003.png')
    dataset = UDADataset(source=gta_config(tmp_path), max_corrupt_files=1, seed=3)
    with pytest.warns(UserWarning, match='00003.png'):
        names = {dataset[i]['img_metas'].data['ori_filename'] for i in range(12)}
    assert '00003.png' not in names and len(names) == 5
    again = UDADataset(source=gta_config(tmp_path), max_corrupt_files=1, seed=3)
    with pytest.warns(UserWarning):
        assert all(
            again[i]['img_metas'].data['filename'] == dataset[i]['img_metas'].data['filename'] for i in range(12)
        )
    truncate(tmp_path / 'images/00005.png')
    with pytest.raises(CorruptFileError, match='max_corrupt_files=1'):
        [dataset[i] for i in range(12)]


def test_labels_of_another_size_are_resized_like_their_image(tmp_path: Path) -> None:
    make_gta(tmp_path, 1)
    write_label(tmp_path / 'labels/00001.png', np.kron(blocks((7, 11))(0), np.ones((2, 2), np.uint8)), 'palette')
    sample = UDADataset(source=gta_config(tmp_path))[0]
    assert sample['gt_semantic_seg'].data.shape[-2:] == sample['img'].data.shape[-2:]


def test_training_runs_with_the_target_label_folder_deleted(tmp_path: Path) -> None:
    make_gta(tmp_path / 'gta')
    make_cityscapes(tmp_path / 'cityscapes')
    config = dict(source=gta_config(tmp_path / 'gta'), target=cityscapes_config(tmp_path / 'cityscapes'))
    before = UDADataset(**config)[4]
    for path in sorted((tmp_path / 'cityscapes/gtFine').rglob('*'), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()
    (tmp_path / 'cityscapes/gtFine').rmdir()
    after = UDADataset(**config)[4]
    assert 'target_gt_semantic_seg' not in after and after.keys() == before.keys()
    assert (after['target_img'].data == before['target_img'].data).all()


def test_labels_asked_of_an_unlabelled_set(tmp_path: Path) -> None:
    dataset = build_dataset(folder_config(make_folder(tmp_path), ann_dir=None, pipeline=labelled_pipeline()[:1]))
    assert 'img' in dataset[0]
    with pytest.raises(ValueError, match='ann_dir'):
        dataset.read_label(0)


def stock_config(root: Path, **changes: Any) -> dict[str, Any]:
    """MMSegmentation's own data set class."""
    config = folder_config(root, type='CustomDataset', img_suffix='.jpg', classes=['a', 'b', 'c'])
    return config | changes


def test_stock_data_sets_get_the_same_checks(tmp_path: Path) -> None:
    make_folder(tmp_path, 1, blocks((0, 1, 7, 255)))
    with pytest.raises(LabelIdError, match=r'\[7\].*labels/0.png'):
        UDADataset(source=stock_config(tmp_path))[0]


def test_zero_labels_are_reduced_once_in_training_and_in_the_statistics(tmp_path: Path) -> None:
    make_folder(tmp_path, 1, blocks((0, 1, 3, 3)))
    pipeline = labelled_pipeline(crop=(24, 40))
    pipeline[1] = dict(type='LoadAnnotations', reduce_zero_label=True)
    config = stock_config(tmp_path, reduce_zero_label=True, pipeline=pipeline)
    dataset = UDADataset(source=config, rare_class_sampling=dict(min_pixels=100, class_temp=1.0, workers=0))
    assert set(dataset[0]['gt_semantic_seg'].data.unique().tolist()) == {0, 2, 255}
    assert sorted(dataset.samplers['source'].classes) == [0, 2]


def test_a_subset_of_classes_is_sampled_and_trained_with_its_own_ids(tmp_path: Path) -> None:
    make_gta(tmp_path, 2, blocks((7, 26, 23, 0)))
    config = gta_config(tmp_path, classes=['car', 'road'])
    dataset = UDADataset(source=config, rare_class_sampling=dict(min_pixels=100, class_temp=1.0, workers=0))
    assert set(dataset.streams['source'].first.read_label(0).ravel().tolist()) == {0, 1, 255}
    assert sorted(dataset.samplers['source'].classes) == [0, 1]
    assert dataset[0]['gt_semantic_seg'].data[0].max() in (1, 255)

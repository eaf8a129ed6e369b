"""Which files are images: suffixes, hidden files, links, label files below the image folder, list files."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from mmseg.datasets import build_dataset

from mmseg_uda.datasets.base import SegmentationDataset
from mmseg_uda.datasets.uda_dataset import UDADataset

from .worlds import blocks, folder_config, labelled_pipeline, make_folder, write_image, write_label


def folder(root: Path, **changes: Any) -> SegmentationDataset:
    return build_dataset(folder_config(root, **{'pipeline': [], **changes}))


def names(dataset: Any) -> list[str]:
    return [info['filename'] for info in dataset.img_infos]


def target_names(root: Path, **changes: Any) -> list[str]:
    config = folder_config(root, pipeline=labelled_pipeline(), **changes)
    return names(UDADataset(target=config).streams['target'].first)


def test_capital_letters_of_a_suffix_do_not_matter(tmp_path: Path) -> None:
    make_folder(tmp_path)
    (tmp_path / 'images/1.jpg').rename(tmp_path / 'images/1.JPG')
    (tmp_path / 'labels/2.png').rename(tmp_path / 'labels/2.PNG')
    dataset = folder(tmp_path)
    assert names(dataset) == ['0.jpg', '1.JPG', '2.jpg', '3.jpg']
    assert [sorted(set(dataset.read_label(i).ravel().tolist())) for i in range(4)] == [[0, 1, 2, 255]] * 4
    (tmp_path / 'list.txt').write_text('1\n')
    assert names(folder(tmp_path, split='list.txt')) == ['1.JPG']


def test_hidden_files_and_folders_are_no_images(tmp_path: Path) -> None:
    make_folder(tmp_path)
    for name in ('._0.jpg', '.ipynb_checkpoints/0-checkpoint.jpg', '__MACOSX/0.jpg', '@eaDir/0.jpg', 'Thumbs.db'):
        (tmp_path / 'images' / name).parent.mkdir(exist_ok=True)
        (tmp_path / 'images' / name).write_bytes(b'\0')
    assert names(folder(tmp_path)) == ['0.jpg', '1.jpg', '2.jpg', '3.jpg']
    (tmp_path / 'list.txt').write_text('._0\n0\n')
    assert names(folder(tmp_path, split='list.txt')) == ['0.jpg']


def test_a_folder_is_entered_once_whatever_links_lead_to_it(tmp_path: Path) -> None:
    make_folder(tmp_path)
    images = tmp_path / 'images'
    os.symlink('..', images / 'up')
    os.symlink('.', images / 'round')
    (images / 'city').mkdir()
    write_image(images / 'city/4.jpg', 4)
    os.symlink('city', images / 'again')
    (tmp_path / 'elsewhere').mkdir()
    write_image(tmp_path / 'elsewhere/5.jpg', 5)
    os.symlink(tmp_path / 'elsewhere', images / 'linked')
    assert names(folder(tmp_path, ann_dir=None)) == ['0.jpg', '1.jpg', '2.jpg', '3.jpg', 'city/4.jpg', 'linked/5.jpg']


@pytest.mark.parametrize('where', ['images/labels', 'images/masks'])
def test_label_files_below_the_image_folder_are_no_images(tmp_path: Path, where: str) -> None:
    make_folder(tmp_path)
    shutil.move(str(tmp_path / 'labels'), str(tmp_path / where))
    expected = ['0.jpg', '1.jpg', '2.jpg', '3.jpg']
    assert names(folder(tmp_path, ann_dir=where)) == expected
    assert target_names(tmp_path, ann_dir=where) == target_names(tmp_path, ann_dir=None) == expected


def test_a_folder_called_masks_that_holds_no_labels_is_read(tmp_path: Path) -> None:
    make_folder(tmp_path)
    write_image(tmp_path / 'images/masks/carnival.jpg', 1)
    assert 'masks/carnival.jpg' in names(folder(tmp_path, ann_dir=None))


@pytest.mark.parametrize('ending', ['', '_mask'])
def test_images_and_labels_in_one_folder(tmp_path: Path, ending: str) -> None:
    for i in range(3):
        write_image(tmp_path / f'all/{i}.jpg', i)
        write_label(tmp_path / f'all/{i}{ending}.png', blocks((0, 1, 2))(i))
    options = dict(img_dir='all', ann_dir='all', seg_map_suffix=f'{ending}.png')
    dataset = folder(tmp_path, **options)
    assert names(dataset) == target_names(tmp_path, **options) == ['0.jpg', '1.jpg', '2.jpg']
    assert set(dataset.read_label(0).ravel().tolist()) == {0, 1, 2}


def test_two_files_of_one_name_are_refused(tmp_path: Path) -> None:
    make_folder(tmp_path)
    write_image(tmp_path / 'images/1.png', 1)
    with pytest.raises(ValueError, match=r"'1.jpg' and '1.png'.*same name.*img_suffix"):
        folder(tmp_path)
    assert len(folder(tmp_path, img_suffix='.jpg')) == 4


def test_an_image_that_would_be_its_own_label_is_refused(tmp_path: Path) -> None:
    write_image(tmp_path / 'all/a.png', 1)
    with pytest.raises(ValueError, match='its own label.*seg_map_suffix'):
        folder(tmp_path, img_dir='all', ann_dir='all')


@pytest.mark.parametrize('encoding', ['utf-8', 'utf-8-sig', 'utf-16'])
def test_lists_of_any_system(tmp_path: Path, encoding: str) -> None:
    make_folder(tmp_path)
    write_image(tmp_path / 'images/sub/ü.jpg', 1)
    text = '2 \r\n\r\n\t0\r\n1.jpg\r\nsub\\ü\r\n  \r\n'
    (tmp_path / 'list.txt').write_bytes(text.encode(encoding))
    assert names(folder(tmp_path, split='list.txt', ann_dir=None)) == ['2.jpg', '0.jpg', '1.jpg', 'sub/ü.jpg']


def test_a_list_that_is_no_text_is_named(tmp_path: Path) -> None:
    make_folder(tmp_path)
    (tmp_path / 'list.txt').write_bytes('Straße\n'.encode('latin-1'))
    with pytest.raises(ValueError, match='list.txt is no UTF-8 text'):
        folder(tmp_path, split='list.txt')

"""Class patches that come with the samples of a stream."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from mmseg_uda.datasets import class_stats
from mmseg_uda.datasets.uda_dataset import UDADataset
from mmseg_uda.engine.data import build_train_loader, to_device
from mmseg_uda.ops.quadmix import normalize_patch

from .worlds import SIZE, folder_config, labelled_pipeline, make_folder

CROP = (16, 16)


def label(number: int) -> np.ndarray:
    """Class 'a' everywhere, 'b' in the left quarter of file 2, four pixels of 'c' in file 1."""
    values = np.zeros(SIZE, np.uint8)
    if number == 2:
        values[:, :10] = 1
    if number == 1:
        values[:2, :2] = 2
    return values


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(class_stats.CACHE_VARIABLE, str(tmp_path / 'cache'))
    return make_folder(tmp_path / 'data', 4, label)


def with_patches(world: Path, **options: Any) -> UDADataset:
    patches = dict(scale=(40, 24), pool=['a', 'b'], min_pixels=10, workers=0) | options
    return UDADataset(source=folder_config(world), class_patches=patches, max_corrupt_files=5)


def test_patches_show_their_class_where_the_file_has_it(world: Path) -> None:
    dataset = with_patches(world, pool=['b'], num=1)
    original = np.asarray(Image.open(world / 'images/2.jpg'))
    for position in range(6):
        sample = dataset[position]
        labels, images = sample['class_patch_labels'].data, sample['class_patches'].data
        assert labels.shape == (2, *CROP) and images.shape == (2, 3, *CROP)
        for image, classes in zip(images, labels):
            assert set(classes.unique().tolist()) <= {1, 255} and int((classes == 1).sum()) > 10
            assert not image[:, classes == 255].any()
            shown = image[:, classes == 1].flip(0).T.numpy()
            assert {tuple(pixel) for pixel in shown} <= {tuple(pixel) for pixel in original[:, :10].reshape(-1, 3)}
        assert sample['class_patches_missing'] == 0


def test_samples_are_functions_of_their_position(world: Path) -> None:
    first, second = with_patches(world), with_patches(world)
    for position in (3, 0):
        for key in ('class_patches', 'class_patch_labels'):
            assert torch.equal(first[position][key].data, second[position][key].data)
    assert not torch.equal(first[0]['class_patches'].data, first[1]['class_patches'].data)


def test_classes_are_drawn_without_replacement_and_by_their_number_in_the_pool(world: Path) -> None:
    patches = with_patches(world, pool=['a', 'a', 'b', 'c'], min_pixels=0).class_patches
    drawn = [patches.classes_at(position) for position in range(600)]
    shares = [np.mean([cls in classes for classes in drawn]) for cls in range(3)]
    np.testing.assert_allclose(shares, [5 / 6, 1 / 2, 1 / 2], atol=0.06)
    assert [0, 0] in drawn and [1, 1] not in drawn
    shared = with_patches(world, images_per_draw=3, min_pixels=0).class_patches
    assert all(len({tuple(shared.classes_at(3 * i + j)) for j in range(3)}) == 1 for i in range(9))
    assert len({tuple(shared.classes_at(3 * i)) for i in range(20)}) == 2


def test_a_class_that_is_never_large_enough_is_counted_and_left_out(world: Path) -> None:
    sample = with_patches(world, pool=['c'], num=1, min_pixels=4, max_tries=3)[0]
    assert sample['class_patches_missing'] == 2 and (sample['class_patch_labels'].data == 255).all()


def test_unreadable_files_are_skipped_and_counted(world: Path) -> None:
    dataset = with_patches(world, pool=['b', 'b', 'a', 'a'], num=4, max_tries=50)
    (world / 'images/2.jpg').write_bytes(b'')
    found = dataset.class_patches.sample(0)
    assert found['class_patches_missing'] == 4 and len(dataset.streams['source'].corrupt_files) == 1


def test_automatic_pool_takes_the_rarest_classes(world: Path) -> None:
    assert with_patches(world, pool='auto', auto_classes=2, num=1).class_patches.pool == [1, 2]


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(pool=['d']), "'d' is none of the classes"),
        (dict(pool=['c'], min_file_pixels=4), 'no file of the source stream .* of c'),
        (dict(scale=(40, 12)), 'smaller than the crop'),
        (dict(num=0), 'at least 1'),
    ],
)
def test_wrong_options_are_named_at_the_start(world: Path, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        with_patches(world, **options)


def test_colours_equal_those_of_the_pipeline(world: Path) -> None:
    """A patch of a whole file equals the same pixels through the ordinary pipeline, after both were normalised on the
    device."""
    whole = labelled_pipeline(crop=SIZE, scale=(40, 24))
    whole[4]['prob'] = 0.0
    source = dict(folder_config(world), pipeline=whole)
    dataset = UDADataset(source=source, class_patches=dict(scale=(40, 24), pool=['b'], num=1, workers=0))
    batch = to_device(next(iter(build_train_loader(dataset, dict(samples_per_gpu=4)))), torch.device('cpu'))
    patches, labels = batch['class_patches'][:, 0], batch['class_patch_labels'][:, 0]
    row = next(i for i, meta in enumerate(batch['img_metas']) if meta['filename'].endswith('2.jpg'))
    normalized = normalize_patch(patches, batch['img_metas'])
    pasted = labels[0] == 1
    assert pasted.any() and torch.equal(normalized[0][:, pasted], batch['img'][row][:, pasted])

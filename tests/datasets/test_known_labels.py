"""Labelled target images that are in the unlabelled stream too, and lists that cannot be right."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from mmseg.datasets import build_dataset

from mmseg_uda.datasets.splits import check_held_out
from mmseg_uda.datasets.uda_dataset import UDADataset

from .worlds import labelled_pipeline, make_folder, write_label

CLASSES = ['road', 'car', 'sky']


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Six images whose pixels show their labels: grey value 40 x class, 250 where the label is 255."""
    make_folder(tmp_path, 6)
    for i in range(6):
        label = np.random.default_rng(i).integers(0, 4, (24, 40)).astype(np.uint8)
        label[label == 3] = 255
        cv2.imwrite(
            str(tmp_path / f'images/{i}.png'), np.repeat(np.where(label == 255, 250, 40 * label)[..., None], 3, -1)
        )
        write_label(tmp_path / f'labels/{i}.png', label)
    for old in (tmp_path / 'images').glob('*.jpg'):
        old.unlink()
    (tmp_path / 'labeled.txt').write_text('1\n4\n')
    return tmp_path


def folder(root: Path, labels: bool, **options: Any) -> dict[str, Any]:
    return dict(
        type='FolderDataset',
        classes=CLASSES,
        data_root=str(root),
        img_dir='images',
        ann_dir='labels' if labels else None,
        img_suffix='.png',
        pipeline=labelled_pipeline(),
        **options,
    )


def streams(root: Path, **options: Any) -> UDADataset:
    labeled = folder(root, True, split='labeled.txt')
    return UDADataset(**{**dict(target=folder(root, False), labeled_target=labeled, seed=3), **options})


def test_images_with_labels_bring_the_ground_truth_of_their_crop(root: Path) -> None:
    plain, known = streams(root), streams(root, known_labels=True)
    seen = set()
    for position in range(24):
        sample, without = known[position], plain[position]
        img, truth = sample['target_img'].data, sample['target_ground_truth'].data
        assert torch.equal(img, without['target_img'].data), 'the images themselves do not change'
        assert 'target_ground_truth' not in without and 'target_gt_semantic_seg' not in sample
        assert truth.dtype == torch.int64 and truth.shape == (1, 16, 16)
        name = Path(sample['target_img_metas'].data['ori_filename']).stem
        seen.add(name)
        shown = torch.where(img[:1] == 250, torch.full_like(truth, 255), (img[:1] // 40).long())
        assert torch.equal(truth, shown if name in '14' else torch.full_like(truth, 255))
    assert seen == set('012345')


def test_known_labels_need_labelled_images_in_the_target(root: Path) -> None:
    (root / 'others.txt').write_text('0\n2\n3\n5\n')
    with pytest.raises(ValueError, match='no image of the target is in labeled_target'):
        streams(root, target=folder(root, False, split='others.txt'), known_labels=True)
    with pytest.raises(ValueError, match="known_labels needs a 'labeled_target' stream"):
        streams(root, labeled_target=None, known_labels=True)


def test_unknown_names_of_a_list_are_an_error_before_training(root: Path) -> None:
    (root / 'labeled.txt').write_text('1\n4\ncity/7\n')
    with pytest.raises(FileNotFoundError, match=r"1 of 3 names in .*labeled\.txt.*'city/7'"):
        streams(root)


def test_labelled_images_must_not_be_evaluated(root: Path) -> None:
    dataset = streams(root)
    (root / 'held_out.txt').write_text('0\n3\n')
    check_held_out(dataset, {'target': build_dataset(folder(root, True, split='held_out.txt') | dict(pipeline=[]))})
    with pytest.raises(ValueError, match=r"2 images of 'labeled_target' .*data.val.*1\.png"):
        check_held_out(dataset, {'target': build_dataset(folder(root, True) | dict(pipeline=[]))})


def test_pseudo_labelled_images_may_be_evaluated(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their ground truth was not seen."""
    dataset = streams(root)
    monkeypatch.setattr('mmseg_uda.datasets.splits.PseudoLabelDataset', type(dataset.streams['labeled_target'].first))
    check_held_out(dataset, {'target': build_dataset(folder(root, True) | dict(pipeline=[]))})

"""Data sets that hold other data sets, in every role of a training set."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mmseg_uda.datasets.uda_dataset import UDADataset
from mmseg_uda.datasets.wrappers import plain_sets

from .worlds import folder_config, labelled_pipeline, make_folder

LOAD = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations')]


@pytest.fixture
def folders(tmp_path: Path) -> list[Path]:
    return [make_folder(tmp_path / name, number) for name, number in (('a', 4), ('b', 2))]


def mosaic(*roots: Path) -> dict[str, Any]:
    inner = [folder_config(root, pipeline=LOAD) for root in roots]
    steps = [step for step in labelled_pipeline() if step['type'] not in ('LoadImageFromFile', 'LoadAnnotations')]
    return dict(
        type='MultiImageMixDataset',
        dataset=inner[0] if len(inner) == 1 else dict(type='ConcatDataset', datasets=inner),
        pipeline=[dict(type='RandomMosaic', prob=1, img_scale=(32, 32)), *steps],
    )


def test_mosaic_in_every_role(folders: list[Path]) -> None:
    dataset = UDADataset(
        source=mosaic(*folders),
        target=mosaic(folders[0]),
        labeled_target=[mosaic(folders[1]), folder_config(folders[0])],
    )
    sample = dataset[3]
    assert {'img', 'gt_semantic_seg', 'target_img', 'labeled_target_gt_semantic_seg'} <= set(sample)
    assert 'target_gt_semantic_seg' not in sample
    again = dataset[3]
    for key in ('img', 'gt_semantic_seg', 'target_img'):
        assert np.array_equal(sample[key].data, again[key].data), key
    assert len(dataset.streams['source']) == 6
    assert [len(one) for one in plain_sets(dataset.streams['source'].first)] == [4, 2]


def test_mosaic_without_formatting_is_named(folders: list[Path]) -> None:
    cfg = mosaic(folders[0])
    cfg['pipeline'] = cfg['pipeline'][:1]
    with pytest.raises(ValueError, match=r'data\.train\.source: MultiImageMixDataset.*Collect'):
        UDADataset(source=cfg)


def test_many_repeats_cost_nothing_and_keep_their_share(folders: list[Path]) -> None:
    alone = UDADataset(source=dict(type='RepeatDataset', times=40000, dataset=folder_config(folders[0])))
    assert len(alone.streams['source']) == 4
    first, second = folder_config(folders[0]), folder_config(folders[1])
    mixed = UDADataset(source=[dict(type='RepeatDataset', times=30, dataset=second), first])
    stream = mixed.streams['source']
    drawn = [stream.indices[position] for position in range(640)]
    assert len(stream) == 6 and abs(sum(index < 2 for index in drawn) - 600) <= 2
    assert set(drawn) == set(range(6))


def test_a_stream_without_a_pipeline_is_named(folders: list[Path]) -> None:
    bare = {key: value for key, value in folder_config(folders[0]).items() if key != 'pipeline'}
    with pytest.raises(ValueError, match=r'data\.train\.target: FolderDataset has no pipeline'):
        UDADataset(source=folder_config(folders[1]), target=bare)

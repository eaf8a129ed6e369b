"""Streams: independent, pure functions of the position, for any workers, ranks and resumed runs."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmcv.parallel import collate
from torch.utils.data import DataLoader

from mmseg_uda.datasets.builder import build_training_dataset
from mmseg_uda.datasets.index_stream import IndexStream, WeightedIndexStream, fixed_randomness
from mmseg_uda.datasets.uda_dataset import UDADataset
from mmseg_uda.streams import split_streams

from .worlds import (
    blocks,
    cityscapes_config,
    folder_config,
    gta_config,
    labelled_pipeline,
    make_cityscapes,
    make_folder,
    make_gta,
)


@pytest.fixture
def world(tmp_path: Path) -> Path:
    make_gta(tmp_path / 'gta', 6)
    make_cityscapes(tmp_path / 'cityscapes', 5)
    return tmp_path


def pair(world: Path, **options: Any) -> UDADataset:
    return UDADataset(
        **{**dict(source=gta_config(world / 'gta'), target=cityscapes_config(world / 'cityscapes')), **options}
    )


def equal(a: dict[str, Any], b: dict[str, Any]) -> bool:
    if a.keys() != b.keys():
        return False
    tensors = [key for key in a if not key.endswith('img_metas')]
    names = [key for key in a if key.endswith('img_metas')]
    return all(torch.equal(a[key].data, b[key].data) for key in tensors) and all(
        a[key].data['filename'] == b[key].data['filename'] for key in names
    )


def test_an_index_stream_visits_every_item_once_an_epoch_in_a_new_order() -> None:
    stream = IndexStream(7, seed=1, name='source')
    epochs = [[stream[e * 7 + i] for i in range(7)] for e in range(3)]
    assert all(sorted(epoch) == list(range(7)) for epoch in epochs)
    assert epochs[0] != epochs[1] != epochs[2]
    assert [stream[i] for i in (20, 3, 9)] == [epochs[2][6], epochs[0][3], epochs[1][2]]
    assert [IndexStream(7, 1, 'target')[i] for i in range(7)] != epochs[0]
    assert [IndexStream(7, 2, 'source')[i] for i in range(7)] != epochs[0]


def test_a_sample_depends_on_its_position_only(world: Path) -> None:
    dataset, other = pair(world), pair(world)
    forward = [dataset[i] for i in range(9)]
    random.seed(5)
    np.random.seed(5)
    assert all(equal(other[i], forward[i]) for i in reversed(range(9)))
    assert not equal(pair(world, seed=1)[0], forward[0])


def test_workers_do_not_change_the_samples(world: Path) -> None:
    dataset = pair(world)
    loader = DataLoader(
        dataset, batch_size=2, num_workers=2, sampler=range(6), collate_fn=lambda batch: collate(batch, 2)
    )
    for i, batch in enumerate(loader):
        expected = torch.stack([dataset[2 * i + j]['target_img'].data for j in range(2)])
        assert torch.equal(batch['target_img'].data[0], expected)


def test_reading_leaves_the_global_random_state_alone(world: Path) -> None:
    dataset = pair(world)
    before = random.random.__self__.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state()
    dataset[0]
    assert random.random.__self__.getstate() == before[0]
    assert np.random.get_state()[1].tolist() == before[1]
    assert torch.equal(torch.get_rng_state(), before[2])
    with fixed_randomness(1):
        first = random.random(), np.random.rand(), torch.rand(1)
    with fixed_randomness(1):
        assert first == (random.random(), np.random.rand(), torch.rand(1))


def test_positions_may_run_past_the_epoch_and_all_pairings_occur(world: Path) -> None:
    dataset = pair(world)
    assert len(dataset) == 6
    pairs = {
        (dataset[i]['img_metas'].data['ori_filename'], dataset[i]['target_img_metas'].data['ori_filename'])
        for i in range(150)
    }
    assert len(pairs) == 30


def test_streams_of_every_setting(world: Path) -> None:
    make_cityscapes(world / 'second', 3)
    target, second = cityscapes_config(world / 'cityscapes'), cityscapes_config(world / 'second')
    dataset = pair(world, target=[target, second], labeled_target=target)
    assert dataset.stream_names == ('source', 'target', 'target2', 'labeled_target')
    batch = collate([dataset[0], dataset[1]], 2)
    streams = split_streams({key: value.data[0] for key, value in batch.items()})
    assert set(streams) == set(dataset.stream_names)
    assert {name for name, stream in streams.items() if stream.label is not None} == {'source', 'labeled_target'}
    assert streams['target2'].img.dtype == torch.uint8 and streams['labeled_target'].label.dtype == torch.int64
    assert dataset.CLASSES[0] == 'road' and len(dataset.PALETTE) == 19


def test_target_only_and_source_only(world: Path) -> None:
    assert pair(world, source=None).stream_names == ('target',)
    assert pair(world, target=None).stream_names == ('source',)
    with pytest.raises(ValueError, match='at least one'):
        UDADataset()


def test_streams_with_other_classes_are_refused(world: Path) -> None:
    with pytest.raises(ValueError, match='source: 19 classes.*target: 3 classes'):
        pair(world, target=folder_config(make_folder(world / 'folder')))


def test_pseudo_label_margins_follow_the_image(world: Path) -> None:
    target = cityscapes_config(
        world / 'cityscapes', crop_pseudo_margins=[3, 5, 0, 0], pipeline=labelled_pipeline(crop=(32, 40))
    )  # higher than the image: padded below
    stream = split_streams({key: value.data for key, value in pair(world, target=target)[0].items()})['target']
    assert stream.valid.shape == (1, 32, 40) and stream.valid.dtype == torch.uint8
    assert stream.valid[0, :, 0].tolist() == [0] * 3 + [1] * 16 + [0] * 5 + [0] * 8


def test_a_published_mask_key_without_margins_is_dropped(world: Path) -> None:
    pipeline = labelled_pipeline()
    pipeline[-1] = dict(type='Collect', keys=['img', 'gt_semantic_seg', 'valid_pseudo_mask'])
    sample = pair(world, target=cityscapes_config(world / 'cityscapes', pipeline=pipeline))[0]
    assert 'target_valid_pseudo_mask' not in sample


def test_synchronous_crop_cuts_the_same_window(world: Path) -> None:
    pipeline = [step for step in labelled_pipeline(crop=(24, 40)) if step['type'] != 'RandomFlip']
    config = dict(
        source=gta_config(world / 'gta') | dict(pipeline=pipeline),
        target=cityscapes_config(world / 'cityscapes', pipeline=pipeline),
    )
    meta = dict(type='Collect', keys=['img'], meta_keys=('filename', 'img_shape', 'pad_shape', 'img_norm_cfg'))
    config['target']['pipeline'] = pipeline[:-1] + [meta]
    config['source']['pipeline'] = pipeline[:-1] + [meta | dict(keys=['img', 'gt_semantic_seg'])]
    full, cut = UDADataset(**config)[2], UDADataset(**config, sync_crop_size=(10, 12))[2]
    windows = set()
    for key in ('img', 'target_img'):
        whole, part = full[key].data, cut[key].data
        assert part.shape[1:] == (10, 12)
        windows |= {
            (key, y, x) for y in range(15) for x in range(29) if torch.equal(whole[:, y : y + 10, x : x + 12], part)
        }
    assert len(windows) == 2 and len({window[1:] for window in windows}) == 1
    assert cut['img_metas'].data['img_shape'] == (10, 12, 3)
    with pytest.raises(ValueError, match='sync_crop_size'):
        UDADataset(**config, sync_crop_size=(64, 64))[0]


def test_lists_repeats_and_concatenations_are_one_stream(world: Path) -> None:
    make_gta(world / 'gta2', 2, blocks((7, 8)))
    first, second = gta_config(world / 'gta'), gta_config(world / 'gta2')
    assert len(UDADataset(source=[first, second])) == 8
    repeated = dict(type='RepeatDataset', times=3, dataset=second)
    stream = UDADataset(source=dict(type='ConcatDataset', datasets=[first, repeated])).streams['source']
    assert len(stream) == 8 and sum(stream.indices[i] >= 6 for i in range(12)) == 6
    roots = {
        **first,
        'data_root': None,
        'img_dir': [str(world / name / 'images') for name in ('gta', 'gta2')],
        'ann_dir': [str(world / name / 'labels') for name in ('gta', 'gta2')],
    }
    dataset = UDADataset(source=roots)
    assert {Path(dataset[i]['img_metas'].data['filename']).parts[-3] for i in range(8)} == {'gta', 'gta2'}


def test_the_builder_takes_plain_data_sets_and_explains_misspelt_options(world: Path) -> None:
    plain = build_training_dataset(dict(data=dict(train=gta_config(world / 'gta'))), seed=0)
    assert plain.stream_names == ('source',)
    both = dict(type='UDADataset', source=gta_config(world / 'gta'), target=cityscapes_config(world / 'cityscapes'))
    assert equal(build_training_dataset(dict(data=dict(train=both)), seed=7)[0], pair(world, seed=7)[0])
    with pytest.raises(KeyError, match='rare_class_samplin.*rare_class_sampling'):
        build_training_dataset(dict(data=dict(train=both | dict(rare_class_samplin={}))), seed=0)
    with pytest.raises(KeyError, match="did you mean 'ann_dir'"):
        build_training_dataset(
            dict(data=dict(train=both | dict(source=gta_config(world / 'gta', ann_dri='x')))), seed=0
        )
    with pytest.raises(KeyError, match="did you mean 'GTADataset'"):
        build_training_dataset(dict(data=dict(train=both | dict(source=dict(type='GTADatset')))), seed=0)
    with pytest.raises(KeyError, match='data.train'):
        build_training_dataset(dict(data=dict()), seed=0)


@pytest.mark.parametrize('shares', [(0.6, 0.4), (1, 3), (0.5, 0.2, 0.3), (1,)])
def test_groups_keep_their_shares_everywhere(shares: tuple[float, ...]) -> None:
    lengths = [5, 3, 7][: len(shares)]
    stream = WeightedIndexStream(lengths, shares, 0, 'labeled_target')
    drawn = [stream[i] for i in range(600)]
    ends = np.cumsum(lengths)
    groups = np.searchsorted(ends, drawn, side='right')
    for k, (share, length) in enumerate(zip(shares, lengths)):
        expected = share / sum(shares)
        counts = np.cumsum(groups == k)
        assert all(
            abs(counts[j] - counts[i] - expected * (j - i)) <= len(shares) for i, j in ((0, 9), (100, 120), (7, 500))
        )
        own = [index for index in drawn if ends[k] - length <= index < ends[k]]
        assert all(len(set(own[i : i + length])) == length for i in range(0, len(own) - length, length)), (
            'each epoch holds every item once'
        )
    assert [WeightedIndexStream(lengths, shares, 0, 'labeled_target')[i] for i in (40, 7, 300)] == [
        drawn[i] for i in (40, 7, 300)
    ]


def test_a_labelled_stream_mixes_data_sets_in_given_shares(world: Path) -> None:
    target = cityscapes_config(world / 'cityscapes')
    dataset = UDADataset(
        target=target,
        labeled_target=[target, gta_config(world / 'gta')],
        shares=dict(labeled_target=[0.6, 0.4]),
        seed=0,
    )
    names = [dataset[i]['labeled_target_img_metas'].data['filename'] for i in range(50)]
    assert sum('cityscapes' in name for name in names) == 30
    with pytest.raises(KeyError, match="shares .*'labelled_target' .did you mean 'labeled_target'"):
        UDADataset(target=target, labeled_target=target, shares=dict(labelled_target=[1.0]))
    with pytest.raises(ValueError, match='labeled_target stream has 1 data sets'):
        UDADataset(target=target, labeled_target=target, shares=dict(labeled_target=[0.6, 0.4]))


def test_the_paste_stream_has_labels(world: Path) -> None:
    dataset = pair(world, paste=cityscapes_config(world / 'cityscapes'))
    sample = dataset[0]
    assert 'paste_gt_semantic_seg' in sample and 'target_gt_semantic_seg' not in sample
    streams = split_streams({key: value.data for key, value in sample.items()})
    assert streams['paste'].label is not None

"""Rare-class sampling and its statistics."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mmseg.datasets import build_dataset

from mmseg_uda.datasets import class_stats, labels
from mmseg_uda.datasets.class_stats import dataset_stats, read_stats, write_stats
from mmseg_uda.datasets.uda_dataset import UDADataset

from .worlds import SIZE, blocks, folder_config, gta_config, make_folder, make_gta, write_label


def half(number: int) -> np.ndarray:
    """File 2 has class 'b' on its left quarter, all others are of class 'a'."""
    label = np.zeros(SIZE, np.uint8)
    if number == 2:
        label[:, :10] = 1
    return label


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(class_stats.CACHE_VARIABLE, str(tmp_path / 'cache'))
    return make_folder(tmp_path / 'data', 4, half)


def sampled(world: Path, stream: str = 'source', **options: Any) -> UDADataset:
    key = 'rare_class_sampling' if stream == 'source' else 'labeled_rare_class_sampling'
    rule = dict(min_pixels=50, class_temp=0.1, min_crop_ratio=0.5, workers=0) | options
    return UDADataset(**{stream: folder_config(world), key: rule})


def test_classes_are_drawn_with_their_probabilities(world: Path) -> None:
    sampler = sampled(world, class_temp=np.inf).samplers['source']
    drawn = [sampler.choose(position) for position in range(400)]
    assert sampler.classes == [1, 0]
    assert {index for index, cls in drawn if cls == 1} == {2}
    assert {index for index, cls in drawn if cls == 0} == {0, 1, 2, 3}
    assert abs(np.mean([cls for _, cls in drawn]) - 0.5) < 0.08


def test_several_sources_keep_their_shares_within_a_class(world: Path, tmp_path: Path) -> None:
    other = make_folder(tmp_path / 'other', 12, lambda number: np.zeros(SIZE, np.uint8))  # no file of class 'b'
    rule = dict(min_pixels=50, class_temp=np.inf, min_crop_ratio=0.5, workers=0)
    sources = [folder_config(world), folder_config(other)]
    two = UDADataset(source=sources, rare_class_sampling=rule, shares=dict(source=[0.75, 0.25])).samplers['source']
    drawn = [two.choose(position) for position in range(600)]
    assert {index for index, cls in drawn if cls == 1} == {2}
    of_first = np.mean([index < 4 for index, cls in drawn if cls == 0])
    assert abs(of_first - 0.75) < 0.08  # 4 of 16 files without shares
    plain = UDADataset(source=sources, rare_class_sampling=rule).samplers['source']
    assert abs(np.mean([plain.choose(i)[0] < 4 for i in range(600) if plain.choose(i)[1] == 0]) - 0.25) < 0.08
    with pytest.raises(ValueError, match='knows no shares'):
        uniform = dict(type='ClassUniformSampler', workers=0)
        UDADataset(source=sources, rare_class_sampling=uniform, shares=dict(source=[0.75, 0.25]))


@pytest.mark.parametrize('stream, prefix', [('source', ''), ('labeled_target', 'labeled_target_')])
def test_a_crop_is_drawn_again_until_it_shows_the_class(stream: str, prefix: str, world: Path) -> None:
    dataset = sampled(world, stream, class_temp=0.02, max_crops=80)
    chosen = [i for i in range(40) if dataset.samplers[stream].choose(i)[1] == 1]
    counts = [int((dataset[i][f'{prefix}gt_semantic_seg'].data == 1).sum()) for i in chosen]
    assert len(chosen) > 30 and min(counts) > 25
    once = sampled(world, stream, class_temp=0.02, max_crops=1)
    assert min(int((once[i][f'{prefix}gt_semantic_seg'].data == 1).sum()) for i in chosen) <= 25


def test_a_file_is_decoded_once_however_often_it_is_cropped(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = sampled(world, min_crop_ratio=1000)  # never reached: all 11 crops are drawn
    reads: list[Path] = []
    original = labels.read_bytes
    monkeypatch.setattr(
        'mmseg_uda.datasets.pipelines.read_bytes', lambda path, *rest: reads.append(path) or original(path, *rest)
    )
    dataset[0]
    assert len(reads) == 1


def test_samples_depend_on_the_position_only(world: Path) -> None:
    first, second = sampled(world), sampled(world)
    assert all((first[i]['img'].data == second[i]['img'].data).all() for i in (5, 0, 9))


def test_a_class_without_an_eligible_file_is_left_out_with_a_warning(world: Path) -> None:
    with pytest.warns(UserWarning, match=r'min_pixels=300 pixels of b \(at most 240\)'):
        sampler = sampled(world, min_pixels=300).samplers['source']
    assert sampler.classes == [0] and sampler.probs.tolist() == [1.0]


def test_no_eligible_file_at_all_is_an_error_that_names_the_remedy(world: Path) -> None:
    with pytest.raises(ValueError, match='min_pixels=5000.*Lower min_pixels'):
        sampled(world, min_pixels=5000)


def test_sampling_a_stream_that_does_not_exist(world: Path) -> None:
    with pytest.raises(ValueError, match='labeled_target'):
        UDADataset(source=folder_config(world), labeled_rare_class_sampling=dict(min_pixels=1))


def test_sampling_from_several_data_sets_addresses_the_right_files(world: Path, tmp_path: Path) -> None:
    make_folder(tmp_path / 'other', 3, half)
    dataset = UDADataset(
        source=[folder_config(world), folder_config(tmp_path / 'other')],
        rare_class_sampling=dict(min_pixels=50, class_temp=0.02),
    )
    files = {
        tuple(Path(dataset[i]['img_metas'].data['filename']).parts[-3::2])
        for i in range(40)
        if dataset.samplers['source'].choose(i)[1] == 1
    }
    assert files == {('data', '2.jpg'), ('other', '2.jpg')}


def test_statistics_are_stored_and_read_again(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = build_dataset(folder_config(world))
    records = dataset_stats(dataset, workers=2)
    assert records[2] == ('2.png', {0: 720, 1: 240})
    monkeypatch.setattr(class_stats, 'count_files', lambda *args: pytest.fail('counted again'))
    assert dataset_stats(dataset) == records


def test_stale_statistics_are_rebuilt(world: Path) -> None:
    dataset_stats(build_dataset(folder_config(world)), workers=0)
    write_label(world / 'labels/0.png', np.random.default_rng(0).integers(0, 3, SIZE, dtype=np.uint8))
    assert set(dataset_stats(build_dataset(folder_config(world)), workers=0)[0][1]) == {0, 1, 2}
    make_folder(world, 5, half)
    assert len(dataset_stats(build_dataset(folder_config(world)), workers=0)) == 5


def test_a_read_only_data_folder_uses_the_cache(world: Path) -> None:
    world.chmod(0o555)
    before = sorted(world.iterdir())
    dataset_stats(build_dataset(folder_config(world)), workers=0)
    assert sorted(world.iterdir()) == before
    assert len(list((world.parent / 'cache').glob('sample_class_stats.*.json'))) == 1


@pytest.mark.parametrize('prefix', ['', 'data/gta/labels/', '/somewhere/else/'])
def test_published_files_are_read_when_they_fit(tmp_path: Path, prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    make_gta(tmp_path, 2, blocks((0, 1)), '_labelTrainIds.png', 'grey')
    content = [{'0': 11, '5': 7, 'file': f'{prefix}0000{i}_labelTrainIds.png'} for i in (1, 2)]
    (tmp_path / class_stats.STATS_FILE).write_text(json.dumps(content))
    monkeypatch.setattr(class_stats, 'count_files', lambda *args: pytest.fail('counted again'))
    assert dataset_stats(build_dataset(gta_config(tmp_path)))[1] == ('00002_labelTrainIds.png', {0: 11, 5: 7})


def test_statistics_of_another_list_do_not_fit(tmp_path: Path) -> None:
    write_stats([('a/x.png', {0: 1}), ('b/x.png', {0: 2})], tmp_path)
    path = tmp_path / class_stats.STATS_FILE
    assert read_stats(path, ['b/x.png', 'a/x.png']) == [('b/x.png', {0: 2}), ('a/x.png', {0: 1})]
    assert read_stats(path, ['c/x.png']) is None, 'equal base names of two folders must not be confused'
    path.write_text('{"half a fi')
    assert read_stats(path, ['a/x.png']) is None
    assert json.loads((tmp_path / class_stats.SAMPLES_FILE).read_text()) == {'0': [['a/x.png', 1], ['b/x.png', 2]]}


def test_class_uniform_draws_follow_the_shares(world: Path) -> None:
    def drawn(**options: Any) -> list[tuple[int, int]]:
        dataset = UDADataset(
            source=folder_config(world), rare_class_sampling=dict(type='ClassUniformSampler', workers=0) | options
        )
        sampler = dataset.samplers['source']
        later = sampler.choose(199)
        assert later == [sampler.choose(position) for position in range(200)][199]
        return [sampler.choose(position) for position in range(200)]

    chosen = drawn()
    classes = np.array([cls for _, cls in chosen])
    # class 'b' is in one of four files, 'a' in all: 'b' is drawn until it is shown nearly as often
    assert {index for index, cls in chosen if cls == 1} == {2}
    assert 0.5 < np.mean(classes == 1) < 0.75
    of_a = [index for index, cls in chosen if cls == 0]
    assert all(sorted(of_a[i : i + 4]) == [0, 1, 2, 3] for i in range(0, len(of_a) - 3, 4))
    assert chosen == drawn() and chosen != drawn(period=5) and chosen[:5] == drawn(period=5)[:5]


def test_class_samplers_are_checked(world: Path) -> None:
    with pytest.raises(KeyError, match="did you mean 'period'"):
        UDADataset(
            source=folder_config(world), rare_class_sampling=dict(type='ClassUniformSampler', perioc=3, workers=0)
        )
    with pytest.raises(ValueError, match='period'):
        UDADataset(
            source=folder_config(world), rare_class_sampling=dict(type='ClassUniformSampler', period=0, workers=0)
        )

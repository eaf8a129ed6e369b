"""Seeded labelled/unlabelled splits."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from mmseg.datasets import build_dataset

from mmseg_uda.datasets.splits import STRATEGIES, labelled_split, write_lists

from .worlds import cityscapes_config, make_cityscapes

NAMES = [f'city/{i:03d}' for i in range(40)]


def test_splits_are_complete_nested_and_independent_of_the_input_order() -> None:
    shuffled = random.Random(9).sample(NAMES, len(NAMES))
    few, rest = labelled_split(NAMES, 5, seed=1)
    more, _ = labelled_split(shuffled, 20, seed=1)
    assert few == more[:5] and sorted(few + rest) == NAMES
    assert labelled_split(NAMES, 5, seed=2)[0] != few
    order = list(range(40))
    random.seed(1)
    random.shuffle(order)
    assert few == [NAMES[i] for i in order[:5]], "the order of Python's own seeded shuffle"


@pytest.mark.parametrize('number', [0, 40, 41])
def test_an_empty_list_is_refused(number: int) -> None:
    with pytest.raises(ValueError, match='1..39'):
        labelled_split(NAMES, number, seed=0)


def test_all_images_may_also_be_unlabelled() -> None:
    labelled, unlabelled = labelled_split(NAMES, 40, seed=0, unlabeled='all')
    assert labelled == unlabelled and sorted(labelled) == NAMES


@pytest.mark.parametrize('strategy', STRATEGIES)
def test_every_strategy_is_nested_complete_and_seeded(strategy: str) -> None:
    names = [f'{city}/{i:02d}' for city, count in dict(a=20, b=6, c=3).items() for i in range(count)]
    classes = {name: {0, *({1} if i % 5 == 0 else ()), *({2} if i == 7 else ())} for i, name in enumerate(names)}
    splits = [labelled_split(names, number, 1, strategy, classes=classes) for number in (3, 9, 20)]
    for few, more in zip(splits, splits[1:]):
        assert few[0] == more[0][: len(few[0])]
    assert all(sorted(labelled + rest) == sorted(names) for labelled, rest in splits)
    assert splits[1][0] != labelled_split(names, 9, 2, strategy, classes=classes)[0]


def test_stratified_lists_are_balanced() -> None:
    names = [f'{city}/{i:02d}' for city, count in dict(a=20, b=6, c=3).items() for i in range(count)]
    cities = [name[0] for name in labelled_split(names, 11, 0, 'folders')[0]]
    assert [cities.count(city) for city in 'abc'] == [4, 4, 3]
    classes = {name: {0, 1} if i in (4, 21, 25) else {0, 2} if i == 11 else {0} for i, name in enumerate(names)}
    for seed in range(3):
        first = labelled_split(names, 4, seed, 'classes', classes=classes)[0]
        assert sum(2 in classes[name] for name in first) == 1 and sum(1 in classes[name] for name in first) >= 2
    with pytest.raises(ValueError, match='ann_dir'):
        labelled_split(names, 4, 0, 'classes')


def test_shipped_lists_are_those_of_the_tool_and_nested() -> None:
    """A list of n images is the beginning of the longer one, and with its complement makes the whole set."""
    folder = Path(__file__).resolve().parents[2] / 'configs/_base_/datasets/splits'
    for world in ('camvid_dusk', 'toy_cityscapes'):
        for seed in range(3):
            lists = {
                number: [
                    (folder / f'{world}_{kind}_{number}_seed{seed}.txt').read_text().split()
                    for kind in ('labeled', 'unlabeled')
                ]
                for number in (5, 10, 20)
            }
            names = sorted(lists[5][0] + lists[5][1])
            assert len(set(names)) == len(names)
            for number, (labelled, rest) in lists.items():
                assert (labelled, rest) == labelled_split(names, number, seed)


def test_written_lists_are_read_as_splits(tmp_path: Path) -> None:
    make_cityscapes(tmp_path, 5)
    config = cityscapes_config(tmp_path, ann_dir=None, pipeline=[])
    labelled, unlabelled = write_lists(build_dataset(config), 2, 0, tmp_path / 'splits')
    sizes = [len(build_dataset(config | dict(split=f'splits/{path.name}'))) for path in (labelled, unlabelled)]
    assert sizes == [2, 3]


@pytest.mark.parametrize(
    'options, names',
    [
        (dict(strategy='folders'), ('train_labeled_2_folders_seed7.txt', 'train_unlabeled_2_folders_seed7.txt')),
        (
            dict(strategy='classes', prefix='dusk'),
            ('dusk_labeled_2_classes_seed7.txt', 'dusk_unlabeled_2_classes_seed7.txt'),
        ),
        (dict(unlabeled='all'), ('train_labeled_2_seed7.txt', 'train_all_seed7.txt')),
    ],
)
def test_the_name_of_a_list_says_how_it_was_made(
    tmp_path: Path, options: dict[str, str], names: tuple[str, str]
) -> None:
    make_cityscapes(tmp_path, 5)
    paths = write_lists(build_dataset(cityscapes_config(tmp_path, pipeline=[])), 2, 7, tmp_path / 'splits', **options)
    assert tuple(path.name for path in paths) == names
    labelled, rest = (path.read_text().split() for path in paths)
    assert len(labelled) == 2 and len(rest) == (5 if options.get('unlabeled') else 3)
    assert len({*labelled, *rest}) == 5


def test_balancing_classes_without_labels_says_what_is_missing(tmp_path: Path) -> None:
    make_cityscapes(tmp_path, 5)
    with pytest.raises(ValueError, match='ann_dir'):
        write_lists(build_dataset(cityscapes_config(tmp_path, ann_dir=None, pipeline=[])), 2, 0, tmp_path, 'classes')

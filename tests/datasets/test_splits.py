"""Seeded labelled/unlabelled splits."""
from __future__ import annotations

import random
from pathlib import Path

import pytest
from mmseg.datasets import build_dataset

from mmseg_uda.datasets.splits import labelled_split, write_lists

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


def test_written_lists_are_read_as_splits(tmp_path: Path) -> None:
    make_cityscapes(tmp_path, 5)
    config = cityscapes_config(tmp_path, ann_dir=None, pipeline=[])
    labelled, unlabelled = write_lists(build_dataset(config), 2, 0, tmp_path / 'splits')
    sizes = [len(build_dataset(config | dict(split=f'splits/{path.name}'))) for path in (labelled, unlabelled)]
    assert sizes == [2, 3]

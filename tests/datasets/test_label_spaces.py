"""Class lists and id tables."""

from __future__ import annotations

import numpy as np
import pytest

from mmseg_uda.datasets import label_spaces

#: have the classes of their own benchmark only, or train ids, which have lost what the super classes need
WITHOUT_SUPER_CLASSES = ('viper', 'synthia_seq', 'urbansyn')


@pytest.mark.parametrize('data_set', sorted(label_spaces.RAW_TABLES))
def test_tables_stay_inside_their_label_space(data_set: str) -> None:
    assert {'city19', 'city16', 'super7'} <= set(label_spaces.RAW_TABLES[data_set]) or data_set in WITHOUT_SUPER_CLASSES
    for space in label_spaces.RAW_TABLES[data_set]:
        classes, palette = label_spaces.SPACES[space]
        mapping = label_spaces.table(data_set, space)
        assert set(mapping.values()) <= set(range(len(classes))), space
        assert max(mapping) <= label_spaces.RAW_ID_LIMIT[data_set]
        assert len(palette) == len(classes)


def test_sixteen_and_thirteen_class_scores_leave_out_what_synthia_lacks() -> None:
    names = [{label_spaces.CITY19[i] for i in label_spaces.eval_subsets(n)} for n in (19, 16, 13)]
    assert [len(subset) for subset in names] == [19, 16, 13]
    assert names[0] - names[1] == {'terrain', 'truck', 'train'}
    assert names[1] - names[2] == {'wall', 'fence', 'pole'}
    with pytest.raises(ValueError, match='17'):
        label_spaces.eval_subsets(17)


def test_contiguous_16_class_ids_follow_the_19_class_order() -> None:
    classes, _ = label_spaces.SPACES['city16']
    assert list(classes) == [name for name in label_spaces.CITY19 if name in classes]
    kept = label_spaces.table('train_ids', 'city16')
    assert [label_spaces.CITY19[old] for old in sorted(kept)] == list(classes)


def test_server_ids_invert_the_cityscapes_table() -> None:
    train = np.arange(19, dtype=np.uint8)
    label_ids = label_spaces.to_label_ids(train)
    np.testing.assert_array_equal(label_spaces.lookup_array(label_spaces.table('cityscapes'))[label_ids], train)
    assert label_spaces.to_label_ids(np.array([255], np.uint8)) == 0


def test_super_classes_from_train_ids_are_refused_with_the_reason() -> None:
    with pytest.raises(KeyError, match='raw label ids'):
        label_spaces.table('train_ids', 'super7')

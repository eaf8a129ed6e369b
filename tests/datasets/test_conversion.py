"""Converters and file checks."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from mmseg.datasets import build_dataset
from PIL import Image

from mmseg_uda.datasets import conversion
from mmseg_uda.datasets.class_stats import SAMPLES_FILE, STATS_DICT_FILE, STATS_FILE, dataset_stats, stats_table
from mmseg_uda.datasets.inspection import build_data_set, check_data_set, config_data_sets, summary

from .worlds import (
    blocks,
    cityscapes_config,
    folder_config,
    gta_config,
    make_cityscapes,
    make_folder,
    make_gta,
    write_label,
)


def read(path: Path) -> np.ndarray:
    return np.array(Image.open(path))


def test_gta_conversion_writes_labels_and_the_published_files(tmp_path: Path) -> None:
    make_gta(tmp_path, 5, blocks((7, 11, 34, 26)))
    raw = [build_dataset(gta_config(tmp_path)).read_label(i) for i in range(5)]
    conversion.main([str(tmp_path), '--nproc', '2', '-o', str(tmp_path / 'out')], 'gta')
    conversion.main([str(tmp_path), '--nproc', '0', '-o', str(tmp_path / 'out')], 'gta')  # nothing twice
    assert len(list((tmp_path / 'labels').iterdir())) == 10
    dataset = build_dataset(gta_config(tmp_path))
    assert dataset.label_form.ids == 'train_ids'
    assert all((dataset.read_label(i) == raw[i]).all() for i in range(5))
    entries = json.loads((tmp_path / 'out' / STATS_FILE).read_text())
    assert entries[0] == {'0': 240, '2': 240, '13': 240, 'file': '00001_labelTrainIds.png'}
    by_file = json.loads((tmp_path / 'out' / STATS_DICT_FILE).read_text())
    assert by_file['00005_labelTrainIds.png'] == {'0': 240, '2': 240, '13': 240}
    assert list(json.loads((tmp_path / 'out' / SAMPLES_FILE).read_text())) == ['0', '2', '13']


def test_conversion_and_on_demand_statistics_agree(tmp_path: Path) -> None:
    make_gta(tmp_path, 3)
    counted = dict(dataset_stats(build_dataset(gta_config(tmp_path)), workers=0))
    converted = dict(conversion.convert(tmp_path, conversion.GTA, workers=0))
    assert list(counted.values()) == list(converted.values())


def test_synthia_conversion(tmp_path: Path) -> None:
    write_label(tmp_path / 'GT/LABELS/0000000.png', blocks((3, 22, 10, 1))(0), '16-bit')
    conversion.main([str(tmp_path)], 'synthia')
    assert set(np.unique(read(tmp_path / 'GT/LABELS/0000000_labelTrainIds.png'))) == {0, 255, 11, 10}


def test_cityscapes_conversion_counts_the_train_split_and_writes_lists(tmp_path: Path) -> None:
    make_cityscapes(tmp_path, 3)
    make_cityscapes(tmp_path, 2, 'val')
    conversion.main([str(tmp_path)], 'cityscapes')
    assert (tmp_path / 'val.txt').read_text() == 'aachen/aachen_000000_000019\nulm/ulm_000001_000019\n'
    assert not (tmp_path / 'test.txt').exists()
    entries = json.loads((tmp_path / STATS_FILE).read_text())
    assert [entry['file'].split('/')[0] for entry in entries] == ['train'] * 3
    listed = build_dataset(cityscapes_config(tmp_path, split='train.txt') | dict(pipeline=[]))
    assert len(listed) == 3 and listed.label_form.ids == 'train_ids'


def test_the_published_statistics_are_found_for_a_split_folder(tmp_path: Path) -> None:
    make_cityscapes(tmp_path, 3)
    conversion.convert(tmp_path, conversion.CITYSCAPES, workers=0)
    dataset = build_dataset(cityscapes_config(tmp_path))
    dataset_stats(dataset, workers=0)
    assert not list(tmp_path.glob('sample_class_stats.*.json')), 'the converter had counted already'


def test_converting_the_wrong_folder(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match='--gt-dir'):
        conversion.main([str(tmp_path)], 'gta')


def test_check_finds_every_kind_of_problem(tmp_path: Path) -> None:
    make_folder(tmp_path, 6)
    (tmp_path / 'labels/0.png').unlink()
    (tmp_path / 'images/1.jpg').write_bytes(b'')
    (tmp_path / 'labels/2.png').write_bytes((tmp_path / 'labels/2.png').read_bytes()[:50])
    write_label(tmp_path / 'labels/3.png', np.full((24, 40), 9, np.uint8))
    write_label(tmp_path / 'labels/4.png', np.zeros((12, 20), np.uint8))
    dataset = build_data_set(folder_config(tmp_path) | dict(pipeline=[]))[0]
    reports = check_data_set(dataset, workers=2)
    found = {kind: report.name for report in reports for kind in report.problems}
    assert found == {
        'missing label': '0.jpg',
        'corrupt image': '1.jpg',
        'corrupt label': '2.jpg',
        'unexpected ids': '3.jpg',
        'size differs': '4.jpg',
    }
    text = summary('source', dataset, reports)
    assert 'ids [9]' in text and 'unexpected ids: 1 files' in text and '(ignored)' in text
    assert reports[5].counts.tolist() == [240, 240, 240, 240]


def test_the_data_sets_of_a_config(tmp_path: Path) -> None:
    target = cityscapes_config(tmp_path)
    train = dict(type='UDADataset', source=gta_config(tmp_path), target=[target, target])
    parts = config_data_sets(dict(data=dict(train=train, val=target)))
    assert set(parts) == {'source', 'target', 'target2', 'val'}
    # of a pipeline only the step that reads the image is left
    assert {step['type'] for part in parts.values() for step in part['pipeline']} <= {'LoadImageFromFile'}
    assert list(config_data_sets(dict(data=dict(train=[target])))) == ['source']


def test_statistics_table(tmp_path: Path) -> None:
    make_gta(tmp_path, 3)
    dataset = build_dataset(gta_config(tmp_path))
    table = stats_table(dataset_stats(dataset, workers=0), dataset.CLASSES, 100, 0.1).splitlines()
    assert len(table) == 20
    road = next(line for line in table if line.startswith('road')).split()
    assert road[1:] == ['25.000%', '3', '3', '0.2500']

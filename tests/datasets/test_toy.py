"""The toy world: deterministic pictures, official layouts and formats, and a build that is never half done."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from mmseg.datasets import build_dataset
from PIL import Image

from mmseg_uda.datasets import conversion, label_spaces
from mmseg_uda.datasets.labels import LabelReader
from mmseg_uda.toy import TOY_DATASETS, ensure_toy_world, world
from mmseg_uda.toy.appearance import between
from mmseg_uda.toy.canvas import AUTORICKSHAW, EGO_VEHICLE, LANE_MARKING
from mmseg_uda.toy.looks import APPEARANCES, GAME
from mmseg_uda.toy.render import render
from mmseg_uda.toy.writers import raw_lookup

SMALL = dict(width=64, height=32, scale=0.02, quiet=True, workers=1)


@pytest.fixture(scope='module')
def roots(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return ensure_toy_world(tmp_path_factory.mktemp('toy'), **SMALL)


def test_pictures_depend_on_seed_and_number_only(tmp_path: Path, roots: dict[str, Path]) -> None:
    again = ensure_toy_world(tmp_path / 'again', ['gta'], **{**SMALL, 'workers': 2})
    other = ensure_toy_world(tmp_path / 'other', ['gta'], seed=1, **SMALL)
    name = 'images/00003.png'
    assert (again['gta'] / name).read_bytes() == (roots['gta'] / name).read_bytes()
    assert (other['gta'] / name).read_bytes() != (roots['gta'] / name).read_bytes()


@pytest.mark.parametrize('dataset', ['gta', 'synthia', 'cityscapes', 'idd', 'mapillary'])
def test_raw_ids_map_back_to_the_drawn_classes(dataset: str) -> None:
    """Every class is written with an id that the production table reads as that class."""
    lut, table = raw_lookup(dataset), label_spaces.lookup_array(label_spaces.table(dataset))
    for train_id in range(19):
        assert table[lut[train_id]] == train_id
    assert {int(table[lut[value]]) for value in (255, EGO_VEHICLE, AUTORICKSHAW)} == {255}
    assert table[lut[LANE_MARKING]] == (255 if dataset == 'synthia' else 0)


CONFIGS: dict[str, dict[str, Any]] = {
    'gta': dict(type='GTADataset', img_dir='images', ann_dir='labels'),
    'synthia': dict(type='SynthiaDataset', img_dir='RGB', ann_dir='GT/LABELS'),
    'cityscapes': dict(type='CityscapesDataset', img_dir='leftImg8bit/train', ann_dir='gtFine/train'),
    'idd': dict(type='IDDDataset', img_dir='leftImg8bit/train', ann_dir='gtFine/train'),
    'mapillary': dict(type='MapillaryDataset', img_dir='training/images', ann_dir='training/labels'),
    'acdc': dict(type='ACDCDataset', img_dir='rgb_anon/train', ann_dir='gt/train'),
    'dark_zurich': dict(type='DarkZurichDataset', img_dir='rgb_anon/val', ann_dir='gt/val'),
}


@pytest.mark.parametrize('name', sorted(CONFIGS))
def test_production_data_sets_read_the_toy_files(name: str, roots: dict[str, Path]) -> None:
    pipeline = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations')]
    dataset = build_dataset(dict(CONFIGS[name], data_root=str(roots[name]), pipeline=pipeline))
    split = 'val' if name == 'dark_zurich' else 'train'
    assert len(dataset) == max(round(TOY_DATASETS[name][split] * SMALL['scale']), 1)
    sample = dataset[0]
    label = sample['gt_semantic_seg']
    assert sample['img'].shape == (32, 64, 3) and label.shape == (32, 64)
    assert set(np.unique(label)) <= {*range(19), 255} and {0, 2} <= set(np.unique(label))


def test_official_file_formats(roots: dict[str, Path]) -> None:
    synthia = cv2.imread(str(next((roots['synthia'] / 'GT/LABELS').glob('*.png'))), cv2.IMREAD_UNCHANGED)
    assert synthia.dtype == np.uint16 and synthia.shape == (32, 64, 3)
    assert Image.open(next((roots['gta'] / 'labels').glob('*.png'))).mode == 'P'
    assert Image.open(next((roots['mapillary'] / 'training/labels').glob('*.png'))).mode == 'P'
    assert Image.open(next((roots['cityscapes'] / 'gtFine').rglob('*.png'))).mode == 'L'
    assert not list((roots['dark_zurich'] / 'gt').rglob('train/**/*.png'))


@pytest.mark.parametrize('how', [conversion.GTA, conversion.SYNTHIA, conversion.CITYSCAPES], ids=lambda how: how.ids)
def test_converters_accept_the_files(how: conversion.Conversion, roots: dict[str, Path], tmp_path: Path) -> None:
    root = Path(shutil.copytree(roots[how.ids], tmp_path / how.ids))
    written = conversion.convert(root, how, workers=1)
    raw = conversion.raw_files(root / how.gt_dir, how)
    assert len(written) == len([name for name in raw if how.counted(name)]) > 0
    reader = LabelReader(label_spaces.table(how.ids), 19, label_spaces.RAW_ID_LIMIT[how.ids])
    for name in raw:
        converted = np.array(Image.open(root / how.gt_dir / how.output(name)))
        assert (converted == reader.read(root / how.gt_dir / name)).all()


def test_indian_roads_have_autorickshaws_outside_the_19_classes() -> None:
    def values(name: str) -> set[int]:
        labels = [render(APPEARANCES[name], 64, 32, np.random.default_rng([5, number]))[1] for number in range(10)]
        return set(np.unique(labels).tolist())

    assert AUTORICKSHAW in values('idd') and AUTORICKSHAW not in values('cityscapes')
    assert raw_lookup('idd')[AUTORICKSHAW] == 11


def test_other_options_redraw_and_equal_options_do_not(tmp_path: Path) -> None:
    folder = ensure_toy_world(tmp_path, ['gta'], **SMALL)['gta']
    first = (folder / 'images/00001.png').stat().st_mtime_ns
    ensure_toy_world(tmp_path, ['gta'], **SMALL)
    assert (folder / 'images/00001.png').stat().st_mtime_ns == first
    ensure_toy_world(tmp_path, ['gta'], **{**SMALL, 'width': 48})
    assert cv2.imread(str(folder / 'images/00001.png')).shape[1] == 48
    assert json.loads((folder / world.MANIFEST).read_text())['width'] == 48


def test_an_interrupted_build_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(world, 'write_item', fail)
    with pytest.raises(KeyboardInterrupt):
        ensure_toy_world(tmp_path, ['gta'], **SMALL)
    assert list(tmp_path.iterdir()) == []


def _another_program(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(world, '_drawing_version', lambda *_: 'newer')


def _lost_file(folder: Path, _: pytest.MonkeyPatch) -> None:
    (folder / 'labels/00002.png').unlink()


def _broken_manifest(folder: Path, _: pytest.MonkeyPatch) -> None:
    (folder / world.MANIFEST).write_bytes(b'\xff{')


@pytest.mark.parametrize('damage', [_another_program, _lost_file, _broken_manifest])
def test_a_stale_or_damaged_data_set_is_drawn_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: Any
) -> None:
    folder = ensure_toy_world(tmp_path, ['gta'], **SMALL)['gta']
    (folder / 'images/00001.png').write_bytes(b'old')
    damage(folder, monkeypatch)
    ensure_toy_world(tmp_path, ['gta'], **SMALL)
    assert cv2.imread(str(folder / 'images/00001.png')) is not None and (folder / 'labels/00002.png').exists()
    assert [path.name for path in tmp_path.iterdir()] == ['gta']


def test_leftovers_of_killed_builds_are_removed_and_running_ones_kept(tmp_path: Path) -> None:
    child = subprocess.Popen([sys.executable, '-c', ''])
    child.wait()
    prefix = f'.gta.{socket.gethostname()}'
    dead, alive = tmp_path / f'{prefix}.{child.pid}.abc', tmp_path / f'{prefix}.{os.getpid()}.abc'
    for folder in (dead, alive):
        (folder / 'new').mkdir(parents=True)
    ensure_toy_world(tmp_path, ['gta'], **SMALL)
    assert sorted(path.name for path in tmp_path.iterdir()) == [alive.name, 'gta']


def test_two_processes_may_draw_the_same_data_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = world._put_in_place

    def overtaken(temporary: Path, folder: Path) -> None:
        shutil.copytree(temporary / 'new', folder)  # what the faster process made
        os.replace(temporary / 'new', folder)

    monkeypatch.setattr(world, '_put_in_place', overtaken)
    folder = ensure_toy_world(tmp_path, ['gta'], **SMALL)['gta']
    monkeypatch.setattr(world, '_put_in_place', place)
    assert world._is_current(folder, 'gta', world.WorldOptions(width=64, height=32, scale=0.02))
    assert [path.name for path in tmp_path.iterdir()] == ['gta']


def test_a_config_gets_its_missing_toy_data_sets_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = []
    monkeypatch.setattr(world, 'ensure_toy_world', lambda root, names, **size: drawn.append((Path(root), names, size)))
    (tmp_path / 'toy/idd').mkdir(parents=True)
    large = tmp_path / 'toy_512x256/gta'
    roots = [tmp_path / 'toy/gta', tmp_path / 'toy/idd', tmp_path / 'real/gta', large, tmp_path / 'toy_large/gta']
    data = dict(
        train=dict(source=dict(data_root=str(roots[0]) + '/'), target=[dict(data_root=str(root)) for root in roots])
    )
    assert world.draw_missing(dict(data=data)) == [roots[0], large]
    assert drawn == [(tmp_path / 'toy', ['gta'], {}), (large.parent, ['gta'], dict(width=512, height=256))]


def test_a_real_data_set_is_never_overwritten(tmp_path: Path) -> None:
    real = tmp_path / 'gta' / 'images' / '00001.png'
    real.parent.mkdir(parents=True)
    real.write_bytes(b'precious')
    with pytest.raises(FileExistsError, match='is no toy data set'):
        ensure_toy_world(tmp_path, ['gta'], **SMALL)
    assert real.read_bytes() == b'precious'


def test_bad_options_are_named(tmp_path: Path) -> None:
    with pytest.raises(KeyError, match="no toy data set 'gtta'"):
        ensure_toy_world(tmp_path, ['gtta'])
    with pytest.raises(ValueError, match='gap must lie'):
        ensure_toy_world(tmp_path, ['gta'], gap=-1)


def test_every_class_occurs_and_rare_ones_are_rare() -> None:
    counts = np.zeros(256)
    for number in range(100):
        _, label = render(APPEARANCES['cityscapes'], 64, 32, np.random.default_rng([3, number]))
        counts += np.bincount(label.ravel(), minlength=256)
    share = counts[:19] / counts.sum()
    assert (share > 0).all()
    ids = {name: i for i, name in enumerate(label_spaces.CITY19)}
    assert share[ids['road']] > 0.2 and share[ids['building']] > 0.1
    assert max(share[ids[name]] for name in ('train', 'bus', 'truck', 'motorcycle')) < 0.02


def test_the_gap_option_narrows_the_difference_of_colours() -> None:
    def mean(look: Any) -> np.ndarray:
        return np.mean([render(look, 64, 32, np.random.default_rng(i))[0].mean((0, 1)) for i in range(8)], 0)

    game, city, near = (
        mean(look) for look in (GAME, APPEARANCES['cityscapes'], between(GAME, APPEARANCES['cityscapes'], 0.2))
    )
    assert np.abs(near - game).sum() < np.abs(city - game).sum()

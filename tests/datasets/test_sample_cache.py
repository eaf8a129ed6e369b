"""Kept samples are the samples: the same pixels, made again where a file or a step has changed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
import torch

from mmseg_uda.datasets import sample_cache, stream_source
from mmseg_uda.datasets.builder import build_training_dataset
from mmseg_uda.datasets.pipelines import LoadImage
from mmseg_uda.engine import cache_tool

from .worlds import cityscapes_config, gta_config, labelled_pipeline, make_cityscapes, make_gta, write_image

SIZE = (16, 16)


@pytest.fixture
def config(tmp_path: Path) -> dict[str, Any]:
    make_gta(tmp_path / 'gta', 5)
    make_cityscapes(tmp_path / 'cityscapes', 4)
    steps = labelled_pipeline(scale=(30, 18), cat_max_ratio=0.75)
    source = {**gta_config(tmp_path / 'gta'), 'pipeline': steps}
    target = cityscapes_config(tmp_path / 'cityscapes', pipeline=labelled_pipeline(scale=(30, 18)),
                               crop_pseudo_margins=[2, 2, 3, 3])  # fmt: skip
    rare = dict(min_pixels=5, class_temp=0.1)
    return dict(data=dict(train=dict(type='UDADataset', source=source, target=target, rare_class_sampling=rare)))


def samples(config: dict[str, Any], cache: Any, number: int = 12) -> list[dict[str, Any]]:
    dataset = build_training_dataset(dict(data={**config['data'], 'cache': cache}), seed=3)
    return [dataset[position] for position in range(number)]


def same(one: Any, other: Any) -> bool:
    one, other = getattr(one, 'data', one), getattr(other, 'data', other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, torch.Tensor):
        return one.dtype == other.dtype and torch.equal(one, other)
    if isinstance(one, np.ndarray):
        return one.dtype == other.dtype and np.array_equal(one, other)
    return type(one) is type(other) and one == other


@pytest.mark.parametrize('where', ['folder', 'memory'])
def test_samples_are_those_without_a_cache(where: str, config: dict[str, Any], tmp_path: Path) -> None:
    cache = dict(folder=str(tmp_path / 'cache')) if where == 'folder' else dict(memory_mb=1)
    plain = samples(config, None)
    filled = samples(config, cache)
    assert all(same(a, b) for a, b in zip(plain, filled))
    if where == 'folder':
        with mock.patch.object(LoadImage, '__call__', side_effect=AssertionError('decoded again')):
            assert all(same(a, b) for a, b in zip(plain, samples(config, cache)))


def test_memory_is_read_once_and_keeps_to_its_limit(config: dict[str, Any]) -> None:
    loads: list[str] = []
    load = LoadImage.__call__

    def counted(step: LoadImage, results: dict[str, Any]) -> dict[str, Any]:
        loads.append(results['img_info']['filename'])
        return load(step, results)

    with mock.patch.object(LoadImage, '__call__', counted):
        samples(config, dict(memory_mb=1), 30)
        assert len(loads) == len(set(loads)) == 9
        loads.clear()
        samples(config, dict(memory_mb=1e-4), 30)
    assert len(loads) == 60


def test_what_has_changed_is_made_again(config: dict[str, Any], tmp_path: Path) -> None:
    cache = dict(folder=str(tmp_path / 'cache'))
    before = samples(config, cache)
    for path in (tmp_path / 'gta' / 'images').iterdir():
        write_image(path, 77)
        os.utime(path, ns=(1, 1))
    after = samples(config, cache)
    assert all(same(a, b) for a, b in zip(after, samples(config, None)))
    assert not all(same(a, b) for a, b in zip(before, after))
    for step in config['data']['train']['source']['pipeline']:
        if step['type'] == 'Resize':
            step['img_scale'] = (36, 20)
    assert all(same(a, b) for a, b in zip(samples(config, cache), samples(config, None)))
    assert len(list((tmp_path / 'cache').glob('gtadataset-*'))) == 2


@pytest.mark.parametrize('damage', ['cut', 'garbage', 'empty'])
def test_a_damaged_entry_is_made_again(damage: str, config: dict[str, Any], tmp_path: Path) -> None:
    cache = dict(folder=str(tmp_path / 'cache'))
    plain = samples(config, cache)
    for path in (tmp_path / 'cache').rglob('*.bin'):
        data = path.read_bytes()
        path.write_bytes({'cut': data[:-100], 'garbage': b'x' * len(data), 'empty': b''}[damage])
    assert all(same(a, b) for a, b in zip(plain, samples(config, cache)))


def test_a_random_resize_keeps_the_decoded_image(config: dict[str, Any], tmp_path: Path) -> None:
    for step in config['data']['train']['source']['pipeline']:
        if step['type'] == 'Resize':
            step['ratio_range'] = (0.8, 1.5)
    cache = dict(folder=str(tmp_path / 'cache'))
    plain = samples(config, None)
    assert all(same(a, b) for a, b in zip(plain, samples(config, cache)))
    assert all(same(a, b) for a, b in zip(plain, samples(config, cache)))


def test_steps_of_ones_own_are_never_kept(config: dict[str, Any]) -> None:
    class OwnLoad(LoadImage):
        pass

    assert sample_cache.kept_steps([LoadImage(), OwnLoad()]) == 1
    remote = LoadImage(file_client_args=dict(backend='petrel'))
    assert sample_cache.kept_steps([remote]) == 0


def test_wrong_options_are_named(config: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(KeyError, match='folder'):
        samples(config, dict(foldr='x'), 0)
    with pytest.raises(ValueError, match='either a folder or memory_mb.*memory_mb=0'):
        samples(config, dict(folder=str(tmp_path), memory_mb=3), 0)


def test_the_tool_fills_and_goes_on(
    config: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / 'config.py').write_text(f'data = {config["data"]!r}\n')
    folder = tmp_path / 'cache'
    words = [str(tmp_path / 'config.py'), '--folder', str(folder), '--nproc', '2']
    assert cache_tool.main([*words, '--only', 'source']) == dict(source=5)
    next(folder.rglob('*.bin')).unlink()
    assert cache_tool.main(words) == dict(source=1, target=4)
    assert 'source: 1 of 5 images written, 4 were there' in capsys.readouterr().out
    with pytest.raises(ValueError, match="it has \\['source', 'target'\\]"):
        cache_tool.main([*words, '--only', 'sorce'])
    with pytest.raises(ValueError, match='give --folder'):
        cache_tool.main(words[:1])
    with mock.patch.object(LoadImage, '__call__', side_effect=AssertionError('decoded again')):
        samples(config, dict(folder=str(folder)))
    for path in folder.rglob('*.bin'):
        path.unlink()
    monkeypatch.setattr(cache_tool.shutil, 'disk_usage', lambda _: mock.Mock(free=10))
    with pytest.raises(ValueError, match='needs about'):
        cache_tool.main(words)


def test_a_data_set_without_files_is_read_as_ever(config: dict[str, Any], tmp_path: Path) -> None:
    part = mock.Mock(spec=['__len__', '__getitem__', 'CLASSES'])
    part.__len__ = lambda _: 3
    stream = stream_source.StreamSource([part], 'source', 0, cache=sample_cache.CacheOptions(str(tmp_path)))
    assert stream.caches == {}

"""Frames, labels and names of the video data sets against the released loaders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from mmcv.parallel import DataContainer
from PIL import Image

from mmseg_uda.datasets.frame_names import CityscapesRule, SynthiaRule, ViperRule
from mmseg_uda.datasets.label_spaces import lookup_array, table
from mmseg_uda.datasets.uda_dataset import UDADataset
from mmseg_uda.engine.data import to_device
from mmseg_uda.ops.normalize import normalize_on_device
from mmseg_uda.ops.video import match_histograms

from .golden import golden_files, load

NO_FLOW = dict(type='NoFlow')


def vectors(pattern: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize('path', golden_files('video', pattern), ids=lambda path: path.stem)


def write(path: Path, rgb: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if rgb.dtype == np.uint16:
        assert cv2.imwrite(str(path), rgb[..., ::-1])
    else:
        Image.fromarray(rgb).save(path)


def sample(**streams: Any) -> dict[str, Any]:
    found = UDADataset(**streams)[0]
    batch = {
        key: DataContainer([value.data[None]], stack=True) if torch.is_tensor(value.data) else
        DataContainer([[value.data]], cpu_only=True)
        for key, value in found.items()
    }  # fmt: skip
    return to_device(batch, torch.device('cpu'))


def frame(batch: dict[str, Any], key: str, prefix: str = '') -> np.ndarray:
    metas = batch[f'{prefix}img_metas']
    return normalize_on_device(batch[f'{prefix}{key}'], metas)[0].numpy()


def rgb_of(img: np.ndarray) -> torch.Tensor:
    mean = np.array([104.00698793, 116.66876762, 122.67891434], np.float32).reshape(3, 1, 1)
    return torch.from_numpy((img + mean)[::-1].copy())[None]


def check_source(batch: dict[str, Any], data: dict[str, np.ndarray]) -> None:
    np.testing.assert_allclose(frame(batch, 'img'), data['img'], atol=1e-5)
    np.testing.assert_allclose(frame(batch, 'key_frame'), data['img_key'], atol=1e-5)
    np.testing.assert_array_equal(batch['gt_semantic_seg'][0, 0].numpy(), data['label'])
    np.testing.assert_array_equal(batch['key_label'][0, 0].numpy(), data['label_key'])
    assert batch['flow'].shape[:2] == (1, 2)


@vectors('dataset_viper_*.npz')
def test_viper(path: Path, tmp_path: Path) -> None:
    data = load(path)
    for number, suffix in ((10, ''), (9, '_key')):
        write(tmp_path / f'train/img/001/001_{number:05d}.png', data[f'rgb{suffix}'])
        write(tmp_path / f'train/cls/001/001_{number:05d}.png', data[f'raw_label{suffix}'])
    clips = dict(type='TrainingClips', size=tuple(data['size_wh'].tolist()), own_car=10, labels=True, flow=NO_FLOW)
    source = dict(
        type='ViperSeqDataset', data_root=str(tmp_path), img_dir='train/img', ann_dir='train/cls', pipeline=[clips]
    )
    check_source(sample(source=source), data)


@vectors('dataset_synthia_seq_*.npz')
def test_synthia_seq(path: Path, tmp_path: Path) -> None:
    data = load(path)
    for number, suffix in ((1, ''), (0, '_key')):
        write(tmp_path / f'rgb/{number:06d}.png', data[f'rgb{suffix}'])
        write(tmp_path / f'label/{number:06d}.png', data[f'raw_label{suffix}'])
    size = tuple(data['size_wh'].tolist())
    clips = dict(
        type='TrainingClips', size=size, cut_bottom=int(data['cut_bottom']) / size[1], labels=True, flow=NO_FLOW
    )
    source = dict(type='SynthiaSeqDataset', data_root=str(tmp_path), pipeline=[clips])
    check_source(sample(source=source), data)


@vectors('dataset_cityscapes_seq_*.npz')
def test_cityscapes_seq(path: Path, tmp_path: Path) -> None:
    data = load(path)
    d, c, b, a = data['frames'].tolist()
    assert b == c
    folder = tmp_path / 'leftImg8bit_sequence/train/aachen'
    for number, key in ((d, 'rgb_d'), (c, 'rgb_c'), (a, 'rgb_a')):
        write(folder / f'aachen_000001_{number:06d}_leftImg8bit.png', data[key])
    write(tmp_path / f'gtFine/train/aachen/aachen_000001_{d:06d}_gtFine_labelIds.png', data['raw_label'])
    clips = dict(type='TrainingClips', size=tuple(data['size_wh'].tolist()), far=True, flow=NO_FLOW)
    target = dict(
        type='CityscapesSeqDataset',
        data_root=str(tmp_path),
        img_dir='leftImg8bit_sequence/train',
        pipeline=[clips],
    )
    batch = sample(target=target)
    for key, name in (('img', 'img_d'), ('key_frame', 'img_c'), ('key_frame', 'img_b'), ('far_frame', 'img_a')):
        np.testing.assert_allclose(frame(batch, key, 'target_'), data[name], atol=1e-5)
    for space, name in (('synthia_seq12', 'synthiaseq'), ('viper15', 'viper')):
        lut = lookup_array(table('cityscapes', space))
        np.testing.assert_array_equal(lut[data['raw_label']], data[f'label_val_{name}'])
        for raw, new in data[f'label_table_{name}'].tolist():
            assert raw < 0 or lut[raw] == new


@vectors('dataset_*.npz')
def test_matching_takes_the_resized_frame(path: Path) -> None:
    data = load(path)
    for key in ('img', 'img_d'):
        if key in data:
            np.testing.assert_allclose(rgb_of(data[key])[0].numpy(), data['matched_rgb'], atol=1e-4)
    rgb = torch.from_numpy(data['matched_rgb'])[None]
    torch.testing.assert_close(match_histograms(rgb, rgb), rgb)


@vectors('frame_names_*.npz')
def test_frame_names(path: Path) -> None:
    data = load(path)
    for kind, rule in (('viper', ViperRule()), ('synthia', SynthiaRule())):
        for name, key, flow in zip(*(data[f'{kind}_{part}'].tolist() for part in ('name', 'key_frame', 'flow'))):
            stem, suffix = name.rsplit('.', 1)
            assert f'{rule.earlier(stem, 1)}.{suffix}' == key
            assert rule.flow_name(stem, 0, 1) == flow
    rule = CityscapesRule()
    names = data['cityscapes_name'].tolist()
    for name, frames, flows in zip(names, data['cityscapes_frames'].tolist(), data['cityscapes_flow_dc_db_da_ba']):
        stem = name.replace('_leftImg8bit.png', '')
        for back, number in zip((0, 1, 1, 2), frames):
            assert int(rule.split(rule.earlier(stem, back))[1]) == number
        asked = [rule.flow_name(stem, start, end) for start, end in ((0, 1), (0, 1), (0, 2), (1, 2))]
        assert asked == flows.tolist()
    for name, flow in zip(data['val_name'].tolist(), data['val_flow'].tolist()):
        assert rule.flow_name(name.replace('_leftImg8bit.png', ''), 0, 1) == flow

"""Batches without data are those that the data sets of a config would give."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from mmcv import Config
from mmcv.parallel import collate

from mmseg_uda.builder import build_train_model
from mmseg_uda.datasets.builder import build_training_dataset
from mmseg_uda.engine.data import to_device
from mmseg_uda.engine.example_batch import crop_size, example_batch
from mmseg_uda.engine.stream_shapes import TrainingShapes
from tests.harness import runs
from tests.harness.synthetic import tiny_model

CONFIGS = Path(__file__).resolve().parents[2] / 'configs'
#: config -> (height, width) of its streams
SIZES: dict[str, dict[str, tuple[int, int]]] = {
    'daformer/gta_to_cityscapes_daformer_mitb5': dict(source=(512, 512), target=(512, 512)),
    'adaptsegnet/gta_to_cityscapes_deeplabv2_r101': dict(source=(720, 1280), target=(512, 1024)),
    'mtaf/mdis_gta_to_cityscapes_mapillary_idd_19cls': dict.fromkeys(
        ('source', 'target', 'target2', 'target3'), (512, 1024)
    ),
    'coast/coast_gta_to_cityscapes_idd_7cls': dict.fromkeys(('source', 'target', 'target2'), (160, 320)),
    'ripu/gta_to_cityscapes_ra_2p2pct_deeplabv2_r101': dict(source=(720, 1280), labeled_target=(640, 1280)),
    'stal/gta_to_cityscapes_65img_deeplabv3plus_r101': dict.fromkeys(
        ('source', 'target', 'labeled_target'), (769, 769)
    ),
    'source_only/cityscapes_oracle_segformer_b5': dict(source=(512, 512)),
    'tps/synthia_seq_to_cityscapes_seq_accel_deeplabv2_r101': dict(source=(640, 1280), target=(512, 1024)),
}


@pytest.mark.parametrize('name', SIZES)
def test_sizes_of_published_configs(name: str) -> None:
    cfg = Config.fromfile(str(CONFIGS / f'{name}.py'))
    found = {stream: shape.size for stream, shape in TrainingShapes.from_config(cfg).streams.items()}
    assert found == SIZES[name]
    assert crop_size(cfg) == list(SIZES[name].values())[-1]


def with_patches(cfg: Config) -> Config:
    cfg.data.train.class_patches = dict(scale=(72, 40), pool=['a', 'b'], passes=1, counts=True, min_pixels=0, workers=0)
    return cfg


def clips(folder: Path) -> Config:
    """A source with labels of two frames and a target without, on disk."""
    rng = np.random.default_rng(0)
    for number in range(1, 4):
        for stream in ('source', 'target'):
            path = folder / stream / f'frames/a/{number}.png'
            path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(path), rng.integers(0, 255, (40, 72, 3), dtype=np.uint8))
        label = folder / f'source/labels/a/{number}.png'
        label.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(label), np.ones((40, 72), np.uint8))
    flow = dict(type='DISFlow', preset='fast', grid=(64, 32))
    options = dict(type='FolderVideoDataset', img_dir='frames', classes=['x', 'y'])
    whole = dict(
        type='TrainingClips', size=(72, 40), labels=True, cut_bottom=0.1, occlusion='forward_backward', flow=flow
    )
    cut = dict(type='TrainingClips', size=(72, 40), crop_size=(32, 48), far=True, flow=flow)
    return Config(
        dict(
            model=tiny_model(2),
            data=dict(
                samples_per_gpu=2,
                train=dict(
                    type='UDADataset',
                    source=dict(options, data_root=str(folder / 'source'), ann_dir='labels', pipeline=[whole]),
                    target=dict(options, data_root=str(folder / 'target'), pipeline=[cut]),
                ),
            ),
        )
    )


def case(name: str, folder: Path) -> Config:
    if name == 'clips':
        return clips(folder)
    kind, _, extra = name.partition(' ')
    cfg = runs.config(kind, runs.make_world(folder), folder / 'run')
    return with_patches(cfg) if extra else cfg


@pytest.mark.parametrize('name', ['dacs', 'dacs patches', 'mdis', 'dstc', 'clips'])
def test_an_example_has_the_entries_shapes_and_types_of_real_batches(name: str, tmp_path: Path) -> None:
    cfg = case(name, tmp_path)
    dataset = build_training_dataset(cfg, 0)
    real: Any = collate([dataset[i] for i in range(2)], samples_per_gpu=2)
    batch = to_device(real, torch.device('cpu'))
    example = example_batch(cfg, build_train_model(cfg))

    def described(values: Any) -> dict[str, Any]:
        tensors = {key: value for key, value in values.items() if isinstance(value, torch.Tensor)}
        return {key: (value.dtype, tuple(value.shape)) for key, value in tensors.items()}

    assert described(example) == described(batch)
    assert example.keys() == batch.keys()
    for key in (key for key in example if key.endswith('img_metas')):
        for ours, theirs in zip(example[key], batch[key]):
            assert ours['img_norm_cfg']['mean'] == pytest.approx(theirs['img_norm_cfg']['mean'])
            assert ours['img_shape'] == tuple(theirs['img_shape'])


def test_margins_stored_labels_and_known_ones(tmp_path: Path) -> None:
    cfg = runs.config('dstc', runs.make_world(tmp_path), tmp_path / 'run')
    target = cfg.data.train.target[0]
    target.crop_pseudo_margins = [1, 2, 3, 4]
    cfg.data.train.known_labels = True
    cfg.data.train.target = dict(type='PseudoLabelDataset', folder='none', dataset=target)
    keys = TrainingShapes.from_config(cfg).streams['target'].keys
    assert set(keys) == {'img', 'valid_pseudo_mask', 'gt_semantic_seg', 'ground_truth'}


def test_images_of_any_size_need_one_on_the_command_line(tmp_path: Path) -> None:
    cfg = runs.config('dacs', runs.make_world(tmp_path), tmp_path / 'run')
    for part in (cfg.data.train.source, cfg.data.train.target[0]):
        part.pipeline = [step for step in part.pipeline if step['type'] not in ('Resize', 'RandomCrop')]
    method = build_train_model(cfg)
    with pytest.raises(KeyError, match="data.train's source says.*--size HEIGHT WIDTH"):
        example_batch(cfg, method)
    batch = example_batch(cfg, method, 3, (8, 16))
    assert batch['img'].shape == batch['target_img'].shape == (3, 3, 8, 16)

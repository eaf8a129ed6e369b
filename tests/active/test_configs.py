"""Every STAL and RIPU config is complete: its training set and its label set are built on a small world."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from mmcv import Config
from mmcv.parallel import collate

from mmseg_uda.active.hook import ActiveSelectionHook
from mmseg_uda.active.loop import round_config
from mmseg_uda.active.session import ActiveSession
from mmseg_uda.builder import complete_model
from mmseg_uda.datasets.builder import build_training_dataset
from mmseg_uda.engine.target_statistics import TargetImages
from mmseg_uda.registry import UDA
from mmseg_uda.streams import split_streams
from tests.datasets.worlds import blocks, make_cityscapes, make_gta, write_image, write_label

CONFIGS = Path(__file__).resolve().parents[2] / 'configs'
FILES = sorted([*(CONFIGS / 'stal').glob('*.py'), *(CONFIGS / 'ripu').glob('*.py')])


@pytest.fixture(scope='module')
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A few files of every data set in its official layout."""
    root = tmp_path_factory.mktemp('world')
    for data in (root / 'data', root / 'data/toy'):
        make_gta(data / 'gta', 2)
        for split in ('train', 'val'):
            make_cityscapes(data / 'cityscapes', 20, split)
    write_image(root / 'data/synthia/RGB/0000000.png', 0)
    write_label(root / 'data/synthia/GT/LABELS/0000000.png', blocks((3, 1))(0), '16-bit')
    for i in range(14):
        write_image(root / f'data/camvid/images/{i}.jpg', i)
        write_label(root / f'data/camvid/labels/{i}.png', blocks((0, 10, 255))(i))
    for split in ('day_train', 'dusk_train', 'dusk_val'):
        path = root / f'data/camvid/splits/{split}.txt'
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(''.join(f'{i}\n' for i in range(14)))
    return root


@pytest.mark.parametrize('path', FILES, ids=[f'{path.parent.name}-{path.stem}' for path in FILES])
def test_config(path: Path, world: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(world)
    monkeypatch.delenv('MMSEG_UDA_CAMVID', raising=False)
    cfg = Config.fromfile(str(path))
    if cfg.active.get('initial'):
        cfg.active.initial = dict(count=3)
    hooks = [dict(hook) for hook in cfg.get('custom_hooks') or []]
    cfg.active.folder = str(tmp_path / 'active')
    session = ActiveSession(cfg)
    session.start()
    for hook in hooks:
        kind = hook.pop('type')
        assert kind == 'ActiveSelectionHook'
        ActiveSelectionHook(**hook).configure(cfg)
        assert max(hook['iters']) < cfg.runner.max_iters
    dataset = build_training_dataset(round_config(cfg, session, 0), seed=0)
    streams = split_streams(_device_free(collate([dataset[0], dataset[1]], 2)))
    assert set(UDA.get(cfg.uda.type).required_streams) <= set(streams)
    classes = complete_model(cfg)['decode_head']['num_classes']
    assert classes == len(dataset.CLASSES) == len(session.pool.classes)
    for name, stream in streams.items():
        if stream.label is not None:
            assert ((stream.label < classes) | (stream.label == 255)).all(), name
    if cfg.uda.get('running_statistics') == 'target':
        image = next(TargetImages(cfg, images=1).batches(torch.device('cpu')))['img']
        assert image.shape[:2] == (1, 3)
    if cfg.uda.type == 'RIPU':
        assert (streams['labeled_target'].label == 255).all(), 'nothing is bought yet'


def _device_free(batch: dict[str, Any]) -> dict[str, Any]:
    return {key: value.data[0] for key, value in batch.items()}


@pytest.mark.parametrize('path', [path for path in FILES if path.parent.name == 'stal'], ids=lambda path: path.stem)
def test_padding_is_trained_as_road_only_where_the_released_code_is_followed(path: Path) -> None:
    cfg = Config.fromfile(str(path))
    steps = [
        step
        for name in ('source', 'labeled_target')
        for step in cfg.data.train[name].pipeline
        if step.type == 'PaddedCrop'
    ]
    assert {step.get('seg_pad_val', 255) for step in steps} <= {0 if cfg.uda.get('drop') == 'low_official' else 255}

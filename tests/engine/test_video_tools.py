"""Methods, tests and tools on the toy videos: image methods as well as those that look back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from mmcv import Config
from torchvision.models.optical_flow import raft_small

from mmseg_uda.builder import build_train_model
from mmseg_uda.datasets.builder import build_training_dataset
from mmseg_uda.datasets.flow_files import read_flow
from mmseg_uda.engine.data import build_train_loader, to_device
from mmseg_uda.engine.evaluation import evaluate_all
from mmseg_uda.engine.evaluation_sets import named_test_sets
from mmseg_uda.engine.flow_tool import main as flow_tool
from mmseg_uda.engine.optimizers import build_optimizers
from mmseg_uda.engine.predict_inputs import test_steps as steps_of
from mmseg_uda.engine.predict_video import predict_video
from mmseg_uda.engine.predictor import Predictor
from mmseg_uda.engine.report import main as report
from mmseg_uda.engine.step import TrainStep
from mmseg_uda.engine.temporal import temporal_consistency
from mmseg_uda.toy.options import WorldOptions
from mmseg_uda.toy.sequences import clips, write_clip
from mmseg_uda.toy.writers import make_folders
from tests.harness.synthetic import tiny_model

TOY = 'toy_viper_seq_to_toy_cityscapes_seq'
CONFIGS = Path(__file__).resolve().parents[2] / 'configs'
CPU = torch.device('cpu')


@pytest.fixture(scope='module')
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp('toy_video')
    for name, counts in (('viper_seq', dict(train=2)), ('cityscapes_seq', dict(train=2, val=2))):
        found = clips(name, counts)
        make_folders(root / name, found)
        for clip in found:
            write_clip(root / name, clip, WorldOptions(width=128, height=64))
    return root


def relocated(node: Any, toy: Path) -> Any:
    """Data configs that read the small toy videos and keep their flow there."""
    if isinstance(node, dict):
        places = {
            'data_root': lambda value: str(toy / Path(value).name),
            'cache': lambda value: str(toy / 'cache') if isinstance(value, str) else value,  # of flow, not data.cache
        }
        return {
            key: places[key](value) if key in places and value else relocated(value, toy) for key, value in node.items()
        }
    return type(node)(relocated(value, toy) for value in node) if isinstance(node, (list, tuple)) else node


def config(path: str, toy: Path, data_from: str = '') -> Config:
    """A config on the small toy videos (with the data of another one) and the smallest network."""
    cfg = Config.fromfile(str(CONFIGS / path))
    data = cfg.data if not data_from else Config.fromfile(str(CONFIGS / '_base_/datasets' / data_from)).data
    cfg.data = relocated(data.to_dict(), toy)
    cfg.model = tiny_model(15, type=cfg.model.type)
    return cfg


def train(cfg: Config, iterations: int = 2) -> tuple[Any, list[dict[str, float]]]:
    method = build_train_model(cfg, seed=0)
    method.init_weights()
    method.train()
    step = TrainStep(method, build_optimizers(cfg.optimizer, method.networks()))
    dataset = build_training_dataset(cfg, seed=0)
    loader = iter(build_train_loader(dataset, dict(samples_per_gpu=2, workers_per_gpu=0)))
    for iteration in range(iterations):
        step([to_device(next(loader), CPU)], iteration)
    return method, step.flush()


@pytest.mark.parametrize('kind', ['uda', 'video'])
@pytest.mark.parametrize('path', ['mic/toy_gta_to_toy_cityscapes.py', 'advent/toy_gta_to_toy_cityscapes.py'])
def test_image_methods_train_on_the_videos_unchanged(path: str, kind: str, toy: Path) -> None:
    """The data of the config are exchanged, nothing else; clips bring frames that an image method does not look at."""
    cfg = config(path, toy, f'{kind}_toy_viper_seq_to_toy_cityscapes_seq_128x256.py')
    if 'imnet_feature_dist_lambda' in cfg.uda:
        cfg.uda.imnet_feature_dist_lambda = 0  # the smallest network has no ImageNet weights
    if 'source_iters' in cfg.uda:
        cfg.uda.source_iters = 0  # two iterations, and both are to see the target
    _, logs = train(cfg)
    assert len(logs) == 2 and all(np.isfinite(list(entry.values())).all() for entry in logs)


@pytest.mark.parametrize('method', ['tps', 'davsn', 'quadmix_video'])
def test_video_methods_train_test_and_predict(method: str, toy: Path, tmp_path: Path) -> None:
    cfg = config(f'{method}/toy_viper_seq_to_toy_cityscapes_seq.py', toy)
    if 'class_patches' in cfg.data.train:
        cfg.data.train.class_patches.pool = [1, 2]  # two clips do not show all classes
    trained, logs = train(cfg)
    assert all(np.isfinite(list(entry.values())).all() for entry in logs)
    sets = named_test_sets(cfg, 'val')
    trained.CLASSES, trained.PALETTE = sets['target'].CLASSES, sets['target'].PALETTE
    metrics = evaluate_all(trained, sets, CPU, workers=0)
    assert 0 <= metrics['mIoU'] <= 1
    found = temporal_consistency(trained, sets['target'], CPU, workers=0)
    assert 0 <= found['temporal.agreement'] <= 1 and 0 < found['temporal.seen'] <= 1
    frames = toy / 'cityscapes_seq/leftImg8bit_sequence/val/munster'
    predictor = Predictor(trained, steps_of(cfg), CPU, trained.CLASSES, trained.PALETTE)
    result = predict_video(predictor, frames, tmp_path / 'out.avi')
    assert result['frames'] == 6
    again = predict_video(predictor, tmp_path / 'out.avi', tmp_path / 'b.mp4')
    assert again['frames'] == 6 and (tmp_path / 'b.mp4').stat().st_size > 1000
    with pytest.raises(ValueError, match='--video writes'):
        predict_video(predictor, frames, tmp_path / 'out.gif')


def test_a_report_shows_clips_and_fusion_weights(toy: Path, tmp_path: Path) -> None:
    for name, path in (('fused', f'tps/{TOY}.py'), ('frames', f'dacs/{TOY}.py')):
        cfg = config(path, toy)
        method = build_train_model(cfg, seed=0)
        (tmp_path / name).mkdir()
        meta = dict(config=cfg.pretty_text, iter=1)
        torch.save(dict(state_dict=method.state_dict(), meta=meta), tmp_path / name / 'latest.pth')
        line = dict(mode='train', iter=1, loss=1.0)
        (tmp_path / name / 'run.log.json').write_text(json.dumps(line) + '\n')
    out = report([f'A={tmp_path / "fused"}', f'B={tmp_path / "frames"}', '--images', '2', '--device', 'cpu'])
    text = out.read_text()
    assert text.count('% of the visible pixels agree') == 4  # two pairs of frames of each run
    assert all(title in text for title in ('moved prediction', 'agreement', 'Fusion weights: A'))
    assert 'Fusion weights: B' not in text


def test_flow_tool(toy: Path, tmp_path: Path) -> None:
    cfg = config('tps/toy_viper_seq_to_toy_cityscapes_seq.py', toy)
    cfg.dump(str(tmp_path / 'config.py'))
    common = [str(tmp_path / 'config.py'), '--nproc', '0']
    out = tmp_path / 'flow'
    flow_tool(['compute', *common, '--out', str(out), '--far'])
    names = {path.name for path in out.iterdir()}
    assert {'001_0001000009_int16_x10.npy', 'aachen_000000_000019_000017_int16_x10.npy'} <= names
    exact = flow_tool(['check', *common, '--only', 'source', '--files', str(toy / 'viper_seq/flow')])['source']
    found = flow_tool(['check', *common, '--only', 'source'])['source']
    assert exact['labels agree, warped'] > exact['labels agree, copied'] < found['labels agree, warped'] + 0.02
    assert 0 < found['pass forward-backward'] <= 1
    flow_tool(['show', *common, '--out', str(tmp_path / 'show'), '--limit', '1', '--only', 'val'])
    assert cv2.imread(str(tmp_path / 'show/val_0000.jpg')).shape == (64, 5 * 128, 3)
    torch.save(raft_small(weights=None).state_dict(), tmp_path / 'raft.pth')
    raft = ['--raft', str(tmp_path / 'raft.pth'), '--raft-size', 'small', '--grid', '128', '128', '--only', 'val']
    flow_tool(['compute', *common, *raft, '--out', str(tmp_path / 'raft'), '--limit', '1'])
    assert [read_flow(path).shape for path in (tmp_path / 'raft').iterdir()] == [(2, 128, 128)]
    with pytest.raises(ValueError, match="called 'labeled_target'"):
        flow_tool(['check', *common, '--only', 'labeled_target'])

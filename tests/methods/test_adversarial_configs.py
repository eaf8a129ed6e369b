"""Every adversarial, entropy and ESL config builds its method and optimisers, and every recipe is complete."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
import torch
from mmcv import Config

from mmseg_uda.builder import build_train_model
from mmseg_uda.datasets.pipeline_config import extraction_pipeline, training_pipeline, with_pseudo_labels
from mmseg_uda.engine.optimizers import build_optimizers
from mmseg_uda.engine.pseudo_label_extraction import target_config
from mmseg_uda.engine.stages import check_recipe, recipe_stages
from mmseg_uda.utils.config_errors import check_top_level

ROOT = Path(__file__).resolve().parents[2] / 'configs'
FILES = sorted(path for name in ('adaptsegnet', 'advent', 'minent', 'esl') for path in (ROOT / name).glob('*.py'))
RECIPES = [path for path in FILES if path.stem.endswith('_stages')]
TRAININGS = [path for path in FILES if path not in RECIPES]


def _without_weights(cfg: Config) -> Config:
    cfg.model.pretrained = None
    cfg.model.backbone.pop('init_cfg', None)
    return cfg


@pytest.mark.parametrize('path', TRAININGS, ids=lambda path: f'{path.parent.name}/{path.stem}')
def test_method_and_optimisers(path: Path) -> None:
    cfg = _without_weights(Config.fromfile(str(path)))
    check_top_level(cfg, path.name)
    # tensors are made on the meta device; the transformers read the values of a linspace
    with mock.patch('torch.linspace', functools.partial(torch.linspace, device='cpu')), torch.device('meta'):
        method = build_train_model(cfg)
        optimizers = build_optimizers(cfg.optimizer, method.networks())
    assert set(optimizers) == set(method.networks())
    assert cfg.lr_config.get('horizon', cfg.runner.max_iters) >= cfg.runner.max_iters


@pytest.mark.parametrize('path', TRAININGS, ids=lambda path: f'{path.parent.name}/{path.stem}')
def test_target_pipelines_extract_and_load_pseudo_labels(path: Path) -> None:
    steps: list[Any] = target_config(Config.fromfile(str(path)))['pipeline']
    assert {'RandomFlip', 'RandomCrop', 'Pad'}.isdisjoint(step['type'] for step in extraction_pipeline(steps))
    training = [step['type'] for step in training_pipeline(with_pseudo_labels(steps))]
    assert training.count('LoadLabels') == 1
    resize = next(kind for kind in training if kind in ('ExactResize', 'Letterbox', 'Resize'))
    assert (training.index('LoadLabels') > training.index(resize)) == (resize != 'Resize' or 'camvid' not in path.stem)


@pytest.mark.parametrize('path', RECIPES, ids=lambda path: path.stem)
def test_recipe(path: Path) -> None:
    stages = recipe_stages(Config.fromfile(str(path)))
    check_recipe(stages, path)
    assert [stage['type'] for stage in stages] == ['train', 'pseudo_labels', 'train']
    retrain = Config.fromfile(str(path.parent / stages[2]['config']))
    assert retrain.uda.target_ce == 1.0 and retrain.data.train.target.type == 'PseudoLabelDataset'

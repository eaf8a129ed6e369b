"""Every config under ``configs/`` reads, builds its method and its optimisers, without weights and without memory."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any, Iterator
from unittest import mock

import pytest
import torch
from mmcv import Config

from mmseg_uda.builder import build_train_model
from mmseg_uda.engine.optimizers import build_optimizers
from mmseg_uda.engine.stages import recipe_stages
from mmseg_uda.engine.step import StepOptions
from mmseg_uda.utils.config_errors import check_top_level

ROOT = Path(__file__).resolve().parents[1] / 'configs'
PYTHON_FILES = sorted(path for path in ROOT.glob('*/*.py') if path.parent.name != '_base_')
#: recipes of ``tools/run_stages.py`` name configs and are none
STAGES = [path for path in PYTHON_FILES if path.stem.endswith('_stages')]
FILES = [path for path in PYTHON_FILES if path not in STAGES]
METHOD_FOLDERS = sorted({path.parent for path in FILES})
#: networks of the same kind with fewer blocks, so that all builds together take seconds
SHALLOW = {'mit_b5': 'mit_b0'}
CHANNELS = [32, 64, 160, 256]


def name_of(path: Path) -> str:
    return f'{path.parent.name}/{path.stem}'


@pytest.fixture(autouse=True)
def without_memory() -> Iterator[None]:
    """Tensors are made on the meta device; MMSeg reads the values of a ``linspace``."""
    with mock.patch('torch.linspace', functools.partial(torch.linspace, device='cpu')), torch.device('meta'):
        yield


def shallow(model: Any) -> Any:
    backbone = model.backbone
    if backbone.get('type') in SHALLOW:
        backbone.type = SHALLOW[backbone.type]
        model.decode_head.in_channels = CHANNELS
    if backbone.get('depth') == 101:
        backbone.depth = 50
    return model


@pytest.mark.parametrize('path', FILES, ids=name_of)
def test_config_builds(path: Path) -> None:
    cfg = Config.fromfile(str(path))
    check_top_level(cfg, str(path))
    cfg.model = shallow(cfg.model)
    method = build_train_model(cfg)
    assert method.networks().keys() == build_optimizers(cfg.optimizer, method.networks()).keys()
    StepOptions.from_config(cfg.get('optimizer_config'))
    train = cfg.data.train
    offered = {name for name in ('source', 'target', 'labeled_target') if train.get(name) is not None}
    if train.get('type') == 'UDADataset':
        assert {name.rstrip('0123456789') for name in method.required_streams} <= offered
    assert cfg.runner.max_iters >= cfg.evaluation.interval
    assert cfg.lr_config is not None and cfg.checkpoint_config is not None


@pytest.mark.parametrize('path', STAGES, ids=name_of)
def test_stages_name_existing_configs(path: Path) -> None:
    stages = recipe_stages(Config.fromfile(str(path)))
    assert stages and all((path.parent / stage['config']).is_file() for stage in stages)


@pytest.mark.parametrize('folder', METHOD_FOLDERS, ids=lambda folder: folder.name)
def test_method_folder_is_described(folder: Path) -> None:
    """Each folder has its table, and each config stands in ``metafile.yml``."""
    assert (folder / 'README.md').is_file()
    described = (folder / 'metafile.yml').read_text()
    missing = [
        path.name for path in FILES if path.parent == folder and f'configs/{folder.name}/{path.name}' not in described
    ]
    assert not missing

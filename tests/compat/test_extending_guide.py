"""docs/guides/extending.md does what it says: its files run together, and what it shows of the package is in the package."""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path
from typing import Any, Iterator

import numpy as np
import pytest
import torch
from mmcv import Config
from mmseg.datasets.builder import DATASETS, build_dataset
from mmseg.models.builder import BACKBONES, LOSSES
from PIL import Image

from mmseg_uda.builder import build_train_model
from mmseg_uda.engine.optimizers import build_optimizers
from mmseg_uda.engine.step import StepOptions, TrainStep
from mmseg_uda.registry import ACQUISITIONS
from mmseg_uda.utils.config import build_from_config
from tests.compat.test_repository import ROOT
from tests.harness.synthetic import SyntheticStreams

GUIDE = ROOT / 'docs' / 'guides' / 'extending.md'
BLOCK = re.compile(r'```python\n# (\S+\.py)\n(.*?)```', re.DOTALL)
FILES = dict(BLOCK.findall(GUIDE.read_text(encoding='utf-8')))
OWN = [name for name in FILES if name.startswith('my_uda/')]
SHOWN = [name for name in FILES if name.startswith(('mmseg_uda/', 'tests/'))]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The guide's own package, imported."""
    for name in OWN:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(FILES[name], encoding='utf-8')
    monkeypatch.syspath_prepend(str(tmp_path))
    importlib.import_module('my_uda')
    yield tmp_path
    for registry in (ACQUISITIONS, BACKBONES, DATASETS, LOSSES):
        for key in [key for key, value in registry.module_dict.items() if value.__module__.startswith('my_uda')]:
            registry.module_dict.pop(key)
    for module in [module for module in sys.modules if module.split('.')[0] == 'my_uda']:
        del sys.modules[module]


@pytest.mark.parametrize('name', SHOWN)
def test_what_the_guide_shows_stands_in_the_package(name: str) -> None:
    lines = iter((ROOT / name).read_text(encoding='utf-8').splitlines())
    missing = [line for line in FILES[name].splitlines() if line.strip() and line not in lines]
    assert not missing, f'not in {name}, or not in this order'


def test_the_config_of_the_guide_trains_the_method_backbone_and_loss(project: Path) -> None:
    (project / 'mine.py').write_text(
        FILES['configs/mine.py'].replace("'fda/", f"'{ROOT}/configs/fda/"), encoding='utf-8'
    )
    cfg = Config.fromfile(str(project / 'mine.py'))
    method = build_train_model(cfg)
    method.init_weights()
    assert type(method.student.backbone).__name__ == 'PlainBackbone'
    step = TrainStep(method, build_optimizers(dict(type='SGD', lr=0.1), method.networks()), StepOptions())
    before = method.student.backbone.stages[0][0].weight.clone()
    batch = SyntheticStreams(num_classes=19).batch([0, 1])
    step([batch], 0)
    log = step.flush()[0]
    assert log['loss'] == pytest.approx(log['source.decode.loss_gce'] + 0.005 * log['ent.decode.loss'])
    assert not torch.equal(before, method.student.backbone.stages[0][0].weight)


def test_the_loss_of_the_guide_takes_weights_and_ignores(project: Path) -> None:
    loss = LOSSES.get('GeneralizedCrossEntropy')(q=0.5)
    scores = torch.randn(2, 4, 3, 3, generator=torch.Generator().manual_seed(0)).requires_grad_()
    label = torch.randint(0, 4, (2, 3, 3), generator=torch.Generator().manual_seed(1))
    whole = loss(scores, label)
    torch.testing.assert_close(loss(scores, label, weight=torch.full((2, 3, 3), 0.5)), whole / 2)
    prob = torch.stack(
        [scores.softmax(1)[b, label[b, y, x], y, x] for b in range(2) for y in range(3) for x in range(3)]
    )
    torch.testing.assert_close(whole, ((1 - prob.sqrt()) / 0.5).mean())
    nothing = loss(scores, torch.full_like(label, 255))
    nothing.backward()
    assert nothing.item() == 0 and scores.grad.abs().sum() == 0


def test_the_data_set_of_the_guide_reads_its_layout(project: Path) -> None:
    for folder in ('images/train', 'labels/train'):
        (project / folder).mkdir(parents=True)
    Image.new('RGB', (8, 4)).save(project / 'images/train/a.jpg')
    ids = np.array([[0, 1, 18, 255]] * 4, dtype=np.uint8)
    Image.fromarray(ids).save(project / 'labels/train/a_train_id.png')
    cfg = dict(type='RainyCityDataset', data_root=str(project), img_dir='images/train', ann_dir='labels/train')
    dataset: Any = build_dataset(dict(cfg, pipeline=[]))
    assert len(dataset) == 1 and len(dataset.CLASSES) == 19
    assert np.array_equal(dataset.get_gt_seg_map_by_idx(0), ids)


def test_the_acquisition_of_the_guide_scores_pixels(project: Path) -> None:
    acquisition = build_from_config(dict(type='LeastConfident', radius=2), ACQUISITIONS)
    scores = torch.zeros(4, 2, 3)
    scores[0, 0, 0] = 50.0
    worth = acquisition.score_map(scores, 'a', 1, (2, 3))
    assert worth.shape == (2, 3) and worth[0, 0] < 1e-6 and worth[1, 1] == 0.75 and acquisition.label_radius == 2

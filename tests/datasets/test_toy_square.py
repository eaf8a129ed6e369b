"""The aerial and medical toy data: official layouts read by MMSegmentation's own classes, a gap, and configs that run
from nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from mmcv import Config
from mmseg.datasets import build_dataset

from mmseg_uda.datasets.class_stats import dataset_stats
from mmseg_uda.datasets.uda_dataset import UDADataset
from mmseg_uda.engine.train import train
from mmseg_uda.toy import ensure_toy_world
from mmseg_uda.toy.square_looks import SQUARE_LOOKS, render_square

CONFIGS = Path(__file__).parents[2] / 'configs'
SMALL = dict(width=64, height=64, scale=0.02, quiet=True, workers=1)
NAMES = ('loveda', 'potsdam', 'potsdam_irrg', 'vaihingen', 'polyps')
SETTINGS = {
    'loveda_rural_to_urban': ('loveda', 'loveda'),
    'potsdam_irrg_to_vaihingen': ('potsdam_irrg', 'vaihingen'),
    'polyps_a_to_b': ('polyps', 'polyps'),
}


@pytest.fixture(scope='module')
def roots(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return ensure_toy_world(tmp_path_factory.mktemp('toy'), NAMES, **SMALL)


def test_square_pictures_depend_on_seed_and_number_only(tmp_path: Path, roots: dict[str, Path]) -> None:
    name = 'Train/Rural/images_png/2.png'
    again = ensure_toy_world(tmp_path / 'again', ['loveda'], **{**SMALL, 'workers': 2})['loveda']
    other = ensure_toy_world(tmp_path / 'other', ['loveda'], seed=1, **SMALL)['loveda']
    assert (again / name).read_bytes() == (roots['loveda'] / name).read_bytes() != (other / name).read_bytes()


LAYOUTS: dict[str, dict[str, Any]] = {
    'loveda': dict(type='LoveDADataset', img_dir='Train/Rural/images_png', ann_dir='Train/Rural/masks_png'),
    'potsdam': dict(type='PotsdamDataset', img_dir='img_dir/train', ann_dir='ann_dir/train'),
    'vaihingen': dict(type='ISPRSDataset', img_dir='img_dir/train', ann_dir='ann_dir/train'),
}


@pytest.mark.parametrize('name', sorted(LAYOUTS))
def test_the_classes_of_mmsegmentation_read_the_files(name: str, roots: dict[str, Path]) -> None:
    """What is trained, counted and evaluated are the same classes; 0 in the file is ignored everywhere."""
    crops = dict(type='TrainingCrops', img_scale=(64, 64), crop_size=(64, 64), cat_max_ratio=1.0, flip_prob=0.0)
    config = dict(LAYOUTS[name], data_root=str(roots[name]), pipeline=[crops])
    dataset = UDADataset(source=config)
    part = dataset.streams['source'].first
    tested = build_dataset({**config, 'pipeline': []}, dict(test_mode=True))
    records = dict(dataset_stats(part, workers=0, quiet=True))
    seen = set()
    for position in range(len(part)):
        sample = dataset[position]
        label = sample['gt_semantic_seg'].data[0].numpy()
        path = Path(sample['img_metas'].data['filename'])
        raw = cv2.imread(str(path).replace('images_png', 'masks_png').replace('img_dir', 'ann_dir'), -1)
        np.testing.assert_array_equal(label, np.where(raw == 0, 255, raw.astype(int) - 1))
        assert records[path.name] == {int(c): int((label == c).sum()) for c in np.unique(label[label < 255])}
        index = next(i for i, info in enumerate(tested.img_infos) if info['filename'] == path.name)
        _, _, predicted, truth = tested.pre_eval(np.where(label == 255, 0, label).astype(np.int64), index)[0]
        assert predicted.tolist() == truth.tolist() == [records[path.name].get(c, 0) for c in range(len(part.CLASSES))]
        seen |= set(records[path.name])
    assert {0, 1, 2} <= seen


def test_masks_of_the_medical_example_are_0_and_255(roots: dict[str, Path]) -> None:
    masks = [cv2.imread(str(path), -1) for path in sorted(roots['polyps'].glob('*/*/masks/*.png'))]
    assert len(masks) == 6 + 6 + 1 and set(np.unique(np.stack(masks))) == {0, 255}


@pytest.mark.parametrize(
    'pair', [('loveda_rural', 'loveda_urban'), ('potsdam_irrg', 'vaihingen'), ('hospital_a', 'hospital_b')]
)
def test_the_looks_of_a_pair_differ(pair: tuple[str, str]) -> None:
    """The mean colours of source and target differ by more than those of two draws of the source."""

    def colour(name: str, seed: int) -> np.ndarray:
        pictures = [render_square(SQUARE_LOOKS[name], 48, np.random.default_rng([seed, i]))[0] for i in range(12)]
        return np.mean([picture.std((0, 1)) for picture in pictures], 0)

    first, second, again = colour(pair[0], 0), colour(pair[1], 0), colour(pair[0], 1)
    assert np.abs(first - second).max() > 2 * np.abs(first - again).max()


def run_setting(method: str, setting: str, roots: dict[str, Path], folder: Path) -> Any:
    cfg = Config.fromfile(str(CONFIGS / method / f'toy_{setting}.py'))
    source, target = (str(roots[name]) for name in SETTINGS[setting])
    crops = dict(type='TrainingCrops', img_scale=(64, 64), crop_size=(64, 64), cat_max_ratio=1.0)
    for entry, root in (
        (cfg.data.train.source, source),
        (cfg.data.train.target, target),
        (cfg.data.val, target),
        (cfg.data.test, target),
    ):
        if entry is not None:
            entry.data_root = root
    for entry in (cfg.data.train.source, cfg.data.train.target):
        if entry is not None:
            entry.pipeline = [crops]
    cfg.merge_from_dict(
        {'data.samples_per_gpu': 2, 'data.workers_per_gpu': 0, 'runner.max_iters': 2, 'evaluation.interval': 2}
    )
    cfg.work_dir = str(folder)
    return train(cfg, torch.device('cpu'), config_name=f'{method}/toy_{setting}', timestamp='now')


@pytest.mark.parametrize('setting', sorted(SETTINGS))
@pytest.mark.parametrize('method', ['source_only', 'dacs', 'mic', 'advent'])
def test_every_toy_config_trains_and_evaluates(
    method: str, setting: str, roots: dict[str, Path], tmp_path: Path
) -> None:
    runner = run_setting(method, setting, roots, tmp_path)
    assert runner.iter == 2 and (tmp_path / 'iter_2.pth').exists()
    assert any('mIoU' in line for line in (tmp_path / 'now.log.json').read_text().splitlines())

"""Every config under ``configs/`` reads, builds its method and its optimisers, without weights and without memory."""

from __future__ import annotations

import functools
import re
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, Iterator
from unittest import mock

import pytest
import torch
import yaml
from mmcv import Config

from mmseg_uda.builder import build_train_model, with_num_classes
from mmseg_uda.datasets.class_names import class_names
from mmseg_uda.engine.optimizers import build_optimizers
from mmseg_uda.engine.stages import recipe_stages
from mmseg_uda.engine.step import StepOptions
from mmseg_uda.utils.config_errors import check_top_level
from tests.harness.methods import Setup

ROOT = Path(__file__).resolve().parents[1] / 'configs'
PYTHON_FILES = sorted(path for path in ROOT.glob('*/*.py') if path.parent.name != '_base_')
#: recipes of ``tools/run_stages.py`` name configs and are none
STAGES = [path for path in PYTHON_FILES if path.stem.endswith('_stages')]
FILES = [path for path in PYTHON_FILES if path not in STAGES]
METHOD_FOLDERS = sorted({path.parent for path in FILES})
#: networks of the same kind with fewer blocks, so that all builds together take seconds
SHALLOW = {'mit_b5': 'mit_b0'}
CHANNELS = [32, 64, 160, 256]


#: config -> its entry in a metafile
ENTRIES = {
    entry['Config']: entry['Metadata']
    for path in ROOT.glob('*/metafile.yml')
    for entry in yaml.safe_load(path.read_text(encoding='utf-8')).get('Models') or ()
}


#: the table of docs/reference/weights.md: (patterns of folder/name, what ``pretrained`` says)
WEIGHTS = [
    (re.findall(r'`([^`]+)`', cells[1]), cells[2].strip().strip('`'))
    for line in (ROOT.parent / 'docs/reference/weights.md').read_text(encoding='utf-8').splitlines()
    if len(cells := line.split('|')) == 7 and '/*' in cells[1]
]


def weights_of(value: Any) -> Iterator[str]:
    """Weight files that a part of a config asks for; those that another run of the user writes are none."""
    if isinstance(value, dict):
        if value.get('type') == 'EfficientNetLite0Weights':
            yield value['type']
        if isinstance(value.get('pretrained'), str):
            yield value['pretrained']
    if isinstance(value, (dict, list)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from weights_of(item)


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
    for weights in weights_of([cfg.model, cfg.get('uda')]):
        rows = [pattern for patterns, value in WEIGHTS if value == weights for pattern in patterns]
        assert any(fnmatch(name_of(path), pattern) for pattern in rows), f'docs/reference/weights.md lacks {weights}'
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
    entry = ENTRIES[f'configs/{name_of(path)}.py']
    assert entry['Iterations'] in (cfg.runner.max_iters, f'{cfg.runner.max_iters} per round'), 'metafile.yml'
    assert entry.get('Batch Size', 0) % cfg.data.samples_per_gpu == 0, 'metafile.yml: a multiple for several GPUs'
    assert entry.get('Classes') in (None, len(class_names(cfg.data.train))), 'metafile.yml'


def test_rows_of_the_weights_page_are_about_configs() -> None:
    names = [name_of(path) for path in FILES]
    stale = [p for patterns, _ in WEIGHTS for p in patterns if not any(fnmatch(name, p) for name in names)]
    assert not stale and len(WEIGHTS) > 10


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


#: every row of the multi-target tables: recipe, data base, how the data base calls its settings
SEVERAL_TARGETS = [
    ('source_only_advent_r101', 'mtaf', 'source_only'),
    ('advent_deeplabv2_r101', 'mtaf', 'settings'),
    ('mtaf_baseline_deeplabv2_r101', 'mtaf', 'settings'),
    ('mdis_deeplabv2_r101', 'mtaf', 'settings'),
    ('mtkt_deeplabv2_r101', 'mtaf', 'settings'),
    ('coast_warmup_deeplabv2_r101', 'mtda', 'settings'),
    ('coast_deeplabv2_r101', 'coast', 'settings'),
    ('coast_paper_deeplabv2_r101', 'coast_paper', 'settings'),
]
#: source, targets and number of classes of a setting are in its name
SETTINGS = {
    'gta_to_cityscapes_idd',
    'gta_to_cityscapes_mapillary',
    'gta_to_mapillary_idd',
    'gta_to_cityscapes_mapillary_idd',
    'cityscapes_to_mapillary_idd',
    'idd_to_cityscapes_mapillary',
    'mapillary_to_cityscapes_idd',
}


@pytest.mark.parametrize('classes', [7, 19])
@pytest.mark.parametrize('recipe, data, table', SEVERAL_TARGETS)
def test_every_multi_target_combination_is_two_lines(
    recipe: str, data: str, table: str, classes: int, tmp_path: Path
) -> None:
    """The two-liner of configs/mtaf/README.md in all settings: the streams that its name says, a method that takes them."""
    built: set[int] = set()
    for setting in SETTINGS:
        path = tmp_path / f'{setting}.py'
        path.write_text(
            f"_base_ = ['{ROOT}/_base_/recipes/{recipe}.py', '{ROOT}/_base_/datasets/{data}_{classes}cls.py']\n"
            f'data = {{{{_base_.{table}.{setting}}}}}\n'
        )
        cfg = Config.fromfile(str(path))
        assert set(cfg[table]) == SETTINGS
        source, targets = (name.split('_') for name in setting.split('_to_'))
        streams = cfg.data.train.target or []
        found = [(stream.get('dataset') or stream).type.replace('Dataset', '').lower() for stream in streams]
        assert cfg.data.train.source.type.replace('Dataset', '').lower() == source[0]
        assert found == ([] if table == 'source_only' else targets)
        assert [test.name for test in cfg.data.val] == [test.name for test in cfg.data.test] == targets
        assert len(class_names(cfg.data.train)) == len(class_names(cfg.data.test)) == classes
        if len(targets) not in built:
            built.add(len(targets))
            cfg.model = shallow(cfg.model)
            method = build_train_model(cfg)
            assert {name.rstrip('0123456789') for name in method.required_streams} <= {'source', 'target'}


def test_coast_trains_on_the_images_of_its_warm_up() -> None:
    """CoaST's self-training differs from its warm-up in the targets only: stored pseudo-labels of the same images."""
    warmup, coast = (
        Config.fromfile(str(ROOT / f'coast/{name}_gta_to_cityscapes_idd_7cls.py')).data for name in ('warmup', 'coast')
    )
    assert [stream.type for stream in coast.train.target] == ['PseudoLabelDataset'] * 2
    for stored, images in zip(coast.train.target, warmup.train.target):
        stored.dataset.pipeline[0].pop('strong')
        assert stored.dataset == images
    coast.train.target = warmup.train.target
    assert coast == warmup


def test_a_leaf_is_a_recipe_and_data() -> None:
    """No leaf names parts that a recipe could name for it, unless it is the only one of its kind."""
    shared: dict[tuple[str, ...], list[str]] = {}
    for path in FILES:
        bases = re.search(r'^_base_ = \[(.*?)\]', path.read_text(), re.S | re.M)
        parts = re.findall(r"'\.\./_base_/(?:models|uda|schedules)/(.*?)'", bases.group(1)) if bases else []
        if parts:
            shared.setdefault(tuple(sorted(parts)), []).append(name_of(path))
    assert not [names for names in shared.values() if len(names) > 1], 'write a file in configs/_base_/recipes'


@pytest.mark.parametrize('path', sorted(ROOT.glob('_base_/recipes/*.py')), ids=lambda path: path.stem)
def test_recipe_is_complete_but_for_data(path: Path) -> None:
    cfg = Config.fromfile(str(path))
    assert 'data' not in cfg and 'active' not in cfg
    assert cfg.model and cfg.optimizer and cfg.lr_config and cfg.runner.max_iters and cfg.custom_imports
    assert path.read_text().startswith('# ')


def test_data_roots_follow_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """``MMSEG_UDA_DATA`` moves every data set of every config; no config says ``data/`` itself."""
    monkeypatch.setenv('MMSEG_UDA_DATA', '/elsewhere')
    monkeypatch.delenv('MMSEG_UDA_CAMVID', raising=False)
    for path in sorted(ROOT.glob('_base_/datasets/*.py')) + sorted(ROOT.glob('_base_/active/*.py')):
        text = str(Config.fromfile(str(path)))
        assert "'data/" not in text, path.name
    cfg = Config.fromfile(str(ROOT / 'dacs/toy_gta_to_toy_cityscapes.py'))
    assert cfg.data.train.source.data_root == '/elsewhere/toy/gta/'
    monkeypatch.setenv('MMSEG_UDA_CAMVID', '/camvid')
    assert Config.fromfile(str(ROOT / 'stal/camvid_day_to_dusk_segformer_efficientnet_lite0.py')).active.folder == (
        '/camvid/active'
    )


@pytest.mark.parametrize('recipe', ['source_only', 'dacs', 'mic'])
def test_a_convnext_recipe_takes_a_step(recipe: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The recipes of timm's ConvNeXt with the smallest member of the family and random weights."""
    monkeypatch.setattr('mmseg_uda.methods.self_training.init_reference_weights', lambda network: None)
    with torch.device('cpu'):
        cfg = Config.fromfile(str(ROOT / f'_base_/recipes/{recipe}_segformer_convnext_tiny.py'))
        cfg.model.pretrained = None
        cfg.model.backbone.model_name = 'convnext_atto'
        cfg.model.decode_head.in_channels = [40, 80, 160, 320]
        model = with_num_classes(cfg.model, 5)
        uda = dict(cfg.get('uda') or dict(type='SourceOnly'))
        if uda.get('imnet_feature_dist_classes'):
            uda.update(imnet_feature_dist_classes=[1, 2])
        setup = Setup(uda, model=model, num_classes=5, size=(64, 64))
        method, step = setup.build()
        first = next(method.student.backbone.parameters())
        before = first.detach().clone()
        step([setup.data.batch([0, 1])], 0)
        assert not torch.equal(before, first)

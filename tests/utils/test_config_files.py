"""Config files are read without mmcv as mmcv reads them, and printed as files that say the same."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from mmcv import Config

from mmseg_uda.engine.resolved_config import resolved_config
from mmseg_uda.utils.config_files import as_python, flat, main, read_config, with_options

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / 'configs').rglob('*.py'))


def mmcvs(path: Path) -> Any:
    return Config.fromfile(str(path), import_custom_modules=False)


def same(ours: Any, theirs: Any) -> bool:
    """Equal, lists and tuples told apart. mmcv takes ``_delete_`` out of the variable of a base that uses it."""
    if isinstance(theirs, dict):
        keys = theirs.keys() - {'_delete_'}
        return (
            isinstance(ours, dict)
            and ours.keys() - {'_delete_'} == keys
            and all(same(ours[k], theirs[k]) for k in keys)
        )
    if isinstance(theirs, (list, tuple)):
        return type(ours) is type(theirs) and len(ours) == len(theirs) and all(map(same, ours, theirs))
    return ours == theirs


@pytest.mark.parametrize('path', FILES[::20], ids=lambda path: path.stem)
def test_configs_are_read_as_mmcv_reads_them(path: Path) -> None:
    config = read_config(path)
    assert same(config.values, mmcvs(path)._cfg_dict.to_dict())
    assert {key.split('.')[0] for key, _, _ in flat(config.values, config.origins)} == set(config.values)


@pytest.fixture
def family(tmp_path: Path) -> Path:
    (tmp_path / 'base.py').write_text(
        "shared = dict(lr=1, steps=[1, 2])\nmodel = dict(head=dict(type='A', channels=8), neck=None, size=(1, 2))\n"
        "here = '{{ fileBasenameNoExtension }}'\n"
    )
    (tmp_path / 'other.py').write_text('import os\nrunner = dict(max_iters=3, hooks=[dict(a=1), dict(b=2)])\n')
    (tmp_path / 'leaf.py').write_text(
        "_base_ = ['base.py', 'other.py']\n"
        "model = dict(head=dict(_delete_=True, type='B'), extra={{_base_.shared}}, listed=[{{_base_.shared.lr}}])\n"
        "odd = {'a.b': 1, 'class': None}\n"
    )
    return tmp_path


def test_origins_name_the_file_that_set_a_key(family: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(family)
    config = with_options(read_config('leaf.py'), {'runner.max_iters': 9, 'runner.hooks.1.b': 5})
    found = {key: (value, file) for key, value, file in flat(config.values, config.origins)}
    assert found['model.head.type'] == ('B', 'leaf.py') and 'model.head.channels' not in found
    assert found['model.size'] == ((1, 2), 'base.py')
    assert found['model.extra.lr'] == (1, 'base.py'), 'a value of a base comes from the base'
    assert found['model.listed'] == ([1], 'leaf.py')
    assert found['runner.max_iters'] == (9, '--cfg-options')
    assert found['runner.hooks'] == ([dict(a=1), dict(b=5)], '--cfg-options')
    assert found['here'] == ('base', 'base.py')


def test_the_text_is_a_config_file(family: Path) -> None:
    config = read_config(family / 'leaf.py')
    config.values['long'] = dict(pipeline=[dict(type='Step', number=i, text='x' * 40) for i in range(4)], one=(1,))
    (family / 'printed.py').write_text(as_python(config.values))
    assert same(read_config(family / 'printed.py').values, config.values)
    assert max(map(len, (family / 'printed.py').read_text().splitlines())) <= 120


@pytest.mark.parametrize(
    'text, error',
    [
        (
            "_base_ = ['base.py', 'base.py']",
            r"two of its _base_ files have the same keys \['here', 'model', 'shared'\]",
        ),
        ("_base_ = ['base.py']\nx = {{_base_.nothing}}", 'no _base_ has nothing'),
        ("_base_ = ['base.py']\nmodel = dict(neck=dict(a=1))", '_delete_=True replaces it'),
        ("_base_ = ['absent.py']", r'absent\.py. is no Python config file'),
    ],
)
def test_mistakes_are_named(family: Path, text: str, error: str) -> None:
    (family / 'wrong.py').write_text(text)
    with pytest.raises((KeyError, TypeError, FileNotFoundError), match=error):
        read_config(family / 'wrong.py')
    with pytest.raises(SystemExit, match=error):
        main([str(family / 'wrong.py')])


def run(*args: str) -> str:
    command = [sys.executable, '-X', 'importtime', str(ROOT / 'tools/print_config.py'), *args]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert not {'torch', 'mmcv', 'numpy'} & {line.split('|')[-1].strip() for line in done.stderr.splitlines()}
    return done.stdout


def test_the_tool_prints_without_heavy_imports() -> None:
    leaf = 'configs/dacs/toy_gta_to_toy_cityscapes.py'
    text = run(leaf)
    assert text.startswith(f'# {leaf}\n#   configs/_base_/recipes/dacs_toy.py\n')
    assert run(leaf, '--files').splitlines()[0] == leaf
    assert "uda.type = 'DACS'  # configs/_base_/uda/dacs.py\n" in run(leaf, '--origin', '--only', 'uda')
    assert run(leaf, '--only', 'data.val.type') == "data.val.type = 'CityscapesDataset'\n"


def test_resolved_is_what_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Number of classes, deferred normalisation, no labels of the target; and it is a fixed point."""
    leaf = str(ROOT / 'configs/hrda/gta_to_cityscapes_hrda_daformer_mitb5.py')
    main([leaf, '--resolved', '--cfg-options', 'data.samples_per_gpu=1'], resolve=resolved_config)
    (tmp_path / 'resolved.py').write_text(capsys.readouterr().out)
    values = read_config(tmp_path / 'resolved.py').values
    assert values['model']['decode_head']['num_classes'] == 19 and values['data']['samples_per_gpu'] == 1
    assert 'roots' not in values and 'rare_classes' not in values
    steps = {
        name: [step['type'] for step in values['data']['train'][name]['pipeline']] for name in ('source', 'target')
    }
    assert steps['source'][:2] == ['LoadImage', 'LoadLabels'] and 'DeferredNormalize' in steps['source']
    assert steps['target'][:2] == ['LoadImage', 'PseudoLabelMargins'] and 'LoadLabels' not in steps['target']
    assert values['data']['test']['pipeline'][0]['type'] == 'LoadImage'
    assert same(resolved_config(str(tmp_path / 'resolved.py')), values)


@pytest.mark.parametrize(
    'name',
    [
        'coast/coast_gta_to_cityscapes_idd_7cls',
        'esl/toy_gta_to_toy_cityscapes_esl_stages',
        'ripu/toy_gta_to_toy_cityscapes_ra_5pct',
    ],
)
def test_other_kinds_of_configs_resolve(name: str) -> None:
    values = resolved_config(str(ROOT / f'configs/{name}.py'))
    if 'stages' in values:
        assert [stage['type'] for stage in values['stages']] == ['train', 'pseudo_labels', 'train']
        return
    train = values['data']['train']
    if name.startswith('coast'):
        kinds = [[step['type'] for step in target['dataset']['pipeline']] for target in train['target']]
        assert all(steps[:3] == ['LoadImage', 'ExactResize', 'LoadSoftLabels'] for steps in kinds)
    else:
        assert 'LoadBoughtLabels' in [step['type'] for step in train['labeled_target']['pipeline']]

"""A checkpoint whose classes have other names or another order than the data answers under wrong names: every tool
refuses it, and so does every method that takes a second network from a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable

import pytest
import torch

from mmseg_uda.engine import browse, predict, pseudo_label_tool, test, train
from mmseg_uda.methods.dstc import load_warm_up
from mmseg_uda.models.pretrained import load_segmentor
from mmseg_uda.utils.checkpoint_io import CheckpointError, load_checkpoint_file
from mmseg_uda.utils.class_lists import check_same_classes, class_difference
from tests.harness.methods import Setup

from .worlds import edit, write_config

CPU = ['--device', 'cpu']
OWN, OTHER = ['a', 'b', 'c', 'd', 'e'], ['b', 'a', 'c', 'd', 'e']


@pytest.fixture(scope='module')
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp('classes')
    config = write_config(folder, extra='runner.update(max_iters=1)', uda="dict(type='DACS')")
    train.main([str(config), '--work-dir', str(folder / 'run'), '--no-validate', *CPU])
    edit(write_config(folder, 'other.py', uda="dict(type='DACS')"), f'classes = {OWN}', f'classes = {OTHER}')
    return folder


def arguments(folder: Path, config: str, out: Path) -> dict[str, tuple[Callable[..., Any], list[str]]]:
    given = [str(folder / config), str(folder / 'run' / 'latest.pth')]
    mine = [str(folder / 'tiny.py'), given[1]]
    return {
        'test': (test.main, [*given, '--work-dir', str(out)]),
        'format_only': (test.main, [*given, '--work-dir', str(out), '--format-only']),
        'predict': (predict.main, [*given, str(folder / 'target' / 'images'), '--out', str(out)]),
        'extract': (pseudo_label_tool.main, ['extract', *given, '--out', str(out)]),
        'browse': (browse.main, [given[0], '--checkpoint', given[1], '--out', str(out), '--batches', '1']),
        'ensemble': (test.main, [*mine, '--work-dir', str(out), '--ensemble-with', *_other_network(folder, config)]),
    }


def _other_network(folder: Path, config: str) -> list[str]:
    """A network whose checkpoint has the classes of ``config``."""
    path = folder / f'{config}.pth'
    loaded = load_checkpoint_file(folder / 'run' / 'latest.pth')
    torch.save({**loaded, 'meta': {**loaded['meta'], 'CLASSES': OWN if config == 'tiny.py' else OTHER}}, path)
    return [str(folder / config), str(path)]


@pytest.mark.parametrize('tool', ['test', 'format_only', 'predict', 'extract', 'browse', 'ensemble'])
def test_tools_refuse_other_classes(tool: str, world: Path, tmp_path: Path) -> None:
    function, given = arguments(world, 'other.py', tmp_path / 'other')[tool]
    with pytest.raises(CheckpointError, match=r'\.pth.*the same classes in another order'):
        function([*given, *CPU])
    assert not list(tmp_path.rglob('*.png'))
    function, given = arguments(world, 'tiny.py', tmp_path / 'own')[tool]
    function([*given, *CPU])


@pytest.mark.parametrize('load', [load_warm_up, load_segmentor])
def test_second_networks_of_methods(load: Callable[..., None], tmp_path: Path) -> None:
    student = Setup(None).build()[0].student
    path = str(tmp_path / 'first.pth')
    torch.save({'state_dict': student.state_dict(), 'meta': {'CLASSES': OTHER}}, path)
    load(student, path, 'uda.option', OTHER)
    load(student, path, 'uda.option')
    with pytest.raises(CheckpointError, match=r'first\.pth.*another order'):
        load(student, path, 'uda.option', OWN)


@pytest.mark.parametrize(
    'found, how',
    [
        (OWN, None),
        (['A', 'B ', 'c', 'd', 'e'], None),
        (OTHER, 'the same classes in another order than the data'),
        (OWN[:3], r'fewer classes \(3 instead of 5\)'),
        ([*OWN, 'f', 'g'], r'more classes \(7 instead of 5\)'),
        (['a', 'b', 'x', 'd', 'e'], r"number 2 is 'x' instead of 'c'"),
    ],
)
def test_the_difference_is_named(found: list[str], how: Any) -> None:
    said = class_difference(found, OWN, 'the data')
    assert (said is None) == (how is None)
    for meta in (dict(CLASSES=found), dict(dataset_meta=dict(classes=found))):
        if how is None:
            check_same_classes(meta, OWN, 'x.pth')
        else:
            with pytest.raises(CheckpointError, match=how):
                check_same_classes(meta, OWN, 'x.pth')


def test_without_names_nothing_is_compared() -> None:
    for meta in (None, {}, dict(CLASSES=None), dict(iter=3)):
        check_same_classes(meta, OWN, 'x.pth')
    check_same_classes(dict(CLASSES=OTHER), None, 'x.pth')

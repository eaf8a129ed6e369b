"""Curves of mIoU against bought labels: loops, runs that buy by themselves, and two units that are never joined."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from mmseg_uda.active.curve import main, read_curves
from mmseg_uda.active.session import ActiveSession

from .test_selection import Network
from .world import SIZE, image_config, make_world, region_config


def bought(config: Any, world: Path, folder: Path) -> ActiveSession:
    """A work folder in which two rounds are bought."""
    session = ActiveSession(config(world, folder / 'active'))
    session.start()
    for number in (1, 2):
        session.select(number, Network(), torch.device('cpu'), show=False)
    return session


@pytest.fixture(scope='module')
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp('runs')
    world = make_world(root / 'world')
    session = bought(image_config, world, root / 'loop')
    images = [len(session.label_set.labeled_after(number)) for number in range(3)]
    curve = [{'round': n, 'images': count, 'pixels': 0, 'mIoU': 0.1 * (n + 1)} for n, count in enumerate(images)]
    (root / 'loop' / 'curve.json').write_text(json.dumps(curve))
    for name, score in (('ripu', 0.5), ('old', 0.4)):
        bought(region_config, world, root / name)
        (root / name / 'a.log.json').write_text(json.dumps({'mode': 'val', 'iter': 6, 'mIoU': score}) + '\n')
    manifest = root / 'old' / 'active' / 'manifest.json'
    stored = json.loads(manifest.read_text())
    stored['pool']['pixels'] = None  # as label sets were before they kept it
    manifest.write_text(json.dumps(stored))
    return root


def test_points_of_both_kinds_of_runs(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    curves = read_curves([f'images={runs}/loop', f'pixels={runs}/ripu,{runs}/old'])
    assert [(point.amount, round(point.score)) for point in curves['images']] == [(2, 10), (4, 20), (5, 30)]
    assert [point.share for point in curves['images']] == pytest.approx([2 / 9, 4 / 9, 5 / 9])
    first, second = curves['pixels']
    assert first.share == second.share == pytest.approx(first.amount / (9 * SIZE[0] * SIZE[1])) and {
        first.score,
        second.score,
    } == {40, 50}
    main([f'images={runs}/loop', f'{runs}/ripu', '--out', str(runs / 'curve.png')])
    printed = capsys.readouterr().out
    assert '| images | 4 | 44.44 | 20.0 |' in printed and '| run | pixels bought |' in printed and '| ripu |' in printed
    assert (runs / 'curve.png').stat().st_size > 1000


def test_what_cannot_be_drawn_is_named(runs: Path) -> None:
    with pytest.raises(ValueError, match='different annotations'):
        read_curves([f'all={runs}/loop,{runs}/ripu'])
    with pytest.raises(FileNotFoundError, match='no work folder of an active run'):
        read_curves([str(runs / 'world')])

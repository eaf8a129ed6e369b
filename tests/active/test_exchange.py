"""Real annotation: what is exported, what is refused, and the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Callable

import numpy as np
import pytest
import torch
from PIL import Image

from mmseg_uda.active import cli
from mmseg_uda.active.label_set import LabelSetError
from mmseg_uda.active.session import ActiveSession

from .test_selection import Killed, Network, content
from .world import SIZE, folder_set, image_config, make_world, region_config

CPU = torch.device('cpu')


@pytest.fixture(scope='module')
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_world(tmp_path_factory.mktemp('world'))


def session_of(config: Callable[..., Any], world: Path, folder: Path, **changes: Any) -> ActiveSession:
    """A session whose pool has no labels."""
    return ActiveSession(config(world, folder, pool=folder_set(world), **changes))


def test_images_go_out_and_come_back(world: Path, tmp_path: Path) -> None:
    session = session_of(image_config, world, tmp_path / 'set')
    for number in (0, 1):
        with pytest.raises(LabelSetError, match='select_active.py buy'):
            cli.import_labels(session, world / 'ann')
        folder = cli.export(session, Network(), CPU, None)
        request = json.loads((folder / 'request.json').read_text())
        assert len(request['images']) == 2
        assert all((folder / 'images' / f'{name}.png').is_file() for name in request['images'])
        assert session.label_set.finished == number - 1, 'nothing counts before the annotations are there'
        purchase = cli.import_labels(session, world / 'ann', ignore_extra=True)
        assert purchase.images == request['images'] and purchase.pixels == 2 * SIZE[0] * SIZE[1]
        for name in purchase.images:
            truth = np.asarray(Image.open(world / 'ann' / f'{name}.png'))
            assert np.array_equal(np.asarray(Image.open(tmp_path / 'set' / 'labels' / f'{name}.png')), truth)


def test_regions_go_out_and_come_back(world: Path, tmp_path: Path) -> None:
    simulated = ActiveSession(region_config(world, tmp_path / 'simulated'))
    simulated.start()
    session = session_of(region_config, world, tmp_path / 'real')
    session.start()
    for number in (1, 2):
        expected = simulated.select(number, Network(), CPU, show=False)
        with pytest.raises(Killed):
            cli.export(session, Network(calls=4), CPU, None)
        other = tmp_path / 'other.pth'
        other.write_bytes(b'')
        with pytest.raises(LabelSetError, match='begun with another network'):
            cli.export(session, Network(), CPU, other)
        cli.export(session, Network(), CPU, None)
        assert cli.import_labels(session, world / 'ann') == expected
    assert content(tmp_path / 'real') == content(tmp_path / 'simulated')


def spoil_missing(path: Path) -> None:
    path.unlink()


def spoil_size(path: Path) -> None:
    Image.fromarray(np.zeros((3, 3), np.uint8)).save(path)


def spoil_extra(path: Path) -> None:
    path.with_name('bonn_77.png').write_bytes(path.read_bytes())


def spoil_id(path: Path) -> None:
    Image.fromarray(np.full(SIZE, 77, np.uint8)).save(path)


@pytest.mark.parametrize(
    ('spoil', 'message'),
    [
        (spoil_missing, 'not found'),
        (spoil_size, '3x3'),
        (spoil_id, r'ids \[77\]'),
        (spoil_extra, 'bonn_77.png was not asked for'),
    ],
)
def test_wrong_annotations_enter_nothing(
    spoil: Callable[[Path], None], message: str, world: Path, tmp_path: Path
) -> None:
    session = session_of(image_config, world, tmp_path / 'set')
    folder = cli.export(session, None, CPU, None)
    names = json.loads((folder / 'request.json').read_text())['images']
    for name in names:
        path = tmp_path / 'labels' / f'{name}.png'
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes((world / 'ann' / f'{name}.png').read_bytes())
    spoil(path)
    with pytest.raises(LabelSetError, match=message):
        cli.import_labels(session, tmp_path / 'labels')
    assert session.label_set.finished == -1 and not (tmp_path / 'set' / 'labels').exists()
    if spoil is spoil_extra:
        assert cli.import_labels(session, tmp_path / 'labels', ignore_extra=True).images == names


def test_earlier_annotations_may_stay_in_the_folder(world: Path, tmp_path: Path) -> None:
    session = session_of(image_config, world, tmp_path / 'set', acquisition=dict(type='RandomImages'))
    for number in (0, 1):
        request = json.loads((cli.export(session, None, CPU, None) / 'request.json').read_text())
        for name in request['images']:
            path = tmp_path / 'labels' / f'{name}.png'
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes((world / 'ann' / f'{name}.png').read_bytes())
        assert cli.import_labels(session, tmp_path / 'labels').round == number


def test_the_initial_images_come_before_a_ranking(world: Path, tmp_path: Path) -> None:
    session = session_of(image_config, world, tmp_path / 'set')
    with pytest.raises(LabelSetError, match='initial images are not labelled yet'):
        session.rank(Network(), CPU, show=False)


def test_command_line(world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / 'config.py'
    image_config(world, tmp_path / 'set', acquisition=dict(type='RandomImages')).dump(str(config))
    cli.main(['rank', str(config)])
    ranking = (tmp_path / 'set' / 'rounds' / 'round_01' / 'ranking.csv').read_text().splitlines()
    assert ranking[0] == 'rank,name,score' and len(ranking) == 1 + 9 - 2
    cli.main(['buy', str(config), '--device', 'cpu', '--pictures', '1'])
    assert len(list((tmp_path / 'set' / 'rounds' / 'round_01' / 'pictures').iterdir())) == 1
    capsys.readouterr()
    cli.main(['status', str(config)])
    status = json.loads(capsys.readouterr().out)
    assert status['images'] == 4 and status['last_round'] == 1
    assert [entry['share'] for entry in status['rounds']] == [2 / 9, 2 / 9]
    cli.main(['pictures', str(config), '--pictures', '2'])
    assert len(list((tmp_path / 'set' / 'rounds' / 'round_00' / 'pictures').iterdir())) == 2
    with pytest.raises(LabelSetError, match='round 2 is not bought'):
        cli.main(['pictures', str(config), '--round', '2'])


def test_command_line_of_real_annotation(world: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / 'config.py'
    image_config(world, tmp_path / 'set', pool=folder_set(world), acquisition=dict(type='RandomImages')).dump(
        str(config)
    )
    for _ in range(2):
        cli.main(['buy', str(config), '--device', 'cpu'])
        cli.main(['import', str(config), '--labels', str(world / 'ann'), '--ignore-extra'])
    (tmp_path / 'set' / 'labeled.txt').unlink()  # as if it had been killed before the lists were written
    cli.main(['buy', str(config), '--device', 'cpu'])
    assert len((tmp_path / 'set' / 'labeled.txt').read_text().split()) == 4
    assert (tmp_path / 'set' / 'export' / 'round_02' / 'request.json').is_file()

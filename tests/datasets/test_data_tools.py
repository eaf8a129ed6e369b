"""The command lines of the data tools."""

from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path

import pytest

from .worlds import cityscapes_config, gta_config, make_cityscapes, make_gta

TOOLS = Path(__file__).parents[2] / 'tools'


@pytest.fixture
def config(tmp_path: Path) -> str:
    make_gta(tmp_path / 'gta', 4)
    make_cityscapes(tmp_path / 'cityscapes', 4)
    train = dict(
        type='UDADataset',
        source=gta_config(tmp_path / 'gta'),
        target=cityscapes_config(tmp_path / 'cityscapes', ann_dir=None),
    )
    (tmp_path / 'config.py').write_text(f'data = dict(train={train!r})\n')
    return str(tmp_path / 'config.py')


def run(monkeypatch: pytest.MonkeyPatch, tool: str, *arguments: str) -> int:
    """Run a tool as a program; returns its exit status."""
    monkeypatch.setattr(sys, 'argv', [tool, *arguments])
    try:
        runpy.run_path(str(TOOLS / tool), run_name='__main__')
    except SystemExit as leaving:
        return int(leaving.code or 0)
    return 0


def test_check_ends_with_the_result(
    config: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, 'check_dataset.py', config, '--nproc', '0') == 0
    out = capsys.readouterr().out
    assert out.count('no problem found') == 1  # the target; of the source's 19 classes four were drawn
    assert 'occur in none of the 4 label maps' in out
    (tmp_path / 'gta/labels/00002.png').unlink()
    out = tmp_path / 'findings.json'
    assert run(monkeypatch, 'check_dataset.py', config, '--nproc', '0', '--only', 'source', '--out', str(out)) == 1
    found = json.loads(out.read_text())
    assert [finding['file'] for finding in found['source']] == ['00002.png']
    assert any('1 of 4 images have no label file' in note for note in found['notes']['source'])


def test_an_unknown_data_set_is_answered_with_the_known_ones(
    config: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, 'class_stats.py', config, '--part', 'sorce') == 2
    assert "it has ['source', 'target']" in capsys.readouterr().err


def test_statistics_and_splits_are_written(config: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run(monkeypatch, 'class_stats.py', config, '--out-dir', str(tmp_path / 'stats'), '--nproc', '0') == 0
    assert len(list((tmp_path / 'stats').iterdir())) == 3
    arguments = ('--number', '1', '2', '--out-dir', str(tmp_path / 'lists'))
    assert run(monkeypatch, 'make_ssda_split.py', config, *arguments) == 0
    assert len(list((tmp_path / 'lists').iterdir())) == 4

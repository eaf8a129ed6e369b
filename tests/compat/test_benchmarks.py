"""The program of all switches measures, compares and writes its page."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

import pytest
import torch

from tests.compat.test_repository import ROOT


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch) -> dict:
    monkeypatch.setattr('sys.path', [str(ROOT / 'benchmarks'), *__import__('sys').path])
    return runpy.run_path(str(ROOT / 'benchmarks' / 'all.py'))


def test_rows_give_what_the_plain_forms_give(program: dict, tmp_path: Path) -> None:
    out = tmp_path / 'all.json'
    words = ['--only', 'SegFormer', 'bincount', 'ClassMix', '--rounds', '1', '--device', 'cpu', '--out', str(out)]
    program['main'](words)
    result = json.loads(out.read_text())
    assert len(result['rows']) == 3
    for row in result['rows']:
        assert row['deviation'] < 1e-4 and min(row['least']) > 0, row


def test_the_table_stands_between_its_marks(program: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / 'page.md'
    page.write_text(f'before\n{program["BEGIN"]}old\n{program["END"]}\nafter\n')
    monkeypatch.setitem(program['write_page'].__globals__, 'PAGE', page)
    row = dict(name='a', size='b', least=[2.0, 1.0], ratio=0.5, ratio_of_medians=0.6, deviation=1e-7)
    program['write_page'](dict(device='cpu', threads=1, torch='2', rounds=1, rows=[row]))
    text = page.read_text()
    assert text.startswith('before\n') and text.endswith('\nafter\n') and 'old' not in text
    assert '| a | b | 2000.0 | 1000.0 | 0.50 | 0.60 | 1e-07 |' in text


def test_a_deviation_is_relative_to_the_plain_form(program: dict) -> None:
    one = [torch.tensor([3.0, 0.0]), torch.tensor([4.0])]
    assert program['deviation'](one, [torch.tensor([3.0, 0.5]), torch.tensor([4.0])]) == pytest.approx(0.1)

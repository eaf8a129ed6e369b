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


def test_the_page_of_times_agrees_with_the_result_files(program: dict) -> None:
    page = program['speed_page']
    result = json.loads((ROOT / 'benchmarks' / 'results' / 'all_cpu.json').read_text(encoding='utf-8'))
    assert page.render(result) == page.PAGE.read_text(encoding='utf-8'), 'python benchmarks/all.py --page'


def test_a_deviation_is_relative_to_the_plain_form(program: dict) -> None:
    one = [torch.tensor([3.0, 0.0]), torch.tensor([4.0])]
    assert program['deviation'](one, [torch.tensor([3.0, 0.5]), torch.tensor([4.0])]) == pytest.approx(0.1)

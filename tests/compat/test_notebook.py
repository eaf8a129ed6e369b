"""The notebook runs from its first to its last cell, with few iterations on a small toy world."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOK = ROOT / 'notebooks' / 'demo.ipynb'


def cells(kind: str) -> list[str]:
    """Sources of the cells of one kind."""
    content = json.loads(NOTEBOOK.read_text(encoding='utf-8'))
    return [''.join(cell['source']) for cell in content['cells'] if cell['cell_type'] == kind]


def test_the_notebook_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv('NOTEBOOK_ITERATIONS', '1')
    monkeypatch.setenv('NOTEBOOK_SCALE', '0.02')
    monkeypatch.setenv('NOTEBOOK_OPTIONS', 'model.backbone.init_cfg=None data.samples_per_gpu=1 data.workers_per_gpu=0')
    names: dict = {}
    for number, source in enumerate(cells('code')):
        exec(compile(source, f'cell {number}', 'exec'), names)
    assert re.search(r'source_only +\d+\.\d mIoU\ndacs +\d+\.\d mIoU', capsys.readouterr().out)
    assert names['page'].is_file() and len(names['overlays']) == 2


def test_the_notebook_is_stored_without_results_and_its_links_lead_somewhere() -> None:
    content = json.loads(NOTEBOOK.read_text(encoding='utf-8'))
    assert all(not cell['outputs'] for cell in content['cells'] if cell['cell_type'] == 'code')
    targets = re.findall(r'\]\(([^)#]+)', '\n'.join(cells('markdown')))
    assert targets and all((NOTEBOOK.parent / target).is_file() for target in targets)

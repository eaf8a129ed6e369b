"""MMSegmentation's own tools on configs and checkpoints of this package."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from mmseg_uda import stock
from mmseg_uda.engine.train import main as train
from tests.engine.test_predictor import save_weights
from tests.engine.worlds import edit, write_config


def test_print_config_and_publish_model(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # the stock tool leaves a file in the working folder
    config = write_config(tmp_path)
    stock.main(['print_config', str(config)])
    assert 'TinyBackbone' in capsys.readouterr().out
    train([str(config), '--work-dir', str(tmp_path / 'run')])
    stock.main(['publish_model', str(tmp_path / 'run' / 'latest.pth'), str(tmp_path / 'published.pth')])
    until = time.monotonic() + 30  # the tool starts 'mv' and does not wait for it
    while not (found := list(tmp_path.glob('published-*.pth'))) and time.monotonic() < until:
        pass
    (published,) = found
    state = torch.load(published, weights_only=True)
    assert 'optimizer' not in state and any(key.startswith('backbone.') for key in state['state_dict'])


ROOT = Path(__file__).resolve().parents[2]
#: in a process of its own, because the tools change settings of the whole process
TOOLS = """
import json, sys
from mmseg_uda import stock
from mmseg_uda.engine.test import main as test
config, weights = sys.argv[1:]
stock.main(['test', config, weights, '--eval', 'mIoU', '--work-dir', 'stock_test'])
stock.main(['pytorch2torchscript', config, '--checkpoint', weights, '--shape', '24', '40', '--output-file', 'tmp.pt'])
own = test([config, weights, '--eval', 'mIoU', '--device', 'cpu', '--work-dir', 'own_test'])
json.dump(own['mIoU'], open('own.json', 'w'))
test([config, weights, '--out', 'maps.pkl', '--device', 'cpu', '--work-dir', 'own_test'])
stock.main(['confusion_matrix', config, 'maps.pkl', '.'])
"""


def test_stock_tools_take_a_config_whose_heads_do_not_say_their_classes(tmp_path: Path) -> None:
    config = write_config(tmp_path)
    weights = save_weights(config, CLASSES=list('abcde'), PALETTE=[[i, i, i] for i in range(5)])
    edit(config, 'num_classes=5,', '')
    edit(config, 'workers_per_gpu=0', 'workers_per_gpu=1')  # the stock loader takes no 0
    done = subprocess.run(
        [sys.executable, '-c', TOOLS, str(config), str(weights)],
        cwd=tmp_path,
        env={**os.environ, 'MPLBACKEND': 'Agg', 'PYTHONPATH': str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-1500:] + done.stderr[-1500:]
    (result,) = (tmp_path / 'stock_test').glob('eval_single_scale_*.json')
    stock_score, own_score = (
        json.loads(result.read_text())['metric']['mIoU'],
        json.loads((tmp_path / 'own.json').read_text()),
    )
    assert stock_score == pytest.approx(own_score, abs=1e-4)
    assert (tmp_path / 'tmp.pt').is_file() and (tmp_path / 'confusion_matrix.png').is_file()


@pytest.mark.parametrize(
    'tool, remedy',
    [
        ('train', 'mmseg-uda train'),
        ('browse_dataset.py', 'mmseg-uda browse'),
        ('get_flops', 'mmseg-uda benchmark'),
        ('benchmark', 'mmseg-uda benchmark'),
        ('pytorch2onnx', 'mmseg-uda export'),
        ('model_ensemble', '--ensemble-with'),
        ('analyze_logs', 'mmseg-uda report'),
    ],
)
def test_tools_that_do_not_fit_are_refused_with_what_to_use(
    tool: str, remedy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(stock.NEEDED, 'analyze_logs', 'a_package_that_is_not_there')
    with pytest.raises(SystemExit, match=remedy):
        stock.main([tool, 'config.py'])


def test_an_unknown_tool_is_named(capsys: Any) -> None:
    with pytest.raises(SystemExit, match="no tool 'tarin'"):
        stock.main(['tarin'])
    stock.main([])
    assert 'publish_model' in capsys.readouterr().out

"""MMSegmentation's own tools on configs and checkpoints of this package."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
import torch

from mmseg_uda import stock
from mmseg_uda.engine.train import main as train
from tests.engine.worlds import write_config


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


@pytest.mark.parametrize('tool, remedy', [('train', 'mmseg-uda train'), ('browse_dataset.py', 'mmseg-uda browse')])
def test_tools_that_do_not_fit_are_refused_with_what_to_use(tool: str, remedy: str) -> None:
    with pytest.raises(SystemExit, match=remedy):
        stock.main([tool, 'config.py'])


def test_an_unknown_tool_is_named(capsys: Any) -> None:
    with pytest.raises(SystemExit, match="no tool 'tarin'"):
        stock.main(['tarin'])
    stock.main([])
    assert 'publish_model' in capsys.readouterr().out

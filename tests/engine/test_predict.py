"""``tools/predict.py`` on folders as users have them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from mmcv import Config

from mmseg_uda.builder import build_train_model
from mmseg_uda.utils.checkpoint_io import save_checkpoint_file
from tests.datasets.test_pixel_limit import bomb
from tests.harness.processes import run

from .worlds import write_config


@pytest.fixture
def world(tmp_path: Path) -> Path:
    """A config, weights, and a folder ``shots`` with three images."""
    config = write_config(tmp_path)
    torch.manual_seed(0)
    state = build_train_model(Config.fromfile(str(config))).state_dict()
    meta = dict(CLASSES=list('abcde'), PALETTE=[[i, i, i] for i in range(5)])
    save_checkpoint_file(dict(meta=meta, state_dict=state), tmp_path / 'model.pth')
    shutil.copytree(tmp_path / 'target' / 'images', tmp_path / 'shots')
    return tmp_path


def predict(world: Path, *inputs: Path) -> tuple[int, str, list[str]]:
    command = [world / 'tiny.py', world / 'model.pth', *inputs, '--out', world / 'out', '--device', 'cpu']
    status, text = run('predict.py', *command, folder=world)
    return status, text, sorted(path.name for path in (world / 'out').rglob('*.png'))


def test_unreadable_images_are_named_and_the_others_predicted(world: Path) -> None:
    whole = sorted(path.stem for path in (world / 'shots').iterdir())
    first = next((world / 'shots').iterdir())
    (world / 'shots' / 'cut.jpg').write_bytes(first.read_bytes()[:300])
    (world / 'shots' / 'empty.png').touch()
    (world / 'shots' / 'bomb.png').write_bytes(bomb())
    (world / 'shots' / '._hidden.png').write_bytes(b'resource fork')
    status, text, written = predict(world, world / 'shots')
    last = text.splitlines()[-1]
    assert status == 2 and last.startswith('CorruptFileError: ') and 'Traceback' not in text, text
    assert 'empty.png' in last and 'bomb.png' in last and 'hidden' not in text and 'pixels' in text
    assert set(whole) <= {Path(name).stem for name in written} and 'empty.png' not in written


def test_equal_names_are_found_before_the_first_prediction(world: Path) -> None:
    (world / 'more').mkdir()
    first = sorted((world / 'shots').iterdir())[-1]
    shutil.copy(first, world / 'more' / f'{first.stem}.jpeg')
    status, text, written = predict(world, world / 'shots', world / 'more')
    assert status == 2 and 'have the same name' in text.splitlines()[-1] and str(first) in text and not written

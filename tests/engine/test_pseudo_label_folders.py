"""Folders of pseudo-labels that were cut short, damaged, or written by somebody else."""

from __future__ import annotations

import json
import shutil
import signal
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from mmseg_uda.datasets import pseudo_label_store
from mmseg_uda.datasets.pseudo_label_files import Origin, PseudoLabelError, list_hash
from mmseg_uda.datasets.pseudo_label_store import PseudoLabelStore
from mmseg_uda.ops import esl
from tests.harness.processes import Pause, Tool, run

KEYS = [f'city/{number}' for number in range(6)]
CLASSES = ('road', 'car', 'sky')


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Six images with predictions and label maps."""
    store = PseudoLabelStore.create(tmp_path / 'labels', Origin('weights', list_hash(KEYS), CLASSES), KEYS)
    generator = torch.Generator().manual_seed(0)
    for key in KEYS:
        label = torch.randint(3, (8, 16), generator=generator)
        store.write(key, label, torch.rand(8, 16, generator=generator))
    store.write_labels(esl.Criterion('entropy', 1.0))
    return tmp_path / 'labels'


def maps(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob('*.png'))}


def threshold(folder: Path, fraction: str, **options: Any) -> tuple[int, str]:
    return run('pseudo_labels.py', 'threshold', folder, '--fraction', fraction, folder=folder.parent, **options)


@pytest.mark.parametrize('where, call', [('write_png', 3), ('_save_manifest', 1), ('record_labels', 1)])
def test_killed_thresholds_leave_the_old_maps_with_their_record_or_none(folder: Path, where: str, call: int) -> None:
    """In the middle of the maps, before the change, and between the change and its record."""
    before, manifest = maps(folder), (folder / 'manifest.json').read_text()
    owner = PseudoLabelStore if where != 'write_png' else pseudo_label_store
    pause = Pause(owner, where, call, folder.parent)
    tool = Tool(
        'pseudo_labels.py', ['threshold', folder, '--fraction', '0.2'], folder.parent / 'out', before=pause.before
    )
    pause.reached(tool)
    tool.signal(signal.SIGKILL)
    tool.wait()
    if where == 'record_labels':
        status, text = run('pseudo_labels.py', 'stats', folder, folder=folder.parent)
        assert status == 2 and 'has no label maps yet' in text
    else:
        assert {name: data for name, data in maps(folder).items() if not name.startswith('.')} == before
        assert (folder / 'manifest.json').read_text() == manifest
    assert threshold(folder, '0.2')[0] == 0
    other = folder.parent / 'other'
    shutil.copytree(folder, other)
    assert threshold(other, '0.2')[0] == 0
    assert maps(folder) == maps(other) and maps(folder) != before
    assert (folder / 'manifest.json').read_text() == (other / 'manifest.json').read_text()
    assert not list(folder.glob('.labels*'))


def test_two_at_once_are_refused(folder: Path) -> None:
    pause = Pause(pseudo_label_store, 'write_png', 3, folder.parent)
    tool = Tool(
        'pseudo_labels.py', ['threshold', folder, '--fraction', '0.2'], folder.parent / 'out', before=pause.before
    )
    pause.reached(tool)
    status, text = threshold(folder, '0.9')
    assert status == 2 and 'another process is writing' in text.splitlines()[-1]
    pause.release()
    assert tool.wait() == 0


@pytest.mark.parametrize('key', ['{victim}', '../victim', 'a/../../victim', '~/victim', 'C:/victim', '..\\victim'])
def test_a_key_that_leaves_the_folder_is_refused(folder: Path, key: str) -> None:
    """Thresholding would read the file there as prediction and score and overwrite it."""
    for part in ('predictions', 'scores', 'labels'):
        path = folder.parent / f'victim{"" if "{" in key else part}.png'
        cv2.imwrite(str(path), np.full((8, 16), 1, np.uint8))
        cv2.imwrite(str(folder / 'victim.png'), np.full((8, 16), 1, np.uint8))
    before = {path: path.read_bytes() for path in folder.parent.rglob('*.png')}
    keys = [*KEYS, key.format(victim=folder.parent / 'victim')]
    (folder / 'images.txt').write_text('\n'.join(keys) + '\n')
    manifest = json.loads((folder / 'manifest.json').read_text())
    manifest['origin']['images'] = list_hash(keys)
    (folder / 'manifest.json').write_text(json.dumps(manifest))
    status, text = threshold(folder, '0.2')
    assert status == 2 and text.splitlines()[-1].startswith('PseudoLabelError') and 'leaves' in text, text
    assert {path: path.read_bytes() for path in folder.parent.rglob('*.png')} == before


@pytest.mark.parametrize('link', ['labels', 'labels/city', 'labels/city/0.png', 'predictions/city/3.png'])
def test_a_link_is_refused(folder: Path, link: str) -> None:
    path = folder / link
    victim = folder.parent / 'victim'
    shutil.move(str(path), str(victim))
    path.symlink_to(victim)
    status, text = threshold(folder, '0.2')
    assert status == 2 and 'is a link' in text.splitlines()[-1], text


@pytest.mark.parametrize(
    'damage',
    [
        '',
        '{"origin": ',
        '[]',
        '{}',
        '{"origin": {"format": 1}}',
        '{"origin": 3}',
        '[' * 100_000,
        'labels.count',
        'labels.thresholds',
        'classes',
    ],
)
def test_a_damaged_manifest_is_named_with_the_remedy(folder: Path, damage: str) -> None:
    path = folder / 'manifest.json'
    manifest = json.loads(path.read_text())
    if damage == 'classes':
        manifest['origin']['classes'] = ['road']
    elif damage.startswith('labels.'):
        manifest['labels'][damage[7:]] = []
    path.write_text(damage if not damage or damage[0] in '{[' else json.dumps(manifest))
    with pytest.raises(PseudoLabelError, match=r"manifest\.json' is damaged .*extract again"):
        PseudoLabelStore.open(folder)


def test_predictions_of_unknown_origin_are_not_taken_over(folder: Path) -> None:
    (folder / 'manifest.json').unlink()
    with pytest.raises(PseudoLabelError, match='has predictions but no manifest'):
        PseudoLabelStore.create(folder, Origin('other weights', list_hash(KEYS), CLASSES), KEYS)
    with pytest.raises(PseudoLabelError, match=r"'../0' in .* leaves"):
        PseudoLabelStore.create(folder.parent / 'new', Origin('w', list_hash(['../0']), CLASSES), ['../0'])

"""Reports from logs: where evaluations stand, seeds of one method, gains, pseudo-label curves, confusions, errors."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from mmseg_uda.engine import report
from mmseg_uda.engine.image_errors import confusion_of
from mmseg_uda.engine.report_data import error_map
from mmseg_uda.engine.report_runs import read_row, read_run, settings_of

CONFIG = "uda = dict(type='DACS')\nrunner = dict(max_iters=6)\ndata = dict(samples_per_gpu=2)\noptimizer = dict(type='AdamW', lr=0.1)\n"


def work_folder(folder: Path, score: float = 0.5, old: bool = False, seed: int = 0) -> Path:
    """A folder with the log of a run that logged every second iteration and was evaluated after the third."""
    folder.mkdir(parents=True)
    evaluation: dict[str, Any] = dict(mode='val', epoch=1, iter=4, iteration=3, lr=0.1, mIoU=score)
    evaluation.update({'IoU.road': score, 'IoU.<sky>': score / 2, 'IoU.never seen': math.nan})
    if old:
        del evaluation['iteration']
    lines = [
        dict(
            config=CONFIG,
            seed=seed,
            exp_name='tiny.py',
            device='cpu: asked for',
            CLASSES=['road', '<sky>'],
            PALETTE=[[9, 8, 7], [1, 2, 3]],
        ),
        dict(mode='train', iter=2, loss=2.0, time=0.5, **{'decode.loss_ce': 1.5}),
        evaluation,
        dict(mode='train', iter=4, loss=1.0, time=0.7, **{'decode.loss_ce': 0.5, 'pseudo.weight': 0.1}),
    ]
    (folder / '20260101_000000.log.json').write_text(''.join(json.dumps(line) + '\n' for line in lines))
    return folder


def page(*arguments: Any) -> str:
    return report.main([*map(str, arguments), '--images', '0', '--worst', '0', '--device', 'cpu']).read_text()


def test_an_evaluation_stands_at_its_iteration(tmp_path: Path) -> None:
    run = read_run(str(work_folder(tmp_path / 'run')))
    assert run.scores == [(3, 0.5)] and run.loss == [(2, 2.0), (4, 1.0)]
    assert run.figures['decode.loss_ce'] == [(2, 1.5), (4, 0.5)]
    assert read_run(str(work_folder(tmp_path / 'old', old=True))).scores == [(2, 0.5)], 'the log does not say better'


def test_settings_are_read_from_the_log(tmp_path: Path) -> None:
    settings = settings_of(read_run(str(work_folder(tmp_path / 'run', seed=7))))
    assert settings['config'] == 'tiny.py' and settings['method'] == 'DACS' and settings['seed'] == '7'
    assert settings['iterations'] == '6' and settings['last iteration logged'] == '4' and settings['batch'] == '2'
    assert settings['seconds per iteration'] == '0.6' and settings['optimiser'] == 'AdamW, lr 0.1'
    assert settings['device'] == 'cpu: asked for'


def test_seeds_of_one_method_give_mean_and_spread(tmp_path: Path) -> None:
    seeds = [work_folder(tmp_path / f'run{i}', score) for i, score in enumerate((0.4, 0.5, 0.6))]
    row = read_row(f'dacs={",".join(map(str, seeds))}')
    assert [run.title for run in row.runs] == ['dacs 1', 'dacs 2', 'dacs 3']
    assert row.mean('mIoU') == pytest.approx(50) and row.spread('mIoU') == pytest.approx(10)
    assert math.isnan(row.mean('IoU.never seen')) and row.spread('IoU.never seen') is None
    text = page(f'dacs={",".join(map(str, seeds))}')
    assert 'dacs (3 runs)' in text and '50.0 <span class="soft">&plusmn; 10.0' in text and 'gain' not in text


def test_gains_are_against_the_baseline(tmp_path: Path) -> None:
    first, second = work_folder(tmp_path / 'a', 0.5), work_folder(tmp_path / 'b', 0.6)
    text = page(f'base={first}', f'mine={second}')
    assert 'gain of mine' in text and 'against base' in text
    assert '<td class="up">+10.0' in text and '<td class="">&ndash;' in text, 'no gain without a number'
    assert '<td class="down">-10.0' in page(f'base={first}', f'mine={second}', '--baseline', 'mine')
    assert 'gain of' not in page(f'base={first}', f'mine={second}', '--baseline', 'none')
    assert '<td class="">+0.0' in page(f'base={first}', f'same={first}'), 'nothing is neither up nor down'
    with pytest.raises(ValueError, match=r"no run has this title, there are \['base'\]"):
        page(f'base={first}', '--baseline', 'other')


def test_the_page_holds_legend_figures_confusions_and_extras(tmp_path: Path) -> None:
    folder = work_folder(tmp_path / 'run')
    plain = page(folder)
    (folder / 'views').mkdir()
    figures = dict(kept=0.5, weight=0.4, confidence=0.9, share={'road': 0.75, '<sky>': 0.25}, accuracy=None)
    lines = [json.dumps(dict(iter=i, target=figures)) + '\n' for i in (2, 4)]
    (folder / 'views' / 'pseudo_labels.jsonl').write_text(''.join(lines))
    (folder / 'test_latest.json').write_text(json.dumps(dict(metric={'mIoU': 0.5, 'IoU.road': 0.5, 'IoU.<sky>': 0.5})))
    errors = dict(classes=['road', '<sky>'], confusion=[[3, 1], [0, 4]], images=[dict(file='a.png', mIoU=0.1)])
    (folder / 'errors_latest.json').write_text(json.dumps(dict(data_sets=dict(target=errors))))
    cv2.imwrite(str(tmp_path / 'clip.png'), np.zeros((4, 4, 3), np.uint8))
    text = page(folder, '--picture', f'a clip={tmp_path / "clip.png"}')
    assert plain.count('<svg') == 4 and text.count('<svg') == 4 + 4 + 1  # 3 curves and the classes; confusions
    assert '<td>road<td>taken for &lt;sky&gt;<td>25.0 %' in text
    assert 'background:rgb(9, 8, 7)' in text and '<sky>' not in text and 'http' not in text
    assert '<h3>a clip</h3>' in text and text.count('data:image/png') == 1 + 2, 'with both heat maps'
    assert 'prefers-color-scheme: dark' in text and 'name="viewport"' in text and 'currentColor' in text


def test_damaged_side_files_are_named(tmp_path: Path) -> None:
    folder = work_folder(tmp_path / 'run')
    (folder / 'views').mkdir()
    (folder / 'views' / 'pseudo_labels.jsonl').write_text('{"iter": 2, "target": {"kept": "high"}}\n')
    with pytest.raises(ValueError, match=r'line 1 of .*pseudo_labels\.jsonl. is damaged'):
        read_run(str(folder))
    (folder / 'views' / 'pseudo_labels.jsonl').unlink()
    (folder / 'test_latest.json').write_text('{"metric": {"mIoU": 0.5}}')
    (folder / 'errors_latest.json').write_text(
        '{"data_sets": {"target": {"classes": ["a"], "confusion": [], "images": []}}}'
    )
    with pytest.raises(ValueError, match=r'errors_latest\.json. is damaged'):
        read_run(str(folder))


def test_confusions_and_error_maps() -> None:
    truth = np.array([[0, 0, 1], [1, 255, 2]])
    prediction = np.array([[0, 1, 1], [0, 0, 2]])
    assert confusion_of(prediction, truth, 3).tolist() == [[1, 1, 0], [1, 1, 0], [0, 0, 1]]
    shown = error_map(np.full((4, 6, 3), 100, np.uint8), prediction, truth)
    red = (shown == [220, 40, 40]).all(-1)
    assert red.tolist() == [[False, True, False], [True, False, False]]
    assert shown[1, 1].max() < 60 < shown[0, 0].min()

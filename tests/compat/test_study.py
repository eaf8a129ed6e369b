"""The study's page says what its result files say, and every row of the plan is a config that exists."""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / 'benchmarks'))

import study  # noqa: E402
from adaptation_study import one_run, pictures, plan, tables  # noqa: E402


def test_the_page_agrees_with_the_result_files() -> None:
    assert tables.write(check=True) == 0


def test_rows_are_configs_and_their_baselines_are_rows() -> None:
    names = [row.name for row in plan.ROWS]
    assert len(set(names)) == len(names)
    for row in plan.ROWS:
        assert row.baseline in ('', *names), row.name
        if row.stages:
            first = one_run.recipe(row)[0]
            if row.begins_with:
                assert first == one_run.recipe(next(other for other in plan.ROWS if other.name == row.begins_with))[0]
            continue
        cfg = one_run.resolved(row, seed=3)
        assert cfg.seed == 3 and cfg.work_dir.endswith(f'{row.name}_seed3')
        assert cfg.runner.max_iters == plan.iterations_of(row)
        if row.world == 'camvid':
            crops = [cfg.data.train[name].pipeline[0] for name in ('source', 'target') if cfg.data.train.get(name)]
            assert all(tuple(step.crop_size) == plan.CAMVID_CROP for step in crops)


def test_status_counts_what_is_done(capsys: pytest.CaptureFixture[str]) -> None:
    study.main(['status', '--only', 'toy_dacs', 'toy_hrda'])
    printed = capsys.readouterr().out.splitlines()
    assert any(line.startswith('done') and 'toy_dacs seed 0: student' in line for line in printed)
    assert 'hours of one core left' in printed[-1]


def test_gains_are_taken_seed_by_seed() -> None:
    def run(seed: int, value: float) -> dict:
        return dict(seed=seed, final=dict(student=dict(mIoU=value), teacher=dict(mIoU=0.0)))

    assert tables.gain([run(0, 30.0), run(2, 40.0)], [run(0, 20.0), run(1, 50.0)]) == [10.0]
    adapted = [dict(seed=0, final={'student': dict(mIoU=20.0), f'student{tables.ADAPTED}': dict(mIoU=26.0)})]
    assert tables.gain(adapted, adapted, tables.ADAPTED) == [6.0]
    assert tables.gain([run(0, 30.0)], adapted, reference=tables.ADAPTED) == [4.0]
    assert tables.gain([run(0, 30.0)], adapted, tables.ADAPTED, tables.ADAPTED) == []
    assert tables.spread([1.0, 2.0, 3.0]) == '2.0 ± 1.0' and tables.spread([]) == '-'


def test_what_a_config_tests_with_is_what_a_row_is_judged_by() -> None:
    run = dict(seed=0, final={'target_branch': dict(mIoU=3.0), 'student': dict(mIoU=1.0)})
    assert tables.scores([run]) == [3.0] and tables.scores([run], 'student') == [1.0]
    assert tables.ADAPTED == one_run.ADAPTED


def test_a_sheet_keeps_the_watched_frames_of_every_evaluation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, 'RESULTS', tmp_path / 'results')
    points = [dict(iter=iteration) for iteration in (10, 20)]
    run = dict(row='toy_dacs', seed=1, curve=points, final=dict(student={}, teacher={}))
    frames = {}
    for iteration, network in ((10, 'teacher'), (20, 'teacher'), (20, 'student')):
        for number in range(pictures.WATCHED):
            frame = np.full((30, 400), len(frames), np.uint8)
            frames[iteration, network, number] = len(frames)
            cv2.imwrite(str(tmp_path / f'{iteration:05d}_{network}_{number}.png'), frame)
    assert pictures.write_sheet(run, tmp_path / 'nowhere') is None
    assert pictures.sheet('toy_dacs', {'toy_dacs': [run]}) is None
    assert pictures.write_sheet(run, tmp_path) == tmp_path / 'results' / 'views' / 'toy_dacs_seed1.png'
    found = pictures.sheet('toy_dacs', {'toy_dacs': [dict(run, seed=0), run]})
    assert found is not None and found[0] is run
    assert found[1].shape == (3, pictures.WATCHED, 15, pictures.WIDTH)
    assert found[1][:, :, 0, 0].flatten().tolist() == list(frames.values())

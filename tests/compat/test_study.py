"""The study's page says what its result files say, and every row of the plan is a config that exists."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from mmcv import Config

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / 'benchmarks'))

import study  # noqa: E402
from adaptation_study import chart, demo, figures, one_run, page, pictures, plan, tables, worlds  # noqa: E402


def test_the_page_agrees_with_the_result_files() -> None:
    assert page.write(check=True) == 0


def test_rows_are_configs_and_their_baselines_are_rows() -> None:
    names = [row.name for row in plan.ROWS]
    assert len(set(names)) == len(names)
    for row in plan.ROWS:
        assert row.baseline in ('', *names), row.name
        where = Config.fromfile(str(ROOT / one_run.statistics_of(row))).data.train.target
        assert len(where) == (int(row.name[4]) if row.setting.endswith('targets') else len(where))
        if row.stages:
            first, *rest = one_run.recipe(row)
            made = [stage for stage in rest if stage['type'] == 'pseudo_labels']
            assert all(row.labels.items() <= stage.items() for stage in made)
            if row.begins_with:
                assert first == one_run.recipe(next(other for other in plan.ROWS if other.name == row.begins_with))[0]
            continue
        cfg = one_run.resolved(row, seed=3)
        assert cfg.seed == 3 and cfg.work_dir.endswith(f'{row.name}_seed3')
        assert cfg.runner.max_iters == worlds.iterations_of(row)
        if row.world == 'camvid':
            crops = [cfg.data.train[name].pipeline[0] for name in ('source', 'target') if cfg.data.train.get(name)]
            assert all(tuple(step.crop_size) == worlds.CAMVID_CROP for step in crops)


def test_status_counts_what_is_done(capsys: pytest.CaptureFixture[str]) -> None:
    study.main(['status', '--only', 'toy_dacs', 'toy_hrda'])
    printed = capsys.readouterr().out.splitlines()
    assert any(line.startswith('done') and 'toy_dacs seed 0: student' in line for line in printed)
    assert 'hours of one core left' in printed[-1]


def test_seeds_that_are_asked_for_run_planned_or_not() -> None:
    """The exact name, which the command in a result file gives, is that row alone; others are parts of names."""
    assert [(row.name, seed) for row, seed in study.queue(['camvid_dacs'], [7, 8])] == [
        ('camvid_dacs', 7),
        ('camvid_dacs', 8),
    ]
    assert {row.name for row, _ in study.queue(['camvid_dac'], [7])} > {'camvid_dacs', 'camvid_dacs_kept'}
    assert {seed for _, seed in study.queue(['camvid_dacs'], None)} == {0, 1}


def test_a_result_that_is_there_is_not_run_again_and_that_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        study.main(['run', '--only', 'camvid_dacs', '--seeds', '0'])
    assert ended.value.code == 0
    assert 'MMSEG_UDA_STUDY_RESULTS=FOLDER runs them anew' in capsys.readouterr().out


def test_charts_begin_at_the_mean_of_source_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chart.plot(tmp_path / 'gains.png')
    chart.plot_settings(tmp_path / 'settings.png')
    assert all(cv2.imread(str(tmp_path / name)) is not None for name in ('gains.png', 'settings.png'))
    drawn: list[chart.Panel] = []
    monkeypatch.setattr(chart, '_draw', lambda panels, path: drawn.extend(panels))
    chart.plot()
    source = figures.results()['camvid_source_only']
    assert list(drawn[0].start) == figures.scores(source)
    assert drawn[0].bars[0] == ('AdaBN', [], figures.scores(source, suffix=figures.ADAPTED))


@pytest.mark.parametrize('command', ['run', 'status'])
def test_names_without_a_row_are_refused(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        study.main([command, '--only', 'camvid_hrda'])
    assert '--only camvid_hrda: no row has such a name' in capsys.readouterr().err


def test_gains_are_taken_seed_by_seed() -> None:
    def run(seed: int, value: float) -> dict:
        return dict(seed=seed, final=dict(student=dict(mIoU=value), teacher=dict(mIoU=0.0)))

    assert figures.gain([run(0, 30.0), run(2, 40.0)], [run(0, 20.0), run(1, 50.0)]) == [10.0]
    adapted = [dict(seed=0, final={'student': dict(mIoU=20.0), f'student{figures.ADAPTED}': dict(mIoU=26.0)})]
    assert figures.gain(adapted, adapted, figures.ADAPTED) == [6.0]
    assert figures.gain([run(0, 30.0)], adapted, reference=figures.ADAPTED) == [4.0]
    assert figures.gain([run(0, 30.0)], adapted, figures.ADAPTED, figures.ADAPTED) == []
    assert figures.spread([1.0, 2.0, 3.0]) == '2.0 ± 1.0' and figures.spread([]) == '-'


def test_what_a_config_tests_with_is_what_a_row_is_judged_by() -> None:
    run = dict(seed=0, final={'target_branch': dict(mIoU=3.0), 'student': dict(mIoU=1.0)})
    assert figures.scores([run]) == [3.0] and figures.scores([run], 'student') == [1.0]
    assert figures.ADAPTED == one_run.ADAPTED


def test_a_sheet_keeps_the_watched_frames_of_every_evaluation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, 'RESULTS', tmp_path / 'results')
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


def test_a_gain_counts_where_it_is_more_than_its_spread() -> None:
    assert tables.verdict([2.0, 3.0]) == 'above' and tables.verdict([-2.0, -3.0]) == 'below'
    assert tables.verdict([-1.0, 2.0]) == 'within the spread'
    assert tables.verdict([9.0]) == 'one seed' and tables.verdict([]) == 'no common seed'


def test_the_ranking_goes_by_statistics_of_the_target_and_compares_like_with_like() -> None:
    def run(seed: int, plain: float, adapted: float) -> dict:
        return dict(seed=seed, final={'student': dict(mIoU=plain), f'student{figures.ADAPTED}': dict(mIoU=adapted)})

    rows = [row for row in plan.ROWS if row.name in ('camvid_source_only', 'camvid_dacs', 'camvid_mic')]
    found = {
        'camvid_source_only': [run(0, 10.0, 30.0), run(1, 11.0, 31.0)],
        'camvid_dacs': [run(0, 40.0, 33.0), run(1, 50.0, 35.0)],
    }
    assert tables.ranking(rows, found)[2:] == [
        '| 1 | DACS | 34.0 ± 1.4 | source-only | 3.5 ± 0.7 | above | 2 |',
        '| 2 | AdaBN | 30.5 ± 0.7 |  |  |  | 2 |',
    ]


def test_curves_show_the_tested_network_beside_its_teacher() -> None:
    row = next(row for row in plan.ROWS if row.name == 'camvid_dacs')
    curve = [dict(iter=10, student=1.0, teacher=3.0), dict(iter=20, student=5.0, teacher=7.0)]
    runs = [dict(seed=seed, curve=curve, final=dict(student={}, teacher={})) for seed in (0, 1)]
    assert tables.curve_table([row], {row.name: runs})[2:] == ['| DACS | 1.0 / 3.0 | 5.0 / 7.0 |']


def test_labels_are_compared_at_equal_shares() -> None:
    rows = [row for row in plan.ROWS if row.name in ('toy_esl', 'toy_ssl')]
    found = {
        row.name: [{'labels': {'kept': 90.0, '10%': 99.0}}, {'labels': {'kept': 80.0, '10%': 97.0}}] for row in rows
    }
    lines = tables.label_table(rows, found)
    assert lines[2:] == ['| kept | 85.0 | 85.0 |', '| 10% | 98.0 | 98.0 |'] and '| ESL | SSL' in lines[0]
    assert tables.label_table(rows, {'toy_esl': [{'labels': None}]}) == []


def test_the_figures_of_a_demo_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, 'RESULTS', tmp_path / 'results')
    with pytest.raises(FileNotFoundError, match='--work-dir of tools/demo.py'):
        demo.collect(tmp_path, {})
    for name, value in (('oracle', 0.5), ('source_only', 0.125), ('dacs', 0.25)):
        folder = tmp_path / 'seed1' / name
        folder.mkdir(parents=True)
        metric = {'mIoU': value, 'IoU.road': value, 'aAcc': 0.75}
        (folder / 'test_latest.json').write_text(json.dumps(dict(config='c', metric=metric)))
    demo.collect(tmp_path, dict(commit='abc', device='some processor'))
    assert demo.seeds_table()[0].endswith('| source-only | DACS | oracle |')
    assert demo.seeds_table()[2:] == ['| seed 1 | 12.5 | 25.0 | 50.0 |']
    assert '| road | 12.5 | 25.0 | 50.0 |' in demo.front() and 'commit abc, some processor' in demo.front()

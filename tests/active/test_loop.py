"""Training and buying in turn: the loop and the hook go on after a kill with the same labels and the same network."""

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path
from typing import Any, Optional

import pytest
import torch
from mmcv import Config

from mmseg_uda.active.curve import run_points
from mmseg_uda.active.label_set import LabelSet, LabelSetError
from mmseg_uda.active.loop import round_config, run_loop
from mmseg_uda.active.session import ActiveSession
from mmseg_uda.engine.checkpoints import find_resumable
from mmseg_uda.engine.runner import UDARunner
from mmseg_uda.engine.stages import StageContext
from mmseg_uda.engine.train import train
from mmseg_uda.utils.checkpoint_io import load_checkpoint_file
from mmseg_uda.utils.config_errors import ConfigError
from mmseg_uda.utils.config_text import config_text
from mmseg_uda.utils.json_files import DamagedFileError
from tests.harness.methods import assert_equal_state

from .test_selection import Killed, content
from .world import folder_set, image_config, make_world, region_config, steps

CPU = torch.device('cpu')
LOGGER = logging.getLogger('active-test')


@pytest.fixture(scope='module')
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_world(tmp_path_factory.mktemp('world'))


def kill_after(monkeypatch: pytest.MonkeyPatch, target: Any, name: str, calls: int) -> None:
    """Make the ``calls + 1``-th call of a method end the process's work."""
    original = getattr(target, name)
    count = [0]

    def call(*args: Any, **kwargs: Any) -> Any:
        count[0] += 1
        if count[0] > calls:
            raise Killed
        return original(*args, **kwargs)

    monkeypatch.setattr(target, name, call)


@pytest.mark.parametrize('config', [image_config, region_config])
def test_a_killed_loop_goes_on(config: Any, world: Path, tmp_path: Path) -> None:
    path = tmp_path / 'config.py'
    path.write_text(config_text(config(world, tmp_path / 'unused')))

    def loop(folder: Path) -> list[dict[str, Any]]:
        folder.mkdir(exist_ok=True)
        return run_loop(path, folder, StageContext(path, CPU, LOGGER))

    curve = loop(tmp_path / 'straight')
    assert [entry['round'] for entry in curve] == [0, 1, 2] and curve[2]['pixels'] > curve[1]['pixels']
    for target, name, calls in ((UDARunner, 'train', 3), (LabelSet, 'commit', 0), (UDARunner, 'train', 2)):
        with pytest.MonkeyPatch.context() as patch, pytest.raises(Killed):
            kill_after(patch, target, name, calls)
            loop(tmp_path / 'killed')
    assert loop(tmp_path / 'killed') == curve
    assert json.loads((tmp_path / 'killed' / 'curve.json').read_text()) == curve
    assert content(tmp_path / 'straight' / 'active') == content(tmp_path / 'killed' / 'active')
    name = f'5_round_02/iter_{config(world, tmp_path).runner.max_iters}.pth'
    assert_equal_state(
        *(load_checkpoint_file(tmp_path / run / name)['state_dict'] for run in ('straight', 'killed')), 'last network'
    )


def test_every_stream_that_reads_the_pool_gets_the_lists_of_the_round(world: Path, tmp_path: Path) -> None:
    """Labelled streams of several data sets in given shares, with donors for pasting from the bought images."""
    cfg = image_config(world, tmp_path / 'active')
    training = cfg.data.train
    donors = folder_set(world, ann_dir='ann', pipeline=steps(dict(type='LoadAnnotations')))
    elsewhere = {**donors, 'data_root': str(make_world(tmp_path / 'game'))}
    cfg.data.train = Config(
        dict(
            t={
                **training,
                'labeled_target': [donors, elsewhere],
                'paste': donors,
                'shares': dict(labeled_target=[0.6, 0.4]),
            }
        )
    ).t
    session = ActiveSession(cfg)
    session.start()
    staged = round_config(cfg, session, 0)
    lists = tmp_path / 'active' / 'rounds' / 'round_00'
    first, second = staged.data.train.labeled_target
    assert first.split == staged.data.train.paste.split == str(lists / 'labeled.txt') and 'split' not in second
    assert staged.data.train.target.split == str(lists / 'unlabeled.txt')
    staged.work_dir = str(tmp_path)
    runner = train(staged, CPU, validate=False, meta={}, logger=LOGGER)
    assert runner.iter == 3 and len(runner.data_loader.dataset.streams['paste'].parts[0]) == 2
    cfg.data.train.labeled_target = [elsewhere]
    with pytest.raises(ValueError, match='reads no images of active.pool'):
        round_config(cfg, session, 0)


def hook_config(world: Path, folder: Path) -> Config:
    """RIPU with two rounds inside a run of six iterations."""
    cfg = region_config(world, folder / 'active', max_iters=6)
    cfg.custom_hooks = [dict(type='ActiveSelectionHook', iters=[2, 4])]
    cfg.work_dir = str(folder)
    cfg.checkpoint_config.interval = 1
    return cfg


@pytest.mark.parametrize('workers', [0, 1])
def test_buying_inside_a_run_resumes_exactly(workers: int, world: Path, tmp_path: Path) -> None:
    def run(folder: Path) -> UDARunner:
        folder.mkdir(exist_ok=True)
        cfg = hook_config(world, folder)
        cfg.data.workers_per_gpu = workers
        found = find_resumable(folder)
        cfg.resume_from = str(found) if found else None
        return train(cfg, CPU, validate=False, meta={}, logger=LOGGER)

    straight = run(tmp_path / 'straight')
    for number in (1, 2):
        pictures = tmp_path / 'straight' / 'active' / 'rounds' / f'round_{number:02d}' / 'pictures'
        assert len(list(pictures.glob('*.jpg'))) == 8
    assert LabelSet(tmp_path / 'straight' / 'active', 'region', *_pool(straight)).finished == 2
    killed = tmp_path / 'killed'
    for target, name, calls in ((UDARunner, 'train', 3), (LabelSet, 'commit', 0), (UDARunner, 'train', 1)):
        with pytest.MonkeyPatch.context() as patch, pytest.raises(Killed):
            kill_after(patch, target, name, calls)
            run(killed)
    for iteration in (4, 5):  # go on from before the second purchase, whose labels must stay hidden until then
        (killed / f'iter_{iteration}.pth').unlink(missing_ok=True)
    resumed = run(killed)
    assert_equal_state(straight.model.state_dict(), resumed.model.state_dict(), 'network')
    assert content(tmp_path / 'straight' / 'active') == content(killed / 'active')


def _pool(runner: UDARunner) -> tuple[list[str], str]:
    hook = next(hook for hook in runner.hooks if type(hook).__name__ == 'ActiveSelectionHook')
    return hook.session.pool.names, hook.session.pool.digest()


def test_a_run_has_a_label_set_of_its_own(world: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for name, known in (('first', False), ('second', False), ('first', True)):
        cfg = hook_config(world, tmp_path / name)
        del cfg.active['folder']
        caplog.clear()
        with caplog.at_level(logging.WARNING, LOGGER.name):
            train(cfg, CPU, validate=False, meta={}, logger=LOGGER)
        assert ('buys nothing for them' in caplog.text) == known
        assert (tmp_path / name / 'active' / 'manifest.json').is_file()


def test_a_run_that_goes_on_elsewhere_brings_its_purchases_along(world: Path, tmp_path: Path) -> None:
    """Buying them again with a later network would give other labels, without a word."""

    def run(folder: Path, source: Optional[Path] = None) -> UDARunner:
        cfg = hook_config(world, folder)
        del cfg.active['folder']
        cfg.resume_from = None if source is None else str(source)
        return train(cfg, CPU, validate=False, meta={}, logger=LOGGER)

    straight = run(tmp_path / 'straight')
    elsewhere = run(tmp_path / 'elsewhere', tmp_path / 'straight' / 'iter_3.pth')
    assert content(tmp_path / 'straight' / 'active') == content(tmp_path / 'elsewhere' / 'active')
    assert_equal_state(straight.model.state_dict(), elsewhere.model.state_dict(), 'network')
    alone = tmp_path / 'alone' / 'iter_3.pth'
    alone.parent.mkdir()
    shutil.copy(tmp_path / 'straight' / 'iter_3.pth', alone)
    with pytest.raises(
        LabelSetError, match='trained with 1 rounds of bought labels, .*third/active holds 0: resume in'
    ):
        run(tmp_path / 'third', alone)


def test_a_budget_that_leaves_no_unlabelled_image_is_refused_before_the_first_training(
    world: Path, tmp_path: Path
) -> None:
    cfg = image_config(world, tmp_path / 'unused')
    cfg.active.budget = dict(images=[100, 1])
    cfg.data.train.target = dict(cfg.active.pool)
    path = tmp_path / 'config.py'
    path.write_text(config_text(cfg))
    (tmp_path / 'run').mkdir()
    with pytest.raises(ConfigError, match=r'config\.py: .* images: nothing is left for data\.train\.target'):
        run_loop(path, tmp_path / 'run', StageContext(path, CPU, LOGGER))


@pytest.mark.parametrize('damage', ['', '{"roun', '[]', '{}'])
def test_damaged_records_are_named_with_the_remedy(damage: str, world: Path, tmp_path: Path) -> None:
    path = tmp_path / 'config.py'
    path.write_text(config_text(image_config(world, tmp_path / 'unused')))
    (tmp_path / 'run' / '1_round_00').mkdir(parents=True)
    (tmp_path / 'run' / '1_round_00' / 'stage.json').write_text(damage)
    with pytest.raises(DamagedFileError, match=r"stage\.json' is damaged .* --restart-from round_00"):
        run_loop(path, tmp_path / 'run', StageContext(path, CPU, LOGGER))
    manifest = tmp_path / 'run' / 'active' / 'manifest.json'
    manifest.write_text(damage)
    with pytest.raises(LabelSetError, match=r'manifest\.json is damaged .* backup'):
        run_loop(path, tmp_path / 'run', StageContext(path, CPU, LOGGER))
    with pytest.raises(DamagedFileError, match=r"manifest\.json' is damaged .* backup"):
        run_points(tmp_path / 'run')


@pytest.mark.parametrize(
    ('iters', 'config', 'message'),
    [([4, 2], region_config, 'ascend'), ([2], region_config, '2 rounds'), ([2, 4], image_config, 'active_loop.py')],
)
def test_a_hook_that_cannot_work_is_refused(
    iters: list[int], config: Any, message: str, world: Path, tmp_path: Path
) -> None:
    cfg = config(world, tmp_path / 'active')
    cfg.custom_hooks = [dict(type='ActiveSelectionHook', iters=iters)]
    cfg.work_dir = str(tmp_path)
    with pytest.raises(ValueError, match=message):
        train(cfg, CPU, validate=False, meta={}, logger=LOGGER)

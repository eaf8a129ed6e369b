"""Pictures and figures of a training run: what they show, and that the run does not notice them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, ClassVar

import cv2
import numpy as np
import pytest
import torch
from mmcv.runner import HOOKS, Hook
from mmseg.apis import single_gpu_test
from mmseg.core import EvalHook

from mmseg_uda.engine.browse import main as browse_main
from mmseg_uda.engine.pseudo_label_quality import quality_of
from mmseg_uda.engine.train import main as train_main
from mmseg_uda.engine.view_pictures import draw_views
from mmseg_uda.engine.views_hook import ViewsHook, views_options
from mmseg_uda.utils.checkpoint_io import load_checkpoint_file
from tests.engine.worlds import write_config
from tests.harness import processes
from tests.harness.methods import Setup, assert_equal_state

MIC = dict(
    type='DACS',
    alpha=0.9,
    mask_mode='separatetrgaug',
    mask_lambda=1.0,
    mask_generator=dict(type='block', mask_ratio=0.5),
)
QUAD = dict(type='QuadMix', alpha=0.9, start_iter=0, confidence=0.202)
TEACHER = "dict(type='SelfTraining', teacher=dict(alpha=0.9), mixer=dict(type='ClassMixer'))"
META = dict(img_norm_cfg=dict(mean=[0.0] * 3, std=[1.0] * 3, to_rgb=True))


def trained(setup: Setup, folder: Path, hook: Any, resume: Any = None) -> dict[str, Any]:
    runner = setup.runner(folder)
    runner.register_checkpoint_hook(dict(by_epoch=False, interval=3))
    runner.flush_interval = 2
    if hook is not None:
        runner.register_hook(hook)
    if resume is not None:
        runner.resume(str(resume))
    setup.train(runner)
    return runner.model.state_dict()


@pytest.mark.parametrize('uda', [MIC, QUAD], ids=['mic', 'quadmix'])
def test_a_run_is_the_same_with_and_without_pictures(uda: dict[str, Any], tmp_path: Path) -> None:
    setup = Setup(uda)
    without = trained(setup, tmp_path / 'without', None)
    drawn = trained(setup, tmp_path / 'with', ViewsHook(interval=1))
    assert_equal_state(without, drawn, 'with pictures')
    resumed = trained(setup, tmp_path / 'resumed', ViewsHook(interval=1), tmp_path / 'with' / 'iter_3.pth')
    assert_equal_state(without, resumed, 'resumed with pictures')
    assert len(list((tmp_path / 'with' / 'views').glob('*.jpg'))) == 6


def test_views_are_kept_in_drawn_iterations_only(tmp_path: Path) -> None:
    setup, kept = Setup(MIC), []
    hook = ViewsHook(interval=4, quality=False)
    after = hook.after_train_iter
    hook.after_train_iter = lambda runner: (kept.append(runner.model.views is not None), after(runner))[1]  # type: ignore
    trained(setup, tmp_path, hook)
    assert kept == [True, False, False, False, True, False]
    assert sorted(path.name for path in (tmp_path / 'views').iterdir()) == ['iter_000001.jpg', 'iter_000005.jpg']


def test_a_picture_shows_image_labels_and_weight() -> None:
    img = torch.zeros(2, 3, 8, 16)
    img[0, 0] = 200.0
    label = torch.zeros(2, 1, 4, 8, dtype=torch.long)  # of half the size: brought to the image's
    label[..., 4:] = 1
    weight = torch.full((2, 8, 16), 0.5)
    views = dict(target=dict(img=img, pseudo_label=label, weight=weight))
    picture = draw_views(views, META, [[10, 20, 30], [40, 50, 60]], images=1)
    cells = picture[20:].reshape(12, 3, 20, 3)[2:-2, :, 2:-2]  # (8, 3, 16, 3)
    assert (cells[:, 0] == [200, 0, 0]).all()
    assert (cells[:, 1, :8] == [10, 20, 30]).all() and (cells[:, 1, 8:] == [40, 50, 60]).all()
    assert (cells[:, 2] == 127).all()
    small = draw_views(views, META, [[10, 20, 30], [40, 50, 60]], ['road', 'sky'], images=1, width=8)
    assert small.shape[0] > 2 * 20 + 8 and small.shape[1] >= 3 * 12


def test_quality_of_pseudo_labels() -> None:
    label = torch.tensor([[[0, 0, 1, 1], [0, 2, 2, 1]]])
    weight = torch.tensor([[[1.0, 1.0, 0.5, 0.5], [0.0, 1.0, 1.0, 0.0]]])
    truth = torch.tensor([[[0, 1, 1, 255], [0, 2, 0, 1]]])
    views = dict(target=dict(pseudo_label=label, weight=weight, confidence=torch.full((1, 2, 4), 0.25)), source={})
    found = quality_of(views, ['a', 'b', 'c'], dict(target=truth))['target']
    assert found['kept'] == 0.75 and found['weight'] == 0.625 and found['confidence'] == 0.25
    assert list(found['share'].values()) == pytest.approx([2 / 6, 2 / 6, 2 / 6])
    assert found['accuracy'] == pytest.approx(5 / 7) and found['kept_accuracy'] == pytest.approx(3 / 5)
    assert found['class_accuracy'] == pytest.approx(dict(a=2 / 3, b=1.0, c=1 / 2))
    assert 'accuracy' not in quality_of(views, ['a', 'b', 'c'])['target']


def test_published_configs_say_how_often(tmp_path: Path) -> None:
    assert views_options({})['interval'] == 1000
    assert views_options(dict(uda=dict(debug_img_interval=200)))['interval'] == 200
    assert views_options(dict(uda=dict(debug_img_interval=200), views=dict(interval=7, images=1))) == dict(
        interval=7, images=1
    )
    assert views_options(dict(views=False)) is None
    assert views_options(dict(custom_hooks=[dict(type='ViewsHook', interval=5)])) is None
    with pytest.raises(KeyError, match="did you mean 'interval'"):
        views_options(dict(views=dict(intervall=5)))


def test_a_run_leaves_pictures_and_figures_and_resumes_as_if_without(tmp_path: Path) -> None:
    extra = 'views = dict(interval=2, accuracy=True)\nlog_config["hooks"].append(dict(type="TensorboardLoggerHook"))\n'
    config = write_config(tmp_path, uda=TEACHER, extra=extra)
    common = (config, '--device', 'cpu', '--work-dir')
    status, text = processes.run('train.py', *common, tmp_path / 'run', folder=tmp_path)
    assert status == 0, text
    folder = tmp_path / 'run' / 'views'
    pictures = sorted(folder.glob('*.jpg'))
    assert [path.name for path in pictures] == ['iter_000001.jpg', 'iter_000003.jpg']
    assert np.asarray(cv2.imread(str(pictures[0]))).std() > 10
    figures = [json.loads(line) for line in (folder / 'pseudo_labels.jsonl').read_text().splitlines()]
    assert [entry['iter'] for entry in figures] == [2, 4]
    assert 0 <= figures[-1]['target']['accuracy'] <= 1 and 0 < figures[-1]['target']['confidence'] <= 1
    logged = [json.loads(line) for line in next((tmp_path / 'run').glob('*.log.json')).read_text().splitlines()]
    train = [entry for entry in logged if entry.get('mode') == 'train']
    assert train[-1]['pseudo.accuracy'] == pytest.approx(figures[-1]['target']['accuracy'], abs=1e-4)
    assert image_tags(tmp_path / 'run' / 'tf_logs') == {'views'}
    status, text = processes.run(
        'train.py', *common, tmp_path / 'plain', '--cfg-options', 'views=False', folder=tmp_path
    )
    assert status == 0 and not (tmp_path / 'plain' / 'views').exists(), text
    states = [load_checkpoint_file(tmp_path / run / 'iter_4.pth')['state_dict'] for run in ('run', 'plain')]
    assert_equal_state(states[0], states[1], 'with pictures, through the tool')


def image_tags(folder: Path) -> set[str]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder))
    events.Reload()
    return set(events.Tags()['images'])


def test_accuracy_without_labels_is_refused_by_name(tmp_path: Path) -> None:
    extra = 'views = dict(accuracy=True)\ndata["train"]["target"]["ann_dir"] = None\n'
    config = write_config(tmp_path, uda=TEACHER, extra=extra)
    status, text = processes.run('train.py', config, '--work-dir', tmp_path / 'run', '--device', 'cpu', folder=tmp_path)
    assert status == 2 and 'set ann_dir of data.train.target' in text.splitlines()[-1], text
    assert 'Iter [' not in text


@HOOKS.register_module(force=True)
class PredictsAgain(Hook):
    """As MMSegWandbHook does: predicts with the loader of the evaluation hook, in MMSegmentation's own loop."""

    found: ClassVar[list[Any]] = []

    def after_run(self, runner: Any) -> None:
        evaluation = next(hook for hook in runner.hooks if isinstance(hook, EvalHook))
        counts = single_gpu_test(runner.model, evaluation.dataloader, pre_eval=True)
        self.found.append((counts, evaluation.latest_results, len(evaluation.dataloader.dataset)))


def test_hooks_of_others_predict_with_the_loader_of_the_evaluation(tmp_path: Path) -> None:
    PredictsAgain.found.clear()
    config = write_config(tmp_path, extra="custom_hooks = [dict(type='PredictsAgain')]\n")
    train_main([str(config), '--work-dir', str(tmp_path / 'run'), '--device', 'cpu'])
    ((counts, own, images),) = PredictsAgain.found
    assert len(counts) == len(own) == images > 1
    for again, before in zip(counts, own):
        assert all(torch.equal(a, b) for a, b in zip(again, before))


def test_browsing_shows_all_parts_of_a_method_that_begins_late(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shapes = []
    for first in (0, 5):
        config = write_config(tmp_path, f'from_{first}.py', uda=f"dict(type='DACS', source_iters={first})")
        given = [str(config), '--device', 'cpu', '--batches', '1', '--out', str(tmp_path / str(first))]
        (picture,) = browse_main(given)
        shapes.append(cv2.imread(str(picture)).shape)
    assert shapes[0] == shapes[1] and picture.name == 'batch_000.png'
    assert 'as from iteration 5 on' in capsys.readouterr().out

"""The tools from end to end on a tiny world: train, evaluate, resume, test, report, and what they say about bad
input."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmcv import Config

from mmseg_uda.builder import build_train_model
from mmseg_uda.engine import report, test, train
from mmseg_uda.utils.checkpoint_io import CheckpointError, load_checkpoint_file
from mmseg_uda.utils.config_errors import ConfigError
from tests.harness.methods import assert_equal_state

from .worlds import edit, read_metrics, write_config

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope='module')
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a config and a finished run of it in ``run``."""
    folder = tmp_path_factory.mktemp('world')
    config = write_config(folder)
    train.main([str(config), '--work-dir', str(folder / 'run'), '--seed', '3', '--device', 'cpu'])
    return folder


def test_training_leaves_logs_config_best_and_latest(trained: Path) -> None:
    names = {path.name for path in (trained / 'run').iterdir()}
    assert {'tiny.py', 'iter_2.pth', 'iter_4.pth', 'latest.pth'} <= names
    assert any(name.startswith('best_mIoU_iter_') for name in names)
    log = next((trained / 'run').glob('*.log.json')).read_text()
    assert '"mIoU"' in log and '"decode.loss_ce"' in log
    meta = load_checkpoint_file(trained / 'run' / 'latest.pth')['meta']
    assert meta['seed'] == 3 and meta['CLASSES'] == ['a', 'b', 'c', 'd', 'e'] and 'hook_msgs' in meta


def test_auto_resume_ends_where_an_uninterrupted_run_ends(trained: Path) -> None:
    half = trained / 'half'
    half.mkdir()
    shutil.copy(trained / 'run' / 'iter_2.pth', half)
    train.main([str(trained / 'tiny.py'), '--work-dir', str(half), '--seed', '3', '--device', 'cpu', '--auto-resume'])
    straight, resumed = (load_checkpoint_file(trained / run / 'iter_4.pth')['state_dict'] for run in ('run', 'half'))
    assert_equal_state(straight, resumed, 'resumed through the tool')


def test_loader_workers_change_nothing(trained: Path) -> None:
    train.main(
        [
            str(trained / 'tiny.py'),
            '--work-dir',
            str(trained / 'workers'),
            '--seed',
            '3',
            '--device',
            'cpu',
            '--no-validate',
            '--cfg-options',
            'data.workers_per_gpu=2',
        ]
    )
    states = (load_checkpoint_file(trained / run / 'iter_4.pth')['state_dict'] for run in ('run', 'workers'))
    assert_equal_state(*states, 'two workers')


def test_same_seed_same_losses_and_another_seed_others(trained: Path) -> None:
    for name, seed in (('again', '3'), ('other', '4')):
        train.main(
            [
                str(trained / 'tiny.py'),
                '--work-dir',
                str(trained / name),
                '--seed',
                seed,
                '--device',
                'cpu',
                '--no-validate',
            ]
        )
    run, again, other = (
        load_checkpoint_file(trained / name / 'iter_4.pth')['state_dict'] for name in ('run', 'again', 'other')
    )
    assert_equal_state(run, again, 'same seed')
    assert any(not torch.equal(value, other[key]) for key, value in run.items())


def test_test_tool_writes_metrics_per_target_and_on_average(trained: Path) -> None:
    config = write_config(
        trained,
        'two_targets.py',
        extra="""
        data['test'] = [dict(data['test'], name='first'), dict(data['test'],
        data_root=data['train']['source']['data_root'], name='second')]
    """,
    )
    flags = ['--work-dir', str(trained / 'tested'), '--eval', 'mIoU', '--device', 'cpu']
    metrics = test.main([str(config), str(trained / 'run' / 'latest.pth'), *flags])
    assert metrics['mIoU'] == pytest.approx((metrics['mIoU.first'] + metrics['mIoU.second']) / 2)
    assert read_metrics(trained / 'tested') == pytest.approx(metrics, nan_ok=True)


def test_ensembles_average_scores(trained: Path, tmp_path: Path) -> None:
    config, checkpoints = str(trained / 'tiny.py'), [str(trained / 'run' / f'iter_{i}.pth') for i in (2, 4)]
    flags = ['--device', 'cpu', '--work-dir', str(tmp_path)]
    alone = test.main([config, checkpoints[1], *flags])
    together = test.main([config, checkpoints[1], *flags, '--ensemble-with', config, checkpoints[1]])
    np.testing.assert_equal(together, alone)  # not-a-number where a class is absent
    assert (tmp_path / 'test_iter_4_ensemble.json').is_file()
    models = [test.load_model(Config.fromfile(config), path, None, torch.device('cpu')) for path in checkpoints]
    both = test.ensemble(models[0], [(config, checkpoints[1])], torch.device('cpu'))
    img = torch.rand(1, 3, 32, 64)
    for flip in (False, True):
        meta = [dict(ori_shape=(32, 64, 3), img_shape=(32, 64, 3), flip=flip, flip_direction='horizontal')]
        scores = [model.inference_model.whole_inference(img, meta, True) for model in models]
        wanted = ((scores[0] + scores[1]) / 2).softmax(1)
        torch.testing.assert_close(both.inference(img, meta, True), wanted.flip(3) if flip else wanted)
    other = write_config(tmp_path, 'other.py')
    edit(other, 'num_classes=5', 'num_classes=4')
    torch.save(dict(state_dict=build_train_model(Config.fromfile(str(other))).state_dict()), tmp_path / 'other.pth')
    with pytest.raises(CheckpointError, match='has 4 classes, the tested network 5'):
        test.ensemble(models[0], [(str(other), str(tmp_path / 'other.pth'))], torch.device('cpu'))


def test_predictions_are_saved_without_labels(trained: Path, tmp_path: Path) -> None:
    shutil.copytree(trained / 'target' / 'images', tmp_path / 'images')
    config = write_config(
        trained,
        'unlabelled.py',
        extra=f"""
        data['test'].update(data_root={str(tmp_path)!r}, ann_dir=None)
    """,
    )
    test.main(
        [
            str(config),
            str(trained / 'run' / 'latest.pth'),
            '--format-only',
            '--show-dir',
            str(tmp_path / 'out'),
            '--device',
            'cpu',
        ]
    )
    written = sorted((tmp_path / 'out').iterdir())
    assert [path.stem for path in written] == sorted(path.stem for path in (tmp_path / 'images').iterdir())
    assert set(np.unique(cv2.imread(str(written[0]), cv2.IMREAD_UNCHANGED))) <= set(range(5))


def test_ciconv7_a_server_format_of_other_classes_is_refused(trained: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="'acdc' is for the 19 Cityscapes classes"):
        test.main(
            [
                str(trained / 'tiny.py'),
                str(trained / 'run' / 'latest.pth'),
                '--format-only',
                '--format',
                'acdc',
                '--show-dir',
                str(tmp_path),
                '--device',
                'cpu',
            ]
        )


def test_the_teacher_of_a_method_without_one_is_refused(trained: Path) -> None:
    with pytest.raises(ValueError, match="test_with='teacher': SourceOnly offers"):
        test.main([str(trained / 'tiny.py'), str(trained / 'run' / 'latest.pth'), '--eval-teacher', '--device', 'cpu'])


def test_stock_mmseg_test_tool_takes_our_checkpoint(trained: Path, tmp_path: Path) -> None:
    """mmseg's own ``tools/test.py``, with the plain ``model`` part of the config, prints the same mIoU."""
    import mmseg

    ours = test.main(
        [str(trained / 'tiny.py'), str(trained / 'run' / 'latest.pth'), '--work-dir', str(tmp_path), '--device', 'cpu']
    )
    tool = Path(mmseg.__file__).parent / '.mim' / 'tools' / 'test.py'
    program = f'import runpy, sys, mmseg_uda; sys.argv = ["test.py"] + sys.argv[1:]; runpy.run_path({str(tool)!r}, run_name="__main__")'
    flags = ['--eval', 'mIoU', '--work-dir', str(tmp_path / 'stock'), '--cfg-options', 'data.workers_per_gpu=1']
    command = [sys.executable, '-c', program, str(trained / 'tiny.py'), str(trained / 'run' / 'latest.pth'), *flags]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr[-2000:]
    summary = result.stdout[result.stdout.index('Summary') :]
    assert f'{100 * ours["mIoU"]:.2f}'.rstrip('0').rstrip('.') in summary


def test_two_processes_train_and_agree_with_one(trained: Path) -> None:
    """``tools/dist_train.sh`` with 2 gloo ranks and one image each equals one process with two images."""
    environment = dict(os.environ, PYTHON=sys.executable, PORT='29617', OMP_NUM_THREADS='1', CUDA_VISIBLE_DEVICES='')
    result = subprocess.run(
        [
            'bash',
            'tools/dist_train.sh',
            str(trained / 'tiny.py'),
            '2',
            '--work-dir',
            str(trained / 'ranks'),
            '--seed',
            '3',
            '--cfg-options',
            'data.samples_per_gpu=1',
        ],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr[-3000:]
    one, two = (load_checkpoint_file(trained / run / 'iter_4.pth')['state_dict'] for run in ('run', 'ranks'))
    for key, value in one.items():
        torch.testing.assert_close(two[key], value, rtol=1e-4, atol=1e-5)


def test_report_is_one_file_with_curves_gains_and_pictures(trained: Path, tmp_path: Path) -> None:
    test.main([str(trained / 'tiny.py'), str(trained / 'run' / 'latest.pth'), '--device', 'cpu'])
    out = report.main(
        [
            f'first={trained / "run"}',
            f'second={trained / "run"}',
            '--out',
            str(tmp_path / 'r.html'),
            '--images',
            '2',
            '--device',
            'cpu',
            '--panel-image',
            str(tmp_path / 'panel.png'),
        ]
    )
    text = out.read_text()
    assert 'gain of second' in text and '+0.0' in text and 'http' not in text
    worst = 3 * (2 + 2 * 2)  # image, truth, and prediction and errors of both runs
    assert text.count('data:image/jpeg') == 2 * 4 + worst and text.count('<svg') >= 5
    assert cv2.imread(str(tmp_path / 'panel.png')) is not None


def test_report_of_an_empty_folder_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match='neither a training log'):
        report.main([str(tmp_path)])
    with pytest.raises(FileNotFoundError, match="'nowhere' does not exist"):
        report.main(['nowhere'])


@pytest.mark.parametrize(
    'old, new, message',
    [
        (
            'optimizer_config = dict()',
            'optimiser_config = dict()',
            r"tiny\.py: unknown key 'optimiser_config': did you mean 'optimizer_config'",
        ),
        (
            'optimizer_config = dict()',
            "optimizer_config = dict(precison='bf16')",
            r"tiny\.py: .*'precison'.*did you mean 'precision'",
        ),
        ("type='FCNHead'", "type='FCNHed'", r"tiny\.py: .*FCNHed.*did you mean 'FCNHead'"),
        ('num_convs=1', 'num_conv=1', r"tiny\.py: .*num_conv.*did you mean 'num_convs'"),
        (
            "optimizer = dict(type='AdamW', lr=1e-3)",
            "optimizer = dict(type='AdamW', lrr=1e-3)",
            r"tiny\.py: .*'lrr'.*did you mean 'lr'",
        ),
        ('max_iters=4', 'max_iters=0', r'tiny\.py: runner\.max_iters must be a positive'),
        ('num_classes=5', 'num_classes=19', r'tiny\.py: .*num_classes=19.*5 classes'),
        ('model = dict(', 'unused = dict(', r"tiny\.py: key 'model' is missing"),
        ("img_dir='images'", "img_dir='pictures'", r'source/pictures does not exist'),
        ("policy='poly'", "policy='polly'", r'tiny\.py: .*[Pp]olly'),
        (
            "classes = ['a', 'b', 'c', 'd', 'e']",
            'classes = [str(i) for i in range(300)]',
            r'tiny\.py: .*300 classes: .*at most 255',
        ),
        ("img_dir='images'", "id_map={0: 300}, img_dir='images'", r'tiny\.py: .*\[300\]'),
    ],
)
def test_mistakes_in_a_config_are_named_before_the_first_iteration(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    config = edit(write_config(tmp_path), old, new)
    with pytest.raises((ConfigError, FileNotFoundError), match=f'(?s){message}'):
        train.main([str(config), '--work-dir', str(tmp_path / 'run'), '--device', 'cpu'])
    assert not list((tmp_path / 'run').glob('*.pth')) if (tmp_path / 'run').exists() else True


def test_a_missing_stream_is_named(tmp_path: Path) -> None:
    config = write_config(tmp_path, uda="dict(type='ToyAdversarial')", extra="data['train']['target'] = None\n")
    with pytest.raises(
        ConfigError, match=r"tiny\.py: ToyAdversarial needs the stream 'target', but data.train offers \['source'\]"
    ):
        train.main([str(config), '--work-dir', str(tmp_path / 'run'), '--device', 'cpu'])


def test_a_misspelt_method_or_option_is_named(tmp_path: Path) -> None:
    for uda, message in (
        ("dict(type='ToyAdversary')", "'ToyAdversary': did you mean 'ToyAdversarial'"),
        ("dict(type='ToyAdversarial', step_earli=True)", "'step_earli'.*did you mean 'step_early'"),
    ):
        config = write_config(tmp_path, uda=uda)
        with pytest.raises(ConfigError, match=rf'tiny\.py: .*{message}'):
            train.main([str(config), '--work-dir', str(tmp_path / 'run'), '--device', 'cpu'])


def test_a_missing_config_is_named() -> None:
    with pytest.raises(FileNotFoundError, match='no/such/config.py'):
        train.main(['no/such/config.py'])

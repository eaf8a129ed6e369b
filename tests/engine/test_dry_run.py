"""No step of a method asks the device for a number, and none launches more work than it did.

``KERNELS`` holds what the tiny networks of the harness launched when this was written, rounded up to leave room for other
versions of torch. A count above it means that a step got slower on every GPU: find out why before raising a number.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from mmcv import Config
from torch import Tensor

from mmseg_uda.builder import build_train_model
from mmseg_uda.engine.dry_run import Tally, dry_steps
from mmseg_uda.engine.example_batch import example_batch, without_downloads
from mmseg_uda.engine.placing import EngineOptions, arrange
from mmseg_uda.engine.step import StepOptions
from tests.harness.methods import Setup, answered_copies, check_no_waits
from tests.harness.runs import CLASSES, METHODS, make_world, network

KERNELS = {
    'source_only': 120,
    'adaptsegnet': 530,
    'minent': 370,
    'advent': 580,
    'esl_online': 640,
    'dacs': 590,
    'dacs_running': 600,
    'daformer': 650,
    'hrda': 980,
    'mic': 960,
    'mic_adaptsegnet': 890,
    'quadmix': 1130,
    'mdis': 1370,
    'mtkt': 1200,
    'coast': 1040,
    'dstc': 880,
    'dstc_augmented': 1100,
    'fda': 320,
    'coast_warm_up': 650,
    'ripu': 320,
    'stal': 820,
    'stal_eval': 500,
}
#: of DAFormer with MiT-B5, the network of the published table; they do not depend on the size of the images
MIT_B5 = 7200
#: label connected components on the host between teacher and mixing, see ``STAL.mix``: the one wait that is left
WAITS = ('stal', 'stal_eval')


@pytest.fixture(scope='module')
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_world(tmp_path_factory.mktemp('dry')) / 'imagenet.pth'


def arguments(name: str, weights: Path) -> dict[str, Any]:
    """A method of the table for the harness."""
    streams, uda, kind = METHODS[name]
    size = (64, 64) if kind == 'hrda' else (32, 64)
    return dict(uda=uda, streams=streams, model=network(kind, weights), num_classes=len(CLASSES), size=size)


def setup(name: str, weights: Path) -> Setup:
    return Setup(**arguments(name, weights))


@pytest.mark.parametrize('name', [name for name in METHODS if name not in WAITS])
def test_a_step_neither_waits_for_the_host_nor_launches_more(name: str, weights: Path) -> None:
    tally = check_no_waits(**arguments(name, weights))
    assert sum(tally.kernels.values()) <= KERNELS.get(name, 0), tally.kernels.most_common(12)


def test_a_step_of_mit_b5_launches_no_more(tmp_path: Path) -> None:
    config = Path(__file__).resolve().parents[2] / 'configs/daformer/gta_to_cityscapes_daformer_mitb5.py'
    cfg = without_downloads(Config.fromfile(str(config)), tmp_path)
    method = build_train_model(cfg, 0)
    teacher: Any = method.teacher
    teacher.initialized.fill_(True)
    teacher.load_state_dict(teacher.state_dict())  # as in a resumed run: the first update of a new one copies
    batch = example_batch(cfg, method, size=(64, 64))
    tally = dry_steps(method, batch, iterations=(5,))
    assert sum(tally.kernels.values()) <= MIT_B5, tally.kernels.most_common(12)
    assert tally.kernels['add_'] < 100, 'gradients of the second pass are added one by one'


@pytest.mark.parametrize('name', WAITS)
def test_a_step_waits_once(name: str, weights: Path) -> None:
    with pytest.raises((RuntimeError, NotImplementedError), match='meta'):
        check_no_waits(**arguments(name, weights))
    with answered_copies():
        tally = check_no_waits(**arguments(name, weights))
    assert sum(tally.kernels.values()) <= KERNELS[name], tally.kernels.most_common(12)


def test_the_teacher_of_hrda_does_not_set_the_peak_of_checkpointed_training(tmp_path: Path) -> None:
    config = Path(__file__).resolve().parents[2] / 'configs/hrda/gta_to_cityscapes_hrda_daformer_mitb0.py'
    cfg = Config.fromfile(str(config))
    cfg.model.hr_crop_size = (128, 128)
    cfg = without_downloads(cfg, tmp_path)
    method = build_train_model(cfg, 0)
    arrange(method, EngineOptions(activation_checkpointing=True, windows_per_chunk='auto'))
    peaks = dry_steps(method, example_batch(cfg, method, size=(256, 256))).peak_by_phase
    assert 0 < peaks['labelling'] < peaks['training']


def test_a_question_for_a_number_is_an_error(weights: Path) -> None:
    one = setup('dacs', weights)
    method, _ = one.build()
    plain = method.training_losses

    def asking(batch: Any) -> Any:
        for term in plain(batch):
            assert float(term.loss) >= 0
            yield term

    method.training_losses = asking  # type: ignore[method-assign]
    with pytest.raises(RuntimeError, match='meta'):
        dry_steps(method, one.data.batch(range(2)))


@pytest.mark.parametrize('precision', ['fp32', 'bf16'])
def test_fake_tensors_know_autocast(precision: str, weights: Path) -> None:
    one = setup('dacs', weights)
    options = StepOptions(precision=precision)
    tally = dry_steps(one.build()[0], one.data.batch(range(2)), options, iterations=(3, 4), device='cpu')
    assert (tally.kernels['_to_copy'] > 20) == (precision == 'bf16')


def test_copies_to_the_host_of_fake_tensors_hold_nothing(weights: Path) -> None:
    one = setup('stal', weights)
    assert dry_steps(one.build()[0], one.data.batch(range(2)), device='cpu').kernels['convolution'] > 0


def test_the_tally_follows_live_bytes() -> None:
    tally = Tally()
    held = torch.empty(1000, device='meta')
    tally.hold([held])
    with tally:
        a: Tensor = held + 1
        b = a * 2
        del a
        c = b.view(10, 100)
        with torch.inference_mode():
            torch.empty(10, device='meta')
    assert tally.held == 4000 and tally.peak == 12000 and tally.now == 8000
    assert dict(tally.kernels) == dict(add=1, mul=1)
    assert tally.peak_by_phase == dict(training=12000, labelling=8040)
    assert tally.at_peak[0][0] == 4000 and c.shape == (10, 100)

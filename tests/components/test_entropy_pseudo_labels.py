"""The entropy criterion as a part of self-training methods: any batch size, exact resume, ranks; weights of its
modes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from mmcv import Config

from mmseg_uda.components.entropy_pseudo_labels import EntropyPseudoLabel
from mmseg_uda.ops.entropy import entropy_from_logits
from tests.harness.methods import Setup, check_batch_sizes, check_exact_resume, check_two_ranks
from tests.harness.synthetic import tiny_model

CONFIGS = [
    path
    for path in sorted((Path(__file__).resolve().parents[2] / 'configs/esl').glob('*.py'))
    if 'EntropyPseudoLabel' in path.read_text()
]


def dacs(**options: Any) -> dict[str, Any]:
    return dict(
        type='DACS', pseudo_labeler=dict(dict(type='EntropyPseudoLabel', warmup=1, min_mass=10.0, floor=0.9), **options)
    )


@pytest.mark.parametrize(
    'options', [dict(), dict(mode='pixel_mask', normalize=True), dict(mode='pixel_soft'), dict(threshold=0.9)], ids=str
)
def test_in_dacs(options: dict[str, Any], tmp_path: Path) -> None:
    check_batch_sizes(dacs(**options))
    check_exact_resume(dacs(**options), tmp_path=tmp_path / 'resume')
    check_two_ranks(dacs(**options), tmp_path=tmp_path / 'ranks')


@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: path.stem)
def test_configs_train(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The method of every config (DACS, DAFormer, MIC) does a step with a small network."""
    monkeypatch.setattr('mmseg_uda.methods.self_training.init_reference_weights', lambda network: None)
    cfg = Config.fromfile(str(path))
    classes = 11 if path.stem.startswith('camvid') else 19
    size = (288, 64) if cfg.uda.pseudo_labeler.get('ignore_bottom') else (32, 64)  # some rows must be left
    setup = Setup(dict(cfg.uda, source_iters=0), model=tiny_model(classes), num_classes=classes, size=size)
    method, step = setup.build()
    step([setup.data.batch([0, 1])], 0)
    log = step.flush()[0]
    assert ('masked.decode.loss_ce' in log) == (cfg.uda.mask_mode is not None) and 'mix.decode.loss_ce' in log
    rows = size[0] - cfg.uda.pseudo_labeler.get('ignore_top', 0) - cfg.uda.pseudo_labeler.get('ignore_bottom', 0)
    assert method.pseudo_labeler.mass.sum() == 2 * rows * size[1] and method.pseudo_labeler.updates == 1


def logits() -> torch.Tensor:
    return 4 * torch.randn(2, 5, 8, 8, generator=torch.Generator().manual_seed(0))


def test_half_of_every_class_is_trusted() -> None:
    labeler = EntropyPseudoLabel(5, 'pixel_mask', floor=0.0, limit=None, min_mass=1.0, warmup=0)
    label, weight = labeler(logits())
    for c in range(5):
        count = int((label == c).sum())
        assert count / 2 - 1 <= int(weight[label == c].sum()) <= count / 2 + 3


def test_warm_up_and_rare_classes_use_the_floor() -> None:
    for options in (dict(warmup=5, min_mass=0.0), dict(warmup=0, min_mass=1e9)):
        labeler = EntropyPseudoLabel(5, 'pixel_mask', floor=0.2, limit=None, **options)
        _, weight = labeler(logits())
        assert torch.equal(weight > 0, entropy_from_logits(logits()) <= 0.2)


def test_invalid_pixels_neither_count_nor_weigh() -> None:
    valid = torch.ones(2, 1, 8, 8)
    valid[:, :, :4] = 0
    seen, unseen = (EntropyPseudoLabel(5, mode, warmup=0, min_mass=0.0) for mode in ('pixel_mask', 'image_ratio'))
    _, weight = seen(logits(), valid)
    assert weight[:, :4].sum() == 0 and seen.mass.sum() == 64
    _, ratio = unseen(logits(), valid)
    assert ratio[:, :4].sum() == 0 and ratio[:, 4:].unique().numel() == 1
    assert ratio[0, 7, 7] == pytest.approx(weight.mean().item())
    empty = seen(logits(), torch.zeros(2, 1, 8, 8))[1]
    assert empty.abs().sum() == 0


@pytest.mark.parametrize('options, message', [(dict(mode='soft'), 'mode'), (dict(gamma=1.5), 'gamma')])
def test_wrong_options_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        EntropyPseudoLabel(5, **options)

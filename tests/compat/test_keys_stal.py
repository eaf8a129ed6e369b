"""Released U2PL and STAL networks convert to this package's names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from mmcv import Config
from torch import Tensor

from mmseg_uda.builder import build_train_model
from mmseg_uda.engine.convert_checkpoint import main
from mmseg_uda.utils.checkpoint_io import CheckpointError, load_checkpoint_file

BN = dict(type='BN')
HEADS = dict(num_classes=5, norm_cfg=BN, align_corners=True)
BACKBONE = dict(
    type='ResNetV1c',
    depth=50,
    base_channels=4,
    stem_channels=4,
    strides=(1, 2, 1, 1),
    dilations=(1, 1, 2, 4),
    norm_cfg=BN,
)


def config() -> Config:
    """STAL with a thin network of the released kind."""
    model = dict(
        type='EncoderDecoder',
        pretrained=None,
        backbone=BACKBONE,
        train_cfg=dict(),
        test_cfg=dict(mode='whole'),
        decode_head=dict(
            type='DLV3PlusRepHead',
            in_channels=(16, 128),
            channels=4,
            low_channels=4,
            representation_channels=4,
            **HEADS,
        ),
        auxiliary_head=dict(
            type='FCNHead', in_channels=64, channels=4, in_index=2, num_convs=1, concat_input=False, **HEADS
        ),
    )
    return Config(
        dict(
            model=model,
            uda=dict(type='STAL', contrast=dict(low_rank=1)),
            runner=dict(type='IterBasedRunner', max_iters=4),
        )
    )


def released(state: dict[str, Tensor], bias: float) -> dict[str, Tensor]:
    """A network of this package in the released names; the auxiliary head's first convolution has ``bias`` there."""
    names = {
        'backbone.stem.7.': 'encoder.bn1.',
        'backbone.stem.': 'encoder.conv1.',
        'backbone.': 'encoder.',
        'decode_head.conv_seg.': 'decoder.classifier.8.',
        'decode_head.': 'decoder.',
        'auxiliary_head.convs.0.conv.': 'auxor.aux.0.',
        'auxiliary_head.convs.0.bn.': 'auxor.aux.1.',
        'auxiliary_head.conv_seg.': 'auxor.aux.4.',
    }
    result = {}
    for key, value in state.items():
        ours = next(prefix for prefix in names if key.startswith(prefix))
        result[f'module.{names[ours]}{key[len(ours) :]}'] = value
    result['module.auxor.aux.0.bias'] = torch.full((4,), bias)
    return result


@pytest.fixture
def networks() -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Student and teacher in the names of this package."""
    torch.manual_seed(0)
    method = build_train_model(config())
    student = {key: value for key, value in method.state_dict().items() if not key.startswith('uda.')}
    return student, {
        key: torch.rand_like(value) if value.is_floating_point() else value for key, value in student.items()
    }


def test_student_and_teacher(networks: tuple[dict[str, Tensor], ...], tmp_path: Path) -> None:
    student, teacher = networks
    file: dict[str, Any] = dict(
        epoch=3, model_state=released(student, 0.0), teacher_state=released(teacher, 0.5), best_miou=0.7
    )
    torch.save(file, tmp_path / 'released.pth')
    config().dump(str(tmp_path / 'config.py'))
    main([str(tmp_path / 'released.pth'), str(tmp_path / 'ours.pth'), '--config', str(tmp_path / 'config.py')])
    method = build_train_model(config())
    method.load_state_dict(load_checkpoint_file(tmp_path / 'ours.pth')['state_dict'], strict=False)
    assert bool(method.teacher.initialized)
    for network, wanted in ((method.student, student), (method.teacher.model, teacher)):
        for key, value in network.state_dict().items():
            bias = 0.5 if wanted is teacher and key == 'auxiliary_head.convs.0.bn.running_mean' else 0.0
            assert torch.equal(value, wanted[key] - bias), key


@pytest.mark.parametrize('wrap', [lambda state: state, lambda state: {'state_dict': state}])
def test_a_network_alone(wrap: Any, networks: tuple[dict[str, Tensor], ...], tmp_path: Path) -> None:
    torch.save(wrap(released(networks[1], 0.0)), tmp_path / 'teacher.pth')
    converted = main([str(tmp_path / 'teacher.pth'), str(tmp_path / 'ours.pth')])
    assert converted.keys() == networks[1].keys()
    assert all(torch.equal(converted[key], networks[1][key]) for key in converted)


def test_another_network_is_refused(networks: tuple[dict[str, Tensor], ...], tmp_path: Path) -> None:
    torch.save({**released(networks[0], 0.0), 'module.fc.weight': torch.zeros(1)}, tmp_path / 'other.pth')
    with pytest.raises(CheckpointError, match="'fc.weight' belongs to no network of STAL"):
        main([str(tmp_path / 'other.pth'), str(tmp_path / 'ours.pth')])

"""Released CoaST networks convert to this package's names, give the same outputs and convert back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mmcv
import pytest
import torch
from torch import Tensor

from mmseg_uda.builder import build_train_model
from mmseg_uda.compat.keys_coast import coast_to_ours, ours_to_coast
from mmseg_uda.engine.convert_checkpoint import main
from mmseg_uda.utils.checkpoint_io import CheckpointError, load_checkpoint_file

MODEL = dict(
    type='EncoderDecoder',
    backbone=dict(type='AdventResNet', depth=50, base_channels=4, stem_channels=4, out_indices=(3,)),
    decode_head=dict(
        type='SEASPPHead', in_channels=128, in_index=0, channels=32, num_groups=4, num_classes=7, align_corners=True
    ),
    train_cfg=dict(),
    test_cfg=dict(mode='whole'),
)


def config(targets: int = 2) -> mmcv.Config:
    return mmcv.Config(dict(model=MODEL, uda=dict(type='CoaST', num_targets=targets)))


@pytest.fixture
def released(tmp_path: Path) -> dict[str, Tensor]:
    """``released.pkl`` in the released layout, ``config.py`` for its network, and the weights."""
    torch.manual_seed(0)
    weights = ours_to_coast(build_train_model(config()).state_dict())
    torch.save(
        {'ResNet101': {'model_state': weights}, 'FCDiscriminator': {}, 'iter': 60000, 'best_iou': 0.5},
        tmp_path / 'released.pkl',
    )
    config().dump(str(tmp_path / 'config.py'))
    return weights


def test_tool_converts_there_and_back_with_equal_outputs(tmp_path: Path, released: dict[str, Tensor]) -> None:
    main([str(tmp_path / 'released.pkl'), str(tmp_path / 'ours.pth'), '--config', str(tmp_path / 'config.py')])
    method = build_train_model(config()).eval()
    method.load_state_dict(load_checkpoint_file(tmp_path / 'ours.pth')['state_dict'], strict=False)
    student = method.student
    assert torch.equal(student.decode_head.conv_seg.weight, released['layer5_list.2.head.1.weight'])
    assert torch.equal(student.domain_heads[1].conv_seg.weight, released['layer5_list.1.head.1.weight'])
    other = build_train_model(config()).eval()
    other.load_state_dict(coast_to_ours(released), strict=False)
    img = torch.rand(1, 3, 33, 65)
    assert torch.equal(student.encode_decode(img, [{}]), other.student.encode_decode(img, [{}]))
    main([str(tmp_path / 'ours.pth'), str(tmp_path / 'back.pkl'), '--to', 'coast'])
    back = load_checkpoint_file(tmp_path / 'back.pkl')['ResNet101']['model_state']
    assert back.keys() == released.keys() and all(torch.equal(back[key], released[key]) for key in back)


def test_warm_up_has_no_agnostic_classifier(tmp_path: Path, released: dict[str, Tensor]) -> None:
    converted = main([str(tmp_path / 'released.pkl'), str(tmp_path / 'ours.pth'), '--domain-heads', '3'])
    assert 'domain_heads.2.conv_seg.weight' in converted and not any(key.startswith('decode_head') for key in converted)
    assert ours_to_coast(converted).keys() == released.keys()


def test_wrong_number_of_targets_is_refused(tmp_path: Path, released: dict[str, Tensor]) -> None:
    with pytest.raises(CheckpointError, match='3 classifiers: that fits 2 targets .* or 3 .*not 4'):
        main([str(tmp_path / 'released.pkl'), str(tmp_path / 'ours.pth'), '--domain-heads', '4'])
    config(3).dump(str(tmp_path / 'three.py'))
    with pytest.raises(CheckpointError, match='missing .domain_heads.2'):
        main([str(tmp_path / 'released.pkl'), str(tmp_path / 'ours.pth'), '--config', str(tmp_path / 'three.py')])


@pytest.mark.parametrize(
    'convert, state, message',
    [
        (coast_to_ours, {'layer5_list.0.x': (1,), 'layer5_list.1.x': (1,), 'fc.weight': (1,)}, 'fc.weight'),
        (ours_to_coast, {'domain_heads.0.x': (1,), 'auxiliary_head.x': (1,)}, 'auxiliary_head.x'),
        (ours_to_coast, {'decode_head.x': (1,)}, 'decode_head.x'),
    ],
)
def test_other_networks_are_refused(convert: Any, state: dict[str, Any], message: str) -> None:
    with pytest.raises(KeyError, match=f"'{message}' belongs to no network of CoaST"):
        convert({key: torch.zeros(size) for key, size in state.items()})


def test_domain_heads_belong_to_coast_only(tmp_path: Path) -> None:
    torch.save({'backbone.conv1.weight': torch.zeros(1)}, tmp_path / 'other.pth')
    with pytest.raises(CheckpointError, match='--domain-heads is for released CoaST networks'):
        main([str(tmp_path / 'other.pth'), str(tmp_path / 'ours.pth'), '--domain-heads', '2'])

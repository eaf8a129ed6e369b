"""The network of the ADVENT lineage: its ImageNet file, published checkpoints, classifiers and discriminator."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from mmcv import Config
from mmseg.models import build_backbone, build_head, build_segmentor

from mmseg_uda.builder import with_num_classes
from mmseg_uda.compat.keys_advent import ours_to_advent
from mmseg_uda.engine.convert_checkpoint import main as convert
from mmseg_uda.models.discriminators import FCDiscriminator
from mmseg_uda.utils.checkpoint_io import CheckpointError, load_checkpoint_file

CONFIG = Path(__file__).resolve().parents[2] / 'configs/_base_/models/deeplabv2_advent_r101.py'
SMALL: dict[str, Any] = dict(type='AdventResNet', depth=50, base_channels=4, stem_channels=4)


def imagenet_file(path: Path, **changes: torch.Tensor) -> dict[str, torch.Tensor]:
    """Weights of a small backbone under the names of the published ImageNet file."""
    state = build_backbone(SMALL).state_dict()
    for key in state:
        if key.endswith('running_var'):
            state[key] = torch.rand(state[key].shape) + 0.5
    state.update(changes)
    named = {f'Scale.{key}': value for key, value in state.items() if 'num_batches' not in key}
    torch.save({**named, 'Scale.layer5.conv2d_list.0.weight': torch.zeros(21, 16, 3, 3)}, path)
    return state


def test_imagenet_file_of_the_lineage(tmp_path: Path) -> None:
    state = imagenet_file(tmp_path / 'caffe.pth')
    backbone = build_backbone(dict(SMALL, pretrained=str(tmp_path / 'caffe.pth')))
    backbone.init_weights()
    assert all(torch.equal(value, state[key]) for key, value in backbone.state_dict().items())


def test_folded_batch_norm_is_refused(tmp_path: Path) -> None:
    ones = {
        key: torch.ones_like(value)
        for key, value in build_backbone(SMALL).state_dict().items()
        if key.endswith('running_var')
    }
    imagenet_file(tmp_path / 'folded.pth', **ones)
    with pytest.raises(CheckpointError, match='folded'):
        build_backbone(dict(SMALL, pretrained=str(tmp_path / 'folded.pth'))).init_weights()


def test_random_start_keeps_the_residual_branches_alive() -> None:
    backbone = build_backbone(SMALL)
    backbone.init_weights()
    assert all(block.norm3.weight.abs().sum() > 0 and not block.norm3.weight.requires_grad for block in backbone.layer1)
    backbone.train()
    assert backbone.bn1.training


def test_published_checkpoint_round_trip(tmp_path: Path) -> None:
    cfg = Config.fromfile(str(CONFIG))
    cfg.model = with_num_classes(dict(cfg.model, pretrained=None, backbone=SMALL), 19)
    cfg.model.decode_head.in_channels, cfg.model.auxiliary_head.in_channels = 128, 64
    cfg.dump(str(tmp_path / 'small.py'))
    segmentor = build_segmentor(cfg.model)
    published = ours_to_advent(segmentor.state_dict())
    assert 'layer6.conv2d_list.3.bias' in published and 'conv1.weight' in published
    torch.save(published, tmp_path / 'advent.pth')
    convert([str(tmp_path / 'advent.pth'), str(tmp_path / 'ours.pth'), '--config', str(tmp_path / 'small.py')])
    segmentor.load_state_dict(load_checkpoint_file(tmp_path / 'ours.pth')['state_dict'], strict=True)
    convert([str(tmp_path / 'ours.pth'), str(tmp_path / 'back.pth'), '--to', 'advent'])
    back = load_checkpoint_file(tmp_path / 'back.pth')['state_dict']
    assert back.keys() == published.keys() and all(torch.equal(back[key], published[key]) for key in back)


def test_other_networks_cannot_take_these_names() -> None:
    with pytest.raises(KeyError, match='no network of the ADVENT lineage'):
        ours_to_advent({'decode_head.conv_seg.weight': torch.zeros(1)})


def test_active_branches() -> None:
    options = dict(type='AdventHead', in_channels=4, in_index=0, num_classes=3, align_corners=True)
    features = [torch.randn(1, 4, 9, 9)]
    four, two = build_head(options), build_head(dict(options, num_active_branches=2))
    four.init_weights()
    two.load_state_dict(four.state_dict())
    branches = [branch(features[0]) for branch in four.aspp_modules]
    torch.testing.assert_close(four(features), sum(branches))
    torch.testing.assert_close(two(features), branches[0] + branches[1])
    assert any(branch.conv.bias.abs().sum() > 0 for branch in four.aspp_modules)
    with pytest.raises(ValueError, match='num_active_branches'):
        build_head(dict(options, num_active_branches=5))


def test_discriminator_refuses_images_that_would_vanish() -> None:
    assert FCDiscriminator(3, 2)(torch.zeros(2, 3, 33, 95)).shape == (2, 1, 1, 2)
    with pytest.raises(ValueError, match='at least 32'):
        FCDiscriminator(3, 2)(torch.zeros(1, 3, 31, 64))

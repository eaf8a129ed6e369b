"""Activation checkpointing changes neither losses nor gradients nor statistics, and keeps less."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from mmseg.models.builder import build_backbone
from torch import Tensor, nn

from mmseg_uda.models.checkpointing import CheckpointedBlock, checkpoint_blocks
from mmseg_uda.models.modes import kept_running_statistics

BACKBONES: dict[str, dict[str, Any]] = {
    'resnet': dict(type='ResNetV1c', depth=18, base_channels=8, stem_channels=8, norm_cfg=dict(type='BN')),
    'mit': dict(type='mit_b0', drop_rate=0.1),
    'efficientnet': dict(type='TIMMBackbone', model_name='tf_efficientnet_lite0', pretrained=False, features_only=True,
                         out_indices=(1, 2), drop_path_rate=0.2),
    'convnext': dict(type='TIMMBackbone', model_name='convnext_atto', pretrained=False, features_only=True,
                     out_indices=(0, 1), drop_path_rate=0.2),
}  # fmt: skip


def passed(backbone: nn.Module, image: Tensor) -> tuple[Tensor, list[Any], dict[str, Tensor], int]:
    """Loss, gradients, buffers and the number of saved elements of a training pass."""
    saved: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        saved[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    torch.manual_seed(3)
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        loss = torch.stack([level.square().mean() for level in backbone(image)]).sum()
    kept = sum(saved.values())
    loss.backward()
    return loss.detach(), [p.grad for p in backbone.parameters()], dict(backbone.named_buffers()), kept


@pytest.mark.parametrize('name', BACKBONES)
def test_equal_training_with_less_memory(name: str) -> None:
    torch.manual_seed(0)
    plain = build_backbone(BACKBONES[name])
    plain.train()  # the one of ResNet returns nothing
    fast = copy.deepcopy(plain)
    assert checkpoint_blocks(fast) >= 4
    image = torch.randn(2, 3, 32, 64)
    loss, gradients, buffers, kept = passed(plain, image)
    own_loss, own_gradients, own_buffers, own_kept = passed(fast, image)
    torch.testing.assert_close(own_loss, loss)
    for a, b in zip(own_gradients, gradients):
        assert (a is None) == (b is None)
        if a is not None:
            torch.testing.assert_close(a, b)
    assert list(own_buffers) == list(buffers)
    for key, value in buffers.items():
        torch.testing.assert_close(own_buffers[key], value, msg=key)
    assert list(fast.state_dict()) == list(plain.state_dict())
    assert own_kept < kept


def test_a_backbone_is_checkpointed_once_and_copies_stay_checkpointed() -> None:
    backbone = build_backbone(BACKBONES['resnet'])
    first = checkpoint_blocks(backbone)
    twin = copy.deepcopy(backbone)
    assert first == sum(isinstance(module, CheckpointedBlock) for module in twin.modules())


def test_a_network_without_blocks_is_named() -> None:
    with pytest.raises(ValueError, match='Conv2d has no list of blocks'):
        checkpoint_blocks(nn.Conv2d(3, 3, 1))


def test_blocks_compute_again_in_the_modes_of_their_forward_pass() -> None:
    """MIC's masked images leave running statistics alone; gradients come after that has ended."""
    torch.manual_seed(0)
    plain = build_backbone(BACKBONES['efficientnet'])
    plain.train()
    fast = copy.deepcopy(plain)
    checkpoint_blocks(fast)
    image = torch.randn(2, 3, 32, 64)
    for backbone in (plain, fast):
        torch.manual_seed(3)
        with kept_running_statistics(backbone):
            loss = torch.stack([level.square().mean() for level in backbone(image)]).sum()
        torch.manual_seed(4)
        backbone.eval()
        loss.backward()
        assert not any(module.training for module in backbone.modules())
        backbone.train()
    for (name, one), two in zip(plain.named_parameters(), fast.parameters()):
        assert (one.grad is None) == (two.grad is None)
        if one.grad is not None:
            torch.testing.assert_close(two.grad, one.grad, msg=name)
    for (name, one), two in zip(plain.named_buffers(), fast.buffers()):
        assert torch.equal(one, two), name

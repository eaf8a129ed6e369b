"""Class scores are resized as torch does it."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch._subclasses.fake_tensor import FakeTensorMode

from mmseg_uda.ops.on_cpu import computed_on_cpu
from mmseg_uda.ops.resize import resize_scores


@pytest.mark.parametrize('memory', [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize('align_corners', [False, True])
@pytest.mark.parametrize('size', [(12, 20), (7, 9), (3, 5), (1, 30)])
def test_scores_and_gradients(size: tuple[int, int], align_corners: bool, memory: torch.memory_format) -> None:
    torch.manual_seed(0)
    scores = torch.randn(2, 4, 6, 5).to(memory_format=memory).requires_grad_()
    weight = torch.randn(2, 4, *size)
    wanted = F.interpolate(scores, size=size, mode='bilinear', align_corners=align_corners)
    found = resize_scores(scores, torch.Size(size), align_corners)
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)
    assert found.is_contiguous()
    without_gradient = resize_scores(scores.detach(), torch.Size(size), align_corners)
    torch.testing.assert_close(without_gradient, wanted.detach(), rtol=1e-4, atol=1e-5)
    assert without_gradient.is_contiguous()
    gradients = [torch.autograd.grad((resized * weight).sum(), scores)[0] for resized in (found, wanted)]
    torch.testing.assert_close(*gradients, rtol=1e-4, atol=1e-4)


def test_the_same_size_is_the_input_itself() -> None:
    scores = torch.randn(1, 2, 3, 4)
    assert resize_scores(scores, (3, 4)) is scores


def test_autocast_does_not_round_the_scores() -> None:
    scores = torch.randn(1, 2, 3, 4)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        found = resize_scores(scores, (6, 8))
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, F.interpolate(scores, size=(6, 8), mode='bilinear'), rtol=1e-4, atol=1e-5)


def test_tensors_that_stand_for_those_of_a_gpu_take_its_form() -> None:
    scores = torch.randn(1, 2, 3, 4)
    assert computed_on_cpu(scores)
    with FakeTensorMode(allow_non_fake_inputs=True) as mode:
        assert not computed_on_cpu(mode.from_tensor(scores))

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from mmseg_uda.ops.residual import scaled_residual


@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16])
def test_equals_addcmul_with_gradients_and_multiplies_once(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    factor = torch.tensor([0.0, 1.25])[:, None, None]
    inputs = torch.randn(2, 5, 3), torch.randn(2, 3, 5).to(dtype)  # the branch comes transposed

    def passed(add: object) -> list[Tensor]:
        x, branch = (value.clone().requires_grad_() for value in inputs)
        out = add(x, branch.transpose(1, 2), factor)  # type: ignore[operator]
        out.square().sum().backward()
        return [out.detach(), x.grad, branch.grad]

    for found, plain in zip(passed(scaled_residual), passed(torch.addcmul)):
        assert torch.equal(found, plain) and found.dtype == plain.dtype
    graph = scaled_residual(inputs[0], inputs[1].transpose(1, 2).requires_grad_(), factor)
    with torch.profiler.profile() as profile:
        graph.sum().backward()
    assert sum(event.count for event in profile.key_averages() if event.key == 'aten::mul') == 1

"""``tools/benchmark.py``: figures that can be counted by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from mmseg_uda.engine.benchmark import main as benchmark
from mmseg_uda.engine.benchmark import measure

from .test_predictor import save_weights
from .worlds import write_config


class OneConvolution(torch.nn.Module):
    """A network of one 3x3 convolution, 3 -> 8 channels, and attention."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 8, 3, padding=1, bias=False)

    def simple_test(self, img: torch.Tensor, metas: list) -> torch.Tensor:
        tokens = self.conv(img).flatten(2).transpose(1, 2)[:, None]  # (B, 1, N, 8)
        return torch.nn.functional.scaled_dot_product_attention(tokens, tokens, tokens)


def test_flops_parameters_and_memory_are_those_of_the_operators() -> None:
    found = measure(OneConvolution(), torch.zeros(2, 3, 4, 6), calls=1)
    tokens = 4 * 6
    assert found['gflops'] * 1e9 == 2 * tokens * 27 * 8 + 2 * 2 * tokens * tokens * 8
    assert found['parameters'] == 27 * 8 and found['images_per_second'] > 0
    assert found['memory_mib'] * 2**20 >= 4 * (27 * 8 + 2 * 3 * tokens + 2 * 8 * tokens)


def test_the_tool_takes_size_and_channels_from_the_test_pipeline(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = write_config(tmp_path)
    common = [str(config), '--device', 'cpu', '--calls', '1', '--json', str(tmp_path / 'speed.json')]
    random = benchmark(common)
    figures = json.loads((tmp_path / 'speed.json').read_text())
    assert figures['size'] == [24, 40] and figures['windows'] == 'whole image' and 'images/s' in capsys.readouterr().out
    trained = benchmark([common[0], str(save_weights(config)), *common[1:], '--batch', '2'])
    assert trained['parameters'] == random['parameters'] and trained['gflops'] == pytest.approx(random['gflops'])
    windows = [f'model.test_cfg.{option}' for option in ('mode=slide', 'crop_size=(16,16)', 'stride=(8,8)')]
    slid = benchmark([*common, '--size', '16', '32', '--cfg-options', *windows])
    once = benchmark([*common, '--size', '16', '16'])
    assert slid['gflops'] == pytest.approx(3 * once['gflops'])

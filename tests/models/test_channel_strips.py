"""Strips of channels change a head's scores by rounding only, renew the same statistics, and hold less."""

from __future__ import annotations

import contextlib
import copy
from typing import Any, Optional

import pytest
import torch
from mmseg.models.builder import build_head
from torch import nn

from mmseg_uda.engine.dry_run import Tally
from mmseg_uda.models.decode_heads.channel_strips import has_strips
from mmseg_uda.models.decode_heads.daformer_head import ASPPFusion
from mmseg_uda.models.modes import kept_running_statistics
from tests.models.networks import daformer_head_config

BN = dict(type='BN', requires_grad=True)


def fusion(norm: Optional[dict[str, Any]], strips: int = 1, width: int = 10) -> ASPPFusion:
    torch.manual_seed(0)
    made = ASPPFusion(width, 4, True, (1, 2, 3), False, norm, dict(type='ReLU'))
    made.strips = strips
    for module in made.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight), nn.init.normal_(module.bias), nn.init.normal_(module.running_mean)
    return made


@pytest.mark.parametrize('mode', ['train', 'kept', 'eval', 'bf16'])
@pytest.mark.parametrize('norm', [BN, None], ids=['batch_norm', 'bias'])
def test_strips_compute_the_same(norm: Optional[dict[str, Any]], mode: str) -> None:
    plain = fusion(norm).train(mode != 'eval')
    lean = copy.deepcopy(plain)
    lean.strips = 4  # of 3, 3, 3 and 1 channels
    x = torch.randn(3, 10, 9, 7)
    precision = torch.autocast('cpu', torch.bfloat16) if mode == 'bf16' else contextlib.nullcontext()
    kept = kept_running_statistics if mode == 'kept' else contextlib.nullcontext
    with torch.inference_mode(), precision, kept(plain), kept(lean):
        wanted, found = plain(x), lean(x)
    bound = 0.05 if mode == 'bf16' else 1e-5
    assert found.dtype == wanted.dtype
    torch.testing.assert_close(found, wanted, rtol=bound, atol=bound)
    for a, b in zip(lean.buffers(), plain.buffers()):
        torch.testing.assert_close(a, b, rtol=bound, atol=bound)
    if norm and mode == 'train':
        assert not torch.equal(
            next(iter(lean.aspp_modules[1].buffers())), next(iter(fusion(norm).aspp_modules[1].buffers()))
        )


def test_passes_with_gradients_have_no_strips(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('mmseg_uda.models.decode_heads.daformer_head.separable_in_strips', None)
    fusion(BN, strips=4)(torch.randn(2, 10, 8, 8)).sum().backward()


def test_other_norms_have_no_strips() -> None:
    group_norm = dict(type='GN', num_groups=2)
    assert [has_strips(branch) for branch in fusion(BN).aspp_modules] == [False, True, True]
    assert not any(has_strips(branch) for branch in fusion(group_norm).aspp_modules)
    x = torch.randn(2, 10, 8, 8)
    with torch.no_grad():
        assert torch.equal(fusion(group_norm, strips=4)(x), fusion(group_norm)(x))


@pytest.mark.parametrize('train', [True, False])
def test_a_head_with_strips_gives_the_same_scores_and_holds_less(train: bool) -> None:
    aspp = dict(type='aspp', sep=True, dilations=(1, 2, 3), pool=False, act_cfg=dict(type='ReLU'), norm_cfg=BN)
    config = daformer_head_config(aspp, dropout_ratio=0.0)
    config['decoder_params']['embed_dims'] = 32
    plain = build_head(config).train(train)
    lean = copy.deepcopy(plain)
    lean.fuse_layer.strips = 4
    maps = [torch.randn(2, width, 32 // 2**i, 32 // 2**i) for i, width in enumerate((4, 8, 20, 32))]
    peaks, scores = [], []
    for head in (plain, lean):
        with Tally('cpu') as tally, torch.no_grad():
            scores.append(head(maps))
        peaks.append(tally.peak)
    torch.testing.assert_close(scores[1], scores[0], rtol=1e-5, atol=1e-5)
    assert peaks[1] < 0.9 * peaks[0]

"""The one vocabulary of heads and the one way to their class scores."""

from __future__ import annotations

from typing import Any

import mmcv
import pytest
import torch
from mmseg.models import build_segmentor
from torch import nn
from torch.nn.functional import interpolate

from mmseg_uda.models.heads import ByHead, heads_of, is_hrda, is_plain, require_plain, scores_of, weight_per_head
from tests.models.networks import FCN_HEAD, hrda_config, plain_config


def build(cfg: dict[str, Any]) -> Any:
    torch.manual_seed(0)
    return build_segmentor(mmcv.ConfigDict(cfg)).eval()


def cascade() -> Any:
    cfg = plain_config()
    return build(
        dict(cfg, type='CascadeEncoderDecoder', num_stages=2, decode_head=[cfg['decode_head'], dict(FCN_HEAD)])
    )


@pytest.mark.parametrize(
    'auxiliary, names',
    [
        (None, ['decode']),
        (dict(FCN_HEAD), ['decode', 'aux']),
        ([dict(FCN_HEAD), dict(FCN_HEAD, in_index=1)], ['decode', 'aux_0', 'aux_1']),
    ],
)
def test_scores_of_every_head_at_any_size(auxiliary: Any, names: list[str]) -> None:
    segmentor = build(plain_config(dict(align_corners=True), auxiliary))
    features = segmentor.extract_feat(torch.randn(2, 3, 32, 64))
    assert list(heads_of(segmentor)) == names
    scores = scores_of(segmentor, features, (32, 64))
    assert list(scores) == names
    for name, head in heads_of(segmentor).items():
        corners = bool(head.align_corners)
        expected = interpolate(head(features), size=(32, 64), mode='bilinear', align_corners=corners)
        torch.testing.assert_close(scores[name], expected)
        assert torch.equal(scores_of(segmentor, features, None, [name])[name], head(features))
    other = scores_of(segmentor, features, (8, 8), {'mine': segmentor.decode_head})
    assert list(other) == ['mine'] and other['mine'].shape == (2, 5, 8, 8)


def test_heads_with_several_outputs_give_their_scores() -> None:
    head = dict(type='EncHead', num_codes=4, in_channels=[8, 8], in_index=[0, 1], use_se_loss=True)
    cfg = plain_config(head)
    for option in ('num_convs', 'concat_input'):
        cfg['decode_head'].pop(option, None)
    segmentor = build(cfg)
    features = segmentor.extract_feat(torch.randn(2, 3, 32, 64))
    assert isinstance(segmentor.decode_head(features), tuple)
    assert scores_of(segmentor, features, (32, 64))['decode'].shape == (2, 5, 32, 64)


def test_scores_are_float32_under_autocast() -> None:
    segmentor = build(plain_config())
    with torch.autocast('cpu', dtype=torch.bfloat16):
        features = segmentor.extract_feat(torch.randn(1, 3, 32, 64))
        assert scores_of(segmentor, features, None)['decode'].dtype == torch.float32


def test_segmentors_that_decode_in_several_passes_are_told_apart() -> None:
    hrda, two_stages, plain = build(hrda_config(16, num_classes=5)), cascade(), build(plain_config())
    assert is_hrda(hrda) and not is_hrda(two_stages)
    assert list(heads_of(two_stages)) == ['decode_0', 'decode_1']
    require_plain(plain, 'X')
    for segmentor in (hrda, two_stages, nn.Identity()):
        assert not is_plain(segmentor)
        with pytest.raises(
            TypeError, match=f'AdvEnt needs a segmentor with one decode head.*{type(segmentor).__name__}'
        ):
            require_plain(segmentor, 'AdvEnt')


def test_main_is_an_alias_of_decode() -> None:
    heads = dict(decode=None, aux=None)
    assert weight_per_head(dict(main=2, aux=1), {}, heads, 'lambda') == dict(decode=2.0, aux=1.0)
    assert weight_per_head(None, dict(decode=3.0, aux=4.0), heads, 'lambda') == dict(decode=3.0, aux=4.0)
    for given in (dict(main=1, decode=3), dict(decode=1, main=3)):  # a config and its base
        with pytest.warns(UserWarning, match="'main' and 'decode' name the same head, 3.0 counts"):
            assert weight_per_head(given, {}, heads, 'lambda') == dict(decode=3.0)
    for given, message in (
        (dict(aux_7=1), "no head 'aux_7'"),
        (dict(main=-1), r'lambda.decode must not be negative'),
    ):
        with pytest.raises(ValueError, match=message):
            weight_per_head(given, {}, heads, 'lambda')


def test_checkpoints_that_say_main_load() -> None:
    modules = nn.Sequential(ByHead(dict(decode=nn.Linear(2, 2), aux=nn.Linear(2, 2))))
    old = {key.replace('decode', 'main'): torch.randn_like(value) for key, value in modules.state_dict().items()}
    modules.load_state_dict(old, strict=True)
    for key, value in modules.state_dict().items():
        assert torch.equal(value, old[key.replace('decode', 'main')])

"""A segmentor that looks back: with the fusion as it starts it is the network of single frames."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from mmcv import Config
from mmseg.models import build_segmentor

from mmseg_uda.compat.keys import published_to_ours
from mmseg_uda.compat.keys_mit import mit_from_mmseg
from mmseg_uda.ops.clips import Clip, pack_clip
from tests.harness.synthetic import tiny_model

CONFIGS = Path(__file__).resolve().parents[2] / 'configs/_base_/models'


def networks(**options: Any) -> tuple[Any, Any]:
    """The same weights as an ``EncoderDecoder`` and with a fusion."""
    torch.manual_seed(0)
    single = build_segmentor(Config(dict(model=tiny_model(norm='BN'))).model)
    fused = build_segmentor(Config(dict(model=tiny_model(norm='BN', type='FlowFusedSegmentor', **options))).model)
    fused.load_state_dict(single.state_dict())  # strict: a checkpoint of images loads as it is
    return single.eval(), fused.eval()


def clip(seed: int = 0, overlay: bool = False) -> Clip:
    generator = torch.Generator().manual_seed(seed)
    frames = [torch.randn(2, 3, 32, 64, generator=generator) for _ in range(2)]
    mask = torch.ones(2, 1, 32, 64) if overlay else None
    return Clip(*frames, 3 * torch.randn(2, 2, 32, 64, generator=generator), mask)


@pytest.mark.parametrize('warp', ['backward', 'splat'])
def test_the_fusion_starts_as_the_network_of_single_frames(warp: str) -> None:
    single, fused = networks(fusion=dict(warp=warp), score_align_corners=None)
    pair = clip()
    with torch.no_grad():
        expected = single.encode_decode(pair.img, None)
        assert torch.equal(fused.encode_decode(pack_clip(pair), None), expected)
        assert torch.equal(fused.encode_decode(pair.img, None), expected)
        fused.fusion.weight[:, 5:, 0, 0] = torch.eye(5)  # now the key frame counts
        assert not torch.allclose(fused.encode_decode(pack_clip(pair), None), expected)
        assert torch.equal(fused.encode_decode(pair.img, None), expected)


def test_hidden_pixels_keep_their_own_scores() -> None:
    _, fused = networks()
    covered = clip(overlay=True)
    with torch.no_grad():
        fused.fusion.weight[:, 5:, 0, 0] = torch.eye(5)
        scores = fused.clip_scores(covered)
        torch.testing.assert_close(scores.fused['decode'], 2 * scores.current['decode'])


def test_the_key_frame_has_no_gradient_and_may_leave_the_statistics_alone() -> None:
    for key_bn in ('update', 'keep'):
        first, other = clip(0), clip(1)
        states = []
        for key in (first.key, other.key):
            copy = networks(key_bn=key_bn)[1].train()
            key = key.clone().requires_grad_()
            copy.clip_scores(first._replace(key=key)).fused['decode'].sum().backward()
            assert key.grad is None and copy.fusion.weight.grad.abs().sum() > 0
            states.append(copy.backbone.stages[0][1].running_mean)
        assert torch.equal(*states) == (key_bn == 'keep')


def test_packed_clips_of_another_size_are_refused() -> None:
    _, fused = networks()
    with pytest.raises(ValueError, match='neither a frame .3. nor a packed clip .8 or 9'):
        fused.encode_decode(torch.zeros(1, 5, 32, 64), None)


def test_the_file_gets_its_scores_in_one_step() -> None:
    """Scores go straight to the file's size; padding is cut off first, as in MMSegmentation."""
    _, fused = networks()
    img = pack_clip(clip())[:1]
    meta = [dict(img_shape=(32, 64, 3), ori_shape=(50, 90, 3), flip=False)]
    with torch.no_grad():
        direct = fused.whole_inference(img, meta, rescale=True)
        assert torch.equal(direct, fused.resized(fused.score_map(img), (50, 90)))
        padded = [dict(meta[0], img_shape=(30, 60, 3))]
        cut = fused.resized(fused.encode_decode(img)[:, :, :30, :60], (50, 90))
        torch.testing.assert_close(fused.whole_inference(img, padded, rescale=True), cut)


def test_a_published_transformer_becomes_ours() -> None:
    """``model.*``, ``decoder.*`` and ``decoder.sf_layer.weight``, with the original names inside of the encoder."""
    model = Config.fromfile(str(CONFIGS / 'fused_daformer_sepaspp_mitb5.py')).model
    model.pretrained, model.backbone = None, dict(type='mit_b0', style='pytorch')
    model.decode_head.in_channels = [32, 64, 160, 256]
    own = build_segmentor(model).state_dict()
    encoder = mit_from_mmseg({key[9:]: value for key, value in own.items() if key.startswith('backbone.')})
    published = {f'model.{key}': value for key, value in encoder.items()}
    published.update({f'decoder.{key[12:]}': value for key, value in own.items() if key.startswith('decode_head.')})
    published['decoder.sf_layer.weight'] = own['fusion.weight']
    found = published_to_ours(published)
    assert found.keys() == own.keys() and all(torch.equal(value, own[key]) for key, value in found.items())

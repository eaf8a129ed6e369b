"""Mixed clips: still ones are the composites of the image method; what the options of mixing do."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from mmseg_uda.builder import build_train_model
from mmseg_uda.components.clip_augmentation import ClipAugmentation, ClipColorJitterBlur
from mmseg_uda.components.quad_mixer import QuadMixer, Templates
from mmseg_uda.methods.parts.clip_mixing import Window, as_composite, blended
from mmseg_uda.ops.mixing import class_mask
from mmseg_uda.ops.quadmix import PASTE_ORDER
from mmseg_uda.ops.video import match_histograms
from mmseg_uda.utils.rng import StepRng
from tests.harness.methods import Setup
from tests.harness.synthetic import NORM

from .test_video import clip_extras, fused_model


def still(sample: dict[str, Any], stream: str, generator: torch.Generator) -> None:
    """A clip in which nothing moves."""
    clip_extras(sample, stream, generator)
    for name in ('key_frame', 'far_frame'):
        if name in sample:
            sample[name] = sample['img'].clone()
    for name in ('flow', 'flow_far', 'flow_key_far'):
        if name in sample:
            sample[name] = torch.zeros_like(sample[name])
    if 'key_label' in sample:
        sample['key_label'] = sample['gt_semantic_seg'].clone()


def watched(method: Any, name: str) -> list[Any]:
    """Results of a method's calls, with the arguments."""
    original, calls = getattr(method, name), []

    def call(*args: Any, **kwargs: Any) -> Any:
        calls.append((args, original(*args, **kwargs)))
        return calls[-1][1]

    setattr(method, name, call)
    return calls


def test_still_clips_mix_like_images() -> None:
    """Flow 0 and equal frames: labels, confident regions and composites are those of QuadMix on images."""
    uda = dict(
        type='VideoQuadMix',
        confidence=0.5,
        lambda_mmd=0.0,
        flip_prob=0.0,
        augmentation=None,
        match_frames=False,
        labeler=dict(network='student', mode='eval'),
        quad=dict(paste_order=PASTE_ORDER),
    )
    setup = Setup(uda, model=fused_model(), add_extras=still)
    method, step = setup.build()
    first, second = setup.data.batch([0, 1]), setup.data.batch([2, 3])
    with torch.no_grad():  # predictions that differ, and what the image method would label
        method.student.decode_head.conv_seg.weight.mul_(200)
        scores = method.student.resized(
            method.student.encode_decode(first['target_img']), first['target_img'].shape[2:]
        )
    prob, label = scores.softmax(1).max(1)
    drawn, composed = watched(method, 'draw_classes'), watched(method, 'compose')
    step([first], 0)
    step([second], 1)
    chosen, taken = drawn[0][1]
    (source, target, strong, pseudo, *_, overlays, _), clips = composed[0]
    mixer = QuadMixer()
    templates = Templates(
        as_composite(first['img'], first['gt_semantic_seg']),
        as_composite(first['target_img'], label),
        (prob > 0.5).unsqueeze(1),
    )
    masks = mixer.source_mask(templates.source.label, chosen), class_mask(templates.target.label, taken).bool()
    regions = [(masks[0], templates.source), (masks[1] & templates.confident, templates.target)]
    contexts = {
        'tss': as_composite(second['img'], second['gt_semantic_seg']),
        'tst': as_composite(second['target_img'], pseudo.label),
    }
    expected = mixer(contexts, regions, overlays)
    assert masks[0].any() and regions[1][0].any()
    for name, (frames, flow) in clips.items():
        assert not flow.any()
        for frame in frames.values():
            torch.testing.assert_close(frame.img, expected[name].img)
            assert torch.equal(frame.label, expected[name].label)
    torch.testing.assert_close(strong[0], second['target_img'])


def test_without_a_label_of_the_key_frame_that_of_the_current_one_marks_the_regions() -> None:
    def unlabelled(sample: dict[str, Any], stream: str, generator: torch.Generator) -> None:
        clip_extras(sample, stream, generator)
        sample.pop('key_label', None)

    setup = Setup(dict(type='VideoQuadMix', confidence=0.1), model=fused_model(), add_extras=unlabelled)
    method, step = setup.build()
    regions = watched(method, '_regions')
    for iteration in range(2):
        step([setup.data.batch([2 * iteration, 2 * iteration + 1])], iteration)
    masks = regions[0][1].source
    assert masks['img'].any() and torch.equal(masks['img'], masks['key'])


def test_windows_begin_in_the_given_rows() -> None:
    generator = torch.Generator().manual_seed(0)
    windows = [Window.draw((720, 1280), (512, 1024), generator, (100, 128)) for _ in range(200)]
    assert {window.top for window in windows} == set(range(100, 129))
    assert min(window.left for window in windows) < 10 and max(window.left for window in windows) > 246
    tops = {Window.draw((24, 40), (16, 32), generator).top for _ in range(200)}
    assert tops == set(range(9))
    with pytest.raises(ValueError, match='begin at row 8 of source'):
        Window.draw((24, 40), (16, 32), generator, (0, 9))
    with pytest.raises(ValueError, match=r'smaller than the target.*crop_size'):
        Window.draw((24, 30), (16, 32), generator)
    for wrong in (dict(window_rows=(5, 3)), dict(feature_mix=1.5)):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            build_train_model(dict(model=fused_model(), uda=dict(type='VideoQuadMix', **wrong)))


def test_patches_follow_the_curve_of_the_source_frame() -> None:
    generator = torch.Generator().manual_seed(0)
    source, target = (
        torch.randint(low, high, (1, 3, 20, 30), generator=generator).float() for low, high in ((20, 200), (50, 90))
    )
    matched = match_histograms(source, target)
    torch.testing.assert_close(match_histograms(source[..., :5, :7], target, source), matched[..., :5, :7])
    darker = match_histograms(torch.zeros(1, 3, 2, 2), target, source)
    brighter = match_histograms(torch.full((1, 3, 2, 2), 255.0), target, source)
    assert torch.equal(darker[0, :, 0, 0], target.amin((2, 3))[0]) and torch.equal(
        brighter[0, :, 0, 0], target.amax((2, 3))[0]
    )

    changed = []
    for match_patches in (False, True):
        uda = dict(type='VideoQuadMix', confidence=0.1, match_patches=match_patches)
        method, step = (setup := Setup(uda, model=fused_model(), add_extras=clip_extras)).build()
        overlays = watched(method, '_overlays')
        for iteration in range(2):
            step([setup.data.batch([2 * iteration, 2 * iteration + 1])], iteration)
        changed.append(overlays[0][1][0]['tss'].img)
    assert not torch.allclose(*changed)


def test_features_of_one_pass_enter_the_other_inside_the_regions() -> None:
    own, other = [torch.zeros(2, 3, 8, 8)], [torch.ones(1, 3, 8, 8)]
    mask = torch.zeros(2, 1, 32, 32, dtype=torch.bool)
    mask[:, :, :16] = True
    found = blended(own, other, mask, 0.3)[0]
    torch.testing.assert_close(found[0, :, :4], torch.full((3, 4, 8), 0.3))
    assert not found[0, :, 4:].any() and not found[1].any()


@pytest.mark.parametrize(
    'augmentation', [ClipColorJitterBlur(color_jitter_skip_prob=0), ClipAugmentation(jitter_prob=1)]
)
def test_frames_of_a_clip_are_augmented_alike(augmentation: Any) -> None:
    img = torch.randn(2, 3, 16, 24, generator=torch.Generator().manual_seed(0))
    metas = [dict(img_norm_cfg=NORM)] * 2
    same = augmentation([img, img], metas, StepRng(0, 3))
    assert torch.equal(*same) and not torch.allclose(same[0], img)
    again = augmentation([img], metas, StepRng(0, 3))
    assert torch.equal(again[0], same[0])

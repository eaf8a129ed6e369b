"""Parity of QuadMix with the released code: masks, pastes, composites, augmentation, phases and whole steps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from mmseg_uda.ops import blur, color, mixing, pseudo_labels, quadmix
from mmseg_uda.ops.quadmix import Composite, Patches
from tests.parity.golden import golden_files, load

TENSOR = dict(atol=2e-5, rtol=1e-5)
JITTER = dict(atol=3e-4, rtol=1e-4)
NORM = dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], to_rgb=True)


def vectors(pattern: str) -> Any:
    files = golden_files('quadmix', pattern)
    return pytest.mark.parametrize('path', files, ids=[path.stem for path in files])


def tensors(path: Path) -> dict[str, Tensor]:
    return {key: torch.from_numpy(value) for key, value in load(path).items()}


def composite(d: dict[str, Tensor], img: str, label: str, weight: str = '') -> Composite:
    """One sample or a batch as a batch."""
    image, classes = d[img], d[label].long()
    if image.dim() == 3:
        image, classes = image[None], classes[None]
    classes = classes if classes.dim() == 4 else classes.unsqueeze(1)
    pixels = d[weight].view(len(image), *image.shape[2:]) if weight else torch.ones_like(image[:, 0])
    return Composite(image, classes, pixels)


def assert_composite(found: Composite, expected: Composite) -> None:
    torch.testing.assert_close(found.img, expected.img, **TENSOR)
    assert torch.equal(found.label, expected.label)
    torch.testing.assert_close(found.weight, expected.weight, **TENSOR)


def patches_of(d: dict[str, Tensor], img: str, label: str, classes: str) -> Patches:
    return Patches(d[img][None], d[label][None], d[classes].long()[None])


@vectors('source_masks_*.npz')
def test_source_masks(path: Path) -> None:
    d = tensors(path)
    chosen = quadmix.class_table(d['classes'])
    assert torch.equal(mixing.class_mask(d['label'], chosen), d['mask'].long())
    present = mixing.classes_present(d['label'])
    assert not (chosen & ~present).any()
    drawn = quadmix.draw_classes(present, torch.rand(present.shape), d['classes'].shape[1])
    assert torch.equal(drawn.sum(1), chosen.sum(1)) and not (drawn & ~present).any()
    positions = quadmix.excluded_classes(present, chosen, 'position')
    assert torch.equal(positions, quadmix.class_table(d['positions']))


@vectors('target_masks_*.npz')
def test_target_masks(path: Path) -> None:
    d = tensors(path)
    label = d['pseudo_label'].long().unsqueeze(1)
    candidates = mixing.classes_present(label) & ~quadmix.class_table(d['excluded'])
    assert torch.equal(candidates, quadmix.class_table(d['candidates']))
    chosen = quadmix.class_table(d['chosen'])
    drawn = quadmix.draw_classes(candidates, torch.rand(candidates.shape), d['excluded'].shape[1])
    assert torch.equal(drawn.sum(1), chosen.sum(1))
    mask = mixing.class_mask(label, chosen) * d['confident'].unsqueeze(1).long()
    assert torch.equal(mask, d['mask'].long())


@vectors('online_paste_*.npz')
def test_online_paste(path: Path) -> None:
    d = tensors(path)
    image = composite(d, 'in_img', 'in_label')
    overlay = quadmix.merge_patches(patches_of(d, 'patch_img', 'patch_label', 'classes'))
    out = quadmix.paste_overlay(image, overlay, 'keep')
    assert_composite(out, composite(d, 'out_img', 'out_label'))


@vectors('patch_read_*.npz')
def test_patch_read(path: Path) -> None:
    d = load(path)
    (width, height), (left, top), size = d['resize_wh'].tolist(), d['crop_xy'].tolist(), int(d['crop_size'])
    resized = np.asarray(Image.fromarray(d['raw_img_rgb']).resize((width, height), Image.BILINEAR))
    crop = resized[top : top + size, left : left + size]
    assert np.array_equal(crop, d['crop_rgb_uint8'])
    bgr = torch.from_numpy(crop[..., ::-1].copy()).permute(2, 0, 1)
    for norm in quadmix.PATCH_NORMS:
        patch = quadmix.normalize_patch(bgr[None], [dict(img_norm_cfg=NORM)], norm)
        torch.testing.assert_close(patch[0], torch.from_numpy(d[f'patch_{norm}']), **TENSOR)


@vectors('patch_rejection_*.npz')
def test_patch_rejection(path: Path) -> None:
    d = tensors(path)
    for counts, accepted in zip(d['tried_counts'], d['accepted_count'].tolist()):
        tried = [int(count) for count in counts if count >= 0]
        labels = [torch.zeros(count, dtype=torch.uint8) for count in tried]
        verdicts = [quadmix.accept_patch(label, 0, int(d['min_pixels'])) for label in labels]
        assert tried[verdicts.index(True)] == accepted and not any(verdicts[: verdicts.index(True)])


@vectors('compose_*.npz')
def test_compose(path: Path) -> None:
    d = tensors(path)
    masks = [d[f'{name}_mask'][None, None] for name in ('source', 'target')]
    source = (masks[0], composite(d, 'src_tmpl_img', 'src_tmpl_label'))
    target = (masks[1], composite(d, 'trg_tmpl_img', 'trg_tmpl_pseudo_label', 'trg_tmpl_weight'))
    contexts = {
        'ss': composite(d, 'src_img', 'src_label'),
        'st': composite(d, 'trg_img', 'trg_pseudo_label', 'trg_weight'),
    }
    for name, context in contexts.items():
        pasted = quadmix.paste(*source, context)
        assert_composite(pasted, composite(d, f'{name}_img', f'{name}_label', f'{name}_weight'))
        final = f't{name}'
        patches = patches_of(d, f'{final}_patch_img', f'{final}_patch_label', 'online_classes')
        out = quadmix.compose_quad(context, source, target, quadmix.merge_patches(patches), 'keep')
        assert_composite(out, composite(d, f'{final}_img', f'{final}_label', f'{final}_weight'))


@vectors('confidence_mask_*.npz')
def test_confidence_mask(path: Path) -> None:
    d = tensors(path)
    assert torch.equal(pseudo_labels.confidence_mask(d['logits'], float(d['threshold'])), d['confident'].bool())


@vectors('quad_step_*.npz')
def test_mixing_part_of_an_iteration(path: Path) -> None:
    d = tensors(path)
    label, weight = pseudo_labels.pseudo_label(d['teacher_logits'], float(d['threshold']))
    weight = pseudo_labels.filter_pseudo_weight(weight, *d['margins_tb'].tolist())
    confident = pseudo_labels.confidence_mask(d['teacher_logits'], float(d['confidence']))
    assert torch.equal(label, d['new_tmpl_pseudo_label'].long())
    assert torch.equal(confident, d['new_tmpl_confident'].bool())
    torch.testing.assert_close(weight, d['new_tmpl_pseudo_weight'], **TENSOR)
    source = composite(d, 'tmpl_img', 'tmpl_label')
    target = composite(d, 'tmpl_target_img', 'tmpl_pseudo_label', 'tmpl_pseudo_weight')
    source_mask = mixing.class_mask(source.label, quadmix.class_table(d['source_classes']))
    target_mask = mixing.class_mask(target.label, quadmix.class_table(d['target_classes']))
    target_mask = target_mask * d['tmpl_confident'].unsqueeze(1).long()
    contexts = {
        'tss': composite(d, 'img', 'label'),
        'tst': Composite(d['target_img'], label.unsqueeze(1), weight),
    }
    for name, context in contexts.items():
        out = quadmix.compose_quad(context, (source_mask, source), (target_mask, target))
        assert_composite(out, composite(d, f'{name}_img', f'{name}_label', f'{name}_weight'))


@vectors('paste_then_augment_*.npz')
def test_paste_then_augment(path: Path) -> None:
    d = tensors(path)
    mixed = quadmix.paste(d['mask'][None], composite(d, 'fg_img', 'fg_label'), composite(d, 'bg_img', 'bg_label'))
    img = mixed.img
    if float(d['jitter_draw']) > 0.2:
        factors = torch.stack([d[f'{name}_factor'] for name in ('brightness', 'contrast', 'saturation', 'hue')], 1)
        img = color.color_jitter(img, factors, [d['order'].tolist()], d['mean'], d['std'])
    if float(d['blur_draw']) > 0.5:
        img = blur.gaussian_blur(img, d['sigma'].view(1))
    torch.testing.assert_close(img[0], d['out_img'], **JITTER)
    assert torch.equal(mixed.label[0, 0], d['out_label'].long())


@vectors('phase_*.npz')
def test_phase(path: Path) -> None:
    """The released start is an iteration constant; the number of student passes follows the phase."""
    d = load(path)
    start = int(d['iter'][d['quad'] == 1].min())
    for iteration, quad, passes in zip(d['iter'].tolist(), d['quad'], d['n_student_passes']):
        found = quadmix.is_quad_phase(iteration, start, True)
        assert found == bool(quad) and passes == (3 if found else 2)
    assert not quadmix.is_quad_phase(start, start, False)

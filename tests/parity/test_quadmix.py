"""Parity of QuadMix with the released code: masks, pastes, composites, augmentation, phases and whole steps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from mmseg_uda.components.ema import EMATeacher
from mmseg_uda.datasets.class_patches import resized
from mmseg_uda.datasets.label_spaces import lookup_array, table
from mmseg_uda.engine.optimizers import build_optimizers
from mmseg_uda.engine.step import StepOptions, TrainStep
from mmseg_uda.methods.quadmix import QuadMix
from mmseg_uda.ops import blur, color, mixing, pseudo_labels, quadmix
from mmseg_uda.ops.quadmix import Composite, Patches
from tests.models.networks import plain_config
from tests.parity.golden import below, golden_files, load, tensors

TENSOR = dict(atol=2e-5, rtol=1e-5)
JITTER = dict(atol=3e-4, rtol=1e-4)
NORM = dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], to_rgb=True)


def vectors(pattern: str) -> Any:
    files = golden_files('quadmix', pattern)
    return pytest.mark.parametrize('path', files, ids=[path.stem for path in files])


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
    """SYNTHIA's label files have three channels, the class in the first."""
    d = load(path)
    (left, top), size = d['crop_xy'].tolist(), int(d['crop_size'])
    window = (slice(top, top + size), slice(left, left + size))
    crop = resized(d['raw_img_rgb'], d['resize_wh'].tolist(), Image.BILINEAR)[window]
    assert np.array_equal(crop, d['crop_rgb_uint8'])
    raw, space = (d['raw_label'], 'gta') if d['raw_label'].ndim == 2 else (d['raw_label'][..., 0], 'synthia')
    ids = lookup_array(table(space))[raw].astype(np.uint8)
    patch_label = resized(ids, d['resize_wh'].tolist(), Image.NEAREST)[window]
    assert np.array_equal(patch_label, d['patch_label'])
    assert quadmix.accept_patch(torch.from_numpy(patch_label.copy()), int(d['class_id']), 1), 'the class of the patch'
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
    assert torch.equal(masks[1] * d['trg_tmpl_confident'], masks[1]), 'only confident pixels are cut out'
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
    torch.testing.assert_close(d['logits'].softmax(1).amax(1), d['max_prob'], **TENSOR)


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
    # the released teacher is copied from the student in the iteration of its warm start, and averaged in all later ones
    updated = d['iter'] > int(d['warm_start_iter'])
    assert d['teacher_updated'].tolist() == updated.astype(int).tolist()


class WarmStarted(nn.Module):
    """The network of ``teacher_warm_start_*``."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.zeros(()))
        self.lin = nn.Linear(3, 2)
        self.bn = nn.BatchNorm1d(2)

    def take(self, values: dict[str, Tensor], name: str) -> WarmStarted:
        self.load_state_dict(below(values, f'{name}/'), strict=False)
        return self


@vectors('teacher_warm_start_*.npz')
def test_teacher_warm_start(path: Path) -> None:
    """The released restart: parameters of the student, batch statistics of the old teacher; then the moving average
    goes on."""
    d = tensors(path)
    student = WarmStarted()
    teacher = EMATeacher(student, float(d['alpha']))
    teacher.model.take(d, 'teacher0')
    teacher.initialized.fill_(True)
    teacher.load_state_dict(teacher.state_dict())
    steps = (
        (teacher.restart, 'student0', 'teacher_after_init'),
        (update_at(teacher, int(d['iter'])), 'student1', 'teacher_after_update'),
    )
    for follow, name, expected in steps:
        follow(student.take(d, name))
        state = teacher.model.state_dict()
        for key, value in below(d, f'{expected}/').items():
            torch.testing.assert_close(state[key], value, **TENSOR)


def update_at(teacher: EMATeacher, iteration: int) -> Any:
    return lambda student: teacher.update(student, iteration)


# ---- whole iterations ----------------------------------------------------------------------------------------------
def released_method(d: dict[str, Tensor]) -> QuadMix:
    """The method of a recorded iteration, with its networks and templates."""
    head = dict(
        num_convs=0, concat_input=False, loss_decode=dict(type='CrossEntropyLoss', use_sigmoid=False, loss_weight=1.0)
    )
    mask = dict(mask_mode='separatetrg', mask_lambda=1.0)
    if 'mask_noise' in d:
        mask['mask_generator'] = dict(
            type='block', mask_block_size=int(d['mask_block']), mask_ratio=float(d['mask_ratio'])
        )
    method = QuadMix(
        model=plain_config(head, num_classes=19),
        alpha=float(d['alpha']),
        pseudo_threshold=float(d['threshold']),
        augmentation=None,
        start_iter=0,
        quad=dict(exclude='position', template_ignore=True, patch_norm='legacy', patch_weight='keep'),
        **(mask if 'mask_noise' in d else {}),
    )
    method.student.load_state_dict(below(d, 'student/'))
    method.teacher.model.load_state_dict(below(d, 'teacher/'))
    method.teacher.initialized.fill_(True)
    method.load_state_dict(method.state_dict())
    target = composite(d, 'tmpl_target_img', 'tmpl_pseudo_label', 'tmpl_pseudo_weight')
    method.templates.store(composite(d, 'tmpl_img', 'tmpl_label'), target, d['tmpl_confident'].bool())
    return method


def recorded_batch(d: dict[str, Tensor]) -> dict[str, Any]:
    """The batch of a recorded iteration; its class patches are merged as the data workers do, but normalised
    already."""
    batch: dict[str, Any] = dict(img=d['img'], gt_semantic_seg=d['label'], target_img=d['target_img'])
    batch.update(img_metas=[{}] * len(d['img']), target_img_metas=[{}] * len(d['img']))
    if 'valid_pseudo_mask' in d:
        batch['valid_pseudo_mask'] = d['valid_pseudo_mask']
    classes = d['online_classes'].long().expand(len(d['img']), -1)
    merged = [
        quadmix.merge_patches(Patches(img, label, classes))
        for img, label in zip(d['online_patch_img'], d['online_patch_label'])
    ]
    batch['class_patches'], batch['class_patch_labels'] = (torch.stack(values, 1) for values in zip(*merged))
    return batch


@vectors('step_*.npz')
def test_whole_iteration(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Masks from the recorded classes, composites, losses, gradients, the teacher and the next templates."""
    d = tensors(path)
    method = released_method(d)
    drawn = iter([quadmix.class_table(d['source_classes']), quadmix.class_table(d['target_classes'])])
    monkeypatch.setattr(
        'mmseg_uda.components.quad_mixer.draw_classes', lambda present, scores, count: next_of(drawn, present)
    )
    masks = record_calls(monkeypatch, method.quad, 'draw_masks')
    monkeypatch.setattr('mmseg_uda.components.maskers.rand_per_sample', lambda *_: d['mask_noise'])
    method.views = {}
    step = TrainStep(method, build_optimizers(dict(type='SGD', lr=0.0), method.networks()), StepOptions())
    step([recorded_batch(d)], int(d['iter']))
    for found, name in zip(masks[0], ('source_mask', 'target_mask')):
        assert torch.equal(found, d[name].bool())
    for name in ('tss', 'tst'):
        view = method.views[name]
        assert_composite(
            Composite(view['img'], view['label'], view['weight']),
            composite(d, f'{name}_img', f'{name}_label', f'{name}_weight'),
        )
    for name, parameter in method.student.named_parameters():
        torch.testing.assert_close(parameter.grad, d[f'out_grad/{name}'], rtol=1e-4, atol=2e-5)
    for name, value in below(d, 'out_teacher/').items():
        torch.testing.assert_close(method.teacher.model.state_dict()[name], value, **TENSOR)
    logs = step.flush()[0]
    for key, value in below(d, 'log/').items():
        assert logs[key.replace('loss_seg', 'loss_ce')] == pytest.approx(float(value), rel=1e-5, abs=1e-6)
    bank = method.templates
    assert torch.equal(bank.source_img, d['img']) and torch.equal(bank.target_img, d['target_img'])
    assert torch.equal(bank.source_label.long(), d['label'].long())
    assert torch.equal(bank.target_label[:, 0].long(), d['new_tmpl_pseudo_label'].long())
    assert torch.equal(bank.confident, d['new_tmpl_confident'].bool())
    torch.testing.assert_close(bank.target_weight, d['new_tmpl_pseudo_weight'], **TENSOR)


def next_of(drawn: Any, present: Tensor) -> Tensor:
    """The next recorded draw, which must be one that the method could have made."""
    chosen = next(drawn)
    assert not (chosen & ~present).any()
    return chosen


def record_calls(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str) -> list[Any]:
    """Results of a method's calls."""
    results: list[Any] = []
    original = getattr(owner, name)
    monkeypatch.setattr(owner, name, lambda *args: results.append(original(*args)) or results[-1])
    return results

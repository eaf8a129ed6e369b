"""Parity of the self-training family with the released code: mixing, augmentation, pseudo-labels, feature distance,
masking, whole steps.

The networks (MiT, heads, HRDA) are in ``test_selftraining_models.py``, the data side in ``test_selftraining_data.py``.
"""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from mmcv import Config
from mmcv.runner.hooks.lr_updater import PolyLrUpdaterHook
from mmseg.models import build_head
from torch import Tensor, nn

from mmseg_uda.engine.optimizers import build_optimizers
from mmseg_uda.engine.step import StepOptions, TrainStep
from mmseg_uda.methods.self_training import SelfTraining
from mmseg_uda.models.losses.segmentation import head_losses
from mmseg_uda.models.training_interface import logits as scores_of_network
from mmseg_uda.ops import blur, color, feature_distance, masking, mixing, pseudo_labels
from mmseg_uda.ops.ema import ema_alpha, ema_update_
from tests.models.networks import ParityTinyNet
from tests.parity.golden import below, golden_files, load, tensors

TENSOR = dict(atol=2e-5, rtol=1e-5)
JITTER = dict(atol=3e-4, rtol=1e-4)
SCALAR = dict(atol=1e-7, rtol=1e-6)
SCHEDULES = Path(__file__).resolve().parents[2] / 'configs' / '_base_' / 'schedules'
THINGS = (6, 7, 11, 12, 13, 14, 15, 16, 17, 18)


def vectors(pattern: str) -> Any:
    files = golden_files('selftraining', pattern)
    return pytest.mark.parametrize('path', files, ids=[path.stem for path in files])


# ---- mixing and augmentation ---------------------------------------------------------------------------------------
@vectors('class_mask_*.npz')
def test_class_mask(path: Path) -> None:
    d = tensors(path)
    present = mixing.classes_present(d['label'], 'batch')
    assert present[0].nonzero().flatten().tolist() == d['classes_present'].tolist()
    drawn = mixing.choose_half(present, torch.rand(present.shape))
    assert drawn.sum(1).tolist() == d['n_select'].tolist() and not (drawn & ~present).any()
    chosen = torch.zeros_like(present)
    for row, classes in zip(chosen, d['chosen_classes']):
        row[classes[classes >= 0]] = True
    assert torch.equal(mixing.class_mask(d['label'], chosen), d['mask'])


@vectors('one_mix_*.npz')
def test_one_mix(path: Path) -> None:
    d = tensors(path)
    mask = d['mask']
    torch.testing.assert_close(mixing.mix(mask, *d['img_src_trg'].split(1)), d['mixed_img'], **TENSOR)
    label = mixing.mix(mask, *(label.unsqueeze(1) for label in d['label_src_trg'].split(1)))
    assert torch.equal(label, d['mixed_label']) and label.dtype == torch.int64
    torch.testing.assert_close(
        mixing.mix(mask[:, 0], *d['weight_src_trg'].split(1)).unsqueeze(1), d['mixed_weight'], **TENSOR
    )


@vectors('color_jitter_*.npz')
def test_color_jitter(path: Path) -> None:
    d = tensors(path)
    assert bool(d['applied']) == bool(d['draw'] > d['p'])
    out = d['img']
    if d['applied']:
        factors = torch.stack([d[f'{name}_factor'] for name in ('brightness', 'contrast', 'saturation', 'hue')], 1)
        out = color.color_jitter(d['img'], factors, [d['order'].tolist()] * len(out), d['mean'], d['std'])
    torch.testing.assert_close(out, d['out'], **JITTER)


@vectors('gaussian_blur_[!k]*.npz')
def test_gaussian_blur(path: Path) -> None:
    d = tensors(path)
    sides = d['img'].shape[2:]
    applied = bool(d['sigma'] > 0)
    assert applied == bool(d['draw'] > 0.5)
    out = blur.gaussian_blur(d['img'], d['sigma'].expand(len(d['img']))) if applied else d['img']
    if applied:
        assert [blur.gaussian_kernel_size(side) for side in sides] == d['kernel_size_yx'].tolist()
    torch.testing.assert_close(out, d['out'], **TENSOR)


@vectors('gaussian_blur_kernel_sizes*.npz')
def test_gaussian_kernel_sizes(path: Path) -> None:
    d = tensors(path)
    assert [blur.gaussian_kernel_size(int(side)) for side in d['size']] == d['kernel'].tolist()


@vectors('block_mask_*.npz')
def test_block_mask(path: Path) -> None:
    d = tensors(path)
    height, width = d['img'].shape[2:]
    assert masking.mask_grid(height, width, int(d['block'])) == tuple(d['noise'].shape[2:])
    mask = masking.block_mask(d['noise'], height, width, float(d['ratio']))
    assert torch.equal(mask, d['mask']) and torch.equal(d['img'] * mask, d['masked'])


@vectors('mic_*.npz')
def test_masked_batch(path: Path) -> None:
    d = tensors(path)
    mode = path.stem.split('_')[1]
    batch = masking.select_masked_batch(
        mode, d['img'], d['label'], d['target_img'], d['pseudo_label'], d['pseudo_weight']
    )
    mask = masking.block_mask(d['noise'], *d['img'].shape[2:], float(d['ratio']))
    assert list(d['noise'].shape[-2:]) == [round(side / int(d['block'])) for side in d['img'].shape[2:]]
    assert torch.equal(batch.img * mask, d['out_img']) and torch.equal(batch.label, d['out_label'])
    assert (batch.weight is None) == ('out_weight' not in d)
    if batch.weight is not None:
        torch.testing.assert_close(batch.weight, d['out_weight'], **TENSOR)
    # ours scales all losses of the pass; the released code only the first
    torch.testing.assert_close(d['loss_in'][0] * d['mask_lambda'], d['loss_out'][0], **SCALAR)


@vectors('dacs2020_class_mask_*.npz')
def test_class_mask_of_the_first_release(path: Path) -> None:
    d = tensors(path)
    chosen = torch.zeros((1, mixing.LABEL_VALUES), dtype=torch.bool)
    chosen[0, d['classes']] = True
    assert torch.equal(mixing.class_mask(d['label'][None, None].long(), chosen)[0, 0], d['mask'].long())


# ---- teacher, labels, losses ---------------------------------------------------------------------------------------
@vectors('pseudo_label_*.npz')
def test_pseudo_label(path: Path) -> None:
    d = tensors(path)
    threshold = float(d['threshold'])
    label, weight = pseudo_labels.pseudo_label(d['logits'], None if threshold < 0 else threshold)
    assert torch.equal(label, d['pseudo_label'])
    torch.testing.assert_close(weight, d['weight_unfiltered'], **SCALAR)
    weight = pseudo_labels.filter_pseudo_weight(
        weight, int(d['ignore_top']), int(d['ignore_bottom']), d.get('valid_pseudo_mask')
    )
    torch.testing.assert_close(weight, d['weight'], **SCALAR)


@vectors('ema_iter*.npz')
def test_ema(path: Path) -> None:
    d = tensors(path)
    alpha = ema_alpha(int(d['iter']), float(d['alpha']))
    assert alpha == pytest.approx(float(d['alpha_t']), rel=1e-12)
    names = list(below(d, 'student_'))
    teacher = [d[f'teacher_{name}'].clone() for name in names]
    ema_update_(teacher, [d[f'student_{name}'] for name in names], alpha)
    for name, value in zip(names, teacher):
        torch.testing.assert_close(value, d[f'out_{name}'], atol=1e-6, rtol=1e-6)


@vectors('downscale_label_*.npz')
def test_downscale_label(path: Path) -> None:
    d = tensors(path)
    out = feature_distance.downscale_label_ratio(
        d['label'], int(d['scale_factor']), float(d['min_ratio']), int(d['n_classes'])
    )
    assert torch.equal(out, d['out'])


@vectors('feat_dist_*.npz')
def test_feature_distance(path: Path) -> None:
    """An empty mask gives 0 where the released code gives NaN; gradients agree everywhere."""
    d = tensors(path)
    features = d['feat'].requires_grad_()
    classes = d['classes'].flatten().tolist()
    cells = None
    if classes[0] >= 0:
        small = feature_distance.downscale_label_ratio(d['label'], int(d['scale_factor']), float(d['min_ratio']), 19)
        cells = feature_distance.class_cells(small, classes)
    loss = float(d['lam']) * feature_distance.feature_distance(features, d['feat_imnet'], cells)
    loss.backward()
    torch.testing.assert_close(loss.detach(), d['loss'].nan_to_num(0.0), **SCALAR)
    torch.testing.assert_close(features.grad, d['grad_feat'], **TENSOR)


@vectors('seg_loss_*.npz')
def test_segmentation_loss(path: Path) -> None:
    d = tensors(path)
    logits = d['logits'].requires_grad_()
    loss = head_losses(_head(logits.shape[1]), logits, d['label'], d.get('seg_weight'))['loss_ce']
    loss.backward()
    torch.testing.assert_close(loss.detach(), d['loss'], **SCALAR)
    torch.testing.assert_close(logits.grad, d['grad_logits'], **TENSOR)
    enlarged = F.interpolate(logits, size=d['label'].shape[2:], mode='bilinear', align_corners=False)
    right = enlarged.argmax(1) == d['label'][:, 0]  # the released accuracy counts ignored pixels as wrong
    assert float(d['acc']) == pytest.approx(100 * float(right.float().mean()), abs=1e-3)


@vectors('dacs2020_losses_*.npz')
def test_losses_of_the_first_release(path: Path) -> None:
    """The source mean runs over valid pixels (0 instead of NaN when there are none), the mixed one over all."""
    d = tensors(path)
    source, mixed = (d['logits'].clone().requires_grad_() for _ in range(2))
    head = _head(mixed.shape[1], dict(type='ValidPixelCrossEntropy', all_pixels_when_weighted=True))
    label = d['label'].long().unsqueeze(1)
    loss_source = head_losses(head, source, label)['loss_ce']
    loss_mixed = head_losses(head, mixed, label, d['pixel_weight'])['loss_ce']
    for logits, loss, name in ((source, loss_source, 'source'), (mixed, loss_mixed, 'mixed')):
        loss.backward()
        torch.testing.assert_close(loss.detach(), d[f'loss_{name}'].nan_to_num(0.0), **SCALAR)
        torch.testing.assert_close(logits.grad, d[f'grad_{name}'].nan_to_num(0.0), **TENSOR)


def _head(num_classes: int, loss: Any = None) -> nn.Module:
    return build_head(
        dict(
            type='FCNHead',
            in_channels=1,
            channels=1,
            num_convs=0,
            concat_input=False,
            num_classes=num_classes,
            align_corners=False,
            loss_decode=loss or dict(type='CrossEntropyLoss'),
        )
    )


@vectors('lr_schedule*.npz')
@pytest.mark.parametrize('name', ['poly10warm', 'poly10'])
def test_learning_rates_of_the_schedules(path: Path, name: str) -> None:
    d = load(path)
    options = dict(Config.fromfile(str(SCHEDULES / f'{name}.py')).lr_config)
    assert options.pop('policy') == 'poly'
    hook = PolyLrUpdaterHook(**options)
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=float(d['base_lr']))
    runner = SimpleNamespace(optimizer=optimizer, max_iters=int(d['max_iters']))
    hook.before_run(runner)
    for iteration, expected in zip(d['iter'].tolist(), d[name]):
        runner.iter = iteration
        hook.before_train_iter(runner)
        assert optimizer.param_groups[0]['lr'] == pytest.approx(float(expected), rel=1e-9)


# ---- whole iterations ----------------------------------------------------------------------------------------------
def _model() -> dict[str, Any]:
    return dict(
        type='EncoderDecoder',
        pretrained=None,
        backbone=dict(type=ParityTinyNet.__name__),
        decode_head=dict(
            type='FCNHead',
            in_channels=8,
            in_index=1,
            channels=8,
            num_convs=0,
            concat_input=False,
            dropout_ratio=0.0,
            num_classes=19,
            align_corners=False,
            loss_decode=dict(type='CrossEntropyLoss', use_sigmoid=False, loss_weight=1.0),
        ),
        train_cfg=dict(),
        test_cfg=dict(mode='whole'),
    )


def mask_mode_of(name: str) -> str:
    if 'separate' in name:
        return 'separate'
    return 'separatesrc' if 'source' in name else 'separatetrg'


def _method(d: dict[str, Tensor], name: str) -> SelfTraining:
    threshold = float(d['threshold'])
    weight = float(d['fd_lambda'])
    masked = (
        dict(
            mode=mask_mode_of(name),
            masker=dict(type='BlockMasker', block_size=int(d['mask_block']), ratio=float(d['mask_ratio'])),
        )
        if 'mask_noise' in d
        else None
    )
    method = SelfTraining(
        model=_model(),
        teacher=dict(alpha=float(d['alpha'])),
        mixer=dict(type='ClassMixer'),
        masking=masked,
        pseudo_labeler=dict(
            type='ConfidenceShare',
            threshold=threshold if threshold >= 0 else None,
            ignore_top=int(d['ignore_top']),
            ignore_bottom=int(d['ignore_bottom']),
        ),
        feature_distance=dict(type='ThingClassDistance', weight=weight, classes=THINGS) if weight > 0 else None,
    )
    method.student.load_state_dict(below(d, 'student/'))
    method.teacher.model.load_state_dict(below(d, 'teacher/'))
    method.teacher.initialized.fill_(True)
    method.teacher._ready = True
    if weight > 0:
        method.imnet.load_state_dict(below(d, 'imnet/'))
    return method


@vectors('step_*.npz')
def test_whole_iteration(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Gradients, logs, the teacher and everything in between, with the recorded random draws."""
    d = tensors(path)
    method = _method(d, path.stem)
    monkeypatch.setattr(method.mixer, 'draw_masks', lambda label, rng: d['mix_mask'])
    monkeypatch.setattr('mmseg_uda.components.maskers.rand_per_sample', lambda *_: d['mask_noise'])
    method.views = {}
    batch = {
        'img': d['img'],
        'img_metas': [{}] * len(d['img']),
        'gt_semantic_seg': d['label'],
        'target_img': d['target_img'],
        'target_img_metas': [{}] * len(d['img']),
    }
    if 'valid_pseudo_mask' in d:
        batch['valid_pseudo_mask'] = d['valid_pseudo_mask']
    step = TrainStep(method, build_optimizers(dict(type='SGD', lr=0.0), method.networks()), StepOptions())
    step([batch], int(d['iter']))
    for name, value in below(d, 'out_teacher/').items():
        torch.testing.assert_close(method.teacher.model.state_dict()[name], value, **TENSOR)
    assert torch.equal(method.views['target']['pseudo_label'], d['pseudo_label'].long())
    with torch.no_grad():
        scores = scores_of_network(method.teacher.model, d['target_img'])
    torch.testing.assert_close(scores[..., ::4, ::4], d['teacher_logits_sub'], **TENSOR)
    _, share = pseudo_labels.pseudo_label(scores, float(method.pseudo_labeler.threshold))
    torch.testing.assert_close(share.amax(), d['pseudo_weight_value'].float().reshape(()), **SCALAR)
    assert torch.equal(method.views['mixed']['label'], d['mixed_label'].long())
    torch.testing.assert_close(method.views['mixed']['weight'], d['mixed_weight'], **TENSOR)
    torch.testing.assert_close(method.views['mixed']['img'].sum(), d['mixed_img_sum'], rtol=1e-4, atol=1e-3)
    for name, parameter in method.student.named_parameters():
        torch.testing.assert_close(parameter.grad, d[f'out_grad/{name}'], **TENSOR)
    logs = step.flush()[0]
    if method.feature_distance is not None:  # published logs hold the weighted distance
        logs['src.loss_imnet_feat_dist'] *= method.feature_distance.weight
    for key, value in below(d, 'log/').items():
        if 'loss' in key:
            assert logs[key.replace('loss_seg', 'loss_ce')] == pytest.approx(
                float(value.nan_to_num(0.0)), rel=1e-5, abs=1e-6
            )

"""CoaST and MTAF functions against vectors of the released code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from mmseg_uda.components.style_bank import ChannelStatistics
from mmseg_uda.ops.adversarial import domain_bce, valid_cross_entropy
from mmseg_uda.ops.ael import poly_lr
from mmseg_uda.ops.cooperative import cooperative_losses, distillation_loss
from mmseg_uda.ops.entropy import entropy_loss, self_information
from mmseg_uda.ops.label_warp import GEOMETRIC_OPS, affine_matrix, harden, warp_affine, warp_label
from mmseg_uda.ops.style import instance_stats, restyle

from .golden import golden_files, load

OFFICIAL_IGNORE = 250
Vectors = dict[str, np.ndarray]


def family(pattern: str) -> Any:
    """Parametrise a test with all vector files of a family."""
    return pytest.mark.parametrize('path', golden_files('coast', pattern), ids=lambda path: path.stem)


def tensor(values: Any) -> Tensor:
    return torch.from_numpy(np.array(values))


def close(actual: Tensor, expected: Any, **tolerance: float) -> None:
    torch.testing.assert_close(
        actual.detach(), tensor(expected), **{**dict(rtol=1e-4, atol=1e-6), **tolerance}, check_dtype=False
    )


@family('entropy_map*.npz')
def test_entropy_map(path: Path) -> None:
    data = load(path)
    close(self_information(tensor(data['prob']).log()), data['out'])


@family('restyle*.npz')
def test_restyle(path: Path) -> None:
    data = load(path)
    x = tensor(data['x'])
    mean, std = instance_stats(x)
    close(mean, data['mean'])
    close(std, data['std'])
    if 'style_src' in data:
        for value, key in zip(instance_stats(tensor(data['style_src'])), ('style_mean', 'style_std')):
            close(value, data[key])
    close(restyle(x, tensor(data['style_mean']), tensor(data['style_std'])), data['out'], rtol=1e-4, atol=1e-5)


def _block(data: Vectors, prefix: str, x: Tensor) -> Tensor:
    out = x
    for i in (1, 2, 3):
        out = F.conv2d(out, tensor(data[f'{prefix}.conv{i}.weight']), padding=int(i == 2))
        norm = [tensor(data[f'{prefix}.bn{i}.{key}']) for key in ('running_mean', 'running_var', 'weight', 'bias')]
        out = F.batch_norm(out, *norm)
        out = (out + x if i == 3 else out).relu()
    return out


@family('style_bank*.npz')
def test_style_bank(path: Path) -> None:
    data = load(path)
    blocks = sorted({key.split('.')[0] for key in data if key.startswith('block')})
    bank = ChannelStatistics(int(data['num_targets']), blocks, 'clean' if 'clean' in path.stem else 'official')
    for step, name in enumerate(data['pass_names']):
        kind, *numbers = str(name).split(':')[1].split('_')
        context = (
            bank.source_pass()
            if kind == 'source'
            else bank.natural_pass(int(numbers[0]))
            if kind == 'natural'
            else bank.stylised_pass(int(numbers[0]), int(numbers[2]))
        )
        x = tensor(data['inputs'][step])
        with context:
            if kind == 'natural':
                bank.image.write(x, int(numbers[0]))
            for block, slots in zip(blocks, bank.features):
                x = bank.through(slots, _block(data, block, x))
        close(x, data['outputs'][step], rtol=1e-4, atol=1e-5)
        for i, slots in enumerate(bank.features):
            if slots.mean.numel():
                close(slots.mean, data['bank_mean'][step, i], atol=1e-5)
                close(slots.std, data['bank_std'][step, i], atol=1e-5)


@family('cross_entropy*.npz')
def test_cross_entropy(path: Path) -> None:
    data = load(path)
    logits, target = tensor(data['logits']), tensor(data['target'])
    close(valid_cross_entropy(logits, target), np.nan_to_num(data['mean']))
    if 'as_called_with_none' in data:  # the released call without a reduction takes the mean all the same
        close(valid_cross_entropy(logits, target), np.nan_to_num(data['as_called_with_none']))
    if 'per_pixel' in data:
        for image, label, pixels in zip(logits, target, data['per_pixel']):
            close(
                valid_cross_entropy(image[None], label[None]),
                pixels.sum() / max(1, int((label != OFFICIAL_IGNORE).sum())),
            )


@family('harden*.npz')
def test_harden(path: Path) -> None:
    data = load(path)
    hard = harden(tensor(data['lpsoft']), float(data['train_thred']), ignore=OFFICIAL_IGNORE)
    assert torch.equal(hard, tensor(data['hard']))


@family('affine_label*.npz')
def test_affine_label(path: Path) -> None:
    data = load(path)
    maps = tensor(data['label_plus1']).float()
    for kind, value, expected in zip(data['types'], data['v'], data['out']):
        theta = affine_matrix(str(kind), torch.tensor([float(value)]), *maps.shape[2:])
        assert torch.equal(warp_affine(maps, theta)[0, 0], tensor(expected).float()), kind


def _warped(data: Vectors, label: Tensor, prefix: str = '', scale: int = 4, ignore: int = OFFICIAL_IGNORE) -> Tensor:
    params = {kind: tensor(data[f'{prefix}p_{kind.lower()}']) for kind in GEOMETRIC_OPS}
    return warp_label(label, tensor(data[f'{prefix}p_hflip']), params, tensor(data[f'{prefix}p_cutout']), scale, ignore)


@family('label_strong*.npz')
def test_warp_label(path: Path) -> None:
    data = load(path)
    moved = _warped(data, tensor(data['label']), scale=int(data['scale']), ignore=int(data['padding']))
    assert torch.equal(moved, tensor(data['out']))


def _scores(data: Vectors, key: str, size: tuple[int, int], leaves: dict[str, Tensor]) -> Tensor:
    leaves[key] = tensor(data[f'z_{key}']).requires_grad_()
    return F.interpolate(leaves[key], size=size, mode='bilinear', align_corners=True)


@family('stage1_step*.npz')
def test_cooperative_step(path: Path) -> None:
    data = load(path)
    targets = range(int(data['num_targets']))
    rectify = float(data['gamma'])
    gamma = rectify if bool(data['rectify']) else None
    mode = 'paper' if 'paper' in path.stem else 'official'
    label = tensor(data['src_label'])
    leaves: dict[str, Tensor] = {}
    total = torch.stack(
        [
            valid_cross_entropy(_scores(data, f'src_{k}', label.shape[1:], leaves), label)
            for k in range(len(targets) + 1)
        ]
    ).sum()
    close(total, data['src_loss'])
    for i in targets:
        hard = harden(tensor(data[f't{i}_lpsoft']), float(data['train_thred']), ignore=OFFICIAL_IGNORE)
        assert torch.equal(hard, tensor(data[f't{i}_hard']))
        pseudo = _warped(data, hard, f't{i}_')
        assert torch.equal(pseudo, tensor(data[f't{i}_hard_strong']))
        size = pseudo.shape[2:]
        own = _scores(data, f'nat_{i}', size, leaves)
        styled = [_scores(data, f'sty_{i}_{j}', size, leaves) for j in targets if j != i]
        losses = cooperative_losses(own, styled, pseudo[:, 0], gamma, mode)
        distilled = distillation_loss(own, _scores(data, f'agn_{i}', size, leaves)) / len(targets)
        close(losses.pseudo, np.nan_to_num(data[f't{i}_loss_pl']))
        close(losses.style, np.nan_to_num(data[f't{i}_loss_sty']))
        close(distilled, data[f't{i}_loss_kd'])
        close(losses.divergence, data[f't{i}_kl'], atol=1e-5)
        # the weights are computed whether the loss uses them or not
        weights = (
            losses.weight if gamma is not None else cooperative_losses(own, styled, pseudo[:, 0], rectify, mode).weight
        )
        close(weights, data[f't{i}_weights'], atol=1e-5)
        loss = losses.pseudo + distilled + float(data['ratio']) * losses.style
        published = np.nan_to_num(data[f't{i}_loss']) if np.isfinite(data[f't{i}_loss']) else data[f't{i}_loss_kd']
        close(loss, published)  # without a valid pixel the published sum is not a number; here the rest remains
        total = total + loss
    total.backward()
    for key, leaf in leaves.items():
        assert leaf.grad is not None
        close(leaf.grad, np.nan_to_num(data[f'g_{key}']))


@family('stage1_step*.npz')
def test_image_styles(path: Path) -> None:
    data = load(path)
    targets = range(int(data['num_targets']))
    images = [tensor(data[f't{i}_img_strong_u8']).float() / 255 for i in targets]
    slots = ChannelStatistics(len(targets)).image
    slots.own(images[0])
    for i in targets:
        # a bank that was never written is a scalar, otherwise (B, C, 1, 1)
        values = [tensor(data[f'bank_{name}_in_{i}']) for name in ('mean', 'std')]
        slots.mean[i], slots.std[i] = (value[..., 0, 0] if value.dim() else value for value in values)
    for i in targets:
        slots.write(images[i], i)
        for j in targets:
            if f'img_sty_{i}_{j}' in data:
                close(slots.apply_style(images[i], j), data[f'img_sty_{i}_{j}'], atol=1e-5)
    for i in targets:
        close(slots.mean[i], data[f'bank_mean_out_{i}'][..., 0, 0])
        close(slots.std[i], data[f'bank_std_out_{i}'][..., 0, 0])


@family('mtaf_losses*.npz')
def test_mtaf_losses(path: Path) -> None:
    data = load(path)
    student, teacher = tensor(data['student_logits']), tensor(data['teacher_logits'])
    close(distillation_loss(teacher, student), data['kl'])
    close(valid_cross_entropy(student, tensor(data['label'])), np.nan_to_num(data['ce']))
    close(entropy_loss(student), data['entropy_loss'])
    for domain in (0, 1):
        close(domain_bce(student[:, :1], domain), data[f'bce_label{domain}'])


@family('poly_lr*.npz')
def test_poly_lr(path: Path) -> None:
    data = load(path)
    rates = [
        [poly_lr(float(base), int(t), int(data['max_iter']), 0.9) for base in data['base_lrs']] for t in data['iters']
    ]
    np.testing.assert_allclose(rates, data['lrs'], rtol=1e-6, atol=1e-12)

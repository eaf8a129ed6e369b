"""Whole iterations of MTAF and of CoaST's warm-up against the released code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from mmseg_uda.methods.coast import CoaSTWarmUp
from mmseg_uda.methods.mtaf import MTKT, MDis
from mmseg_uda.methods.parts.multi_target import MultiTarget
from mmseg_uda.models.discriminators import FCDiscriminator, StridedDiscriminator
from mmseg_uda.ops.ael import poly_lr
from tests.methods.multi_target import Leaves, RecordedSegmentor, name_heads, recorded_batch, run_iteration

from .golden import golden_files, load
from .test_coast import Vectors, close, family, tensor


def _leaves(data: Vectors, streams: list[str]) -> Leaves:
    found: Leaves = {}
    for key in data:
        stream, _, name = key[2:].partition('_')
        if key.startswith('z_') and stream in streams:
            found[stream, name] = tensor(data[key]).requires_grad_()
    return found


def _classes(leaves: Leaves) -> int:
    return next(iter(leaves.values())).shape[1]


def _width(kind: type[nn.Module], classes: int, flat: Tensor) -> int:
    """The base width at which a discriminator has as many parameters as a row of ``flat``."""
    counts = {width: sum(p.numel() for p in kind(classes, width).parameters()) for width in range(1, 9)}
    return next(width for width, count in counts.items() if count == flat.shape[1])


def _tolerance(value: np.ndarray, most: float) -> dict[str, float]:
    """An absolute tolerance that goes with the largest gradient: small ones among large ones are sums that cancel, whose
    rounding differs between machines."""
    return dict(atol=max(most, 1e-5 * float(np.abs(value).max())))


def _fill(discriminators: list[nn.Module], flat: Tensor) -> None:
    assert len(discriminators) == len(flat)
    for module, values in zip(discriminators, flat):
        nn.utils.vector_to_parameters(values.clone(), module.parameters())


def _check_gradients(data: Vectors, leaves: Leaves, discriminators: list[nn.Module]) -> None:
    for (stream, name), leaf in leaves.items():
        expected = data[f'g_{stream}_{name}']
        close(leaf.grad if leaf.grad is not None else torch.zeros_like(leaf), expected, **_tolerance(expected, 1e-8))
    for module, expected in zip(discriminators, data['gD_flat']):
        grads = [p.grad if p.grad is not None else torch.zeros_like(p) for p in module.parameters()]
        close(torch.cat([grad.flatten() for grad in grads]), expected, **_tolerance(expected, 1e-7))


def _network(data: Vectors, leaves: Leaves) -> dict[str, Any]:
    """Options that the methods share."""
    classes = _classes(leaves)
    width = _width(FCDiscriminator, classes, tensor(data['D_flat']))
    return dict(
        discriminator=dict(type='FCDiscriminator', ndf=width),
        official=True,
        num_targets=int(data['num_targets']),
        model=RecordedSegmentor(classes, float(data['lambdas'][1]), float(data['lambdas'][0])),
    )


def _streams(data: Vectors) -> list[str]:
    return ['src', *(f't{i}' for i in range(int(data['num_targets'])))]


def _mdis(data: Vectors, game: str) -> tuple[MultiTarget, Leaves, list[nn.Module]]:
    targets, lambdas = int(data['num_targets']), data['lambdas']
    leaves = _leaves(data, _streams(data))
    method = MDis(game=game, lambda_adv=dict(decode=lambdas[2], aux=lambdas[3]), **_network(data, leaves))
    name_heads(dict(main=method.student.decode_head, aux=method.student.auxiliary_head), leaves)
    judges = method.adversary.levels
    order = (
        [(level, f'source{i}') for level in ('decode', 'aux') for i in range(targets)]
        if game == 'multi'
        else [('decode', 'all'), ('aux', 'all')]
    )
    if game == 'multi':
        names = ['targets'] if targets == 2 else [f'targets{j}' for j in range(targets)]
        order += [(level, name) for name in names for level in ('decode', 'aux')]
    return method, leaves, [judges[level][name] for level, name in order]


def _mtkt(data: Vectors) -> tuple[MultiTarget, Leaves, list[nn.Module]]:
    targets, lambdas = int(data['num_targets']), data['lambdas']
    leaves = _leaves(data, _streams(data))
    method = MTKT(
        lambda_adv=dict(main=lambdas[2] / 2, aux=lambdas[3] / 2),
        lambda_kd=dict(decode=lambdas[4], aux=0.1 * lambdas[4] / targets),
        teacher_start=0 if data['teacher_active'] else 1,
        **_network(data, leaves),
    )
    heads = dict(main_0=method.student.decode_head, aux_0=method.student.auxiliary_head)
    for published, level in (('main', 'decode'), ('aux', 'aux')):
        heads.update({f'{published}_{i + 1}': head for i, head in enumerate(method.heads(level))})
    name_heads(heads, leaves)
    return (
        method,
        leaves,
        [method.adversary.levels[level][f'source{i}'] for i in range(targets) for level in ('decode', 'aux')],
    )


@pytest.mark.parametrize('path', golden_files('coast', 'mtaf_step_*.npz'), ids=lambda path: path.stem)
def test_mtaf_step(path: Path) -> None:
    data = load(path)
    kind = path.stem.split('_')[2]
    method, leaves, discriminators = (
        _mtkt(data) if kind == 'mtkt' else _mdis(data, 'shared' if kind == 'baseline' else 'multi')
    )
    _fill(discriminators, tensor(data['D_flat']))
    terms = run_iteration(method, recorded_batch(tensor(data['src_label']), method.num_targets), leaves)
    everything = sum(term.weight * term.loss.item() for term in terms)
    np.testing.assert_allclose(everything, np.nan_to_num(data['backward_values']).sum(), rtol=1e-4)
    np.testing.assert_allclose(terms[0].loss.item(), np.nan_to_num(data['backward_values'][0]), rtol=1e-4, atol=1e-6)
    _check_gradients(data, leaves, discriminators)
    assert len(discriminators) == int(data['n_discriminators'])
    # the baseline's single discriminator is trained with each target, the others once
    published = data['adam_steps'].tolist()
    assert published == [method.num_targets if kind == 'baseline' else 1] * len(discriminators)
    if kind != 'mtkt':
        assert data['teacher_active']  # nothing waits for a teacher


@family('mtaf_lr*.npz')
def test_mtaf_lr(path: Path) -> None:
    data = load(path)
    for key, base in (('lr', 2.5e-4), ('lr_d', 1e-4)):
        np.testing.assert_allclose([poly_lr(base, int(t), 250000, 0.9) for t in data['iters']], data[key], rtol=1e-6)


@family('warmup_step*.npz')
def test_warm_up_step(path: Path) -> None:
    data = load(path)
    targets = int(data['num_targets'])
    leaves: Leaves = {}
    for i in range(targets):
        leaves['src', str(i)] = tensor(data[f'z_src_{i}']).requires_grad_()
        leaves[f't{i}', str(i)] = tensor(data[f'z_tgt_{i}']).requires_grad_()
    width = _width(StridedDiscriminator, _classes(leaves), tensor(data['D_flat']))
    method = CoaSTWarmUp(
        lambda_adv=dict(main=float(data['adv_weight'])),
        discriminator=dict(type='StridedDiscriminator', ndf=width),
        domain_loss=dict(Vanilla='bce', LS='mse')[str(data['gan'])],
        num_targets=targets,
        model=RecordedSegmentor(_classes(leaves)),
    )
    name_heads({str(i): head for i, head in enumerate(method.heads())}, leaves)
    discriminators = [method.adversary.levels['decode'][f'source{i}'] for i in range(targets)]
    _fill(discriminators, tensor(data['D_flat']))
    terms = {
        term.name: term for term in run_iteration(method, recorded_batch(tensor(data['src_label']), targets), leaves)
    }
    np.testing.assert_allclose(terms['source'].loss.item(), np.nan_to_num(data['loss_src_sum']), rtol=1e-4)
    for i in range(targets):
        np.testing.assert_allclose(terms[f'target{i}'].loss.item(), data['loss_adv_weighted'][i], rtol=1e-4)
        learned = sum(terms[f'disc.decode.source{i}.{seen}'].loss.item() for seen in ('source', f'target{i}'))
        np.testing.assert_allclose(learned, data['loss_d'][i], rtol=1e-4)
        for stream, key in (('src', f'g_src_{i}'), (f't{i}', f'g_tgt_{i}')):
            close(leaves[stream, str(i)].grad, np.nan_to_num(data[key]), **_tolerance(data[key], 1e-8))
        gradient = torch.cat([p.grad.flatten() for p in discriminators[i].parameters()])
        close(gradient, data['gD_flat'][i], **_tolerance(data['gD_flat'][i], 1e-7))

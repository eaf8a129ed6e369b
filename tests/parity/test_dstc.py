"""Parity of DSTC with the published implementation; see the test vectors in tests/golden/dstc (ignore is -1 there,
255 here)."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any, Iterator

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmseg.models import build_head
from torch import Tensor

import mmseg_uda  # noqa: F401
from mmseg_uda.datasets.label_spaces import eval_subsets, lookup_array, table
from mmseg_uda.datasets.splits import labelled_split
from mmseg_uda.engine.step import StepOptions, TrainStep
from mmseg_uda.methods.dstc import DSTC
from mmseg_uda.ops import ael as semi_supervised
from mmseg_uda.ops import dstc
from mmseg_uda.ops.mixing import mix
from tests.parity.golden import golden_files, load


def vectors(pattern: str) -> Any:
    files = golden_files('dstc', pattern)
    return pytest.mark.parametrize('path', files, ids=[path.stem for path in files])


def tensors(path: Path) -> dict[str, Tensor]:
    """Arrays as tensors, labels as int64 with 255 for ignore."""

    def convert(array: np.ndarray) -> Any:
        if array.dtype.kind not in 'iuf':
            return array
        values = torch.from_numpy(array if array.dtype.kind == 'f' else array.astype(np.int64))
        return values.masked_fill(values == -1, 255) if array.dtype.kind == 'i' else values

    return load(path, convert)


def close(actual: Tensor, expected: Tensor, rtol: float = 1e-4, atol: float = 1e-5) -> None:
    torch.testing.assert_close(actual, expected.to(actual.dtype), rtol=rtol, atol=atol)


def per_image(found: dict[str, Tensor], prefix: str, batch_size: int) -> list[Tensor]:
    """The arrays ``<prefix>0``, ``<prefix>1`` ... of a batch."""
    return [found[f'{prefix}{i}'] for i in range(batch_size)]


@vectors('class_copy_paste_*.npz')
def test_class_copy_paste(path: Path) -> None:
    d = tensors(path)
    img, label, mask = dstc.paste_classes(
        d['paste_img'][None],
        d['paste_label'][None],
        dstc.class_set([d['classes']]),
        d['base_img'][None],
        d['base_label'][None],
    )
    assert torch.equal(mask[0, 0], d['mask'])
    assert torch.equal(img[0], d['mixed_img']) and torch.equal(label[0], d['mixed_label'])


@vectors('source_to_target_mix_*.npz')
def test_source_to_target_mix(path: Path) -> None:
    d = tensors(path)
    draws = per_image(d, 'draws', len(d['gt_s']))
    chosen = dstc.class_set(draws)
    img, label, _ = dstc.paste_classes(d['images_s'], d['gt_s'], chosen, d['images_t'], d['gt_t'])
    assert torch.equal(img, d['mixed_images']) and torch.equal(label, d['mixed_label'])
    present = dstc.label_classes(d['gt_s'])
    assert torch.equal(present.sum(1), d['num_present'])
    assert [len(ids) for ids in draws] == ((d['num_present'] + 1) // 2).tolist()
    assert not (chosen & ~present).any()


@vectors('intra_target_mix_*.npz')
def test_intra_target_mix(path: Path) -> None:
    d = tensors(path)
    pseudo = d['logits'].argmax(1)
    assert torch.equal(pseudo, d['pseudo_label'])
    taken = per_image(d, 'classes', len(pseudo))
    present, chosen = dstc.label_classes(pseudo), dstc.class_set(taken)
    assert torch.equal(present, dstc.class_set(per_image(d, 'present', len(pseudo))))
    assert [len(ids) for ids in taken] == chosen.sum(1).tolist() == ((present.sum(1) + 1) // 2).tolist()
    img, label, mask = dstc.paste_classes(d['images'], pseudo, chosen, d['images'].roll(-1, 0), pseudo.roll(-1, 0))
    assert torch.equal(mask[:, 0], torch.stack(per_image(d, 'mask', len(pseudo))))
    assert torch.equal(img, d['mixed_images']) and torch.equal(label, d['mixed_label'])
    confidence = d['logits'].softmax(1).amax(1)
    close(mix(mask[:, 0], confidence, confidence.roll(-1, 0)), d['mixed_conf'])


@vectors('alignment_*.npz')
def test_target_preferred_alignment(path: Path) -> None:
    d = tensors(path)
    source, number = d['logits_src'].requires_grad_(), d['logits_src'].shape[1]
    rows = torch.where(d['class_ids'] == 255, number, d['class_ids'])
    for logits, expected in ((source, 'proto_src'), (d['logits_trg'], 'proto_trg')):
        means, counts = dstc.class_mean_logits(logits, d['gt'])
        close(means[rows], d[expected], atol=1e-6)
        assert torch.equal(counts.nonzero()[:, 0], rows.sort().values)
    loss = dstc.target_preferred_alignment(source, d['logits_trg'], d['gt'])
    close(loss, d['loss'], atol=1e-6)
    close(torch.autograd.grad(loss, source)[0], d['grad_logits_src'], atol=1e-7)
    without = dstc.target_preferred_alignment(source, d['logits_trg'], d['gt'], include_ignore=False)
    close(without, d['loss_without_ignore_class'], atol=1e-6)
    assert torch.isfinite(torch.autograd.grad(without, source)[0]).all()


@vectors('sgd_repeats_*.npz')
def test_repeated_sgd_update(path: Path) -> None:
    d = tensors(path)
    options = [float(d[key]) for key in ('lr', 'momentum', 'weight_decay')]
    for key, repeats in (('trajectory', int(d['repeats'])), ('trajectory_without_repeats', 1)):
        param, buffer = d['p0'], None
        for grad, expected in zip(d['grads'], d[key]):
            param, buffer = dstc.repeated_sgd_update(param, grad, buffer, *options, repeats)
            close(param, expected, rtol=0, atol=1e-12)


@vectors('poly_lr_*.npz')
def test_poly_lr(path: Path) -> None:
    d = load(path)
    rates = [semi_supervised.poly_lr(float(d['base_lr']), int(step), int(d['max_iter'])) for step in d['iters']]
    np.testing.assert_allclose(rates, d['lr_backbone'], rtol=1e-9)
    np.testing.assert_allclose(np.multiply(rates, 10), d['lr_head'], rtol=1e-9)


@vectors('label_maps*.npz')
def test_label_maps(path: Path) -> None:
    d = load(path)
    known = d['raw_ids'] >= 0
    for key, mapping in dict(
        gta=table('gta'),
        cityscapes19=table('cityscapes'),
        cityscapes16=table('cityscapes', 'city16'),
        synthia16=table('synthia', 'city16'),
    ).items():
        expected = np.where(d[key] < 0, 255, d[key])
        np.testing.assert_array_equal(lookup_array(mapping)[d['raw_ids'][known]], expected[known], err_msg=key)
    if 'subset13_of_16' in d:
        sixteen = list(eval_subsets(16))
        assert [sixteen[i] for i in d['subset13_of_16']] == list(eval_subsets(13))


@vectors('split_*.npz')
def test_split_order(path: Path) -> None:
    """The split of the package orders the sorted names as the seeded published script does."""
    d = load(path)
    for key in (key for key in d if key.startswith('order_seed')):
        names, seed = [f'{i:06d}' for i in range(int(d['pool_size']))], int(key[len('order_seed') :])
        for number in {1, max(1, len(names) // 2), len(names)}:
            labeled, everything = labelled_split(reversed(names), number, seed, unlabeled='all')
            np.testing.assert_array_equal(np.array(everything, dtype=int), d[key])
            assert labeled == everything[:number]
            if number < len(names):
                assert labelled_split(names, number, seed) == (labeled, everything[number:])


@vectors('aspp_sum_head_*.npz')
def test_aspp_sum_head(path: Path) -> None:
    d = tensors(path)
    head = build_head(
        dict(type='DLV2Head', in_channels=d['feat'].shape[1], in_index=0, num_classes=d['logits'].shape[1])
    )
    for i, module in enumerate(head.aspp_modules):
        module.conv.load_state_dict(dict(weight=d[f'weight{i}'], bias=d[f'bias{i}']))
    logits = head([d['feat']])
    close(logits, d['logits'])
    full = F.interpolate(logits, scale_factor=8, mode='bilinear', align_corners=False)
    close(full, d['logits_up8'])
    close(semi_supervised.ohem_cross_entropy(full, d['gt'], min_kept=0), d['ce_loss'])


class ToyNetwork(torch.nn.Module):
    """The network of the recorded iterations; scores at the size of the input."""

    def __init__(self, channels: int, num_classes: int) -> None:
        super().__init__()
        self.conv1 = torch.nn.Conv2d(3, channels, 5, 4, 2, bias=False)
        self.bn1 = torch.nn.BatchNorm2d(channels).requires_grad_(False)
        self.layer6 = torch.nn.Conv2d(channels, num_classes, 3, padding=1)

    def encode_decode(self, img: Tensor, metas: Any) -> Tensor:
        hidden = F.max_pool2d(self.bn1(self.conv1(img)).relu(), 3, 2, 1)
        return F.interpolate(self.layer6(hidden), scale_factor=8, mode='bilinear', align_corners=False)


#: recorded draws of an iteration, and the labels whose classes are drawn, in the order of the draws
DRAWS = (('u1_classes', 'pl_from_net2'), ('st_draws', 'gt_s'), ('u2_classes', 'pl_from_net1'))


class ReplayedDSTC(DSTC):
    """Recorded class draws instead of random ones; keeps the pseudo-labels and the pasted labels of the iteration."""

    recorded: dict[str, Tensor]
    order: Iterator[tuple[str, str]]

    def choose_classes(self, label: Tensor, replacement: bool) -> Tensor:
        key, pseudo = next(self.order)
        assert torch.equal(label, self.recorded[pseudo]), key
        assert replacement == (key == 'st_draws')
        return dstc.class_set(per_image(self.recorded, key, len(label)))


LOSSES = dict(
    source='source_loss_1', align='alignment_loss', labeled_target='ce_loss_1', mix_source_branch='classmix_1', mixed_labeled='mix_loss_2',
    mix_target_branch='classmix_2',
)  # fmt: skip
MIXED = dict(mix_source_branch='label_mix_u1', mixed_labeled='label_mix_st', mix_target_branch='label_mix_u2')


@vectors('iteration_*.npz')
def test_iteration(path: Path) -> None:
    d = tensors(path)
    num_classes, channels = d['init_net1_layer6.weight'].shape[:2]
    method = ReplayedDSTC(ToyNetwork(channels, num_classes), init=None, align_weight=float(d['align_weight']))
    method.order = itertools.cycle(DRAWS)
    branches = dict(net1=method.student, net2=method.target_branch)
    for name, network in branches.items():
        network.load_state_dict(
            {key[len(f'init_{name}_') :]: value for key, value in d.items() if key.startswith(f'init_{name}_')}
        )
    options = dict(momentum=float(d['momentum']), weight_decay=float(d['weight_decay']))
    optimizers = {
        name: torch.optim.SGD(
            [dict(params=[network.conv1.weight]), dict(params=network.layer6.parameters())], lr=1.0, **options
        )
        for name, network in method.networks().items()
    }
    step = TrainStep(method, optimizers, StepOptions.from_config(None), seed=0)
    for k in range(int(d['num_iters'])):
        method.recorded = {key[len(f'it{k}_') :]: value for key, value in d.items() if key.startswith(f'it{k}_')}
        rate = semi_supervised.poly_lr(float(d['base_lr']), k, int(d['max_iter']))
        for optimizer in optimizers.values():
            optimizer.param_groups[0]['lr'], optimizer.param_groups[1]['lr'] = rate, 10 * rate
        method.views = {}
        step([recorded_batch(method.recorded, d['mean_bgr'])], k)
        (log,) = step.flush()
        for name, key in LOSSES.items():
            close(torch.tensor(log[name]), method.recorded[key])
        total = sum(log[name] for name in LOSSES if name != 'align')
        close(
            torch.tensor([total, rate]), torch.stack([method.recorded['total_loss'], method.recorded['lr']]), atol=1e-9
        )
        for name, key in MIXED.items():
            assert torch.equal(method.views[name]['label'], method.recorded[key]), name
        for name, network in branches.items():
            for key, value in network.state_dict().items():
                close(value, method.recorded[f'after_{name}_{key}'])


def recorded_batch(recorded: dict[str, Tensor], mean: Tensor) -> dict[str, Any]:
    """The flat batch of a recorded iteration, images normalised."""
    batch: dict[str, Any] = {}
    for prefix, short in (('', 's'), ('labeled_target_', 't'), ('target_', 'u')):
        img = (recorded[f'image_{short}_u8'] - mean).permute(0, 3, 1, 2).contiguous()
        batch[f'{prefix}img'], batch[f'{prefix}img_metas'] = img, [{} for _ in img]
        if short != 'u':
            batch[f'{prefix}gt_semantic_seg'] = recorded[f'gt_{short}'][:, None]
    return batch

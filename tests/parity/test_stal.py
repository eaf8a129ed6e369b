"""Parity of the STAL, U2PL and RIPU functions with the published implementations; see tests/golden/stal."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from mmcv import Config
from mmseg.core.evaluation.metrics import intersect_and_union
from mmseg.models import build_head, build_segmentor
from torch import Tensor

import mmseg_uda  # noqa: F401
from mmseg_uda.active.scoring import slide_scores
from mmseg_uda.builder import with_num_classes
from mmseg_uda.compat.keys_stal import stal_to_ours
from mmseg_uda.components.banks import KeyBank
from mmseg_uda.components.banks_images import class_components
from mmseg_uda.datasets.label_spaces import lookup_array, table
from mmseg_uda.datasets.stal_transforms import resize_pair
from mmseg_uda.ops import acquisition, adaptive_mix, scale_crop
from mmseg_uda.ops import ael as semi_supervised
from mmseg_uda.ops import u2pl as contrast
from mmseg_uda.ops.ema import ema_alpha
from tests.parity.golden import load, tensors
from tests.parity.stal_replay import (
    GRAD,
    close,
    formula_state,
    official_rules,
    official_shapes,
    official_tensors,
    or_zero,
    presence_by_image,
    replay_iteration,
    vectors,
)

CONFIGS = Path(__file__).resolve().parents[2] / 'configs'


@vectors('stal_consistency_*.npz')
def test_confidence_weighted_ce(path: Path) -> None:
    d = tensors(path)
    preds = d['preds'].requires_grad_()
    draws = d['rand'] if d['sample'] else None
    loss = semi_supervised.confidence_weighted_ce(
        preds, d['conf'], d['gt'], d['class_conf'], draws, float(d['gamma']), float(d['gamma2'])
    )
    close(loss, d['loss'])
    close(torch.autograd.grad(loss, preds)[0], d['grad_preds'], **GRAD)


@vectors('stal_ohem_*.npz')
def test_ohem_cross_entropy(path: Path) -> None:
    d = tensors(path)
    main, aux = d['main'].requires_grad_(), d['aux'].requires_grad_()
    options = dict(threshold=float(d['thresh']), min_kept=int(d['min_kept']))
    loss_main = semi_supervised.ohem_cross_entropy(main, d['target'], **options, all_ignored='nan')
    loss = loss_main + float(d['aux_weight']) * semi_supervised.ohem_cross_entropy(
        aux, d['target'], **options, all_ignored='nan'
    )
    if not torch.isnan(d['loss']):
        close(loss_main, d['loss_main'])
        close(loss, d['loss'])
        assert torch.equal(semi_supervised.ohem_keep(main, d['target'], **options), d['kept_main'])
        close(torch.autograd.grad(loss_main, main, retain_graph=True)[0], d['grad_main'], **GRAD)
        close(torch.autograd.grad(loss, aux)[0], d['grad_aux'], **GRAD)
    else:
        assert torch.isnan(loss) and torch.isnan(d['loss_main']) and not d['kept_main'].any()
        corrected = semi_supervised.ohem_cross_entropy(main, d['target'], **options)
        assert corrected == 0 and not torch.autograd.grad(corrected, main)[0].any()


@vectors('stal_class_conf_*.npz')
def test_class_confidence(path: Path) -> None:
    d = tensors(path)
    conf = semi_supervised.class_confidence(d['logits'], d['gt'])
    close(conf, d['conf'])
    momentum = float(d['momentum'])
    close(d['bank'] * momentum + (1 - momentum) * conf, d['bank_after'])


@vectors('stal_poly_lr_*.npz')
def test_poly_lr(path: Path) -> None:
    d = tensors(path)
    per_epoch, start = int(d['iters_per_epoch']), int(d['start_epoch'])
    total = int(d['epochs']) * per_epoch
    expected = [
        [semi_supervised.poly_lr(float(base), start * per_epoch + t, total) for base in d['base_lr']]
        for t in range(len(d['lr']))
    ]
    close(torch.tensor(expected, dtype=torch.float64), d['lr'], atol=1e-12, rtol=1e-9)


@vectors('u2pl_unsup_loss_*.npz')
def test_percentile_cross_entropy(path: Path) -> None:
    d = tensors(path)
    predict = d['predict'].requires_grad_()
    loss, kept = semi_supervised.percentile_cross_entropy(predict, d['target'], d['pred_teacher'], float(d['percent']))
    expected, gradient = or_zero(d['loss'], d['grad'])
    close(loss, expected)
    assert torch.equal(kept, d['target_after'])
    close(torch.autograd.grad(loss, predict)[0], gradient, **GRAD)


@vectors('stal_copy_paste_*.npz')
def test_class_copy_paste(path: Path) -> None:
    d = tensors(path)
    height = d['images'].shape[2]
    images, labels = adaptive_mix.class_copy_paste(
        d['images'][:, :3], d['labels'][:, :height], d['images'][:, 3:], d['labels'][:, height:], d['query_cat']
    )
    assert torch.equal(images, d['out_images']) and torch.equal(labels, d['out_labels'])


@vectors('stal_random_box*.npz')
def test_random_half_area_box(path: Path) -> None:
    d = load(path)
    boxes = [adaptive_mix.random_half_area_box(int(s), float(u), p) for s, u, p in zip(d['size'], d['u_y'], d['u_pos'])]
    np.testing.assert_array_equal(boxes, d['rect'])


@vectors('stal_cutmix_mask_*.npz')
def test_class_box(path: Path) -> None:
    d = load(path)
    components = class_components(d['pred'] == d['cat'])
    areas = np.bincount(d['component_map'].ravel())[1:]
    np.testing.assert_array_equal(components.areas, areas)
    for i, (y0, x0, y1, x1) in enumerate(components.boxes.tolist(), start=1):
        rows, columns = np.nonzero(d['component_map'] == i)
        assert (rows.min(), columns.min(), rows.max() + 1, columns.max() + 1) == (y0, x0, y1, x1)
    box = adaptive_mix.class_box(
        components, d['component_order'], float(d['area_thresh']), float(d['u_y'].ravel()[0]), d['u_pos'].ravel()
    )
    np.testing.assert_array_equal(adaptive_mix.box_mask(box, d['mask'].shape).numpy(), d['mask'])
    large = areas > float(d['area_thresh']) * d['component_map'].size
    assert bool(d['used_random_box']) == (not large.any())
    # half of the area, as in random_half_area_box; nothing is drawn where a component is large enough
    assert np.all(d['u_prop'] == (0.5 if d['used_random_box'] else 0))


@vectors('stal_cutmix_bank_*.npz')
def test_presence_bank(path: Path) -> None:
    d = tensors(path)
    ids = [int(d['img_id']), int(d['sample_id'])]
    counts = torch.stack([torch.bincount(one.flatten(), minlength=len(d['bank'])) for one in d['pred_class']])
    assert torch.equal(counts, d['pixel_counts'])
    assert torch.equal(
        adaptive_mix.update_presence_bank(d['bank'], d['pred_class'], ids, float(d['area_thresh'])), d['bank_after']
    )
    close(semi_supervised.class_sampling_probability(d['class_conf']), d['class_prob'])


@vectors('u2pl_c[ul]*.npz')
def test_batch_mix(path: Path) -> None:
    d = tensors(path)
    mode = str(load(path)['mode'])
    size = tuple(d['target'].shape[1:])
    if mode == 'classmix':
        masks = [adaptive_mix.classmix_mask(label, d[f'perm_{i}'].tolist()) for i, label in enumerate(d['target'])]
        assert len(masks) == int(d['n_perm'])
    else:
        masks = [adaptive_mix.cutout_mask(size, *draw) for draw in d['draw_w_x_y'].tolist()]
    stacked = torch.stack(masks)
    assert torch.equal(stacked, d['mask'])
    images, labels, confidence = adaptive_mix.mix_batch(
        d['data'], d['target'], d['logits'], stacked, cutout=mode == 'cutout'
    )
    assert (
        torch.equal(images, d['out_data'])
        and torch.equal(labels, d['out_target'])
        and torch.equal(confidence, d['out_logits'])
    )


@vectors('stal_onehot_*.npz')
def test_onehot(path: Path) -> None:
    d = tensors(path)
    classes = int(d['num_classes'])
    assert torch.equal(contrast.onehot_ignore(d['label'], classes), d['onehot_correct'])
    assert torch.equal(contrast.onehot_ignore(d['label'], classes, official=True), d['onehot_official'])


@vectors('stal_queue_*.npz')
def test_queue(path: Path) -> None:
    d = tensors(path)
    size = int(d['queue_size'])
    ring = KeyBank(1, d['bank_0'].shape[1], size)
    bank = d['keys_0'][:0]
    for step in range(int(d['n_steps'])):
        keys = d[f'keys_{step}']
        bank = contrast.fifo_enqueue(bank, keys, size)
        ring.enqueue(keys, torch.ones(1, len(keys), dtype=torch.bool))
        assert torch.equal(bank, d[f'bank_{step}']) and len(keys) == int(d[f'ret_{step}'])
        assert torch.equal(ring.contents(0), d[f'bank_{step}'])


@vectors('stal_contra_*.npz')
def test_memory_bank_contrastive_loss(path: Path) -> None:
    d = tensors(path)
    rules = official_rules(d)
    classes = int(d['num_classes'])
    bank = KeyBank(classes, d['rep'].shape[1], d['queue_size'].tolist())
    bank.load(d['bank_before'], d['bank_len_before'])
    rep = d['rep'].requires_grad_()
    labels = torch.cat([d['label_l'], d['label_u']])
    prob = torch.cat([d['prob_l'], d['prob_u']])
    sets = contrast.contrast_sets(
        contrast.onehot_ignore(labels, classes), prob, d['low_mask'], d['high_mask'], len(d['label_l']), rules
    )
    assert torch.equal(sets.keys.sum(dim=1), d['new_keys'])
    flat = d['rep_teacher'].permute(0, 2, 3, 1).flatten(0, 2)
    bank.enqueue(flat, sets.keys)
    assert torch.equal(bank.lengths, d['bank_len_after'])
    close(torch.cat([bank.contents(c) for c in range(classes)]), d['bank_after'])
    slots = contrast.contrast_slots(sets, bank.lengths, official=True)
    assert int(slots.active.sum()) == int(d['n_active_slots'])
    ranks = [torch.zeros(classes, d[key].shape[1], dtype=torch.int64) for key in ('anchor_idx', 'negative_idx')]
    for drawn, key in zip(ranks, ('anchor_idx', 'negative_idx')):
        drawn[slots.active] = d[key]
    confidence = prob.amax(dim=1).flatten() if d['conf_weight'] else None
    prototypes = contrast.class_prototypes(flat, sets, confidence)[:, None].expand(-1, rules.num_queries, -1)
    if 'momentum_prototype' in d:
        old = d['momentum_prototype'][:, :, 0]
        prototypes = contrast.momentum_prototypes(prototypes, old, int(d['i_iter']), slots.bank_class)
        out = torch.zeros_like(old)
        out[slots.bank_class[slots.active]] = prototypes[slots.active]
        close(out, d['prototype_out'][:, :, 0])
    anchors = rep.permute(0, 2, 3, 1).flatten(0, 2)[contrast.rank_to_index(sets.anchors, ranks[0])]
    negatives = bank.gather(slots.bank_class, ranks[1]).unflatten(1, (rules.num_queries, rules.num_negatives))
    loss = contrast.contrast_loss(anchors, prototypes, negatives, slots, rules.temperature)
    close(loss, d['loss'])
    close(torch.autograd.grad(loss, rep)[0], d['grad_rep'], **GRAD)


@vectors('stal_acquisition_*.npz')
def test_image_score(path: Path) -> None:
    d = tensors(path)
    names = load(path)
    score = acquisition.mean_entropy_score(d['logits'], norm_classes=19)
    close(score, d['score'])
    assert acquisition.rank_names(names['names'].tolist(), score.tolist()) == names['ranked_names'].tolist()


@vectors('stal_image_selection_*.npz')
def test_image_selection(path: Path) -> None:
    d = load(path)
    first = d['first'].tolist()
    labeled = [sum(name.startswith(f'{city}_') for name in first) for city in d['cities'].tolist()]
    quota = acquisition.group_quota(d['city_sizes'].tolist(), labeled, int(d['budget']))
    assert quota == d['quota'].tolist()
    assert sorted(acquisition.select_images(d['ranking_top'].tolist(), quota, first)) == d['selected'].tolist()


@vectors('stal_train_step_*.npz')
def test_whole_iteration(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    d = tensors(path)
    method, networks, terms, recorded = replay_iteration(d, monkeypatch)
    inputs = networks.inputs
    assert torch.equal(inputs['student_sup'], d['student_in_sup']) and torch.equal(
        inputs['teacher_sup'], d['student_in_sup']
    )
    close(inputs['teacher_weak'], d['teacher_in_weak'])
    close(inputs['student_unsup'], d['student_in_unsup'])
    close(inputs['teacher_strong'], d['teacher_in_strong'])
    assert networks.modes == {
        'student': d['student_modes_train'].tolist(),
        'teacher': d['teacher_modes_train'].tolist(),
    }
    for i, (args, loss) in enumerate(recorded['confidence_weighted_ce']):
        close(args[1], d[f'cons{i}_conf'])
        assert torch.equal(args[2], d[f'cons{i}_gt'])
        close(loss, d[f'cons{i}_loss'])
    close(method.confidence.value, d['class_conf_after'][0])
    assert torch.equal(presence_by_image(method, d), d['cutmix_bank_after'])
    close(terms['supervised'].loss, d['loss_sup'])
    total = sum(term.weight * term.loss for term in terms.values())
    close(total, d['loss_total'])
    leaves = {name: leaf for name, leaf in networks.leaves.items() if d[f'grad_student_{name}'].numel()}
    for (name, _), grad in zip(leaves.items(), torch.autograd.grad(total, list(leaves.values()))):
        close(grad, d[f'grad_student_{name}'], **GRAD)
    close(torch.lerp(d['student_w'], d['teacher_w_before'], ema_alpha(int(d['i_iter']), 0.99)), d['teacher_w_after'])
    if 'contra_raw' in d:
        close(terms['contrast'].loss, d['contra_raw'])
        for actual, key in zip(recorded['contrast_masks'][0][1], ('low_mask', 'high_mask')):
            assert torch.equal(actual, d[key])
        for (_, actual), key in zip(recorded['onehot_ignore'], ('label_l_small', 'label_u_small')):
            assert torch.equal(actual.long(), d[key])
        close(recorded['contrast_sets'][0][0][1], torch.cat([d['prob_l'], d['prob_u']]))
        assert torch.equal(recorded['contrast_sets'][0][1].keys.sum(dim=1), d['new_keys'])
        assert torch.equal(method.contrast.bank.lengths, d['bank_len_after'])


@vectors('stal_crop_*.npz')
def test_pad_and_crop(path: Path) -> None:
    d = load(path)
    crop, offset = int(d['crop']), d['offset_hw']
    height, width = d['image'].shape[2:]
    if str(d['kind']) == 'center':
        offset = scale_crop.centre_offset(height, width, crop)
    else:
        assert all(0 <= o < count for o, count in zip(offset, scale_crop.crop_range(height, width, crop)))
    image = scale_crop.pad_and_crop(d['image'][0].transpose(1, 2, 0), crop, offset)
    np.testing.assert_array_equal(image.transpose(2, 0, 1), d['out_image'][0])
    np.testing.assert_array_equal(scale_crop.pad_and_crop(d['label'][0, 0], crop, offset, fill=0), d['out_label'][0, 0])


@vectors('stal_rand_resize_*.npz')
def test_random_resize(path: Path) -> None:
    d = load(path)
    height, width, (low, high) = int(d['h']), int(d['w']), d['scale']
    sizes = [scale_crop.scaled_size(height, width, scale_crop.random_scale(low, high, *u)) for u in d['u']]
    np.testing.assert_array_equal(sizes, d['out_hw'])
    size = scale_crop.scaled_size(height, width, scale_crop.random_scale(low, high, *d['u_last']))
    image, (label,) = resize_pair(np.ascontiguousarray(d['image'][0].transpose(1, 2, 0)), [d['label'][0, 0]], size)
    np.testing.assert_allclose(image.transpose(2, 0, 1), d['out_image'][0], atol=1e-5, rtol=1e-4)
    np.testing.assert_array_equal(label, d['out_label'][0, 0])


@vectors('stal_label_map*.npz')
def test_label_tables(path: Path) -> None:
    d = load(path)
    np.testing.assert_array_equal(lookup_array(table('gta', 'city19'))[d['gta5_raw']], d['gta5_mapped'])
    np.testing.assert_array_equal(lookup_array(table('synthia', 'city16'))[d['synthia_raw']], d['synthia_mapped'])


@vectors('stal_slide_eval_*.npz')
def test_slide_scores(path: Path) -> None:
    d = tensors(path)

    def predict(image: Tensor) -> Tensor:
        scores = F.conv2d(image, d['weight'], stride=4, padding=1)
        return F.interpolate(scores, size=image.shape[2:], mode='bilinear', align_corners=True)

    close(slide_scores(predict, d['image'], int(d['crop']))[0], d['logits'])


@vectors('stal_iou_*.npz')
def test_iou(path: Path) -> None:
    d = load(path)
    intersection, union, _, target = intersect_and_union(d['output'], d['target'], int(d['num_classes']), 255)
    for actual, key in ((intersection, 'intersection'), (union, 'union'), (target, 'target_area')):
        np.testing.assert_array_equal(actual.numpy(), d[key])


@vectors('stal_decoder_forward_*.npz')
def test_decoder(path: Path) -> None:
    d = tensors(path)
    classes, low, high, a, b = (
        int(d['num_classes']),
        int(d['size_low']),
        int(d['size_high']),
        float(d['a']),
        float(d['b']),
    )
    common = dict(num_classes=classes, dropout_ratio=0.1, norm_cfg=dict(type='BN'), align_corners=True)
    head = build_head(dict(type='DLV3PlusRepHead', channels=256, **common))
    aux = build_head(
        dict(type='FCNHead', in_channels=1024, channels=256, in_index=2, num_convs=1, concat_input=False, **common)
    )
    state = stal_to_ours(formula_state(official_shapes(classes)))
    for module, prefix in ((head, 'decode_head.'), (aux, 'auxiliary_head.')):
        result = module.load_state_dict(
            {key[len(prefix) :]: value for key, value in state.items() if key.startswith(prefix)}, strict=False
        )
        assert not result.unexpected_keys and all(key.endswith('num_batches_tracked') for key in result.missing_keys)
        module.eval()

    def wave(channels: int, size: int, a: float, b: float) -> Tensor:
        i = torch.arange(channels * size * size, dtype=torch.float64)
        return (torch.sin(a * i) + 0.5 * torch.cos(b * i)).float().reshape(1, channels, size, size)

    features = [wave(256, low, a, b), torch.zeros(1), wave(1024, high, 1.1 * a, b), wave(2048, high, 1.3 * a, 0.7 * b)]
    with torch.no_grad():
        pred, rep = head.forward_with_representation(features)
        close(pred, d['pred'], atol=1e-4, rtol=1e-4)
        close(head(features), d['pred'], atol=1e-4, rtol=1e-4)
        close(rep[:, :, ::2, ::2], d['rep'], atol=1e-4, rtol=1e-4)
        close(aux(features), d['aux'], atol=1e-4, rtol=1e-4)


def test_full_model_takes_the_released_keys() -> None:
    """Every released tensor has a place of its shape in the configured network, and the parameter counts agree."""
    cfg = Config.fromfile(str(CONFIGS / '_base_' / 'models' / 'deeplabv3plus-rep_r101-d8_stem128.py'))
    with torch.device('meta'):
        model = build_segmentor(with_num_classes(cfg.model, 19))
    wanted = {key: tuple(value.shape) for key, value in model.state_dict().items()}
    released = {}
    for name, sizes in official_tensors():
        released['module.' + name] = torch.empty(sizes, device='meta')
    converted = {key: tuple(value.shape) for key, value in stal_to_ours(released).items()}
    assert converted == wanted

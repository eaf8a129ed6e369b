"""Parity of the STAL, U2PL and RIPU functions with the published implementations; see tests/golden/stal."""
from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from mmseg_uda.ops import acquisition, adaptive_mix, contrast, partial_label, semi_supervised
from tests.parity.golden import golden_files, load

LOSS = dict(atol=1e-5, rtol=1e-4)
GRAD = dict(atol=1e-6, rtol=1e-4)


def vectors(pattern: str) -> Any:
    files = golden_files('stal', pattern)
    return pytest.mark.parametrize('path', files, ids=[path.stem for path in files])


def tensors(path: Path) -> dict[str, Tensor]:
    return {key: torch.from_numpy(value) for key, value in load(path).items() if value.dtype.kind in 'fiub'}


def close(actual: Any, expected: Any, **tolerance: float) -> None:
    actual = torch.as_tensor(actual)
    torch.testing.assert_close(actual, torch.as_tensor(expected).to(actual.dtype), **(tolerance or LOSS))


# ---- losses and class statistics --------------------------------------------------------------------------------------------------
@vectors('stal_consistency_*.npz')
def test_confidence_weighted_ce(path: Path) -> None:
    d = tensors(path)
    preds = d['preds'].requires_grad_()
    draws = d['rand'] if d['sample'] else None
    loss = semi_supervised.confidence_weighted_ce(preds, d['conf'], d['gt'], d['class_conf'], draws, float(d['gamma']), float(d['gamma2']))
    close(loss, d['loss'])
    close(torch.autograd.grad(loss, preds)[0], d['grad_preds'], **GRAD)


@vectors('stal_ohem_*.npz')
def test_ohem_cross_entropy(path: Path) -> None:
    d = tensors(path)
    main, aux = d['main'].requires_grad_(), d['aux'].requires_grad_()
    options = dict(threshold=float(d['thresh']), min_kept=int(d['min_kept']))
    loss_main = semi_supervised.ohem_cross_entropy(main, d['target'], **options, all_ignored='nan')
    loss = loss_main + float(d['aux_weight']) * semi_supervised.ohem_cross_entropy(aux, d['target'], **options, all_ignored='nan')
    if not torch.isnan(d['loss']):
        close(loss_main, d['loss_main'])
        close(loss, d['loss'])
        assert torch.equal(semi_supervised.ohem_keep(main, d['target'], **options), d['kept_main'])
        close(torch.autograd.grad(loss_main, main, retain_graph=True)[0], d['grad_main'], **GRAD)
        close(torch.autograd.grad(loss, aux)[0], d['grad_aux'], **GRAD)
    else:
        assert torch.isnan(loss)
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
    expected = [[semi_supervised.poly_lr(float(base), start * per_epoch + t, total) for base in d['base_lr']] for t in range(len(d['lr']))]
    close(torch.tensor(expected, dtype=torch.float64), d['lr'], atol=1e-12, rtol=1e-9)


@vectors('u2pl_unsup_loss_*.npz')
def test_percentile_cross_entropy(path: Path) -> None:
    d = tensors(path)
    predict = d['predict'].requires_grad_()
    loss, kept = semi_supervised.percentile_cross_entropy(predict, d['target'], d['pred_teacher'], float(d['percent']))
    close(loss, d['loss'])
    assert torch.equal(kept, d['target_after'])
    close(torch.autograd.grad(loss, predict)[0], d['grad'], **GRAD)


# ---- mixing -----------------------------------------------------------------------------------------------------------------------
@vectors('stal_copy_paste_*.npz')
def test_class_copy_paste(path: Path) -> None:
    d = tensors(path)
    height = d['images'].shape[2]
    images, labels = adaptive_mix.class_copy_paste(d['images'][:, :3], d['labels'][:, :height], d['images'][:, 3:], d['labels'][:, height:],
                                                   d['query_cat'])
    assert torch.equal(images, d['out_images']) and torch.equal(labels, d['out_labels'])


@vectors('stal_random_box*.npz')
def test_random_half_area_box(path: Path) -> None:
    d = load(path)
    boxes = [adaptive_mix.random_half_area_box(int(s), float(u), p) for s, u, p in zip(d['size'], d['u_y'], d['u_pos'])]
    np.testing.assert_array_equal(boxes, d['rect'])


@vectors('stal_cutmix_mask_*.npz')
def test_class_box(path: Path) -> None:
    from mmseg_uda.components.banks_images import class_components
    d = load(path)
    components = class_components(d['pred'] == d['cat'])
    np.testing.assert_array_equal(components, d['component_map'])
    box = adaptive_mix.class_box(components, d['component_order'], float(d['area_thresh']), float(d['u_y'].ravel()[0]), d['u_pos'].ravel())
    np.testing.assert_array_equal(adaptive_mix.box_mask(box, d['mask'].shape).numpy(), d['mask'])


@vectors('stal_cutmix_bank_*.npz')
def test_presence_bank(path: Path) -> None:
    d = tensors(path)
    ids = [int(d['img_id']), int(d['sample_id'])]
    assert torch.equal(adaptive_mix.update_presence_bank(d['bank'], d['pred_class'], ids, float(d['area_thresh'])), d['bank_after'])
    close(semi_supervised.class_sampling_probability(d['class_conf']), d['class_prob'])


@vectors('u2pl_c[ul]*.npz')
def test_batch_mix(path: Path) -> None:
    d = tensors(path)
    mode = str(load(path)['mode'])
    size = tuple(d['target'].shape[1:])
    if mode == 'classmix':
        masks = [adaptive_mix.classmix_mask(label, d[f'perm_{i}'].tolist()) for i, label in enumerate(d['target'])]
    else:
        masks = [adaptive_mix.cutout_mask(size, *draw) for draw in d['draw_w_x_y'].tolist()]
    stacked = torch.stack(masks)
    assert torch.equal(stacked, d['mask'])
    images, labels, confidence = adaptive_mix.mix_batch(d['data'], d['target'], d['logits'], stacked, cutout=mode == 'cutout')
    assert torch.equal(images, d['out_data']) and torch.equal(labels, d['out_target']) and torch.equal(confidence, d['out_logits'])


# ---- contrast ---------------------------------------------------------------------------------------------------------------------
@vectors('stal_onehot_*.npz')
def test_onehot(path: Path) -> None:
    d = tensors(path)
    classes = int(d['num_classes'])
    assert torch.equal(contrast.onehot_ignore(d['label'], classes), d['onehot_correct'])
    assert torch.equal(contrast.onehot_ignore(d['label'], classes, official=True), d['onehot_official'])


@vectors('stal_queue_*.npz')
def test_queue(path: Path) -> None:
    from mmseg_uda.components.banks import KeyBank
    d = tensors(path)
    size = int(d['queue_size'])
    ring = KeyBank(1, d['bank_0'].shape[1], size)
    bank = d['keys_0'][:0]
    for step in range(int(d['n_steps'])):
        keys = d[f'keys_{step}']
        bank = contrast.fifo_enqueue(bank, keys, size)
        ring.enqueue(keys, torch.ones(1, len(keys), dtype=torch.bool))
        assert torch.equal(bank, d[f'bank_{step}'])
        assert torch.equal(ring.contents(0), d[f'bank_{step}'])


@vectors('stal_contra_*.npz')
def test_memory_bank_contrastive_loss(path: Path) -> None:
    from mmseg_uda.components.banks import KeyBank
    d = tensors(path)
    rules = contrast.ContrastRules(
        low_rank=int(d['cfg_low_rank']), high_rank=int(d['cfg_high_rank']), anchor_threshold=float(d['cfg_current_class_threshold']),
        negative_threshold=float(d['cfg_current_class_negative_threshold']), num_queries=int(d['cfg_num_queries']),
        num_negatives=int(d['cfg_num_negatives']), temperature=float(d['cfg_temperature']), official_keys=True, official_slots=True,
        confidence_weighted=bool(d['conf_weight']))
    classes = int(d['num_classes'])
    bank = KeyBank(classes, d['rep'].shape[1], d['queue_size'].tolist())
    bank.load(d['bank_before'], d['bank_len_before'])
    rep = d['rep'].requires_grad_()
    labels = torch.cat([d['label_l'], d['label_u']])
    prob = torch.cat([d['prob_l'], d['prob_u']])
    sets = contrast.contrast_sets(contrast.onehot_ignore(labels, classes), prob, d['low_mask'], d['high_mask'], len(d['label_l']), rules)
    assert torch.equal(sets.keys.sum(dim=1), d['new_keys'])
    flat = d['rep_teacher'].permute(0, 2, 3, 1).flatten(0, 2)
    bank.enqueue(flat, sets.keys)
    assert torch.equal(bank.lengths, d['bank_len_after'])
    close(torch.cat([bank.contents(c) for c in range(classes)]), d['bank_after'])
    slots = contrast.contrast_slots(sets, bank.lengths, official=True)
    ranks = [torch.zeros(classes, d[key].shape[1], dtype=torch.int64) for key in ('anchor_idx', 'negative_idx')]
    for table, key in zip(ranks, ('anchor_idx', 'negative_idx')):
        table[slots.active] = d[key]
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


# ---- acquisition ------------------------------------------------------------------------------------------------------------------
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


@vectors('ripu_score_*.npz')
def test_region_score(path: Path) -> None:
    d = tensors(path)
    logits, radius = d['logits'][0], int(d['radius'])
    for actual, key in zip(acquisition.region_score(logits, radius, norm_classes=19), ('score', 'impurity', 'uncertainty')):
        close(actual, d[key])
    close(acquisition.region_score(logits, radius, norm_classes=0)[1], d['spatial_purity_unnormalised'])


@vectors('ripu_select_*.npz')
def test_greedy_select(path: Path) -> None:
    d = load(path)
    region = str(d['mode']) == 'RA'
    radius, truth, rounds = int(d['radius']), d['ground_truth'], int(d['n_rounds_in_schedule'])
    if region:
        picks = acquisition.picks_per_round(truth.size, float(d['ratio']), rounds, radius)
        assert picks == int(d['picks_per_round'])
    else:
        picks = int(d['picks_per_round'])
    mask = np.full(truth.shape, 255, dtype=np.uint8)
    selected = np.zeros(truth.shape, dtype=bool)
    for r in range(int(d['n_rounds'])):
        logits = torch.from_numpy(d[f'logits_{r}'])[0]
        score = acquisition.region_score(logits, radius, norm_classes=19)[0] if region else acquisition.pixel_score(logits, radius)
        close(score, d[f'score_{r}'])
        active = d[f'active_before_{r}'].copy()
        _, new = acquisition.greedy_select(d[f'score_{r}'], active, picks, *((radius, 2 * radius) if region else (0, radius)),
                                           when_exhausted='corner')
        selected |= new
        mask = acquisition.reveal(mask, truth, new)
        np.testing.assert_array_equal(active, d[f'active_{r}'])
        np.testing.assert_array_equal(selected, d[f'selected_{r}'])
        np.testing.assert_array_equal(mask, d[f'mask_{r}'])


@vectors('ripu_losses_*.npz')
def test_partial_label_losses(path: Path) -> None:
    d = tensors(path)
    logits = d['logits'].requires_grad_()
    prob = torch.softmax(logits, dim=1)
    negative = partial_label.negative_learning_loss(prob, float(d['threshold']))
    close(negative, d['negative_loss'])
    close(torch.autograd.grad(negative, logits, retain_graph=True)[0], d['grad_negative'], **GRAD)
    assert torch.equal(partial_label.semantic_boundary(d['label']), d['boundary'])
    close(partial_label.local_discrepancy(prob), d['discrepancy'])
    consistency = partial_label.local_consistency_loss(prob, d['label'])
    official_nan = bool(torch.isnan(d['consistency_loss']))
    close(consistency, torch.zeros(()) if official_nan else d['consistency_loss'])
    expected = torch.zeros_like(logits) if official_nan else d['grad_consistency']
    close(torch.autograd.grad(consistency, logits)[0], expected, **GRAD)

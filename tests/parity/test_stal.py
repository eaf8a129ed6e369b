"""Parity of the STAL, U2PL and RIPU functions with the published implementations; see tests/golden/stal."""
from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from mmseg_uda.components.adaptive_draws import AdaptiveDraws
from mmseg_uda.components.banks import KeyBank
from mmseg_uda.components.banks_images import class_components
from mmseg_uda.methods.stal import STAL
from mmseg_uda.models.representation import SegmentorOutput
from mmseg_uda.ops import acquisition, adaptive_mix, contrast, partial_label, semi_supervised
from mmseg_uda.ops.ema import ema_alpha
from tests.harness.synthetic import tiny_model
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


# ---- whole iterations -------------------------------------------------------------------------------------------------------------
class ReplayedDraws(AdaptiveDraws):
    """Recorded decisions instead of random ones."""

    def __init__(self, vector: dict[str, Tensor]) -> None:
        self.vector = vector
        self.seen: dict[str, Any] = {}

    def uniform(self, sample: int, count: int = 1) -> list[float]:
        return [0.0] * count

    def paste_classes(self, classes: Tensor, probability: Tensor, count: int) -> Tensor:
        assert torch.equal(classes, self.vector['acp_classes']) and count == 3
        close(probability, self.vector['acp_prob'])
        return self.vector['acp_draws']

    def base_images(self, available: int, wanted: int) -> list[int]:
        return [0 if self.vector['u_pick'] > 0.5 else 1]

    def guide_classes(self, probability: Tensor, samples: Any) -> Tensor:
        close(probability, self.vector['bank_class_prob'])
        return self.vector['bank_class'].reshape(1)

    def partners(self, weights: Tensor, samples: Any) -> Tensor:
        assert weights[0, self.vector['second_id']] == 1
        return self.vector['second_id'].reshape(1)

    def component_order(self, count: int, sample: int) -> list[int]:
        order = self.vector['cutmix_component_order'].tolist()
        assert sorted(order) == list(range(1, count + 1))
        return order

    def box(self, sample: int) -> tuple[float, tuple[float, float]]:
        return float(self.vector['cutmix_u_y']), tuple(self.vector['cutmix_u_pos'].tolist())

    def class_maps(self, classes: int, size: tuple[int, int], name: str) -> Tensor:
        return self.vector['cons_rand_sup' if name == 'labeled' else 'cons_rand_unsup']

    def ranks(self, counts: Tensor, number: int, name: str) -> Tensor:
        recorded = self.vector['anchor_idx' if name == 'anchors' else 'negative_idx']
        table = torch.zeros(len(counts), number, dtype=torch.int64)
        table[self.active()] = recorded
        return table


class ReplayedNetworks:
    """Stored outputs in place of the student's and the teacher's forward passes, in the published order of calls."""

    def __init__(self, vector: dict[str, Tensor], method: STAL) -> None:
        self.method = method
        self.inputs: dict[str, Tensor] = {}
        self.modes: dict[str, list[bool]] = {'student': [], 'teacher': []}
        empty = torch.zeros(1, 1, 1, 1)
        self.leaves = {name: vector[f'student_{name}'].clone().requires_grad_()
                       for name in ('sup_pred', 'sup_aux', 'sup_rep', 'unsup_pred', 'unsup_rep')}
        leaf = self.leaves
        self.outputs = {
            'student': [('sup', SegmentorOutput(leaf['sup_pred'], (leaf['sup_aux'],), leaf['sup_rep'])),
                        ('unsup', SegmentorOutput(leaf['unsup_pred'], (), leaf['unsup_rep']))],
            'teacher': [('sup', SegmentorOutput(vector['teacher_sup_pred'], (), vector['teacher_sup_rep'])),
                        ('weak', SegmentorOutput(vector['teacher_weak_pred'], (), empty)),
                        ('strong', SegmentorOutput(empty, (), vector['teacher_strong_rep']))]}

    def __call__(self, network: torch.nn.Module, img: Tensor) -> SegmentorOutput:
        name = 'student' if network is self.method.student else 'teacher'
        step, output = self.outputs[name][len(self.modes[name])]
        self.modes[name].append(network.training)
        self.inputs[f'{name}_{step}'] = img
        return output


def official_stal(d: dict[str, Tensor], fraction_min_kept: float) -> STAL:
    """A STAL with every released behaviour and the state of a vector."""
    classes = int(d['num_classes'])
    model = tiny_model(classes)
    model['decode_head']['align_corners'] = True
    contrast_options: Any = dict(official=True, low_percent=20.0, high_percent=80.0, start=0.1)
    if 'anchor_idx' in d:
        names = {'low_rank': 'low_rank', 'high_rank': 'high_rank', 'anchor_threshold': 'current_class_threshold',
                 'negative_threshold': 'current_class_negative_threshold', 'num_queries': 'num_queries', 'num_negatives': 'num_negatives',
                 'temperature': 'temperature'}
        contrast_options.update({ours: d[f'cfg_{theirs}'].item() for ours, theirs in names.items()},
                                bank_size_overrides=dict(enumerate(d['queue_size'].tolist())), low_percent=float(d['cfg_low_entropy_threshold']),
                                high_percent=float(d['cfg_unsupervised_entropy_ignore']))
    method = STAL(
        model=model, max_iters=int(d['total_epochs']), ohem=dict(min_kept_per_image=fraction_min_kept), copy_paste=dict(prob=1.0), num_mixed=1,
        cutmix=dict(size=d['cutmix_bank_before'].shape[1], dtype='float32'), drop='low_official', joint_forward=False, contrast=contrast_options,
        representation=dict(channels=d['student_sup_rep'].shape[1], dropout=0.0))
    method.iteration = int(d['epoch'])
    method.confidence.value.copy_(d['class_conf_before'][0])
    bank = method.image_bank
    bank.images = torch.zeros(bank.size, *d['unlabeled_second'].shape)
    bank.images[d['second_id']] = d['unlabeled_second']
    bank.presence.copy_(d['cutmix_bank_before'])
    bank.filled.fill_(True)
    bank.head.copy_(d['unlabeled_ids'][0 if d['u_pick'] > 0.5 else 1])
    if 'bank_before' in d:
        method.contrast.bank.load(d['bank_before'], d['bank_len_before'])
    return method


@vectors('stal_train_step_*.npz')
def test_whole_iteration(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    d = tensors(path)
    batch_size, _, size, _ = d['images_sup_raw'].shape
    method = official_stal(d, float(d['cfg_min_kept']) / batch_size)
    networks, draws = ReplayedNetworks(d, method), ReplayedDraws(d)
    monkeypatch.setattr('mmseg_uda.methods.stal.forward_with_representation', networks)
    monkeypatch.setattr(method, 'draws', lambda device: draws)
    recorded: dict[str, Any] = {}

    def recording(module: Any, name: str) -> None:
        original = getattr(module, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            recorded.setdefault(name, []).append((args, original(*args, **kwargs)))
            return recorded[name][-1][1]
        monkeypatch.setattr(module, name, call)

    for name in ('confidence_weighted_ce',):
        recording(semi_supervised, name)
    for name in ('contrast_masks', 'contrast_sets', 'contrast_slots', 'onehot_ignore'):
        recording(contrast, name)
    draws.active = lambda: recorded['contrast_slots'][-1][1].active
    method.train()
    terms = {term.name: term for term in method.training_losses({
        'labeled_target_img': d['images_sup_raw'][:, :3], 'labeled_target_gt_semantic_seg': d['labels_sup_raw'][:, None, :size],
        'paste_img': d['images_sup_raw'][:, 3:], 'paste_gt_semantic_seg': d['labels_sup_raw'][:, None, size:],
        'target_img': d['unlabeled_batch']})}

    inputs = networks.inputs
    assert torch.equal(inputs['student_sup'], d['student_in_sup']) and torch.equal(inputs['teacher_sup'], d['student_in_sup'])
    close(inputs['teacher_weak'], d['teacher_in_weak'])
    close(inputs['student_unsup'], d['student_in_unsup'])
    assert networks.modes == {'student': d['student_modes_train'].tolist(), 'teacher': d['teacher_modes_train'].tolist()}
    for i, (args, loss) in enumerate(recorded['confidence_weighted_ce']):
        close(args[1], d[f'cons{i}_conf'])
        assert torch.equal(args[2], d[f'cons{i}_gt'])
        close(loss, d[f'cons{i}_loss'])
    close(method.confidence.value, d['class_conf_after'][0])
    assert torch.equal(method.image_bank.presence, d['cutmix_bank_after'])
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

"""Whole iterations of TPS, DA-VSN and video QuadMix against the released code: labels, composites, losses, gradients."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Mapping

import numpy as np
import pytest
import torch
from mmcv import Config
from torch import Tensor, nn

from mmseg_uda.builder import build_train_model
from mmseg_uda.methods.base import LossTerm, UDASegmentor
from mmseg_uda.methods.video_quadmix import Window
from mmseg_uda.models.segmentors.flow_fused import FlowFusedSegmentor
from mmseg_uda.ops.flow import decode_flow
from mmseg_uda.ops.mixing import LABEL_VALUES
from mmseg_uda.ops.quadmix import Patches, merge_patches
from mmseg_uda.ops.video import propagate_by_splat, temporal_consistency_loss
from mmseg_uda.utils.rng import StepRng

from .golden import golden_files, load
from .video_step_networks import cnn, our_name, tensor, vit, weights

Data = Mapping[str, np.ndarray]
MEAN = [104.00698793, 116.66876762, 122.67891434]


def flow(data: Data, name: str) -> Tensor:
    return tensor(decode_flow(data[name]))[None]


def bgr(rgb: np.ndarray) -> Tensor:
    return (tensor(rgb).flip(0) - torch.tensor(MEAN).view(3, 1, 1))[None]


def close(found: Tensor, expected: np.ndarray, atol: float = 1e-4, rtol: float = 1e-3) -> None:
    torch.testing.assert_close(found.detach().double(), tensor(expected).double(), atol=atol, rtol=rtol)


def batch(data: Data, **extras: Tensor) -> dict[str, Any]:
    """The flat batch of an iteration with matched frames to come."""
    meta = [dict(img_norm_cfg=dict(mean=MEAN, std=[1.0, 1.0, 1.0], to_rgb=False))]
    found = dict(
        img=bgr(data['rgb']),
        img_metas=meta,
        key_frame=bgr(data['rgb_key']),
        gt_semantic_seg=tensor(data['label'])[None, None],
        flow=flow(data, 'flow_int16_x10'),
        target_img=tensor(data['img_d'])[None],
        target_img_metas=meta,
        target_key_frame=tensor(data['img_c'])[None],
        target_far_frame=tensor(data['img_a'])[None],
        target_flow=flow(data, 'flow_dc_int16_x10'),
        target_flow_key_far=flow(data, 'flow_ba_int16_x10'),
        target_flow_far=flow(data, 'flow_da_int16_x10' if 'flow_da_int16_x10' in data else 'flow_dc_int16_x10'),
    )
    if 'label_key' in data:
        found['key_label'] = tensor(data['label_key'])[None, None]
    return {**found, **extras}


def build(uda: dict[str, Any], model: dict[str, Any], data: Data) -> UDASegmentor:
    method = build_train_model(Config(dict(model=model, uda=uda)))
    method.student.load_state_dict(weights(data, 'student/'))
    method.train()
    method.begin_iteration(2, StepRng(0, 2))
    return method


def backward(method: UDASegmentor, flat: dict[str, Any]) -> tuple[dict[str, LossTerm], dict[str, Tensor]]:
    """Run an iteration as the engine does with the policy ``sequential``; terms by name, all log entries."""
    terms, log = {}, {}
    for term in method.training_losses(flat):
        names = term.updates or tuple(method.networks())
        inputs = [p for name in names for p in method.networks()[name].parameters() if p.requires_grad]
        (term.weight * term.loss).backward(retain_graph=True, inputs=inputs)
        terms[term.name] = term
        log.update(term.log)
    return terms, log


def check_gradients(network: nn.Module, data: Data, prefix: str, rename: bool = True) -> None:
    own = dict(network.named_parameters())
    for key in [key for key in data if key.startswith(prefix)]:
        name = our_name(key[len(prefix) :]) if rename else key[len(prefix) :]
        found, expected = own[name].grad, tensor(data[key])
        error = (found - expected).abs().max().item()
        assert error <= 2e-3 * max(expected.abs().max().item(), 1e-3), f'{name}: {error}'


def vectors(pattern: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize('path', golden_files('video', pattern), ids=lambda path: path.stem)


@vectors('tps_step_*.npz')
def test_tps(path: Path) -> None:
    data = load(path)
    classes = int(data['num_classes'])
    uda = dict(type='TPS', lambda_t=float(data['lambda_t']), flip_flow='legacy', augmentation=None)
    method = build(uda, cnn(classes), data)
    size = [max(round(s * float(data['scale_ratio']) / 8) * 8, 8) for s in data['img_d'].shape[1:]]
    assert size == data['scaled_size'].tolist()
    method.draw_mirror = lambda: bool(data['flip'])
    method.rescaled = lambda frames: (tensor(data['aug_scaled_d'])[None], tensor(data['aug_scaled_c'])[None])
    found: dict[str, Tensor] = {}
    method.propagated_labels = lambda *args: found.update(type(method).propagated_labels(method, *args)) or found
    _, log = backward(method, batch(data))
    assert torch.equal(found['decode'][0, 0], tensor(data['pseudo_label']))
    assert torch.equal(found['aux'][0, 0], tensor(data['pseudo_label_aux']))
    close(log['decode.loss_ce'], data['loss/source'])
    close(log['aux.loss_ce'] * 10, data['loss/source_aux'])
    close(log['target.decode.loss_ce'], data['loss/target'])
    close(log['target.aux.loss_ce'] * 10, data['loss/target_aux'])
    check_gradients(method.student, data, 'out_grad/')


@vectors('davsn_step_*.npz')
def test_davsn(path: Path) -> None:
    data = load(path)
    classes = int(data['num_classes'])
    uda = dict(type='DAVSN', discriminator=dict(type='FCDiscriminator', ndf=2))
    method = build(uda, cnn(classes, warp='splat'), data)
    games = {
        f'd_{game}_{old}': (game, new) for game in ('sta', 'sa') for old, new in (('main', 'decode'), ('aux', 'aux'))
    }
    for name, (game, head) in games.items():
        state = {key.split('/')[1]: tensor(data[key]) for key in data if key.startswith(f'{name}/')}
        method.discriminators[game][head].load_state_dict(state)
    meta = [dict(img_norm_cfg=dict(mean=MEAN, std=[1.0, 1.0, 1.0], to_rgb=False))]
    flat = dict(
        img=tensor(data['img'])[None],
        img_metas=meta,
        key_frame=tensor(data['img_key'])[None],
        gt_semantic_seg=tensor(data['label'])[None, None],
        flow=flow(data, 'flow_int16_x10'),
        target_img=tensor(data['target_img'])[None],
        target_img_metas=meta,
        target_key_frame=tensor(data['target_img_key'])[None],
        target_flow=flow(data, 'target_flow_int16_x10'),
    )
    with torch.no_grad():
        from mmseg_uda.ops.clips import Clip
        from mmseg_uda.ops.flow import resize_flow

        scores = method.student.clip_scores(Clip(flat['target_img'], flat['target_key_frame'], flat['target_flow']))
        current, key = scores.current['decode'], scores.key['decode']
        grid = resize_flow(flat['target_flow'], tuple(current.shape[2:]), 'height')
        seen = propagate_by_splat(current, key, grid)
        close(seen.prob[0], data['propagated'], atol=1e-5)
        close(seen.entropy[0], data['entropy'], atol=1e-5)
        close(seen.key_entropy[0], data['entropy_propagated'], atol=1e-5)
        close(seen.weight[0], data['itcr_weight'], atol=1e-5)
        close(temporal_consistency_loss(current, key, grid), data['loss/itcr'], atol=1e-6)
    terms, log = backward(method, flat)
    close(log['decode.loss_ce'], data['loss/source'])
    close(log['aux.loss_ce'] * 10, data['loss/source_aux'])
    for head, suffix in (('decode', ''), ('aux', '_aux')):
        close(log[f'consistency.{head}.loss'], data[f'loss/itcr{suffix}'])
        for game in ('sta', 'sa'):
            close(log[f'{game}.{head}.loss'], data[f'loss/{game}{suffix}'])
            close(log[f'disc.{game}.{head}.target.loss'] / 2, data[f'loss/d_{game}_target{suffix}'])
        close(terms[f'discrepancy.{head}'].loss, data[f'loss/wd{suffix}'])
    check_gradients(method.student, data, 'out_grad/student/')
    for name, (game, head) in games.items():
        check_gradients(method.discriminators[game][head], data, f'out_grad/{name}/', rename=False)


def class_rows(classes: np.ndarray) -> Tensor:
    rows = torch.zeros(1, LABEL_VALUES, dtype=torch.bool)
    known = tensor(classes)
    rows[0, known[(known >= 0) & (known < LABEL_VALUES)]] = True  # a number outside stands for "no class"
    return rows


def quadmix(data: Data, transformer: bool) -> UDASegmentor:
    """The method as released, with the vector's draws, weights and templates."""
    classes = int(data['num_classes'])
    uda = dict(
        type='VideoQuadMix',
        lambda_t=float(data['lambda_t']),
        labeler=dict(network='student'),
        flip_flow='legacy',
        augmentation=None,
        key_confidence='raw',
        flow_mask='key',
        overlay='sum',
        target_draw='at_store',
        absent='zeros',
        far_term=not transformer,
        source_pass='target_size' if transformer else 'full',
        rescale_source_flow=False,
        quad=dict(
            paste_order=('source', 'patches', 'target'),
            always_paste=tuple(data['pool'].tolist()),
            template_ignore=True,
            patch_weight='keep',
        ),
    )
    method = build(uda, vit(classes) if transformer else cnn(classes), data)
    if not int(data['labelled_by_student']):
        frozen = FlowFusedSegmentor(
            **{k: v for k, v in cnn(classes, 'splat' if transformer else 'backward').items() if k != 'type'}
        )
        frozen.load_state_dict(weights(data, 'frozen/'))
        method.frozen_labeler, method.labeler.network = frozen.requires_grad_(False).eval(), 'frozen'
    height, width = data['img_d'].shape[1:]
    method.draw_mirror = lambda: bool(data['flip'])
    method.draw_window = lambda *_: Window(*(int(v) for v in data['crop_yx']), height, width)
    method.augmented = lambda _: (tensor(data['aug_d'])[None], tensor(data['aug_c'])[None])
    method.draw_classes = lambda _: (class_rows(data['source_classes']), class_rows(np.zeros(0, np.int64)))
    method.draw_stored_classes = lambda *_: class_rows(data['target_classes'])
    method.templates.renew(**templates(data, 'tmpl_'))
    return method


def templates(data: Data, prefix: str) -> dict[str, Tensor]:
    frames = dict(source_img='img', source_key='img_key', target_img='target_img', target_key='target_img_key')
    labels = dict(
        source_label='label',
        source_key_label='label_key',
        target_label='pseudo_label',
        target_key_label='pseudo_label_key',
    )
    flows = dict(source_flow='flow', target_flow='target_flow')
    masks = dict(target_mask='target_mask', target_key_mask='target_mask_key')
    found = {own: tensor(data[prefix + name])[None] for own, name in {**frames, **flows}.items()}
    found.update({own: tensor(data[prefix + name])[None, None] for own, name in labels.items()})
    found.update({own: tensor(data[prefix + name])[None, None].bool() for own, name in masks.items()})
    return found


def patches(data: Data) -> dict[str, Tensor]:
    """Class patches as the data set brings them."""
    img, label = tensor(data['patch_img'])[None], tensor(data['patch_label'])[None]
    classes = tensor(data['online_classes'])[None]
    overlay = merge_patches(Patches(img, label, classes))
    count = sum((label[0, k] == classes[0, k]).to(torch.uint8) for k in range(classes.shape[1]))
    return dict(
        class_patches=overlay.img[:, None],
        class_patch_labels=overlay.label[:, None],
        class_patch_counts=count[None, None],
    )


@vectors('step_*.npz')
def test_video_quadmix(path: Path) -> None:
    data = load(path)
    transformer = any(key.startswith('student/decoder.') for key in data)
    method = quadmix(data, transformer)
    seen: dict[str, Any] = {}

    def watched(name: str) -> None:
        original = getattr(method, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            seen[name] = original(*args, **kwargs)
            return seen[name]

        setattr(method, name, call)

    for name in (
        'clips_of',
        'compose',
        '_regions',
        '_overlays',
        'propagated_labels',
        'source_vectors',
        'target_vectors',
    ):
        watched(name)
    terms, log = backward(method, batch(data, **patches(data)))
    source = seen['clips_of'][0]
    close(source.img[0], data['matched_img'], atol=1e-3)
    close(source.key[0], data['matched_img_key'], atol=1e-3)
    regions = seen['_regions']
    for frame, suffix in (('img', ''), ('key', '_key')):
        assert torch.equal(regions.source[frame][0, 0].long(), tensor(data[f'source_mask{suffix}']))
    assert torch.equal(seen['_overlays'][1]['tss'][0, 0].long(), tensor(data['overlay_count']))
    labels = seen['propagated_labels']
    assert torch.equal(labels['decode'][0, 0], tensor(data['pseudo_small']))
    if 'pseudo_small_aux' in data:
        assert torch.equal(labels['aux'][0, 0], tensor(data['pseudo_small_aux']))
    for name, (frames, mixed_flow) in seen['compose'].items():
        for frame, suffix in (('img', ''), ('key', '_key')):
            close(frames[frame].img[0], data[f'{name}_img{suffix}'], atol=1e-3)
            assert torch.equal(frames[frame].label[0, 0], tensor(data[f'{name}_label{suffix}']))
        close(mixed_flow[0], data[f'{name}_flow'], atol=1e-3)
    close(seen['source_vectors'][0][0], data['source_vectors'])
    close(seen['target_vectors'][0][0], data['target_vectors'])
    found = {
        'source': log['decode.loss_ce'],
        'tss': log['mix_tss.decode.loss_ce'],
        'tst': log['mix_tst.decode.loss_ce'],
        'target': log['target.decode.loss_ce'],
        'mmd': log['mmd.loss'],
        'total': sum(term.weight * term.loss.detach() for term in terms.values()),
    }
    if not transformer:
        found.update(source_aux=log['aux.loss_ce'] * 10, target_aux=log['target.aux.loss_ce'] * 10)
    for name, value in found.items():
        close(value, data[f'loss/{name}'])
    check_gradients(method.student, data, 'out_grad/')
    for name, expected in templates(data, 'new_tmpl_').items():
        stored = getattr(method.templates, name)
        if expected.is_floating_point():
            close(stored, expected.numpy(), atol=1e-3)
        else:
            assert torch.equal(stored.to(expected.dtype), expected), name
    for name, own in (('target_mask', 'target_mask'), ('target_mask_key', 'target_key_mask')):
        assert torch.equal(getattr(method.templates, own)[0, 0].long(), tensor(data[name]))

"""Flow, fusion, labels and losses of the video methods against the released functions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from mmseg_uda.models.segmentors.flow_fused import ScoreFusion
from mmseg_uda.ops.adversarial import valid_cross_entropy
from mmseg_uda.ops.flow import decode_flow, encode_flow, resize_flow, splat, warp, warp_nearest
from mmseg_uda.ops.video import (
    class_vectors,
    clip_labels,
    match_histograms,
    mmd,
    propagated_label,
    temporal_mean,
    wrap_to_bytes,
)

from .golden import golden_files, load


def vectors(pattern: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize('path', golden_files('video', pattern), ids=lambda path: path.stem)


def tensor(value: np.ndarray) -> Tensor:
    return torch.from_numpy(np.array(value))


def close(found: Tensor, expected: np.ndarray, atol: float = 1e-5, rtol: float = 1e-5) -> None:
    torch.testing.assert_close(found.double(), tensor(expected).double(), atol=atol, rtol=rtol)


@vectors('warp_*.npz')
def test_warp(path: Path) -> None:
    data = load(path)
    img, flow = tensor(data['img']), tensor(data['flow'])
    close(warp(img, flow), data['out'], atol=3e-5)
    assert torch.equal(warp_nearest(img, flow), tensor(data['nearest']))


@vectors('flow_resize_*.npz')
def test_flow_resize(path: Path) -> None:
    data = load(path)
    flow = decode_flow(data['int16_x10'])
    np.testing.assert_array_equal(flow, data['flow'])
    size = tuple(int(side) for side in data['size'])
    assert size[0] / flow.shape[1] == pytest.approx(float(data['ratio']))
    close(resize_flow(tensor(flow)[None], size, 'height')[0], data['out'])


@vectors('flow_resize_*.npz')
def test_file_code(path: Path) -> None:
    code = load(path)['int16_x10']
    again = encode_flow(code.transpose(2, 0, 1) / 10.0 + 0.01 * np.sign(code.transpose(2, 0, 1)))
    np.testing.assert_array_equal(again, code)


@vectors('fusion_*.npz')
def test_fusion(path: Path) -> None:
    data = load(path)
    current, key = tensor(data['cf']), tensor(data['kf'])
    fusion = ScoreFusion(current.shape[1], flow_scale='height')
    if path.stem == 'fusion_identity':
        assert torch.equal(fusion.weight.detach(), tensor(data['weight']))
    fusion.load_state_dict({'weight': tensor(data['weight'])})
    flow = tensor(decode_flow(data['int16_x10']))[None]
    grid = resize_flow(flow, tuple(current.shape[2:]), 'height')
    if 'overlay_mask' in data:
        mask = tensor(data['overlay_mask'])[None, None]
        close(fusion(current, key, flow, mask, clamp=False), data['pred'])
        if data['overlay_mask'].max() <= 1:
            close(fusion(current, key, flow, mask), data['pred'])
    else:
        close(fusion(current, key, flow), data['pred'])
    close(fusion.moved(current, key, flow), data['warped'])
    if 'pred_splat' in data:
        fusion.warp = 'splat'
        close(fusion(current, key, flow), data['pred_splat'])
        close(fusion.fuse(current, splat(key, grid)[0]), data['pred_splat'])


@vectors('hist_match_*.npz')
def test_histogram_matching(path: Path) -> None:
    data = load(path)
    close(match_histograms(tensor(data['source'])[None], tensor(data['target'])[None])[0], data['out'])


@vectors('legacy_u8_*.npz')
def test_released_conversion(path: Path) -> None:
    data = load(path)
    close(wrap_to_bytes(tensor(data['bgr_minus_mean'])), data['out'], atol=1e-6)
    mean = data['bgr_u8'].astype(np.float64) - data['bgr_minus_mean']
    assert np.ptp(mean, axis=(1, 2)).max() < 1e-4


@vectors('pseudo_label_*.npz')
def test_pseudo_labels(path: Path) -> None:
    data = load(path)
    flow = tensor(decode_flow(data['int16_x10']))[None]
    options = dict(mirrored=bool(data['flip']), flip_flow='legacy', scale='height')
    scores = tensor(data['logits'])[None]
    for key, name in (('logits', 'label_small'), ('logits_aux', 'label_small_aux')):
        assert torch.equal(propagated_label(tensor(data[key])[None], flow, **options)[0], tensor(data[name]))
    labels = clip_labels(scores, flow, tuple(int(side) for side in data['size']), **options)
    assert torch.equal(labels.label[0], tensor(data['label']))
    assert torch.equal(labels.key_label[0], tensor(data['label_key']))
    close(labels.prob[0], data['prob'])
    close(labels.key_score[0], data['key_max_logit'])
    present = sorted(set(labels.label.flatten().tolist()) - set(data['excluded'].tolist()))
    assert present == data['candidates'].tolist()
    chosen, threshold = tensor(data['chosen']), float(data['threshold'])
    mask = torch.isin(labels.label[0], chosen) & (labels.prob[0] > threshold)
    of_key = torch.isin(labels.key_label[0], chosen)
    assert torch.equal(mask.long(), tensor(data['mask']))
    assert torch.equal((of_key & (labels.key_score[0] > threshold)).long(), tensor(data['mask_key']))
    assert torch.equal((of_key & (labels.key_prob[0] > threshold)).long(), tensor(data['mask_key_softmax']))


@vectors('cross_entropy_*.npz')
def test_cross_entropy(path: Path) -> None:
    data = load(path)
    logits = tensor(data['logits']).requires_grad_()
    loss = valid_cross_entropy(logits, tensor(data['label']))
    loss.backward()
    close(loss.detach(), data['loss'])
    close(logits.grad, data['grad'], atol=1e-7)


@vectors('class_vectors_*.npz')
def test_class_vectors(path: Path) -> None:
    data = load(path)
    logits = tensor(data['logits']).requires_grad_()
    found, present = class_vectors(logits, tensor(data['label'])[None] if 'label' in data else None)
    close(found[0].detach(), data['vectors'])
    assert present[0].int().tolist() == data['present'].tolist()
    classes = found.shape[-1]
    probe = torch.arange(classes * classes, dtype=torch.float32).view(classes, classes) / classes**2
    (found[0] * probe).sum().backward()
    close(logits.grad, data['probe_grad'], atol=1e-6)


@vectors('temporal_mean_*.npz')
def test_temporal_mean(path: Path) -> None:
    data = load(path)
    near, far = tensor(data['near'])[None], tensor(data['far'])[None]
    shown = near.abs().sum(-1) > 0, far.abs().sum(-1) > 0
    close(temporal_mean(near, far, *shown, absent='zeros')[0][0], data['out'])
    skipped, either = temporal_mean(near, far, *shown)
    alone = shown[0] & ~shown[1]
    assert torch.equal(skipped[alone], near[alone])
    assert torch.equal(either, shown[0] | shown[1])


@vectors('mmd_*.npz')
def test_mmd(path: Path) -> None:
    data = load(path)
    source, target = (tensor(data[key])[None].requires_grad_() for key in ('source', 'target'))
    loss = mmd(source, target)
    loss.backward()
    close(loss.detach(), data['loss'])
    close(source.grad[0], data['grad_source'], atol=1e-6, rtol=1e-4)
    close(target.grad[0], data['grad_target'], atol=1e-6, rtol=1e-4)


@vectors('evaluation_*.npz')
def test_evaluation(path: Path) -> None:
    data = load(path)
    logits, label = tensor(data['logits']), data['label']
    classes = logits.shape[1]
    predicted = F.interpolate(logits, size=label.shape[1:], mode='bilinear', align_corners=True).argmax(1).numpy()
    valid = label < classes
    pairs = classes * label[valid].astype(np.int64) + predicted[valid]
    confusion = np.bincount(pairs, minlength=classes**2).reshape(classes, classes)
    np.testing.assert_array_equal(confusion, data['confusion'])
    inside = np.diag(confusion)
    iou = inside / (confusion.sum(0) + confusion.sum(1) - inside)
    np.testing.assert_allclose(iou, data['iou'], rtol=1e-6)
    # the literature leaves the fourth of SYNTHIA-Seq's 12 classes out
    evaluated = np.delete(iou, 3) if classes == 12 else iou
    np.testing.assert_allclose(evaluated, data['evaluated_iou'], rtol=1e-6)
    np.testing.assert_allclose(100 * evaluated.mean(), data['miou'], atol=0.006)

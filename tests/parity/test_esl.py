"""Parity of the entropy, adversarial and pseudo-label functions with the vectors of ESL, ADVENT and BDL."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.functional import interpolate

from mmseg_uda.components.entropy_pseudo_labels import EntropyPseudoLabel
from mmseg_uda.ops import esl
from mmseg_uda.ops.adversarial import SOURCE_DOMAIN, TARGET_DOMAIN, domain_bce, valid_cross_entropy
from mmseg_uda.ops.entropy import entropy_loss, normalized_entropy, self_information

from .golden import golden_files, load

TOLERANCE = dict(rtol=1e-4, atol=1e-6)


def vectors(pattern: str) -> pytest.MarkDecorator:
    """One test per vector file of a family."""
    return pytest.mark.parametrize('path', golden_files('esl', pattern), ids=lambda path: path.stem)


def tensor(array: np.ndarray, grad: bool = False) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(array)).requires_grad_(grad)


def close(actual: torch.Tensor, expected: np.ndarray, **tolerance: float) -> None:
    np.testing.assert_allclose(actual.detach().numpy(), expected, **(tolerance or TOLERANCE))


def upsampled(logits: np.ndarray, size: np.ndarray) -> torch.Tensor:
    """Probabilities as the extraction makes them: softmax at the network's resolution, then upsampling."""
    return interpolate(tensor(logits).softmax(1), size=tuple(int(v) for v in size), mode='bilinear', align_corners=True)


def mostly_equal(actual: torch.Tensor, expected: np.ndarray, pixels: int = 3) -> None:
    """Equal but for a few pixels whose score is the threshold itself, or nearly so."""
    assert (actual.numpy() != expected).sum() <= pixels


# ---- maps and losses
# --------------------------------------------------------------------------------------------------------
@vectors('entropy_maps_*.npz')
def test_entropy_maps(path: Path) -> None:
    data = load(path)
    logits = tensor(data['logits'], grad=True)
    close(logits.softmax(1), data['prob'])
    close(self_information(logits), data['self_information'])
    loss = entropy_loss(logits)
    loss.backward()
    close(loss, data['minent_loss'])
    close(logits.grad, data['grad_logits'])


@vectors('pixel_entropy_*.npz')
def test_pixel_entropy(path: Path) -> None:
    data = load(path)
    entropy = normalized_entropy(tensor(data['prob_hwc']), dim=-1)
    close(entropy, data['entropy_safe'])
    known = np.isfinite(data['entropy_official'])
    close(entropy[tensor(known)], data['entropy_official'][known])


@vectors('bce_*.npz')
def test_domain_loss(path: Path) -> None:
    data = load(path)
    for domain in (SOURCE_DOMAIN, TARGET_DOMAIN):
        scores = tensor(data['d_out'], grad=True)
        loss = domain_bce(scores, domain)
        loss.backward()
        close(loss, data[f'loss_label{domain}'])
        close(scores.grad, data[f'grad_label{domain}'])


@vectors('cross_entropy_*.npz')
def test_cross_entropy(path: Path) -> None:
    data = load(path)
    logits = tensor(data['logits'], grad=True)
    label = tensor(data['label'])
    known = (label >= 0) & (label < logits.shape[1])
    assert int(known.sum()) == int(data['n_valid'])
    loss = valid_cross_entropy(logits, label)
    loss.backward()
    close(loss, np.nan_to_num(data['loss']))  # the published mean of no pixel is not a number; here it is 0
    close(logits.grad, data['grad_logits'])


# ---- pseudo-labels
# ----------------------------------------------------------------------------------------------------------
@vectors('esl_rank_*.npz')
def test_order_statistic(path: Path) -> None:
    data = load(path)
    label, entropy = tensor(data['label']), tensor(data['entropy'])
    criterion = esl.Criterion(bound=0.0)
    statistic, count = esl.order_statistics(lambda: zip(label, entropy), int(data['num_classes']), criterion)
    np.testing.assert_array_equal(count.numpy(), data['count'])
    close(statistic, data['median'], rtol=1e-12)
    kept = esl.apply_thresholds(label, entropy, criterion.thresholds(statistic), criterion)
    np.testing.assert_array_equal(kept.numpy(), data['pseudo_label_floor0'])


@vectors('esl_extract_*.npz')
def test_esl_extraction(path: Path) -> None:
    data = load(path)
    criterion = esl.Criterion(bound=float(data['floor']))
    classes, chunk = int(data['num_classes']), int(data['chunk'])
    label, entropy = esl.label_and_score(upsampled(data['logits'], data['out_hw']))
    reference = data.get('entropy_safe', data['entropy'])
    np.testing.assert_array_equal(label.numpy(), data['argmax'])
    close(entropy, reference)
    for k, start in enumerate(range(0, len(label), chunk)):
        part = slice(start, start + chunk)
        stored = [(tensor(data['argmax'])[part], tensor(reference)[part])]
        statistic, _ = esl.order_statistics(lambda: stored, classes, criterion)  # noqa: B023
        exact = criterion.thresholds(statistic)
        if (
            start + chunk <= len(label) and not data['nan_pixels']
        ):  # else the published code counts pixels that are not there
            present = data['median'][k] > 0  # the published statistic of an absent class is 0
            close(statistic[tensor(present)], data['median'][k][present], rtol=1e-12)
            close(exact, data['thres'][k], rtol=1e-12)
            kept = esl.apply_thresholds(*stored[0], exact, criterion)
            np.testing.assert_array_equal(kept.numpy(), data['pseudo_label'][part])
        else:  # and it keeps no pixel that this package would not keep, but for these
            published = criterion.thresholds(tensor(data['median'][k]).clamp(min=0))
            close(published, data['thres'][k], rtol=1e-12)
            released = tensor(data['pseudo_label'])[part]
            assert ((released == 255) | (released == stored[0][0])).all()
        computed = [(label[part], entropy[part])]
        statistic, _ = esl.order_statistics(lambda: computed, classes, criterion)  # noqa: B023
        close(exact, data['thres_clean'][k], rtol=1e-4)
        close(criterion.thresholds(statistic), data['thres_clean'][k], rtol=1e-4)
        kept = esl.apply_thresholds(*computed[0], criterion.thresholds(statistic), criterion)
        mostly_equal(kept, data['pseudo_label_clean'][part])


@vectors('ssl_softmax_*.npz')
def test_softmax_extraction(path: Path) -> None:
    data = load(path)
    criterion = esl.Criterion('max_prob', bound=float(data['cap']))
    label, score = esl.label_and_score(upsampled(data['logits'], data['out_hw']), 'max_prob')
    np.testing.assert_array_equal(label.numpy(), data['argmax'])
    close(score, data['max_prob'])
    for scores, tolerance, pixels in ((tensor(data['max_prob']), 1e-12, 0), (score, 1e-4, 3)):
        statistic, _ = esl.order_statistics(lambda: [(label, scores)], int(data['num_classes']), criterion)  # noqa: B023
        close(statistic, data['median'], rtol=tolerance)
        thresholds = criterion.thresholds(statistic)
        close(thresholds, data['thres'], rtol=tolerance)
        mostly_equal(esl.apply_thresholds(label, scores, thresholds, criterion), data['pseudo_label'], pixels)


@vectors('stream_*.npz')
def test_streaming_histogram(path: Path) -> None:
    data = load(path)
    levels, classes = int(data['levels']), int(data['num_classes'])
    criterion = esl.Criterion(bound=float(data['floor']))
    label, entropy = tensor(data['label']).long(), tensor(data['entropy'])
    codes = esl.quantize(entropy, levels)
    parts = [esl.class_histogram(one, code, classes, levels + 1) for one, code in zip(label, codes)]
    histogram = torch.stack(parts).sum(0)
    if 'hist' in data:
        np.testing.assert_array_equal(histogram.numpy(), data['hist'])
    np.testing.assert_array_equal(histogram.sum(1).numpy(), data['class_count'])
    bins, extra = esl.rank_bins(histogram, criterion)
    np.testing.assert_array_equal(bins.numpy(), data['rank_bin'])
    np.testing.assert_array_equal(extra.numpy(), data['extra_kept_bound'])
    thresholds = esl.code_thresholds(bins, levels, criterion)
    close(thresholds.double() / levels, data['thres_stream'], rtol=1e-12)
    kept = esl.apply_thresholds(label, codes, thresholds.double(), criterion)
    np.testing.assert_array_equal(kept.numpy(), data['pseudo_label_stream'])
    exact, _ = esl.order_statistics(lambda: [(label, entropy)], classes, criterion)
    close(criterion.thresholds(exact), data['thres_exact_official'], rtol=1e-12)
    fewer = esl.apply_thresholds(label, entropy, criterion.thresholds(exact), criterion)
    assert ((fewer == 255) | (kept != 255)).all()
    more = esl.class_histogram(label, torch.zeros_like(label), classes, 1, (kept != 255) & (fewer == 255))[:, 0]
    np.testing.assert_array_equal(more.numpy(), data['extra_kept_per_class'])
    assert (more <= extra).all()


@vectors('online_teacher_*.npz')
def test_online_thresholds(path: Path) -> None:
    data = load(path)
    labeler = EntropyPseudoLabel(
        int(data['num_classes']),
        mode='pixel_mask',
        floor=float(data['floor']),
        limit=None,
        gamma=float(data['gamma']),
        levels=int(data['levels']),
        min_mass=float(data['min_mass']),
        warmup=0,
    )
    for step, prob in enumerate(data['prob']):
        valid = tensor(data['valid'][step])[:, None]
        label, weight = labeler(tensor(prob).log(), valid)
        np.testing.assert_array_equal(label.numpy(), prob.argmax(1))
        close(labeler.thresholds(), data['thres'][step], rtol=1e-12)
        np.testing.assert_array_equal(weight.numpy() > 0, data['mask'][step])
        close(weight.mean(), data['ratio_image'][step])

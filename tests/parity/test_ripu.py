"""RIPU's scores, selection and losses against recorded numbers."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import torch

from mmseg_uda.ops import acquisition, partial_label
from tests.parity.golden import load, tensors
from tests.parity.stal_replay import GRAD, close, or_zero, vectors


@vectors('ripu_score_*.npz')
def test_region_score(path: Path) -> None:
    d = tensors(path)
    logits, radius = d['logits'][0], int(d['radius'])
    assert len(logits) == int(d['num_classes'])
    for actual, key in zip(
        acquisition.region_score(logits, radius, norm_classes=19), ('score', 'impurity', 'uncertainty')
    ):
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
        assert int(d['pixels']) > 0  # the budget of points, without effect on regions
    else:
        # published for points on 1280 x 640 images, which are 2048 x 1024 when they are labelled
        picks = math.ceil(int(d['pixels']) / rounds / (1280 * 640) * (2048 * 1024))
        assert picks == int(d['picks_per_round'])
        assert 0 < float(d['ratio']) <= 1  # the budget of regions, without effect on points
    mask = np.full(truth.shape, 255, dtype=np.uint8)
    selected = np.zeros(truth.shape, dtype=bool)
    for r in range(int(d['n_rounds'])):
        logits = torch.from_numpy(d[f'logits_{r}'])[0]
        assert len(logits) == int(d['num_classes'])
        score = (
            acquisition.region_score(logits, radius, norm_classes=19)[0]
            if region
            else acquisition.pixel_score(logits, radius)
        )
        close(score, d[f'score_{r}'])
        active = d[f'active_before_{r}'].copy()
        _, new = acquisition.greedy_select(
            d[f'score_{r}'], active, picks, *((radius, 2 * radius) if region else (0, radius)), when_exhausted='corner'
        )
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
    boundary = partial_label.semantic_boundary(d['label'])
    assert torch.equal(boundary, d['boundary']) and torch.equal(boundary & (d['label'] != 255), d['boundary_used'])
    close(partial_label.local_discrepancy(prob), d['discrepancy'])
    consistency = partial_label.local_consistency_loss(prob, d['label'])
    for actual, name, short in (
        (negative, 'negative_loss', 'negative'),
        (consistency, 'consistency_loss', 'consistency'),
    ):
        expected, gradient = or_zero(d[name], d[f'grad_{short}'])
        close(actual, expected)
        close(torch.autograd.grad(actual, logits, retain_graph=True)[0], gradient, **GRAD)

"""RIPU trains at any batch size, resumes exactly, ranks equal one process, and survives images without bought
pixels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.harness.methods import Setup, check_batch_sizes, check_exact_resume, check_two_ranks

STREAMS = ('source', 'labeled_target')
VARIANTS = {'default': dict(type='RIPU'), 'kl': dict(type='RIPU', consistency_kind='kl', aux_weight=0.0)}


def few_labels(sample: dict[str, Any], stream: str, generator: torch.Generator) -> None:
    """Hide all target labels but a small region."""
    if stream == 'labeled_target':
        hidden = torch.full_like(sample['gt_semantic_seg'], 255)
        hidden[:, 8:11, 8:11] = sample['gt_semantic_seg'][:, 8:11, 8:11]
        sample['gt_semantic_seg'] = hidden


def no_labels(sample: dict[str, Any], stream: str, generator: torch.Generator) -> None:
    """Labels of which nothing has been bought yet, and a source of one class."""
    sample['gt_semantic_seg'].fill_(255 if stream == 'labeled_target' else 0)


@pytest.mark.parametrize('name', VARIANTS)
def test_batch_sizes(name: str) -> None:
    check_batch_sizes(VARIANTS[name], STREAMS, add_extras=few_labels)


def test_source_free() -> None:
    check_batch_sizes(dict(type='RIPU'), STREAMS[1:], add_extras=few_labels)


def test_exact_resume(tmp_path: Path) -> None:
    check_exact_resume(dict(type='RIPU'), STREAMS, tmp_path, add_extras=few_labels)


def test_two_ranks(tmp_path: Path) -> None:
    check_two_ranks(dict(type='RIPU'), STREAMS, tmp_path, add_extras=few_labels)


def test_nothing_bought_gives_zero() -> None:
    setup = Setup(dict(type='RIPU'), STREAMS, add_extras=no_labels)
    method, _ = setup.build()
    terms = {term.name: term.loss for term in method.training_losses(setup.data.batch([0, 1]))}
    assert terms['target'] == 0 and terms['consistency'] == 0
    gradients = torch.autograd.grad(terms['target'], list(method.parameters()))
    assert not any(gradient.any() for gradient in gradients)


def test_wrong_options_are_named() -> None:
    with pytest.raises(ValueError, match='consistency_kind'):
        Setup(dict(type='RIPU', consistency_kind='l2'), STREAMS).build()
    with pytest.raises(ValueError, match='negative_weight'):
        Setup(dict(type='RIPU', negative_weight=-1.0), STREAMS).build()

"""STAL trains at any batch size, resumes exactly, and ranks equal one process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.harness.methods import check_batch_sizes, check_exact_resume, check_two_ranks
from tests.harness.synthetic import tiny_model

STREAMS = ('source', 'labeled_target', 'target')
CONTRAST = dict(start=0.0, low_rank=1, num_queries=8, num_negatives=4, bank_size=40, bank_size_overrides={0: 60})


def stal(**changes: Any) -> dict[str, Any]:
    options: dict[str, Any] = dict(
        type='STAL',
        representation=dict(channels=4, dropout=0.0),
        ohem=dict(min_kept_per_image=500),
        copy_paste=dict(never=(0,)),
        cutmix=dict(size=8),
        contrast=CONTRAST,
    )
    return {**options, **changes}


VARIANTS = {
    'default': stal(),
    'official': stal(
        drop='low_official',
        num_mixed=1,
        joint_forward=False,
        contrast=dict(CONTRAST, official=True, low_percent=20.0, high_percent=80.0),
    ),
    'no_contrast': stal(contrast=None, copy_paste=None, teacher_eval=True),
}


@pytest.mark.parametrize('name', VARIANTS)
def test_batch_sizes(name: str) -> None:
    check_batch_sizes(VARIANTS[name], STREAMS)


def test_batch_norm_with_single_images() -> None:
    check_batch_sizes(stal(), STREAMS, model=tiny_model(norm='BN'))


def test_without_source() -> None:
    check_batch_sizes(stal(), STREAMS[1:])


@pytest.mark.parametrize('name', VARIANTS)
def test_exact_resume(name: str, tmp_path: Path) -> None:
    check_exact_resume(VARIANTS[name], STREAMS, tmp_path)


@pytest.mark.parametrize('name', ['default', 'no_contrast'])
def test_two_ranks(name: str, tmp_path: Path) -> None:
    check_two_ranks(VARIANTS[name], STREAMS, tmp_path)

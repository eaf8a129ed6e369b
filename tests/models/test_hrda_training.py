"""HRDA in the engine: batch sizes, exact resume, equal ranks."""

from __future__ import annotations

from pathlib import Path

import mmcv

from tests.harness.methods import check_batch_sizes, check_exact_resume, check_two_ranks
from tests.models.networks import hrda_config

MODEL = mmcv.ConfigDict(hrda_config(16, num_classes=5))


def test_any_batch_size() -> None:
    check_batch_sizes(None, ('source',), model=MODEL)


def test_resume_is_exact(tmp_path: Path) -> None:
    check_exact_resume(None, ('source',), tmp_path, model=MODEL)


def test_two_ranks_equal_one(tmp_path: Path) -> None:
    check_two_ranks(None, ('source',), tmp_path, model=MODEL)

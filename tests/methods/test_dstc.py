"""DSTC trains at any batch size, resumes exactly, and ranks equal one process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.harness.methods import check_batch_sizes, check_exact_resume, check_two_ranks

STREAMS = ('source', 'labeled_target', 'target')


def config(**changes: Any) -> dict[str, Any]:
    return dict(type='DSTC', init=None, **changes)


@pytest.mark.parametrize('changes', [{}, dict(align_ignore=False, pseudo_training_mode=False, test_with='student')], ids=['default', 'eval'])
def test_batch_sizes(changes: dict[str, Any]) -> None:
    check_batch_sizes(config(**changes), STREAMS)


def test_exact_resume(tmp_path: Path) -> None:
    check_exact_resume(config(), STREAMS, tmp_path)


def test_two_ranks(tmp_path: Path) -> None:
    check_two_ranks(config(), STREAMS, tmp_path)

"""Supervised training passes the checks of every method, with and without labelled target images."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.harness.methods import Setup, check_batch_sizes, check_exact_resume, check_two_ranks

STREAMS = [('source',), ('source', 'labeled_target'), ('labeled_target',)]


@pytest.mark.parametrize('streams', STREAMS, ids='+'.join)
def test_source_only(streams: tuple[str, ...], tmp_path: Path) -> None:
    check_batch_sizes(None, streams)
    check_exact_resume(None, streams, tmp_path)
    check_two_ranks(None, streams, tmp_path)


def test_unlabelled_images_are_not_looked_at() -> None:
    setup = Setup(None, ('source', 'target'))
    method, step = setup.build()
    step([setup.data.batch([0])], 0)
    assert set(step.flush()[0]) == {'decode.loss_ce', 'loss'}

"""A part of the training that does nothing for long is named once."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from mmseg_uda.engine.zero_watch import WATCHED, ZeroWatch


def warnings_of(run: list[list[Any]], name: str, caplog: pytest.LogCaptureFixture, end: bool = True) -> int:
    watch = ZeroWatch(5, logging.getLogger('zeros'))
    other = next(key for key in WATCHED if key != name)
    with caplog.at_level(logging.WARNING, 'zeros'):
        for interval in run:
            watch.look([{} if value is None else {name: value, other: 1.0} for value in interval])
        if end:
            watch.end()
    assert all(name in record.getMessage() for record in caplog.records)
    return len([record for record in caplog.records if f'{name} has been 0' in record.getMessage()])


@pytest.mark.parametrize('name', WATCHED)
@pytest.mark.parametrize(
    'run, end, said',
    [
        ([[0.0] * 5] * 9, False, 0),
        ([[0.0] * 5] * 10, False, 1),
        ([[0.0] * 5] * 40, True, 1),
        ([[0.0] * 5] * 9 + [[0.0, 0.0, 0.1, 0.0, 0.0]] + [[0.0] * 5] * 9, True, 0),
        ([[0.2] * 5] * 3 + [[0.0] * 5] * 10, False, 1),
        ([[0.0] * 2], True, 1),
        ([[0.0]], True, 0),
        ([[None] * 5] * 40, True, 0),
        ([[None, 0.0, None, None, None]] * 40, False, 0),
    ],
    ids=[
        'not yet',
        'ten intervals',
        'once',
        'interrupted',
        'lost',
        'a short run',
        'the first iteration',
        'no value',
        'few values',
    ],
)
def test_a_run_says_once_that_a_part_does_nothing(
    run: list[list[Any]], end: bool, said: int, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert warnings_of(run, name, caplog, end) == said

"""Work ahead of and behind the caller keeps its order and its errors."""

from __future__ import annotations

import threading

import pytest

from mmseg_uda.utils.threads import Behind, ahead


def test_results_come_in_order_and_are_made_before_they_are_asked_for() -> None:
    third = threading.Event()

    def work(number: int) -> int:
        if number == 3:
            third.set()
        return number * number

    results = ahead(work, range(20), threads=2, waiting=4)
    assert next(results) == (0, 0)
    assert third.wait(60)
    assert list(results) == [(number, number**2) for number in range(1, 20)]


def test_an_error_ahead_comes_out_at_its_place_and_ends_the_rest() -> None:
    done = []

    def work(number: int) -> int:
        done.append(number)
        return 1 // (2 - number)

    results = ahead(work, range(1000), waiting=2)
    assert [next(results), next(results)] == [(0, 0), (1, 1)]
    with pytest.raises(ZeroDivisionError):
        next(results)
    assert len(done) < 20


def test_calls_behind_are_done_in_order_and_waited_for() -> None:
    done: list[int] = []
    with Behind(waiting=2) as behind:
        futures = [behind(done.append, number) for number in range(50)]
        assert len(done) >= 48 - 1  # no more than `waiting` and the running one are open
    assert done == list(range(50)) and all(future.done() for future in futures)


@pytest.mark.parametrize('calls', [1, 50])
def test_an_error_behind_reaches_the_caller(calls: int) -> None:
    def fail() -> None:
        raise OSError('disk full')

    with pytest.raises(OSError, match='disk full'), Behind(waiting=4) as behind:
        for _ in range(calls):
            behind(fail)


def test_an_error_of_the_caller_does_not_wait_for_what_is_left() -> None:
    gate, done = threading.Event(), []

    def slow() -> None:
        gate.wait(60)
        done.append(1)

    with pytest.raises(KeyError), Behind() as behind:
        for _ in range(5):
            behind(slow)
        gate.set()
        raise KeyError('x')
    assert len(done) <= 5

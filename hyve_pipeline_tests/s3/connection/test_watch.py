"""Requests that take too long, or while which the process grows too much, are given up; others cost nothing."""

import threading
import time
from collections.abc import Iterator

import pytest

from hyve_pipeline.s3.connection.watch import Watch

_INTERVAL = 0.001
_GROWTH = 1000

# More than the watch allows each request beside its growth.
_MUCH = 10 * 1024**2


class _Exchange:
    def __init__(self, seconds: float = 3600) -> None:
        self.begun = 0.0
        self.size_then = 0
        self.known_bytes = 0
        self.checks = 0
        self.given_up: list[bool] = []
        self.has_ended = threading.Event()
        self._seconds = seconds

    @property
    def seconds(self) -> float:
        self.checks += 1
        return self._seconds

    def give_up(self, *, is_late: bool) -> None:
        self.given_up.append(is_late)
        self.has_ended.set()


class _Memory:
    size = 5 * _MUCH

    def __call__(self) -> int:
        return self.size


@pytest.fixture
def memory() -> _Memory:
    return _Memory()


@pytest.fixture
def watch(memory: _Memory) -> Iterator[Watch[_Exchange]]:
    watch: Watch[_Exchange] = Watch(_INTERVAL, _GROWTH, memory)
    yield watch
    watch.close()


def test_growth_is_seen_at_once(watch: Watch[_Exchange], memory: _Memory) -> None:
    before, during = _Exchange(), _Exchange()
    watch.add(before)
    watch.add(during)
    memory.size += _MUCH
    assert before.has_ended.wait(10)
    assert during.has_ended.wait(10)
    assert before.given_up == during.given_up == [False]
    after = _Exchange()
    watch.add(after)
    assert not after.has_ended.wait(0.1)


def test_memory_that_is_freed_and_taken_again_counts(watch: Watch[_Exchange], memory: _Memory) -> None:
    memory.size -= 3 * _MUCH
    exchange = _Exchange()
    watch.add(exchange)
    memory.size += 2 * _MUCH
    assert exchange.has_ended.wait(10)


def test_a_late_one_is_given_up_and_a_forgotten_one_is_not(watch: Watch[_Exchange]) -> None:
    late, forgotten, patient = _Exchange(0.01), _Exchange(0.01), _Exchange()
    for exchange in (late, forgotten, patient):
        watch.add(exchange)
    watch.forget(forgotten)
    assert late.has_ended.wait(10)
    assert late.given_up == [True]
    assert forgotten.given_up == patient.given_up == []


def test_requests_are_not_gone_through_while_nothing_grows(watch: Watch[_Exchange]) -> None:
    exchange = _Exchange()
    watch.add(exchange)
    begun = time.monotonic()
    time.sleep(0.3)
    # Once at the beginning, and then twice a second.
    assert exchange.checks <= 2 + 2 * (time.monotonic() - begun)

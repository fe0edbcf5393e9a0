"""Keeping objects in flight: bounded, complete, and clean when it is interrupted."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from types import FrameType

import pytest

from hyve_pipeline.flow.inflight import Pause, Reply, run_in_flight


class StoppedError(BaseException):
    """What the signal handler of these tests raises."""


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(16) as executor:
        yield executor


def test_every_result_is_handed_over_and_no_more_than_the_limit_are_in_flight(pool: ThreadPoolExecutor) -> None:
    lock = threading.Lock()
    now = most = 0

    def request() -> None:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        time.sleep(0.001)
        with lock:
            now -= 1

    async def work(number: int) -> int:
        await Reply(pool.submit(request))
        await Reply(pool.submit(request))
        return number

    results: list[int] = []
    run_in_flight((work(number) for number in range(200)), 7, results.append)
    assert sorted(results) == list(range(200))
    assert 1 < most <= 7


def test_a_pause_lets_others_go_on(pool: ThreadPoolExecutor) -> None:
    order: list[str] = []

    async def work(name: str, seconds: float) -> str:
        await Pause(seconds)
        await Reply(pool.submit(lambda: None))
        return name

    run_in_flight(iter([work("late", 0.2), work("early", 0.0)]), 2, order.append)
    assert order == ["early", "late"]


def test_an_exception_of_a_request_is_raised_where_it_is_awaited(pool: ThreadPoolExecutor) -> None:
    async def work() -> str:
        try:
            await Reply(pool.submit(lambda: 1 / 0))
        except ZeroDivisionError as error:
            return str(error)
        return "none"

    results: list[str] = []
    run_in_flight(iter([work()]), 1, results.append)
    assert results == ["division by zero"]


def test_an_exception_that_leaves_the_work_ends_it_after_the_others_are_handed_over(pool: ThreadPoolExecutor) -> None:
    async def good() -> str:
        await Reply(pool.submit(time.sleep, 0.05))
        return "good"

    async def bad() -> str:
        await Reply(pool.submit(lambda: None))
        raise KeyError("bad")

    results: list[str] = []
    with pytest.raises(KeyError):
        run_in_flight(iter([good(), bad()]), 2, results.append)
    assert results == ["good"]


@pytest.mark.parametrize("attempt", range(5))
def test_a_signal_begins_nothing_more_and_loses_nothing_that_was_answered(attempt: int) -> None:
    answered: list[int] = []
    results: list[int] = []
    threads = ThreadPoolExecutor(2)

    def stop(number: int, frame: FrameType | None) -> None:
        raise StoppedError

    def request(number: int) -> None:
        time.sleep(0.002)
        answered.append(number)

    async def work(number: int) -> int:
        await Reply(threads.submit(request, number))
        return number

    before = signal.signal(signal.SIGUSR1, stop)
    timer = threading.Timer(0.1 + attempt * 0.0007, lambda: os.kill(os.getpid(), signal.SIGUSR1))
    begun = time.monotonic()
    try:
        timer.start()
        with pytest.raises(StoppedError):
            run_in_flight((work(number) for number in range(1_000_000)), 2, results.append)
    finally:
        timer.join()
        signal.signal(signal.SIGUSR1, before)
        threads.shutdown()
    # One object's result may be lost if the signal strikes while it is being handed over.
    assert len(set(answered) - set(results)) <= 1
    assert len(results) == len(set(results))
    assert time.monotonic() - begun < 5


def test_nothing_to_do_is_done_at_once() -> None:
    results: list[Future[None]] = []
    run_in_flight(iter([]), 3, results.append)
    assert results == []

"""Keeps a bounded number of objects in flight.

The work on one object is a coroutine that awaits `Reply` for a request and `Pause` before it tries again.
One thread drives them all: requests are answered by the transport's own threads, and their answers queue
here. An event loop would do the same, but it puts its own handling of interrupts between Dagster's and ours.
"""

import heapq
import itertools
import time
from collections.abc import Callable, Coroutine, Generator, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any, Generic, TypeVar

T = TypeVar("T")

# After an interrupt, what is in flight gets this long to end, so that the journal has it.
_DRAIN_SECONDS = 10.0

# How often the driver looks up while it waits, so that a signal's exception is raised promptly.
_LOOK_UP_SECONDS = 0.5


@dataclass(frozen=True, eq=False)
class Reply(Generic[T]):
    """Awaits a future: its result, or its exception raised in the coroutine."""

    future: "Future[T]"

    def __await__(self) -> Generator["Reply[T]", None, T]:
        yield self
        return self.future.result()


@dataclass(frozen=True, eq=False)
class Pause:
    """Awaits the passing of some seconds."""

    seconds: float

    def __await__(self) -> Generator["Pause", None, None]:
        yield self


Work = Coroutine["Reply[Any] | Pause", None, T]


class _Driver(Generic[T]):
    def __init__(self, on_result: Callable[[T], None]) -> None:
        self.in_flight = 0
        self._on_result = on_result
        self._answered: SimpleQueue[Work[T]] = SimpleQueue()
        self._paused: list[tuple[float, int, Work[T]]] = []
        self._order = itertools.count()

    def start(self, work: Work[T]) -> None:
        self.in_flight += 1
        self._step(work)

    def wait(self) -> None:
        """Go on with whatever can go on next; return after a while when nothing can."""
        now = time.monotonic()
        if self._paused and self._paused[0][0] <= now:
            self._step(heapq.heappop(self._paused)[2])
            return
        patience = min(_LOOK_UP_SECONDS, self._paused[0][0] - now) if self._paused else _LOOK_UP_SECONDS
        try:
            work = self._answered.get(timeout=patience)
        except Empty:
            return
        self._step(work)

    def _step(self, work: Work[T]) -> None:
        try:
            wish = work.send(None)
        except StopIteration as ended:
            self.in_flight -= 1
            self._on_result(ended.value)
            return
        except BaseException:
            self.in_flight -= 1
            raise
        if isinstance(wish, Pause):
            heapq.heappush(self._paused, (time.monotonic() + wish.seconds, next(self._order), work))
        else:
            wish.future.add_done_callback(lambda _: self._answered.put(work))

    def abandon_pauses(self) -> None:
        """Give up what waits for another try; it has no outcome and will be done by the next attempt."""
        for _, _, work in self._paused:
            work.close()
            self.in_flight -= 1
        self._paused.clear()


def run_in_flight(works: Iterator[Work[T]], limit: int, on_result: Callable[[T], None]) -> None:
    """Run coroutines, at most `limit` at a time, and hand each result to `on_result` as it comes.

    When it is interrupted, nothing new is begun, what is in flight is given a while to end and is still
    handed over, and the interrupt goes on. Coroutines must handle the failures of their own object: an
    exception that leaves one is treated like an interrupt.
    """
    driver: _Driver[T] = _Driver(on_result)
    try:
        for work in works:
            driver.start(work)
            while driver.in_flight >= limit:
                driver.wait()
        while driver.in_flight:
            driver.wait()
    except BaseException:
        deadline = time.monotonic() + _DRAIN_SECONDS
        driver.abandon_pauses()
        while driver.in_flight and time.monotonic() < deadline:
            driver.wait()
            driver.abandon_pauses()
        raise

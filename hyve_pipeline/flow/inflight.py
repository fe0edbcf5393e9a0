"""Keeps a bounded number of objects in flight.

The work on one object is a coroutine that awaits `Reply` for a request and `Pause` before it tries again.
One thread drives them all: requests are answered by the transport's own threads, and their answers queue
here. An event loop would do the same, but it puts its own handling of interrupts between Dagster's and ours.
"""

import heapq
import itertools
import time
from collections.abc import Callable, Coroutine, Generator, Iterator
from concurrent import futures
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
        self._on_result = on_result
        # What waits is held here and not only in the queue: an exception that a signal raises can lose
        # whatever was taken out of the queue in that very moment.
        self._waiting: dict[Work[T], Future[Any]] = {}
        self._answered: SimpleQueue[Work[T]] = SimpleQueue()
        self._paused: list[tuple[float, int, Work[T]]] = []
        self._order = itertools.count()

    @property
    def in_flight(self) -> int:
        return len(self._waiting) + len(self._paused)

    def step(self, work: Work[T]) -> None:
        """Let an object's work go on until it waits for something again."""
        self._waiting.pop(work, None)
        try:
            wish = work.send(None)
        except StopIteration as ended:
            self._on_result(ended.value)
            return
        if isinstance(wish, Pause):
            heapq.heappush(self._paused, (time.monotonic() + wish.seconds, next(self._order), work))
        else:
            self._waiting[work] = wish.future
            wish.future.add_done_callback(lambda _: self._answered.put(work))

    def wait(self) -> None:
        """Go on with whatever can go on next; return after a while when nothing can."""
        now = time.monotonic()
        if self._paused and self._paused[0][0] <= now:
            self.step(heapq.heappop(self._paused)[2])
            return
        patience = min(_LOOK_UP_SECONDS, self._paused[0][0] - now) if self._paused else _LOOK_UP_SECONDS
        try:
            work = self._answered.get(timeout=patience)
        except Empty:
            return
        self.step(work)

    def drain(self, seconds: float) -> None:
        """Let what is in flight end, without a pause; what would pause has no outcome."""
        deadline = time.monotonic() + seconds
        while self._waiting and (left := deadline - time.monotonic()) > 0:
            futures.wait(self._waiting.values(), left, futures.FIRST_COMPLETED)
            for work in [work for work, future in self._waiting.items() if future.done()]:
                self.step(work)
        for work in (*self._waiting, *(work for _, _, work in self._paused)):
            work.close()


def run_in_flight(works: Iterator[Work[T]], limit: int, on_result: Callable[[T], None]) -> None:
    """Run coroutines, at most `limit` at a time, and hand each result to `on_result` as it comes.

    When it is interrupted, nothing new is begun, what is in flight is given a while to end and is still
    handed over, and the interrupt goes on. Coroutines must handle the failures of their own object: an
    exception that leaves one is treated like an interrupt.
    """
    driver: _Driver[T] = _Driver(on_result)
    try:
        for work in works:
            driver.step(work)
            while driver.in_flight >= limit:
                driver.wait()
        while driver.in_flight:
            driver.wait()
    except BaseException:
        driver.drain(_DRAIN_SECONDS)
        raise

"""Keeps a bounded number of objects in flight.

The work on one object is a coroutine that awaits `Call` or `Reply` for a request and `Pause` before a retry. Work on a
batch awaits `Together` for the works on its objects. One thread drives them all: the transport's threads receive the
responses and queue them here. asyncio's event loop would do the same, but has its own handling of interrupts.
"""

import heapq
import itertools
import time
from collections import deque
from collections.abc import Callable, Coroutine, Generator, Iterator, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any, Generic, TypeVar

from hyve_pipeline.core.runtime.interruption import deferring_interrupts, raise_if_interrupted
from hyve_pipeline.s3.connection.request_window import Window
from hyve_pipeline.s3.wire.futures import deliver

T = TypeVar("T")
U = TypeVar("U")

# After an interrupt, requests in flight get this long to end, so that their outcomes are journaled.
_DRAIN_SECONDS = 10.0

# How often the driver wakes while it waits, so that a signal's exception is raised promptly.
_POLL_SECONDS = 0.5


# Begins something that hands its result, or an exception, to the callback that it is given.
Begin = Callable[[Callable[[T | BaseException], object]], object]


class Call(Generic[T]):
    """Awaits what a function hands to a callback: returns the result, or raises the exception in the coroutine."""

    __slots__ = ("_answered", "_begin", "_ended", "_work", "has_ended")

    def __init__(self, begin: Begin[T]) -> None:
        self._begin = begin
        self._ended: T | BaseException
        self.has_ended = False

    def __await__(self) -> Generator["Call[T]", None, T]:
        yield self
        if isinstance(self._ended, BaseException):
            raise self._ended
        return self._ended

    def begin(self, work: "Work[Any]", answered: "SimpleQueue[Work[Any]]") -> None:
        """Begin it; `work` is queued when it has ended."""
        self._work = work
        self._answered = answered
        try:
            self._begin(self._end)
        except Exception as error:  # noqa: BLE001 - it is raised in the coroutine
            self._end(error)

    def _end(self, ended: T | BaseException) -> None:
        self._ended = ended
        self.has_ended = True
        self._answered.put(self._work)


class Reply(Call[T]):
    """Awaits a future."""

    __slots__ = ()

    def __init__(self, future: "Future[T]") -> None:
        super().__init__(partial(deliver, future))


@dataclass(slots=True, eq=False)
class Pause:
    """Waits for some seconds."""

    seconds: float

    def __await__(self) -> Generator["Pause", None, None]:
        yield self


class Together(Generic[U]):
    """Awaits several works, within the same limit as all others; returns their results in order."""

    def __init__(self, works: Sequence["Work[U]"]) -> None:
        self.works = works
        self.results: list[Any] = [None] * len(works)
        self.left = len(works)

    def __await__(self) -> Generator["Together[U]", None, list[U]]:
        if self.works:
            yield self
        return self.results


Work = Coroutine["Call[Any] | Pause | Together[Any]", None, T]


class _Driver(Generic[T]):
    def __init__(self, window: Window, on_result: Callable[[T], None]) -> None:
        self._window = window
        self._on_result = on_result
        # Waiting works are kept here and not only in the queue: an exception that a signal raises can lose an item
        # that was just taken out of the queue.
        self._waiting: dict[Work[Any], Call[Any]] = {}
        self._answered: SimpleQueue[Work[Any]] = SimpleQueue()
        self._paused: list[tuple[float, int, Work[Any]]] = []
        self._order = itertools.count()
        # Parts of other works: those not begun, and for each part its parent and its place there.
        self._queued: deque[Work[Any]] = deque()
        self._parents: dict[Work[Any], tuple[Work[Any], Together[Any], int]] = {}
        self.begun = 0

    @property
    def in_flight(self) -> int:
        return len(self._waiting) + len(self._paused)

    @property
    def has_room(self) -> bool:
        """Whether a new work may begin; parts of begun works come first."""
        return not self._queued and self._window.has_room(self.in_flight)

    def begin(self, work: Work[T]) -> None:
        self.begun += 1
        self._step(work)

    def _step(self, work: Work[Any]) -> None:
        """Run a work until it waits again."""
        self._waiting.pop(work, None)
        try:
            awaited = work.send(None)
        except StopIteration as ended:
            self._end(work, ended.value)
            return
        if isinstance(awaited, Call):
            awaited.begin(work, self._answered)
            self._waiting[work] = awaited
        elif isinstance(awaited, Pause):
            heapq.heappush(self._paused, (time.monotonic() + awaited.seconds, next(self._order), work))
        else:
            for place, part in enumerate(awaited.works):
                self._parents[part] = (work, awaited, place)
            self._queued.extend(awaited.works)

    def _end(self, work: Work[Any], result: Any) -> None:
        if work not in self._parents:
            self.begun -= 1
            self._on_result(result)
            return
        parent, together, place = self._parents.pop(work)
        together.results[place] = result
        together.left -= 1
        if not together.left:
            self._step(parent)

    def wait(self) -> None:
        """Continue the next work that is ready; return after a while if none is."""
        raise_if_interrupted()
        while self._queued and self._window.has_room(self.in_flight):
            self._step(self._queued.popleft())
        patience = _POLL_SECONDS
        if self._paused:
            left = self._paused[0][0] - time.monotonic()
            if left <= 0:
                self._step(heapq.heappop(self._paused)[2])
                return
            patience = min(patience, left)
        elif not self._waiting:
            return
        try:
            work = self._answered.get(timeout=patience)
        except Empty:
            return
        self._window.ended()
        self._step(work)

    def drain(self, seconds: float) -> None:
        """Wait for requests in flight; works that pause, or were not begun, have no outcome."""
        deadline = time.monotonic() + seconds
        try:
            while self._waiting and (left := deadline - time.monotonic()) > 0:
                ended = [work for work, call in self._waiting.items() if call.has_ended]
                for work in ended:
                    # Another failure must not keep the outcomes of the others from the journal.
                    with suppress(Exception):
                        self._step(work)
                if not ended:
                    with suppress(Empty):
                        _ = self._answered.get(timeout=left)
        finally:
            # Closed here, from the outside in: the garbage collector closes them in any order.
            parents = {parent for parent, _, _ in self._parents.values()}
            for work in (*self._waiting, *(work for _, _, work in self._paused), *self._queued, *parents):
                work.close()


def run_in_flight(
    works: Iterator[Work[T]], limit: int | Window, on_result: Callable[[T], None], *, at_once: int | None = None
) -> None:
    """Run coroutines, within a limit, and pass each result to `on_result` as it comes.

    On an interrupt, nothing new begins, requests in flight get some seconds to end, their results are passed on, and
    the interrupt is raised again. Coroutines must handle the failures of their own object: an exception from one is
    treated like an interrupt.

    Args:
        works: the coroutines.
        limit: how many may wait for a response or pause at a time.
        on_result: gets each result.
        at_once: how many of `works` may be begun and not ended, if they consist of parts.
    """
    driver: _Driver[T] = _Driver(limit if isinstance(limit, Window) else Window(limit), on_result)
    # A signal may come between a response and its row in the journal.
    with deferring_interrupts():
        try:
            for work in works:
                driver.begin(work)
                while not driver.has_room or (at_once is not None and driver.begun >= at_once):
                    driver.wait()
            while driver.begun:
                driver.wait()
        except BaseException:
            driver.drain(_DRAIN_SECONDS)
            raise

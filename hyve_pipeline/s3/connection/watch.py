"""Looks after requests whose answers come in where Python can't see it: none may take for ever, or fill the memory.

AWS's Common Runtime keeps an answer in memory until it has ended, and shows nothing of it before. All that can be seen
of an answer without end is that the process grows, and that time passes. The requests that were in flight meanwhile
are cancelled natively, and sent again by the transport that reads answers piece by piece. One that was cancelled
for the growth of something else has lost a second, and nothing more.
"""

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Generic, Protocol, TypeVar

# What an answer takes beside what is expected of it; and how often what is expected is in memory: in a buffer that
# doubles, and copied from there.
_EACH_BYTES = 1024**2
_COPIES = 3

# Without a request for that long, the thread waits for the next one.
_IDLE_SECONDS = 1.0

# How often all are checked while the process does not grow.
_CHECK_SECONDS = 0.5


class Exchange(Protocol):
    """One request and its answer on the way.

    Attributes:
        begun: when, in seconds of the watch's clock.
        size_then: bytes of the process then.
    """

    begun: float
    size_then: int

    @property
    def known_bytes(self) -> int:
        """What is sent and expected."""
        ...

    @property
    def seconds(self) -> float:
        """How long it may take."""
        ...

    def give_up(self, *, is_late: bool) -> None:
        """End it: it has taken too long, or else the process has grown meanwhile."""
        ...


E = TypeVar("E", bound=Exchange)


class Watch(Generic[E]):
    """Watches the exchanges of one transport, on a thread of its own."""

    def __init__(
        self, interval: float, growth: int | None = None, size_of_process: Callable[[], int] | None = None
    ) -> None:
        """Begin with none.

        Args:
            interval: seconds between two looks.
            growth: bytes by which the process may grow while an exchange goes on, beyond what is known to be on its
                way; None where that does not matter.
            size_of_process: gives its bytes; `process_bytes` by default.
        """
        self._interval = interval
        self._growth = growth
        self._size_of_process = size_of_process or process_bytes
        self._exchanges: set[E] = set()
        self._now = 0.0
        self._size = 0
        self._is_awake = threading.Event()
        self._is_closed = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def add(self, exchange: E) -> None:
        """Watch one more."""
        if not self._is_awake.is_set():
            self._rouse()
        exchange.begun = self._now
        exchange.size_then = self._size
        self._exchanges.add(exchange)

    def forget(self, exchange: E) -> None:
        """Watch one no longer; it may be none that is watched."""
        self._exchanges.discard(exchange)

    def exchanges(self) -> list[E]:
        """Those that are watched now. The copy is made at once, while others add and forget."""
        return list(self._exchanges)

    def close(self) -> None:
        """Watch nothing any more. Calling it again does nothing."""
        self._is_closed.set()
        self._is_awake.set()

    def _rouse(self) -> None:
        with self._lock:
            self._measure()
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="s3-watch", daemon=True)
                self._thread.start()
            self._is_awake.set()

    def _measure(self) -> None:
        self._now = time.monotonic()
        if self._growth is not None:
            self._size = self._size_of_process()

    def _run(self) -> None:
        busy = checked = time.monotonic()
        checked_size = 0
        while not self._is_closed.wait(self._interval):
            self._measure()
            # Nothing else can have changed for the worse: to go through all requests each time costs more than sending.
            if self._size <= checked_size and self._now - checked < _CHECK_SECONDS:
                continue
            checked, checked_size = self._now, self._size
            exchanges = self.exchanges()
            if exchanges:
                busy = self._now
                self._look(exchanges)
            elif self._now - busy > _IDLE_SECONDS:
                self._is_awake.clear()
                # One that was added right before this is seen at the latest now.
                self._is_awake.wait(_IDLE_SECONDS)
                busy = time.monotonic()

    def _look(self, exchanges: list[E]) -> None:
        allowed = float("inf")
        if self._growth is not None:
            allowed = self._growth + sum(_EACH_BYTES + _COPIES * exchange.known_bytes for exchange in exchanges)
        for exchange in exchanges:
            is_late = self._now - exchange.begun > exchange.seconds
            if is_late or self._size - exchange.size_then > allowed:
                self._exchanges.discard(exchange)
                exchange.give_up(is_late=is_late)


_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_SIZES = Path("/proc/self/statm")


def _present_bytes() -> int:
    # Opened anew each time: in a forked process an open file would be the parent's.
    with _SIZES.open("rb", buffering=0) as file:
        return int(file.read(100).split()[1]) * _PAGE_BYTES


def _most_bytes() -> int:
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


# The memory of this process. Where the system does not have the present size, the peak grows as well.
process_bytes: Callable[[], int] = _present_bytes if _SIZES.exists() else _most_bytes

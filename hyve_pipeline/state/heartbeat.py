"""Shows that a process is alive: a file in a bucket, written again and again.

How old it is says the server's clock, so the clocks of the machines do not count. The process itself knows when it sent
the last heartbeat that the server confirmed, by a clock that also counts while the machine sleeps. It gives up before
any other process may take over, so it need not reach the server to know that it must stop.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from threading import Event, Thread

from hyve_pipeline.core.base.errors import HyveError
from hyve_pipeline.state.files import Folder

# A heartbeat that failed is sent again after this part of the interval.
_RETRY_PART = 0.1

# macOS has no CLOCK_BOOTTIME; its CLOCK_MONOTONIC counts while the machine sleeps.
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class ClaimLostError(HyveError):
    """Another process may have taken over what this one was working on."""


@dataclass(frozen=True, slots=True)
class ClaimTimes:
    """The times of heartbeats, in seconds.

    Attributes:
        beat: between two heartbeats.
        stale: without a heartbeat for so long, by the server's clock, a process counts as dead.
        give_up: without a confirmed heartbeat for so long, a process stops. A server that is out of reach for half a
            minute stops no process.
    """

    beat: float = 8.0
    stale: float = 60.0
    give_up: float = 48.0

    @property
    def answer(self) -> float:
        """How long the answer to a heartbeat may take.

        One that was sent just in time is at the server well before the one before it is stale.
        """
        return (self.stale - self.give_up) / 2


def elapsed_time() -> float:
    """Seconds by a clock that also counts while the machine sleeps."""
    return time.clock_gettime(_CLOCK)


class Heartbeat:
    """Writes a file of a bucket regularly, on a thread of its own.

    Args:
        folder: a folder in a bucket.
        name: the file's name in it.
        body: its content.
        subject: what this process works on, for messages.
        times: the intervals.
        is_superseded: whether another process has taken over, asked after each heartbeat; it may raise a `StateError`.
    """

    def __init__(
        self,
        folder: Folder,
        name: str,
        body: bytes,
        subject: str,
        times: ClaimTimes,
        is_superseded: Callable[[], bool] = lambda: False,
    ) -> None:
        self._folder = folder.impatient(times.answer)
        self._name = name
        self._body = body
        self._subject = subject
        self._times = times
        self._is_superseded = is_superseded
        self._confirmed = 0.0
        self._lost: str | None = None
        self._ended = Event()
        self._thread = Thread(target=self._run, name=f"heartbeat {name}", daemon=True)

    def begin(self, sent: float) -> None:
        """Start to write the file.

        Args:
            sent: when the request was sent that showed that this process is alive, by `elapsed_time`.
        """
        self._confirmed = sent
        self._thread.start()

    def end(self) -> None:
        """Stop writing the file, which stays."""
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()

    @property
    def is_lost(self) -> bool:
        """Whether another process may have taken over."""
        with suppress(ClaimLostError):
            self.check()
            return False
        return True

    def check(self) -> None:
        """Check that no other process may have taken over. Cheap: it sends nothing.

        Raises:
            ClaimLostError: one may have.
        """
        if self._lost is None:
            silent = elapsed_time() - self._confirmed
            if silent <= self._times.give_up:
                return
            # For good: a later heartbeat may come after another process found this one dead.
            self._lost = (
                f"{self._subject}: this process was paused, or could not reach {self._folder.uri}, for "
                f"{silent:.0f} seconds, so another process may have taken over; what it did is in the journal"
            )
        raise ClaimLostError(self._lost)

    def _run(self) -> None:
        due = self._confirmed + self._times.beat
        while not self._ended.wait(max(0.0, due - elapsed_time())):
            if self.is_lost:
                return
            sent = elapsed_time()
            try:
                self._folder.write_text(self._name, self._body.decode())
                took = elapsed_time() - sent
                if self._is_superseded():
                    self._lost = f"{self._subject}: another process has taken over; what this one did is in the journal"
                    return
            except HyveError:
                due = elapsed_time() + self._times.beat * _RETRY_PART
                continue
            if took <= self._times.answer:
                self._confirmed = sent
            due = sent + self._times.beat

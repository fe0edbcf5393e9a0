"""What a command has done so far, by activity: the figures that bars and lines show."""

import time
from collections import deque
from dataclasses import dataclass, field
from threading import RLock

from hyve_pipeline.core.base.counts import noun
from hyve_pipeline.core.base.sizes import readable_bytes
from hyve_pipeline.core.runtime.progress import Listener

# The rate is that of the last seconds: an average since the beginning would follow a change too late.
_RATE_SECONDS = 10.0

# What is counted, where it is not objects: a comparison has the keys of both buckets.
_UNITS = {"compare": "key"}


@dataclass
class Activity:
    """The figures of one activity; times are of the monotonic clock.

    Attributes:
        name: what is done, such as ``list source``.
        begun: when it began.
        objects, size: objects and bytes done.
        expected, expected_size: the totals; 0 when they are not known.
        estimate: the likely total of objects; 0 when nothing is known of it.
        failed: how many objects failed, once it has ended.
        ended: when it ended; None while it goes on.
        is_done: whether it ended by itself, rather than with the command.
    """

    name: str
    begun: float
    objects: int = 0
    size: int = 0
    expected: int = 0
    expected_size: int = 0
    estimate: int = 0
    failed: int = 0
    ended: float | None = None
    is_done: bool = False
    _samples: deque[tuple[float, int]] = field(default_factory=deque)

    @property
    def unit(self) -> str:
        """What its objects are called, behind their number."""
        return noun(self.total or self.objects, _UNITS.get(self.name, "object"))

    @property
    def seconds(self) -> float:
        """How long it took so far, or in all."""
        return (time.monotonic() if self.ended is None else self.ended) - self.begun

    @property
    def total(self) -> int:
        """The total of objects, exact or likely; 0 when it is not known, or when it was wrong."""
        if self.expected:
            # Where others did the rest, what was done here is all.
            return 0 if self.is_done and self.objects != self.expected else self.expected
        return self.estimate if not self.is_done and self.objects <= self.estimate else 0

    @property
    def is_total_exact(self) -> bool:
        """Whether the total is no estimate."""
        return bool(self.expected)

    def described_size(self) -> str:
        """The bytes done, and those to do, as text; empty where they do not matter."""
        if self.expected_size and not self.is_done:
            return f"{readable_bytes(self.size)}/{readable_bytes(self.expected_size)}"
        return readable_bytes(self.size) if self.size else ""

    def rate(self) -> float | None:
        """Objects a second: of the last seconds, or of the whole once it has ended; None when it can't be said yet."""
        if self.ended is not None:
            return self.objects / self.seconds if self.objects and self.seconds >= 1 else None
        now = time.monotonic()
        self._samples.append((now, self.objects))
        while now - self._samples[0][0] > _RATE_SECONDS:
            self._samples.popleft()
        since, before = self._samples[0]
        done, seconds = self.objects - before, now - since
        # Nothing in the first seconds is no rate yet.
        return done / seconds if seconds >= (1 if done else _RATE_SECONDS / 2) else None

    def seconds_left(self, rate: float | None) -> float | None:
        """How long it will still take at a rate of objects a second; None when it can't be said."""
        if self.ended is not None or not self.total or not rate:
            return None
        return (self.total - self.objects) / rate


class Activities(Listener):
    """Keeps the figures of each activity of this process, in the order in which they began.

    Attributes:
        is_closed: whether the command has ended its work.
    """

    def __init__(self) -> None:
        self.is_closed = False
        self._lock = RLock()
        self._by_name: dict[str, Activity] = {}

    def find(self, name: str) -> Activity | None:
        """The activity of that name, if it has begun."""
        return self._by_name.get(name)

    def all(self) -> list[Activity]:
        """All of them."""
        with self._lock:
            return [*self._by_name.values()]

    def expect(self, activity: str, objects: int, size: int) -> None:
        """See `Listener`."""
        with self._lock:
            found = self._going_on(activity)
            found.expected += objects
            found.expected_size += size

    def estimate(self, activity: str, objects: int) -> None:
        """See `Listener`."""
        with self._lock:
            self._going_on(activity).estimate = objects

    def advance(self, activity: str, objects: int, size: int) -> None:
        """See `Listener`."""
        with self._lock:
            found = self._going_on(activity)
            found.objects += objects
            found.size += size
            self._advanced(found)

    def end(self, activity: str, objects: int | None, size: int | None, failed: int) -> None:
        """See `Listener`."""
        with self._lock:
            found = self._going_on(activity)
            found.objects = found.objects if objects is None else objects
            found.size = found.size if size is None else size
            found.failed = failed
            found.ended, found.is_done = time.monotonic(), True
            self._ended(found)

    def close(self) -> None:
        """End with the command what has not ended by itself."""
        with self._lock:
            self.is_closed = True
            for activity in self._by_name.values():
                if activity.ended is None:
                    activity.ended = time.monotonic()
                    self._ended(activity)

    def _going_on(self, name: str) -> Activity:
        found = self._by_name.get(name)
        if found is None:
            found = self._by_name[name] = Activity(name, time.monotonic())
        elif found.ended is not None:
            # The time between does not count.
            now = time.monotonic()
            found.begun, found.ended, found.is_done = now - found.seconds, None, False
        return found

    def _advanced(self, activity: Activity) -> None:
        """Called after each report, for those that show it at once."""

    def _ended(self, activity: Activity) -> None:
        """Called when an activity has ended."""

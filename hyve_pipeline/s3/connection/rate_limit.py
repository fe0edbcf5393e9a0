"""Limits on requests and on content a second: token buckets that say how long to wait, and never wait themselves."""

import time
from collections.abc import Callable
from threading import Lock

from hyve_pipeline.s3.wire.messages import Request

# What a pause leaves for later, in seconds of the rate. Over two seconds it is half of the 5 % that are promised.
_SAVED_SECONDS = 0.05

# Content that takes longer than this, at the rate, must be sent and read in pieces, or it would be a burst.
_LARGE_SECONDS = 0.25

# Pieces: so many seconds of the rate, between these sizes in bytes.
_PIECE_SECONDS = 0.02
_LEAST_PIECE = 1024
_MOST_PIECE = 256 * 1024

# The requests that carry the content of objects.
_READS = frozenset({"GetObject"})
_WRITES = frozenset({"PutObject", "UploadPart"})


class Rate:
    """A token bucket that begins empty. Thread-safe.

    What is taken is taken in order, each at the time when the bucket has filled up for it. So no more than the rate
    comes through since the beginning, however large the amounts are.

    Attributes:
        per_second: the rate; it may change at any time.
    """

    def __init__(self, per_second: float, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin empty.

        Args:
            per_second: the rate.
            clock: gives seconds.
        """
        self.per_second = per_second
        self._clock = clock
        self._paid_until = clock()
        self._lock = Lock()

    def take(self, amount: float) -> float:
        """Take an amount, and return after how many seconds it may be used."""
        with self._lock:
            now = self._clock()
            self._paid_until = max(self._paid_until, now - _SAVED_SECONDS) + amount / self.per_second
            return max(0.0, self._paid_until - now)


class _Bandwidth:
    """The limit on content in one direction.

    Attributes:
        begun: content by the time at which its request may be sent.
        pieces: the pieces of large content, each by the time at which it may pass.
    """

    def __init__(self, per_second: float, clock: Callable[[], float]) -> None:
        self.begun = Rate(per_second, clock)
        self.pieces = Rate(per_second, clock)

    def is_large(self, size: int) -> bool:
        return size > self.begun.per_second * _LARGE_SECONDS

    def take(self, size: int) -> float:
        """Take content, and return after how many seconds its request may be sent.

        Small content waits until all of it may pass. Large content begins then, in pieces, when what was taken before
        has passed: so large objects come one after the other, and no socket buffers of many fill up at once.
        """
        wait = self.begun.take(size)
        return max(0.0, wait - size / self.begun.per_second) if self.is_large(size) else wait


class RateLimits:
    """The limits that all connections of a process share. Thread-safe."""

    def __init__(
        self, bandwidth: float | None, requests_per_second: float | None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Set the limits.

        Args:
            bandwidth: bytes of content a second, for each direction; None for no limit.
            requests_per_second: requests a second; None for no limit.
            clock: gives seconds.
        """
        self._bandwidth = bandwidth
        self._requests_per_second = requests_per_second
        self._requests = None if requests_per_second is None else Rate(requests_per_second, clock)
        self._received = None if bandwidth is None else _Bandwidth(bandwidth, clock)
        self._sent = None if bandwidth is None else _Bandwidth(bandwidth, clock)

    def share_among(self, count: int) -> None:
        """Let this process use one of `count` equal shares from now on."""
        if self._requests is not None and self._requests_per_second is not None:
            self._requests.per_second = self._requests_per_second / count
        for direction in (self._received, self._sent):
            if direction is not None and self._bandwidth is not None:
                direction.begun.per_second = direction.pieces.per_second = self._bandwidth / count

    def take(self, request: Request) -> float:
        """Take what a request needs, and return after how many seconds it may be sent."""
        wait = 0.0 if self._requests is None else self._requests.take(1)
        if self._received is not None and request.expected and request.operation in _READS:
            wait = max(wait, self._received.take(request.expected))
        if self._sent is not None and request.body and request.operation in _WRITES:
            wait = max(wait, self._sent.take(len(request.body)))
        return wait

    def take_repeats(self, count: int) -> None:
        """Take what requests needed that the transport has sent again by itself: those after them wait for that."""
        if self._requests is not None and count:
            self._requests.take(count)

    def reading(self, request: Request) -> Rate | None:
        """What each piece of a large answer waits for; None where it is not large, or there is no limit."""
        direction = self._received if request.operation in _READS else None
        return direction.pieces if direction is not None and direction.is_large(request.expected) else None

    def writing(self, request: Request) -> Rate | None:
        """The same for the request's own body."""
        direction = self._sent if request.operation in _WRITES else None
        return direction.pieces if direction is not None and direction.is_large(len(request.body)) else None

    def is_large(self, request: Request) -> bool:
        """Whether its content, or that of its answer, must go in pieces."""
        return (self.reading(request) or self.writing(request)) is not None


def piece_of(rate: Rate) -> int:
    """Bytes of a piece: few enough that a piece is no burst."""
    return max(_LEAST_PIECE, min(_MOST_PIECE, int(rate.per_second * _PIECE_SECONDS)))

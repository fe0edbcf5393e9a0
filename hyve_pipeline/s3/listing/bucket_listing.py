"""Listing a bucket, or one range of its keys, by several walks at once.

The walks' ranges tile the range at all times. A walk that ends makes room for another one. When none is waiting,
ranges of busy walks are cut after their position, and new walks get the upper parts. The distribution of keys is
unknown, so cuts are guesses; those of an earlier listing are used first.
"""

import heapq
import itertools
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from itertools import pairwise
from queue import Empty, SimpleQueue

from hyve_pipeline.core.base.errors import InterruptedRunError
from hyve_pipeline.core.model.inventory import KeyRange, RangeProof
from hyve_pipeline.s3.connection.connection import Connection
from hyve_pipeline.s3.listing.cut_points import cut_points
from hyve_pipeline.s3.listing.pace import Pace
from hyve_pipeline.s3.listing.pages import Page
from hyve_pipeline.s3.listing.walk import (
    FIRST_PAUSE_SECONDS,
    MAX_KEYS,
    MOST_DAMAGED,
    PAUSE_GROWTH,
    DamagedPageError,
    Walk,
    read_page,
)
from hyve_pipeline.s3.wire.errors import S3RequestError
from hyve_pipeline.s3.wire.messages import Pairs, Response

# The interval of the checks whether a listing that waits for a page was interrupted.
_STOP_CHECK_SECONDS = 0.2

# Every cut costs a page that is not full: the number of cuts at the beginning, and the number for each page read.
_FIRST_CUTS = 48
_CUTS_PER_PAGE = 0.25

_ALL_KEYS = KeyRange()


class BucketListing:
    """Lists the keys of a range below the prefix of a connection's place, completely or with an error.

    Iterate it once, to the end; then `proof` has one entry for each walk, in key order.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        key_range: KeyRange = _ALL_KEYS,
        cuts: Sequence[str] = (),
        ceiling: int = 32,
        max_keys: int = MAX_KEYS,
        headers: Pairs = (),
        stop: threading.Event | None = None,
        first_pause: float = FIRST_PAUSE_SECONDS,
        make_walk: Callable[..., Walk] = Walk,
    ) -> None:
        """Describe the listing; nothing is sent yet.

        Args:
            connection: the bucket and prefix.
            key_range: what to list, in whole keys, prefix included.
            cuts: where to cut the range at first, ascending, in whole keys; they need not exist.
            ceiling: the most pages in flight; with 1, pages come in key order.
            max_keys: keys requested in one page, at most 1,000.
            headers: headers of each request, such as `hyve_pipeline.s3.listing.walk.RESTORE_STATUS`.
            stop: interrupts the listing when it is set, even while it waits for a page.
            first_pause: seconds before a damaged page is requested again for the first time.
            make_walk: makes each walk, with the arguments of `Walk`; one that can't be split needs a ceiling of 1.
        """
        bounds = [key_range.after, *cuts, key_range.until]
        self._connection = connection
        dialect = connection.listing_dialect
        self._walks = [
            make_walk(connection.place, KeyRange(after=str(after), until=until), max_keys, headers, dialect)
            for after, until in pairwise(bounds)
        ]
        self._waiting = deque(self._walks)
        self._busy: dict[int, Walk] = {}
        self._arrived: SimpleQueue[tuple[Walk, Future[Response]]] = SimpleQueue()
        self._first_pause = first_pause
        self._damaged: list[tuple[float, int, Walk]] = []
        self._tries: dict[int, int] = {}
        self._numbers = itertools.count()
        self._stop = stop or threading.Event()
        self._pace = Pace(ceiling, time.monotonic())
        self._throttled = connection.throttled
        self._pages = 0
        self._cuts = 0
        self._alphabet: set[str] = set()
        self._pages_at_cut: dict[int, int] = {}

    @property
    def proof(self) -> list[RangeProof]:
        """How the walks went, in key order.

        Raises:
            IncompleteInventoryError: one of them has not ended.
        """
        return [walk.proof for walk in sorted(self._walks, key=lambda walk: walk.range.after)]

    def __iter__(self) -> Iterator[tuple[Walk, Page]]:
        """List; pages of different walks come in any order, those of one walk in key order.

        Pages may be empty; a walk ends with its last page.

        Raises:
            BucketError: the bucket cannot be listed.
            IncompleteInventoryError: a page failed, or contradicts the others.
            InterruptedRunError: it was interrupted.
        """
        self._begin_more()
        while self._busy or self._waiting or self._damaged:
            walk, arrived = self._next_arrived()
            in_flight = len(self._busy)
            del self._busy[id(walk)]
            page = self._take(walk, arrived)
            if page is None:
                continue
            self._pages += 1
            if len(page):
                self._alphabet.update(page.first_key, page.last_key)
            self._keep_pace(in_flight)
            if not walk.has_ended:
                # First in the queue: its next page is in flight while this one is processed.
                self._waiting.appendleft(walk)
            self._begin_more()
            yield walk, page

    def _keep_pace(self, in_flight: int) -> None:
        throttled = self._connection.throttled
        self._pace.page(time.monotonic(), in_flight)
        if throttled > self._throttled:
            self._throttled = throttled
            self._pace.slow_down(time.monotonic())

    def _next_arrived(self) -> tuple[Walk, "Future[Response]"]:
        while not self._stop.is_set():
            while self._damaged and self._damaged[0][0] <= time.monotonic():
                self._send(heapq.heappop(self._damaged)[2])
            try:
                return self._arrived.get(timeout=_STOP_CHECK_SECONDS)
            except Empty:
                continue
        raise InterruptedRunError(f"the listing of {self._connection.place.uri} was interrupted")

    def _take(self, walk: Walk, arrived: "Future[Response]") -> Page | None:
        """The page that arrived, None if it has to be requested again."""
        try:
            page = read_page(self._connection, walk, arrived.result())
        except S3RequestError as error:
            raise walk.failure(error) from error
        except DamagedPageError:
            tries = self._tries.get(id(walk), 0) + 1
            if tries >= MOST_DAMAGED:
                raise
            pause = self._first_pause * PAUSE_GROWTH ** (tries - 1)
            self._tries[id(walk)] = tries
            due = time.monotonic() + pause * random.uniform(0.5, 1)  # noqa: S311 - spreads load
            heapq.heappush(self._damaged, (due, next(self._numbers), walk))
            return None
        self._tries.pop(id(walk), None)
        return page

    def _begin_more(self) -> None:
        if len(self._busy) + len(self._waiting) < self._pace.allowed:
            self._cut_more(self._pace.allowed - len(self._busy) - len(self._waiting))
        while self._waiting and len(self._busy) < self._pace.allowed:
            self._send(self._waiting.popleft())

    def _send(self, walk: Walk) -> None:
        self._busy[id(walk)] = walk
        self._connection.send(walk.request()).add_done_callback(lambda done: self._arrived.put((walk, done)))

    def _cut_more(self, idle: int) -> None:
        """Cut ranges of walks that have not ended, for up to `idle` more walks."""
        left = min(idle, _FIRST_CUTS + int(_CUTS_PER_PAGE * self._pages) - self._cuts)
        # A walk that has read the most since its last cut most likely has the most left.
        divisible = sorted(
            (walk for walk in (*self._busy.values(), *self._waiting) if walk.pages),
            key=lambda walk: walk.pages - self._pages_at_cut.get(id(walk), 0),
            reverse=True,
        )
        settled = len(self._connection.place.prefix)
        for others, walk in zip(reversed(range(len(divisible))), divisible, strict=True):
            wanted = -(-left // (others + 1))
            if wanted <= 0:
                return
            cuts = cut_points(walk.position, walk.range.until, settled, walk.varying, self._alphabet, wanted)
            self._pages_at_cut[id(walk)] = walk.pages
            for cut in reversed(cuts):
                upper = walk.split(cut)
                self._walks.append(upper)
                self._waiting.append(upper)
            self._cuts += len(cuts)
            left -= len(cuts)

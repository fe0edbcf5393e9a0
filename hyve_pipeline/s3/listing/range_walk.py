"""Listing one range of keys, one page after the other."""

import threading
from collections.abc import Iterator
from concurrent.futures import Future, wait

from hyve_pipeline.core.model.inventory import KeyRange, RangeProof
from hyve_pipeline.s3.connection.connection import Connection
from hyve_pipeline.s3.listing.pages import Page
from hyve_pipeline.s3.listing.walk import (
    FIRST_PAUSE_SECONDS,
    MAX_KEYS,
    MOST_DAMAGED,
    PAUSE_GROWTH,
    DamagedPageError,
    Walk,
    given_up,
    read_page,
)
from hyve_pipeline.s3.wire.errors import S3RequestError
from hyve_pipeline.s3.wire.messages import Response

# How often a walk that waits for a page looks whether it was given up.
_LOOK_UP_SECONDS = 0.5


class RangeWalk:
    """One walk through one range of keys, one page after the other.

    Iterate it once, to the end; then `proof` says how the walk went. The next page is on its way while the
    current one is worked on.
    """

    def __init__(
        self,
        connection: Connection,
        key_range: KeyRange,
        max_keys: int = MAX_KEYS,
        stop: threading.Event | None = None,
        first_pause: float = FIRST_PAUSE_SECONDS,
    ) -> None:
        """Describe the walk; nothing is sent yet.

        Args:
            connection: the bucket and prefix.
            key_range: in whole keys, prefix included.
            max_keys: keys asked for in one page, at most 1,000.
            stop: when it is set, the walk is given up, even while a page is awaited.
            first_pause: seconds before a page that is damaged is asked for again for the first time.
        """
        self._connection = connection
        self._walk = Walk(connection.place, key_range, max_keys, dialect=connection.listing_dialect)
        self._first_pause = first_pause
        self._stop = stop or threading.Event()
        self._started = False

    @property
    def proof(self) -> RangeProof:
        """How the walk went.

        Raises:
            IncompleteInventoryError: the walk has not come to its end.
        """
        return self._walk.proof

    def __iter__(self) -> Iterator[Page]:
        """Walk the range; pages without keys in it are not given.

        Raises:
            BucketError: the bucket cannot be listed at all.
            IncompleteInventoryError: a page failed, or does not fit to the others.
            InterruptedRunError: it was given up.
        """
        if self._started:
            raise RuntimeError("a range can be walked only once: make another walk")
        self._started = True
        return self._pages()

    def _pages(self) -> Iterator[Page]:
        walk = self._walk
        pending = self._connection.send(walk.request())
        damaged = 0
        while not walk.has_ended:
            try:
                page = read_page(self._connection, walk, self._await(pending))
            except S3RequestError as error:
                raise walk.failure(error) from error
            except DamagedPageError:
                damaged += 1
                if damaged == MOST_DAMAGED:
                    raise
                self._stop.wait(self._first_pause * PAUSE_GROWTH ** (damaged - 1))
                pending = self._connection.send(walk.request())
                continue
            damaged = 0
            if not walk.has_ended:
                pending = self._connection.send(walk.request())
            if len(page):
                yield page

    def _await(self, pending: "Future[Response]") -> Response:
        """The answer, unless the walk is given up before it comes: a server may stay silent for long."""
        while not self._stop.is_set():
            done, _ = wait([pending], timeout=_LOOK_UP_SECONDS)
            if done:
                return pending.result()
        raise given_up(self._connection.place)

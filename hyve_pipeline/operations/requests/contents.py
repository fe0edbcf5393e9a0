"""Whether two objects have the same content: by checksum if both have the same kind, else by reading both."""

from dataclasses import dataclass
from typing import Literal

from hyve_pipeline.core.base.sizes import MIB
from hyve_pipeline.operations.requests.in_flight import Reply
from hyve_pipeline.operations.requests.retry import Tries
from hyve_pipeline.s3.connection.connection import Connection
from hyve_pipeline.s3.connection.request_window import Window
from hyve_pipeline.s3.objects.get import read_bytes, read_checksums
from hyve_pipeline.s3.wire.checksums import Checksums
from hyve_pipeline.s3.wire.errors import S3RequestError

# The activity, for progress reports.
COMPARE_CONTENT = "compare content"

# Bytes that are read of an object at a time, from both sides, and objects that are compared at a time.
PART = 8 * MIB
_AT_ONCE = 8


@dataclass(frozen=True, slots=True)
class Comparison:
    """Whether two contents are equal, and what shows it.

    Attributes:
        is_equal: whether they are.
        how: ``checksum`` (of the full objects), ``composite_checksum`` (of equal parts) or ``read``.
        checksum: ``ALGORITHM:VALUE`` where both sides keep the same one; empty otherwise.
    """

    is_equal: bool
    how: Literal["checksum", "composite_checksum", "read"]
    checksum: str = ""


@dataclass(frozen=True, slots=True)
class ContentPair:
    """An object of the source and its copy, of one size; the key is without prefix."""

    key: str
    size: int
    source_etag: str
    store_etag: str


class Contents:
    """Compares the content of objects of two buckets.

    Args:
        source: the bucket of the one.
        store: that of the other.
        reads: whether objects are read that checksums can't decide.

    Attributes:
        window: bounds the pairs that are compared at a time.
    """

    def __init__(self, source: Connection, store: Connection, *, reads: bool = True) -> None:
        self._source = source
        self._store = store
        self._reads = reads
        self.window = Window(_AT_ONCE, lambda: source.throttled + store.throttled)

    @property
    def gets(self) -> int:
        """How many GetObject requests were made; one that is sent again counts once."""
        return self._source.operations["GetObject"] + self._store.operations["GetObject"]

    async def compare(self, pair: ContentPair) -> Comparison | None:
        """Whether the two have the same content; None if that can't be decided without reading them.

        Raises:
            ObjectChangedError: one is no longer the object with that ETag.
            ObjectUnreadableError: one can't be read now.
            S3RequestError: a request failed for good.
        """
        tries = Tries()
        sides = (
            (self._source, self._source.place.key_of(pair.key), pair.source_etag),
            (self._store, self._store.place.key_of(pair.key), pair.store_etag),
        )
        known = [await tries.answer(lambda side=side: read_checksums(*side)) for side in sides]
        by_checksum = _compare_checksums(*known)
        if by_checksum is not None or not self._reads:
            return by_checksum
        for first in range(0, pair.size, PART):
            count = min(PART, pair.size - first)
            # Both at once; then failed ones are retried.
            parts = [Reply(read_bytes(*side, first, count)) for side in sides]
            contents: list[bytes] = []
            for side, part in zip(sides, parts, strict=True):
                try:
                    contents.append(await part)
                except S3RequestError as error:
                    if not error.is_transient:
                        raise
                    contents.append(await tries.answer(lambda side=side: read_bytes(*side, first, count)))  # noqa: B023
            if contents[0] != contents[1]:
                return Comparison(False, "read")
        return Comparison(True, "read")


def _compare_checksums(source: Checksums, store: Checksums) -> Comparison | None:
    """Whether the contents are equal; None if the checksums can't decide it."""
    for algorithm in sorted(source.values.keys() & store.values.keys()):
        value = source.values[algorithm]
        if value == store.values[algorithm] and source.is_of_whole == store.is_of_whole:
            how = "checksum" if source.is_of_whole else "composite_checksum"
            return Comparison(True, how, f"{algorithm}:{value}")
        if source.is_of_whole and store.is_of_whole:
            return Comparison(False, "checksum")
    return None

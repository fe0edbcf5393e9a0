"""Which keys of a batch a bucket has now: by listing their span, which takes far fewer requests than a HEAD for each.

Where a listing does not pay off, or fails, nothing is known, and each key requires a HEAD request.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

from hyve_pipeline.core.base.errors import HyveError
from hyve_pipeline.core.model.inventory import KeyRange
from hyve_pipeline.s3.connection.connection import Connection
from hyve_pipeline.s3.listing.bucket_listing import BucketListing

# A page of a listing costs about as much, in work and in money, as this many HEAD requests.
FEWEST_KEYS = 16

# A span with more pages has so many other keys that HEAD requests for the rest are cheaper.
MOST_PAGES = 4

_LAST_CHARACTER = "\U0010ffff"


@dataclass(frozen=True, slots=True)
class ListedKeys:
    """What a listing found of a batch of keys.

    Attributes:
        until: whole keys up to this one were listed; None where none was.
        etags: the ETags of those that exist; empty where the listing has none.
    """

    until: str | None = None
    etags: Mapping[str, str] = field(default_factory=dict)

    def knows(self, key: str) -> bool:
        """Whether the listing covers the key."""
        return self.until is not None and key <= self.until

    def knows_etag(self, key: str) -> bool:
        """Whether the listing covers the key, with its ETag if it exists."""
        return self.knows(key) and self.etags.get(key) != ""


def list_batch(connection: Connection, keys: Sequence[str], *, fewest: int = FEWEST_KEYS) -> "Future[ListedKeys]":
    """List the span of some keys of a bucket.

    Args:
        connection: the bucket.
        keys: whole keys, ascending.
        fewest: the span of fewer keys is not listed.

    Returns:
        A future of what was found; a failure of the bucket is no exception there, but fewer keys.
    """
    if len(keys) < fewest:
        outcome: Future[ListedKeys] = Future()
        outcome.set_result(ListedKeys())
        return outcome
    return connection.workers.submit(_list_span, connection, keys)


def _list_span(connection: Connection, keys: Sequence[str]) -> ListedKeys:
    wanted = set(keys)
    etags: dict[str, str] = {}
    seen: str | None = None
    span = KeyRange(after=just_before(keys[0]), until=keys[-1])
    # One page at a time: the pages come in order, and no range is cut.
    listing = BucketListing(connection, key_range=span, ceiling=1, stop=connection.closing)
    try:
        for number, page in enumerate((page for _, page in listing if len(page)), start=1):
            listed = page.keys
            etags.update((key, etag) for key, etag in zip(listed, page.etags, strict=True) if key in wanted)
            seen = listed[-1]
            if number == MOST_PAGES:
                return ListedKeys(seen, etags)
    except HyveError:
        # What was listed before counts; each of the other keys gets a HEAD request, with a failure of its own.
        return ListedKeys(seen, etags)
    return ListedKeys(keys[-1], etags)


def just_before(key: str) -> str:
    """A text that sorts before the key, with few other keys in between."""
    head, last = key[:-1], key[-1:]
    # Only where both are printable ASCII: servers differ in how they treat other characters in a request.
    return f"{head}{chr(ord(last) - 1)}{_LAST_CHARACTER}" if "!" < last <= "~" else head

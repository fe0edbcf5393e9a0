"""What a bucket has of a batch of keys at this moment: by listing their span, which is far less than a question a key.

Where that does not pay, or does not work, nothing is known, and each key has to be asked for.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

from hyve_pipeline.core.base.errors import HyveError
from hyve_pipeline.core.model.inventory import KeyRange
from hyve_pipeline.s3.connection.connection import Connection
from hyve_pipeline.s3.listing.bucket_listing import BucketListing

# A page of a listing costs a server and its owner about as much as this many questions about one key.
_FEWEST_KEYS = 16

# A span with more pages holds so much else that the rest is better asked for key by key.
_MOST_PAGES = 4

_LAST_CHARACTER = "\U0010ffff"


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen of a bucket.

    Attributes:
        until: keys up to this one, whole, were looked for; None where none was.
        etags: the ETags of those that are there; empty where the listing has none.
    """

    until: str | None = None
    etags: Mapping[str, str] = field(default_factory=dict)

    def knows(self, key: str) -> bool:
        """Whether the key was looked for."""
        return self.until is not None and key <= self.until

    def knows_etag(self, key: str) -> bool:
        """Whether the key was looked for, and its ETag seen where it is there."""
        return self.knows(key) and self.etags.get(key) != ""


def look(connection: Connection, keys: Sequence[str], *, fewest: int = _FEWEST_KEYS) -> "Future[Seen]":
    """Look for keys of a bucket, all at once.

    Args:
        connection: the bucket.
        keys: whole keys, ascending.
        fewest: of fewer keys nothing is found out.

    Returns:
        A future that gives what was seen; it raises nothing for what concerns the bucket.
    """
    if len(keys) < fewest:
        outcome: Future[Seen] = Future()
        outcome.set_result(Seen())
        return outcome
    return connection.workers.submit(_list_span, connection, keys)


def _list_span(connection: Connection, keys: Sequence[str]) -> Seen:
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
            if number == _MOST_PAGES:
                return Seen(seen, etags)
    except HyveError:
        # What was seen before counts; each of the other keys is asked for and has a failure of its own.
        return Seen(seen, etags)
    return Seen(keys[-1], etags)


def just_before(key: str) -> str:
    """A text that sorts before the key, and so close that few other keys sort in between."""
    head, last = key[:-1], key[-1:]
    # Only where both are plain letters, so that no server finds an odd character in what it is asked.
    return f"{head}{chr(ord(last) - 1)}{_LAST_CHARACTER}" if "!" < last <= "~" else head

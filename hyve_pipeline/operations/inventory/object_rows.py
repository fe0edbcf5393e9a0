"""Looks at single objects by HEAD, as rows of an inventory; the bucket must answer for each key."""

from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Any

from hyve_pipeline.core.base.errors import IncompleteInventoryError
from hyve_pipeline.core.model.inventory import KeyRange
from hyve_pipeline.core.settings.places import AWS
from hyve_pipeline.operations.apply.listing_check import just_before
from hyve_pipeline.operations.requests.in_flight import Reply, run_in_flight
from hyve_pipeline.operations.requests.retry import Tries
from hyve_pipeline.s3.connection.connection import Connection
from hyve_pipeline.s3.listing.bucket_listing import BucketListing
from hyve_pipeline.s3.listing.pages import is_usable_etag
from hyve_pipeline.s3.objects.exact_key import is_other_key
from hyve_pipeline.s3.objects.head import ObjectHead, head_object
from hyve_pipeline.s3.wire.errors import INVALID_RESPONSE, S3RequestError

# With these HEAD may be refused for an object that a listing has: its owner encrypts it with a key of his own, or
# nobody may read it. It is listed then, and a copy of it is skipped or fails as in a plan of all keys.
_REFUSED = (HTTPStatus.BAD_REQUEST, HTTPStatus.FORBIDDEN)

# The columns of `INVENTORY_SCHEMA`.
Row = dict[str, Any]


def rows_of_keys(
    connection: Connection, keys: Sequence[str], concurrency: int, on_key: Callable[[], None] = lambda: None
) -> dict[str, Row | None]:
    """What a bucket has of some whole keys; None for a key that it does not have.

    Args:
        connection: the bucket.
        keys: the whole keys, each once.
        concurrency: requests in flight.
        on_key: called after each key.

    Raises:
        S3RequestError: the bucket did not answer.
        IncompleteInventoryError: an answer does not say what is there.
    """
    found: dict[str, Row | None] = {}
    works = (_look_at(connection, key, found) for key in keys)
    run_in_flight(works, concurrency, lambda _: on_key())
    return {key: found[key] for key in keys}


async def _look_at(connection: Connection, key: str, found: dict[str, Row | None]) -> None:
    tries = Tries()
    try:
        head = await tries.answer(lambda: head_object(connection, key, needs_size=True))
        if head is not None and connection.place.server != AWS:
            # Servers that store files may have found an object of a similar key.
            head = None if await tries.answer(lambda: is_other_key(connection, key)) else head
    except S3RequestError as error:
        if error.status not in _REFUSED and error.code != INVALID_RESPONSE:
            raise
        found[key] = await Reply(connection.workers.submit(_list_one, connection, key))
        return
    found[key] = None if head is None else _row(connection, key, head)


def _row(connection: Connection, key: str, head: ObjectHead) -> Row:
    if head.size is None:
        raise IncompleteInventoryError(f"{connection.place.uri}: the server does not say how large {key!r} is")
    return {
        "key": key,
        "size": head.size,
        "last_modified": head.last_modified,
        "etag": head.etag if is_usable_etag(head.etag) else "",
        "storage_class": head.storage_class,
        "restored_until": head.restored_until,
    }


def _list_one(connection: Connection, key: str) -> Row | None:
    """What a listing has of one key; None if nothing.

    Raises:
        BucketError, IncompleteInventoryError: it can't be listed.
    """
    span = KeyRange(after=just_before(key), until=key)
    for _, page in BucketListing(connection, key_range=span, ceiling=1, stop=connection.closing):
        for row in page.table.to_pylist():
            if row["key"] == key:
                return row
    return None

"""Reads by HEAD the ETags that a listing lacks: some servers omit them, for some objects or for all.

Of an object without size or time in the listing, which has no ETag then either, these are read as well.
"""

from concurrent.futures import Future

import pyarrow as pa

from hyve_pipeline.core.base.arrow_columns import has_empty
from hyve_pipeline.s3.connection.connection import Connection
from hyve_pipeline.s3.listing.pages import UNKNOWN_TIME, is_usable_etag
from hyve_pipeline.s3.objects.head import ObjectHead, head_object
from hyve_pipeline.s3.wire.errors import S3RequestError

# After so many failures in a row, no more HEAD requests are sent.
_MOST_FAILURES = 100

# HEAD responses have whole seconds, listings may have fractions.
_MOST_APART = 1_000_000


class MissingEtags:
    """Fills in the ETags that the pages of one listing lack, if HEAD returns them.

    Args:
        connection: the bucket.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._failures = 0

    def fill(self, table: pa.Table) -> pa.Table:
        """The rows of a page, with the ETags of objects that are still as listed; others stay empty."""
        if not has_empty(table.column("etag")) or self._failures >= _MOST_FAILURES:
            return table
        keys, sizes, etags = (table.column(name).to_pylist() for name in ("key", "size", "etag"))
        moments = table.column("last_modified").cast(pa.int64()).to_pylist()
        asked = {
            number: head_object(self._connection, keys[number], needs_size=True)
            for number, etag in enumerate(etags)
            if not etag
        }
        for number, answer in asked.items():
            head = _found(answer)
            if head is not None and moments[number] == UNKNOWN_TIME:
                sizes[number], moments[number] = head.size, head.last_modified
            etags[number] = "" if head is None else _etag_of(head, sizes[number], moments[number])
            self._failures = 0 if etags[number] else self._failures + 1
        for name, values in (("size", sizes), ("last_modified", moments), ("etag", etags)):
            field = table.schema.field(name)
            table = table.set_column(table.schema.get_field_index(name), field, pa.array(values, field.type))
        return table


def _found(answer: "Future[ObjectHead | None]") -> ObjectHead | None:
    """What HEAD says of an object, with its size; None if it says nothing."""
    try:
        head = answer.result()
    except S3RequestError:
        return None
    return None if head is None or head.size is None else head


def _etag_of(head: ObjectHead, size: int, moment: int) -> str:
    """The ETag of an object that is as it was listed; empty for another one."""
    is_same = head.size == size and abs(head.last_modified - moment) < _MOST_APART
    return head.etag if is_same and is_usable_etag(head.etag) else ""

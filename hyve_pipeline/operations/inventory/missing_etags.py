"""Reads by HEAD the ETags that a listing lacks: some servers omit them, for some objects or for all."""

from concurrent.futures import Future

import pyarrow as pa

from hyve_pipeline.core.base.arrow_columns import has_empty
from hyve_pipeline.s3.connection.connection import Connection
from hyve_pipeline.s3.listing.pages import is_usable_etag
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
        etags = table.column("etag").to_pylist()
        columns = (table.column(name).to_pylist() for name in ("key", "size"))
        moments = table.column("last_modified").cast(pa.int64()).to_pylist()
        asked = {
            number: (head_object(self._connection, key, needs_size=True), size, moment)
            for number, (key, size, moment) in enumerate(zip(*columns, moments, strict=True))
            if not etags[number]
        }
        for number, (answer, size, moment) in asked.items():
            etags[number] = _etag_of(answer, size, moment)
            self._failures = 0 if etags[number] else self._failures + 1
        place = table.schema.get_field_index("etag")
        return table.set_column(place, table.schema.field(place), pa.array(etags, pa.string()))


def _etag_of(answer: "Future[ObjectHead | None]", size: int, moment: int) -> str:
    try:
        head = answer.result()
    except S3RequestError:
        return ""
    if head is None or head.size != size or abs(head.last_modified - moment) >= _MOST_APART:
        return ""
    return head.etag if is_usable_etag(head.etag) else ""

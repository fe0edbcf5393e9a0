"""ETags that a listing lacks, asked for by HEAD: some servers leave them out, for some objects or for all."""

from concurrent.futures import Future

import pyarrow as pa

from hyve_pipeline.core.base.arrow_columns import has_empty
from hyve_pipeline.s3.connection.connection import Connection
from hyve_pipeline.s3.listing.pages import is_usable_etag
from hyve_pipeline.s3.objects.head import ObjectHead, head_object
from hyve_pipeline.s3.wire.errors import S3RequestError

# After so many in a row that HEAD does not tell either, the others are not asked for.
_MOST_IN_VAIN = 100

# The answer to HEAD has whole seconds, and the listing may have more.
_MOST_APART = 1_000_000


class MissingEtags:
    """Fills in the ETags that the pages of one listing lack, as far as HEAD tells them.

    Args:
        connection: the bucket.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._in_vain = 0

    def fill(self, table: pa.Table) -> pa.Table:
        """The rows of a page with the ETags of the objects that are still as they were listed; others stay empty."""
        if not has_empty(table.column("etag")) or self._in_vain >= _MOST_IN_VAIN:
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
            self._in_vain = 0 if etags[number] else self._in_vain + 1
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

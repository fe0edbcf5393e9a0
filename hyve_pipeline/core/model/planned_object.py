"""One object of a plan, with what is needed to copy, repair or delete it."""

from collections.abc import Iterator
from typing import NamedTuple

import pyarrow as pa


class PlannedObject(NamedTuple):
    """A row of a plan; fields as the columns of `core.diff.CHANGE_SCHEMA`, times in microseconds since 1970 UTC."""

    key: str
    set: str
    size: int
    source_etag: str | None
    source_last_modified: int | None
    storage_class: str | None
    store_etag: str | None
    store_size: int | None
    store_last_modified: int | None
    store_storage_class: str | None
    reason: str = ""


def planned_objects(rows: pa.Table) -> Iterator[PlannedObject]:
    """The rows of a plan one by one; columns as in `core.diff.CHANGE_SCHEMA`."""
    columns = []
    for name in PlannedObject._fields:
        if name not in rows.column_names:
            # Plans of before do not have the class of the store's objects.
            columns.append([None] * rows.num_rows)
            continue
        column = rows.column(name)
        if pa.types.is_timestamp(column.type):
            column = column.cast(pa.int64())
        columns.append(column.to_pylist())
    return map(PlannedObject._make, zip(*columns, strict=True))

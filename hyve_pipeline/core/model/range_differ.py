"""The comparison of two inventories, one bounded key range at a time.

It is a full outer join in DuckDB. Only one range's rows are in memory, so memory depends on the range and
not on the bucket. Keys are joined without their side's prefix and compare by UTF-8 bytes.
"""

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from hyve_pipeline.core.base.arrow_columns import rows_with
from hyve_pipeline.core.base.manifest import Count
from hyve_pipeline.core.model.diff import CHANGE_SCHEMA, LISTED_SETS, UNDONE_SCHEMA, ChangeSet, RangeDiff
from hyve_pipeline.core.model.memory import MEMORY_SCHEMA
from hyve_pipeline.core.model.ranges import RangeDatabase, RelativeRange, below
from hyve_pipeline.core.runtime.closing import Closing

# The reason of a key of which it is not known how far its last copy came.
LAST_INTERRUPTED = "its last copy was interrupted"

# The rows of both sides in a range, `s` and `t`, with what is remembered of a key, `m`.
JOINED_SIDES = """source_range AS s FULL OUTER JOIN store_range AS t ON s.relative = t.relative
                LEFT JOIN memory_rows AS m ON s.relative = m.key AND m.source_etag IS NOT NULL"""

# From so many rows on, they are counted before any of them is selected. Both take 10 ms of CPU besides.
_MANY_ROWS = 20_000

# What a plan's rows have of them as it is.
SIDE_COLUMNS = """s.etag AS source_etag,
                s.last_modified AS source_last_modified,
                s.storage_class AS storage_class,
                t.etag AS store_etag,
                t.last_modified AS store_last_modified,
                t.size AS store_size,
                t.storage_class AS store_storage_class"""


def side_ranges(prefixes: Mapping[str, str], columns: str = "*") -> str:
    """The SQL of ``source_range`` and ``store_range``: the rows of each side in the range, with the key ``relative``.

    Args:
        prefixes: the prefix to remove from each side's keys.
        columns: what is selected of each side's rows.
    """
    bounds = "relative >= $first AND ($end IS NULL OR relative < $end)"
    return ", ".join(
        f"{side}_range AS (SELECT {columns} FROM "  # noqa: S608 - no untrusted text
        f"(SELECT * EXCLUDE (key), {below(prefix)} AS relative FROM {side}_rows) WHERE {bounds})"
        for side, prefix in prefixes.items()
    )


class RangeDiffer(Closing):
    """Compares ranges of two inventories by a query that puts each key into a set.

    Args:
        classified: the query, up to its table ``classified`` with the columns of `CHANGE_SCHEMA`. It reads
            ``source_rows``, ``store_rows``, ``undone_rows`` and ``memory_rows``, and has the parameters ``first`` and
            ``end``. No untrusted text is in it that is not quoted.
        parameters: its other parameters.
        unchanged: the condition on ``classified`` for the rows of unchanged objects that are returned too; None for
            none.
    """

    def __init__(
        self, classified: str, parameters: Mapping[str, Any] | None = None, unchanged: str | None = None
    ) -> None:
        self._parameters = parameters or {}
        self._database = RangeDatabase()
        columns = ", ".join(CHANGE_SCHEMA.names)
        listed = ", ".join(f"'{name}'" for name in LISTED_SETS)
        given = f"set IN ({listed}) OR ({unchanged or 'false'})"
        self._has_unchanged = unchanged is not None
        self._totals = f"{classified} SELECT set, count(*), sum(size)::BIGINT FROM classified GROUP BY set"  # noqa: S608
        # Totals too, as to plan a query costs more than all else for a range of a few keys: the rows without a key.
        self._rows = f"""{classified},
            found AS MATERIALIZED (SELECT {columns}, {given} AS given FROM classified)
            SELECT set, count(*) AS store_size, sum(size)::BIGINT AS size FROM found GROUP BY set
            UNION ALL BY NAME SELECT {columns} FROM found WHERE given
            ORDER BY key NULLS FIRST"""  # noqa: S608

    def diff(
        self,
        source: pa.Table,
        store: pa.Table,
        key_range: RelativeRange,
        undone: pa.Table | None = None,
        memory: pa.Table | None = None,
        *,
        many_rows: int = _MANY_ROWS,
    ) -> RangeDiff:
        """Compare the rows of both inventories that are in `key_range`.

        Args:
            source: rows of the source's inventory; rows outside the range are ignored.
            store: rows of the store's inventory, likewise.
            key_range: the range, in keys without prefix.
            undone: keys, without prefix, that were undone, as in `UNDONE_SCHEMA`.
            memory: what is remembered of copied keys, without prefix, as in `core.memory.MEMORY_SCHEMA`; each key once.
            many_rows: from so many rows of both sides on, they are counted first.
        """
        bounds = {"first": key_range.first, "end": key_range.end, **self._parameters}
        undone = UNDONE_SCHEMA.empty_table() if undone is None else undone
        memory = MEMORY_SCHEMA.empty_table() if memory is None else memory
        tables = {"source_rows": source, "store_rows": store, "undone_rows": undone, "memory_rows": memory}
        with self._database.showing(tables) as connection:
            if not self._has_unchanged and source.num_rows + store.num_rows >= many_rows:
                # Most ranges of most plans have nothing to list: to count them reads fewer columns, and no row is kept.
                totals = connection.execute(self._totals, bounds).fetchall()
                counts = {ChangeSet(name): Count(objects=objects, bytes=size) for name, objects, size in totals}
                if counts.keys().isdisjoint(LISTED_SETS):
                    return RangeDiff(CHANGE_SCHEMA.empty_table(), counts)
            found = connection.sql(self._rows, params=bounds).to_arrow_table().select(CHANGE_SCHEMA.names)
        totals = found.slice(0, found.column("key").null_count)
        counts = {
            ChangeSet(row["set"]): Count(objects=row["store_size"], bytes=row["size"]) for row in totals.to_pylist()
        }
        rows = found.slice(totals.num_rows).cast(CHANGE_SCHEMA)
        unchanged = rows_with(rows, "set", [ChangeSet.UNCHANGED])
        return RangeDiff(rows_with(rows, "set", LISTED_SETS) if unchanged.num_rows else rows, counts, unchanged)

    def close(self) -> None:
        """Free the memory and the temporary files."""
        self._database.close()

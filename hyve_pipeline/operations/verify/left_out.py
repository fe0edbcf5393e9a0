"""The keys that filters on objects left out of a plan: what becomes of them in the store is not compared."""

from contextlib import ExitStack

import pyarrow as pa

from hyve_pipeline.core.base.arrow_columns import rows_with
from hyve_pipeline.core.model.diff import ChangeSet
from hyve_pipeline.core.model.filters import Filters
from hyve_pipeline.core.model.plan import Plan
from hyve_pipeline.core.model.ranges import RangeDatabase, RelativeRange, below
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.operations.inventory.sorted_rows import SortedRows

# The columns of an inventory that filters look at.
FILTERED_COLUMNS = ("key", "size", "last_modified", "storage_class")


class LeftOutKeys:
    """The keys that filters left out by size, time, storage class or tags, range by range.

    The source's object decides, as it was when the plan was made; of what only the store has, what it has now.

    Args:
        context: the sync.
        plan: the plan.
        stack: closes the files.

    Raises:
        StateError: a file of the plan or its inventory is missing or damaged.
    """

    def __init__(self, context: SyncContext, plan: Plan, stack: ExitStack) -> None:
        filters = Filters.of(plan.options)
        self._source: SortedRows | None = None
        self._changes: SortedRows | None = None
        if filters.look_at_objects:
            before = context.inventories("source").load(plan.source_inventory)
            self._source = SortedRows(context.state, before.files, plan.source.prefix, [*FILTERED_COLUMNS])
            stack.callback(self._source.close)
            self._database = stack.enter_context(RangeDatabase())
            self._query = _query(filters, plan)
        if filters.properties.tag and plan.count(ChangeSet.EXCLUDED).objects and plan.changes:
            self._changes = stack.enter_context(SortedRows(context.state, plan.changes, columns=["key", "set"]))

    def read(self, key_range: RelativeRange, listed: pa.Table) -> set[str]:
        """The keys of a range, and perhaps some before and after it.

        Args:
            key_range: the range, in keys without prefix.
            listed: what the store has now, with `FILTERED_COLUMNS`; rows outside of the range do not matter.

        Raises:
            StateError: a file is damaged.
        """
        found: set[str] = set()
        if self._source is not None:
            tables = {"source_rows": self._source.read(key_range), "store_rows": listed}
            with self._database.showing(tables) as connection:
                found.update(key for (key,) in connection.execute(self._query).fetchall())
        if self._changes is not None:
            rows = rows_with(self._changes.read(key_range), "set", [ChangeSet.EXCLUDED.value])
            found.update(rows.column("key").to_pylist())
        return found


def _query(filters: Filters, plan: Plan) -> str:
    passes = filters.passes("s", "t", "s.relative IS NOT NULL")
    # No untrusted text.
    return f"""
        SELECT coalesce(s.relative, t.relative)
        FROM (SELECT *, {below(plan.source.prefix)} AS relative FROM source_rows) AS s
        FULL OUTER JOIN (SELECT *, {below(plan.store.prefix)} AS relative FROM store_rows) AS t
            ON s.relative = t.relative
        WHERE {passes} IS NOT TRUE"""  # noqa: S608

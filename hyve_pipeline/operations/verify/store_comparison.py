"""Compares what the store has now with what a plan requires of it, range by range."""

from collections.abc import Iterator
from contextlib import ExitStack
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from hyve_pipeline.core.base.arrow_columns import rows_unlike, rows_with, rows_without
from hyve_pipeline.core.model.filters import Filters
from hyve_pipeline.core.model.inventory import Inventory
from hyve_pipeline.core.model.plan import Plan
from hyve_pipeline.core.model.ranges import RelativeRange, cut_ranges
from hyve_pipeline.core.model.verification import Difference, Verifier
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.operations.inventory.sorted_rows import SortedRows, open_inventory
from hyve_pipeline.operations.verify.journaled_copies import JournaledCopies
from hyve_pipeline.operations.verify.later_plans import LaterPlans
from hyve_pipeline.operations.verify.left_out import LeftOutKeys

# The columns of a listed object that are compared.
_COMPARED = ["key", "size", "etag"]

# Those that reports of S3 Inventory and filters are judged by.
_LOOKED_AT = ["last_modified", "storage_class"]

# The differences that may be of what was written since a report, by an earlier plan or by somebody else.
_OF_WRITES = [Difference.DIFFERENT.value, Difference.UNEXPECTED.value]


class RangeComparison(NamedTuple):
    """What a range of the store is.

    Attributes:
        listed: what the store has, as in `INVENTORY_SCHEMA`; rows outside of the range may be among them.
        differences: as in `DIFFERENCE_SCHEMA`, sorted by key.
        same: how many keys are as the plan requires.
        judged: keys that differ, and keys of which the plan requires nothing; the content of others can be compared.
    """

    listed: pa.Table
    differences: pa.Table
    same: int
    judged: set[str]


class StoreComparison:
    """The store, listed again, beside a plan.

    Args:
        context: the sync.
        plan: the plan.
        before: the store's inventory that the plan was made from.
        now: its inventory now; the same one if it was not listed again.
        stack: closes what this opens.

    Attributes:
        since_plan: differences that plans of some keys account for, which came later; they are left out.
        since_report: those that were written after the plan's report of S3 Inventory, likewise.

    Raises:
        StateError: a file of the plan or of an inventory is damaged.
    """

    def __init__(self, context: SyncContext, plan: Plan, before: Inventory, now: Inventory, stack: ExitStack) -> None:
        self.since_plan = 0
        self.since_report = 0
        self._plan = plan
        self._report = before.report
        state, prefix = context.state, plan.store.prefix
        listed = stack.enter_context(open_inventory(state, now, [*_COMPARED, *_LOOKED_AT]))
        is_same = now.id == before.id
        planned = listed if is_same else stack.enter_context(SortedRows(state, before.files, prefix, _COMPARED))
        self._files = {
            "listed": listed,
            "planned": planned,
            "copies": stack.enter_context(SortedRows(state, plan.files["copy"])),
            "deletes": stack.enter_context(SortedRows(state, plan.files["delete"])),
        }
        self._verifier = stack.enter_context(Verifier(Filters.of(plan.options), prefix))
        self._journaled = JournaledCopies(context, plan)
        self._left_out = LeftOutKeys(context, plan, stack)
        self._later = LaterPlans(context, plan, stack)

    def ranges(self, rows: int) -> Iterator[RelativeRange]:
        """Ranges of about so many rows, which tile all keys."""
        chunks = [chunk for file in set(self._files.values()) for chunk in file.chunks]
        return cut_ranges(chunks, rows)

    def compare(self, key_range: RelativeRange) -> RangeComparison:
        """Compare a range; each begins where the last one ended.

        Raises:
            StateError: a file of the plan or its journal is damaged.
        """
        rows = {file: file.read(key_range) for file in set(self._files.values())}
        tables = {name: rows[file] for name, file in self._files.items()}
        listed, copies, deletes = tables["listed"], tables["copies"], tables["deletes"]
        if self._plan.as_of is not None:
            # They are never done.
            tables["deletes"] = deletes.slice(0, 0)
        if self._plan.has_histories:
            tables["copies"] = _with_whole_sizes(copies)
        copied, unreadable = self._journaled.read(key_range)
        # As if they were not planned: the store should have the same object as before.
        tables["copies"] = rows_without(tables["copies"], "key", unreadable)
        differences, same = self._verifier.compare(key_range, copied=copied, **tables)
        explained = self._later.explained(differences)
        self.since_plan += len(explained)
        differences = rows_without(differences, "key", explained)
        written = self._written_since_report(differences, listed, copies)
        self.since_report += len(written)
        differences = rows_without(differences, "key", written)
        others = self._left_out.read(key_range, listed)
        differences = _unlike(differences, others, copies, deletes)
        judged = {*differences.column("key").to_pylist(), *unreadable, *explained, *written, *others}
        return RangeComparison(listed, differences, same, judged)

    def _written_since_report(self, differences: pa.Table, listed: pa.Table, copies: pa.Table) -> list[str]:
        """Keys that differ, that the plan did not copy, and whose objects were written after its report was begun.

        The plan says nothing of these objects: it was made from the report.
        """
        if self._report is None:
            return []
        differing = rows_with(differences, "difference", _OF_WRITES)
        if not differing.num_rows:
            return []
        prefix = self._plan.store.prefix
        later = listed.filter(pc.field("last_modified") >= self._report.as_of).column("key").to_pylist()
        below = {key[len(prefix) :] for key in later}
        keys = rows_unlike(differing, "key", copies).column("key").to_pylist()
        return [key for key in keys if key in below]


def _unlike(differences: pa.Table, left_out: set[str], *acted: pa.Table) -> pa.Table:
    """The differences without those at keys that filters left out and that the plan does not act on."""
    if not left_out or not differences.num_rows:
        return differences
    for rows in acted:
        left_out = left_out - set(rows.column("key").to_pylist())
    return rows_without(differences, "key", sorted(left_out))


def _with_whole_sizes(copies: pa.Table) -> pa.Table:
    """Copies of versions with the bytes that all versions of the key have then, and not only those to copy."""
    before = pc.call_function("coalesce", [copies.column("store_size"), pa.scalar(0, pa.int64())])
    place = copies.schema.get_field_index("size")
    return copies.set_column(place, copies.field(place), pc.call_function("add", [copies.column("size"), before]))

"""Lists the store again and checks whether it is as a plan requires."""

import uuid
from bisect import bisect_left
from collections import Counter
from contextlib import ExitStack, closing
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.compute as pc

from hyve_pipeline.core.base.arrow_columns import rows_unlike, rows_with, rows_without
from hyve_pipeline.core.model.event import EventKind
from hyve_pipeline.core.model.filters import Filters
from hyve_pipeline.core.model.inventory import Inventory
from hyve_pipeline.core.model.journal import UNREADABLE, JournalRow, Outcome
from hyve_pipeline.core.model.plan import Plan
from hyve_pipeline.core.model.ranges import RelativeRange, cut_ranges
from hyve_pipeline.core.model.safety_rules import ONE_BUCKET
from hyve_pipeline.core.model.sample import parse_sample
from hyve_pipeline.core.model.shards import Shard
from hyve_pipeline.core.model.verification import (
    COPIED_SCHEMA,
    DIFFERENCE_SCHEMA,
    Difference,
    Verification,
    Verifier,
)
from hyve_pipeline.core.runtime.progress import end, estimate, report
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.operations.inventory.mapped import map_inventory
from hyve_pipeline.operations.inventory.named_keys import take_named_inventories
from hyve_pipeline.operations.inventory.sorted_rows import SortedRows, open_inventory
from hyve_pipeline.operations.inventory.take import take_inventory
from hyve_pipeline.operations.journal.ends import note_missed_ends
from hyve_pipeline.operations.journal.status import plan_status, raise_refusal
from hyve_pipeline.operations.requests.contents import COMPARE_CONTENT
from hyve_pipeline.operations.stored_tables import StoredTable, TableShelf
from hyve_pipeline.operations.verify.content import ContentComparer
from hyve_pipeline.operations.verify.history_content import HistoryComparer
from hyve_pipeline.operations.verify.later_plans import LaterPlans
from hyve_pipeline.operations.verify.left_out import LeftOutKeys
from hyve_pipeline.state.journals import ShardJournal
from hyve_pipeline.state.parquet import writing_parquet

_RANGE_ROWS = 50_000
_EXAMPLES = 20

# The activity, for progress reports.
_VERIFY = "verify"

# The columns of a listed object that are compared.
_COMPARED = ["key", "size", "etag"]

# Those that reports of S3 Inventory and filters are judged by.
_LOOKED_AT = ["last_modified", "storage_class"]

# The differences that may be of what was written since a report, by an earlier plan or by somebody else.
_OF_WRITES = [Difference.DIFFERENT.value, Difference.UNEXPECTED.value]


def verify_plan(
    context: SyncContext, plan: Plan, *, list_again: bool = True, content: str | None = None
) -> Verification:
    """List the store and compare it with what `plan` requires.

    Args:
        context: the sync.
        plan: the plan.
        list_again: False uses the listing that the plan was made from if the plan is empty, so that applying it
            changed nothing. A report of S3 Inventory is no listing: then the store is listed.
        content: the share of the objects whose content is compared too, such as ``1%``; each time another sample.

    Raises:
        ConfigurationError: `content` is not a percentage.
        RefusedError: source and store are one bucket, so that the store is not a second copy.
        BucketError: the store can't be reached.
        IncompleteInventoryError: it can't be listed completely.
        StateError: a file of the plan or its journal is damaged.
    """
    raise_refusal((refusal for refusal in plan.refusals if refusal.rule == ONE_BUCKET), "copy")
    # Another listing can't be compared with the plan.
    context = context.with_options(plan.options)
    sample = None if content is None else parse_sample(content, seed=str(uuid.uuid4()))
    status = plan_status(context, plan)
    note_missed_ends(context, status)
    before = context.inventories("store").load(plan.store_inventory)
    is_listed = list_again or not plan.is_empty or before.report is not None
    inventory = _look_again(context, plan) if is_listed else before
    prefix = plan.store.prefix
    counts: Counter[Difference] = Counter()
    examples: list[tuple[Difference, str]] = []
    objects = since = since_plan = 0
    estimate(_VERIFY, inventory.objects)
    state = context.state
    folder = state.below(f"verifications/{plan.id}")
    with (
        ExitStack() as stack,
        closing(open_inventory(state, inventory, [*_COMPARED, *_LOOKED_AT])) as listed,
        closing(SortedRows(state, before.files, prefix, _COMPARED)) as planned,
        closing(SortedRows(state, plan.files["copy"])) as copies,
        closing(SortedRows(state, plan.files["delete"])) as deletes,
        closing(Verifier(Filters.of(plan.options), prefix)) as verifier,
        writing_parquet(folder, f"{inventory.id}.parquet", DIFFERENCE_SCHEMA) as writer,
    ):
        journaled = _JournaledCopies(context, plan)
        proved = f"verifications/{plan.id}/{inventory.id}-content.parquet"
        make_comparer = HistoryComparer if plan.has_histories else ContentComparer
        comparer = None if sample is None else make_comparer(context, plan, sample, proved, stack)
        left_out = LeftOutKeys(context, plan, stack)
        later = LaterPlans(context, plan, stack)
        is_same = inventory.id == plan.store_inventory
        files = {"listed": listed, "planned": listed if is_same else planned, "copies": copies, "deletes": deletes}
        each_once = set(files.values())
        chunks = [chunk for file in each_once for chunk in file.chunks]
        for key_range in cut_ranges(chunks, _RANGE_ROWS):
            rows = {file: file.read(key_range) for file in each_once}
            tables = {name: rows[file] for name, file in files.items()}
            if plan.as_of is not None:
                # They are never done.
                tables["deletes"] = tables["deletes"].slice(0, 0)
            if plan.has_histories:
                tables["copies"] = _with_whole_sizes(tables["copies"])
            copied, unreadable = journaled.read(key_range)
            # As if they were not planned: the store should have the same object as before.
            tables["copies"] = rows_without(tables["copies"], "key", unreadable)
            differences, same = verifier.compare(key_range, copied=copied, **tables)
            explained = later.explained(differences)
            differences = rows_without(differences, "key", explained)
            unreadable = [*unreadable, *explained]
            since_plan += len(explained)
            if before.report is not None:
                written = _written_since(before.report.as_of, differences, tables["listed"], rows[copies], prefix)
                differences = rows_without(differences, "key", written)
                unreadable = [*unreadable, *written]
                since += len(written)
            others = left_out.read(key_range, tables["listed"])
            differences = _unlike(differences, others, rows[copies], rows[deletes])
            if comparer is not None:
                differing = {*differences.column("key").to_pylist(), *unreadable, *others}
                more = comparer.compare(key_range, tables["listed"], differing)
                differences = pa.concat_tables([differences, more]).sort_by("key")
                same -= more.num_rows
            writer.write_table(differences)
            objects += same
            report(_VERIFY, same + differences.num_rows, 0)
            for row in differences.to_pylist():
                counts[Difference(row["difference"])] += 1
                if len(examples) < _EXAMPLES:
                    examples.append((Difference(row["difference"]), row["key"]))
    end(_VERIFY)
    if comparer is not None:
        end(COMPARE_CONTENT)
    verification = Verification(
        sync=context.name,
        plan=plan.id,
        ended=datetime.now(UTC),
        objects=objects,
        differences=dict(counts),
        examples=tuple(examples),
        inventory=inventory.id,
        file=f"verifications/{plan.id}/{inventory.id}.parquet",
        content=None if comparer is None else comparer.summary,
        attempts=status.attempts,
        since_report=since,
        since_plan=since_plan,
    )
    folder.write_manifest(f"{inventory.id}.json", verification)
    table = StoredTable(id=plan.id, files=(verification.file,))
    TableShelf(context.home, context.name, "verification").keep(table, context.actor.id)
    context.note(EventKind.PLAN_VERIFIED, plan=plan.id, verification=inventory.id)
    return verification


def _look_again(context: SyncContext, plan: Plan) -> Inventory:
    """What the store has now, of all keys or of those that the plan is restricted to."""
    if plan.named is not None:
        return take_named_inventories(context.with_mapping(plan.source.mapping), ("store",), plan.named)["store"]
    return map_inventory(context, take_inventory(context, "store", activity="list store again"), plan.source.mapping)


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


def _written_since(
    as_of: datetime, differences: pa.Table, listed: pa.Table, copies: pa.Table, prefix: str
) -> list[str]:
    """Keys that differ, that the plan did not copy, and whose objects were written after a report was begun.

    The plan says nothing of these objects: it was made from the report.
    """
    differing = rows_with(differences, "difference", _OF_WRITES)
    if not differing.num_rows:
        return []
    later = listed.filter(pc.field("last_modified") >= as_of).column("key").to_pylist()
    below = {key[len(prefix) :] for key in later}
    keys = rows_unlike(differing, "key", copies).column("key").to_pylist()
    return [key for key in keys if key in below]


class _JournaledCopies:
    """What the journal says of a plan's copies, for ranges that follow each other.

    Raises:
        StateError: the plan's shards can't be read.
    """

    def __init__(self, context: SyncContext, plan: Plan) -> None:
        self._state = context.state
        self._plan = plan.id
        self._shards = plan.shards_of("copy")
        # Of the shards of the last range: a large one has keys of several ranges.
        self._rows: dict[int, list[JournalRow]] = {}

    def read(self, key_range: RelativeRange) -> tuple[pa.Table, list[str]]:
        """Finished copies, as in `COPIED_SCHEMA`, and keys of objects that can't be read now.

        Raises:
            StateError: the journal is damaged.
        """
        begin = bisect_left(self._shards, key_range.first, key=_last_key)
        end = None if key_range.end is None else bisect_left(self._shards, key_range.end, begin, key=_first_key)
        shards = self._shards[begin:end]
        self._rows = {
            shard.number: self._rows.get(shard.number)
            or [*ShardJournal(self._state, self._plan, shard).last_rows().values()]
            for shard in shards
        }
        rows = [row for found in self._rows.values() for row in found]
        done = [row for row in rows if row.outcome is Outcome.DONE and row.etag_after is not None]
        copied = pa.table({"key": [row.key for row in done], "etag": [row.etag_after for row in done]}, COPIED_SCHEMA)
        return copied, [row.key for row in rows if row.outcome is Outcome.SKIPPED and row.code in UNREADABLE]


def _first_key(shard: Shard) -> str:
    return shard.first_key


def _last_key(shard: Shard) -> str:
    return shard.last_key

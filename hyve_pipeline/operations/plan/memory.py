"""Keeps up to date what is remembered of copied objects, and gives it to the comparison by key range.

Journals are added by the events of shards that ended since, so the cost depends on what was done and not on what is
remembered. Keys that failed, and those without an outcome in a shard that was begun and has no end, count as
interrupted: their objects may be incomplete, so the next plan copies them again.
"""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from itertools import islice

import pyarrow as pa
import pyarrow.compute as pc

from hyve_pipeline.core.base.arrow_columns import rows_unlike
from hyve_pipeline.core.base.errors import ConfigurationError, StateError
from hyve_pipeline.core.model.event import EventKind
from hyve_pipeline.core.model.memory import INTERRUPTED, MEMORY_SCHEMA, Memory, Segment
from hyve_pipeline.core.model.plan import Plan
from hyve_pipeline.core.model.ranges import RangeDatabase, RelativeRange, cut_ranges
from hyve_pipeline.core.model.shards import Shard
from hyve_pipeline.core.model.verification import PROVED_SCHEMA, Verification
from hyve_pipeline.core.runtime.closing import Closing
from hyve_pipeline.core.settings.places import Place
from hyve_pipeline.operations.context import SyncContext
from hyve_pipeline.operations.inventory.sorted_rows import SortedRows
from hyve_pipeline.operations.plan.freeze import read_shard
from hyve_pipeline.state.ended import ended_attempts
from hyve_pipeline.state.files import Folder
from hyve_pipeline.state.journals import ShardJournal, begun_shards
from hyve_pipeline.state.parquet import writing_parquet
from hyve_pipeline.state.plans import next_id

# With more segments than this, they are merged into one: a range is read from each.
_MOST_SEGMENTS = 8

# The first segment stays as it is while it has more than so many times the rows of all others.
_MUCH_LARGER = 4

# Rows of a row group, and row groups of a file: 13 million keys.
_GROUP_ROWS = 50_000
_FILE_GROUPS = 256

# Events that are read at a time.
_EVENTS = 500

# Of so many of the newest plans, shards that were begun and have no end are searched.
_WATCHED_PLANS = 4

_EMPTY = MEMORY_SCHEMA.empty_table()

# What the journal of a shard says, `planned` being the rows of the plan and `journaled` those of the journal. Of
# copies: the keys that are done, by the last attempt at each, and the keys whose objects may be incomplete. A server
# may have made a copy although it was of another object than the planned one: then the outcome is skipped, with an
# ETag.
_COPIED = f"""
    SELECT key, source_etag, nullif(max_by(etag_after, number), '') AS store_etag, size
    FROM journaled JOIN planned USING (key) WHERE outcome = 'done' GROUP BY ALL
    UNION ALL
    SELECT key, '{INTERRUPTED}', NULL, size FROM planned
    WHERE key NOT IN (
        SELECT key FROM journaled WHERE outcome = 'done' OR outcome = 'skipped' AND etag_after IS NULL
    )"""  # noqa: S608 - a constant
_DELETED = """
    SELECT key, NULL AS source_etag, NULL AS store_etag, 0 AS size
    FROM journaled WHERE outcome = 'done' GROUP BY key"""


class MemoryRows(Closing):
    """What is remembered, by key range.

    Args:
        state: the sync's state.
        memory: which memory; None if nothing is remembered.

    Raises:
        StateError: one of its files is missing or damaged.
    """

    def __init__(self, state: Folder, memory: Memory | None) -> None:
        segments = () if memory is None else memory.segments
        self._newest_first = [SortedRows(state, segment.files) for segment in reversed(segments)]

    @property
    def chunks(self) -> Iterator[tuple[str, int]]:
        """First key and number of rows of each row group, in no order."""
        return (chunk for rows in self._newest_first for chunk in rows.chunks)

    def read(self, key_range: RelativeRange) -> pa.Table:
        """The keys of the range, and perhaps some before and after it, as in `MEMORY_SCHEMA`; each once, in no order.

        Raises:
            StateError: a file is damaged.
        """
        found = _EMPTY
        for rows in self._newest_first:
            found = pa.concat_tables([found, rows_unlike(rows.read(key_range), "key", found)])
        return found

    def close(self) -> None:
        """Close the files."""
        for rows in self._newest_first:
            rows.close()


def update_memory(context: SyncContext, source: Place, store: Place, *, number: int | None = None) -> Memory | None:
    """What is remembered of two places, with everything that was journaled until now.

    Args:
        context: the sync.
        source: the place of the one side.
        store: that of the other.
        number: the place in the order of what is written, greater than those of all that the state has; None looks for
            the next one.

    Returns:
        None if nothing was ever copied or deleted.

    Raises:
        StateError: what is remembered is damaged, or can't be written.
    """
    newest = context.memories.newest()
    if newest is not None and not (newest.source.is_same_place(source) and newest.store.is_same_place(store)):
        newest = None
    if newest is not None and newest.versions != context.settings.options.versions:
        newest = None
    event, interrupted = (0, ()) if newest is None else (newest.event, newest.interrupted)
    found = _Found(context, source, store, interrupted)
    last = found.add_ended(event)
    found.add_interrupted()
    if not found.steps and found.interrupted == set(interrupted):
        return newest
    memory = _new_memory(context, source, store, number) if newest is None else _following(context, newest, number)
    memory = memory.model_copy(update={"event": last, "interrupted": tuple(sorted(found.interrupted))})
    with _Writer(context, memory) as writer:
        for plan, done in found.steps:
            if isinstance(done, str):
                writer.add(_proved(context.state, done))
            else:
                writer.add_plan(plan, done.values())
        memory = memory.model_copy(update={"segments": writer.segments()})
    context.memories.save(memory)
    return memory


def add_to_memory(context: SyncContext, source: Place, store: Place, pairs: Iterable[pa.Table]) -> None:
    """Remember pairs of objects that are known to be equal.

    Args:
        context: the sync.
        source: the place of the one.
        store: that of the other.
        pairs: the pairs in key order, as in `MEMORY_SCHEMA`.

    Raises:
        StateError: what is remembered is damaged, or can't be written.
    """
    before = update_memory(context, source, store)
    memory = _new_memory(context, source, store) if before is None else _following(context, before)
    with _Writer(context, memory) as writer:
        writer.add(pairs)
        memory = memory.model_copy(update={"segments": writer.segments()})
    context.memories.save(memory)


def _new_memory(context: SyncContext, source: Place, store: Place, number: int | None = None) -> Memory:
    created = datetime.now(UTC)
    versions = context.settings.options.versions
    memory_id = next_id(context.state, created, number)
    return Memory(id=memory_id, created=created, source=source, store=store, versions=versions)


def _following(context: SyncContext, before: Memory, number: int | None = None) -> Memory:
    """A memory with a new id, and for the rest as the one before."""
    created = datetime.now(UTC)
    return before.model_copy(update={"id": next_id(context.state, created, number), "created": created})


class _Found:
    """What to take into account, by plan, in the order in which its rows replace each other.

    Attributes:
        interrupted: the partition keys of shards that were begun and have no end.
        steps: shards that ended, by number, or the file of what a verification found equal by content.
    """

    def __init__(self, context: SyncContext, source: Place, store: Place, interrupted: Iterable[str]) -> None:
        self._context = context
        self._places = source, store
        self._plans: dict[str, Plan | None] = {}
        self._before = frozenset(interrupted)
        self.interrupted: set[str] = set()
        self.steps: list[tuple[Plan, dict[int, Shard] | str]] = []

    def add_ended(self, event: int) -> int:
        """Add the shards and the verifications that ended after an event, and return the number of the last event."""
        while events := self._context.events.after(event, _EVENTS):
            event = events[-1].number
            for found in events:
                if found.kind is EventKind.SHARD_ENDED and found.plan is not None and found.shard is not None:
                    self._add(found.plan, found.shard)
                if found.kind is EventKind.PLAN_VERIFIED and found.plan is not None and found.verification is not None:
                    self._add_contents(found.plan, found.verification)
        return event

    def add_interrupted(self) -> None:
        """Add the shards of the newest plans that were begun and have no end."""
        state = self._context.state
        newest_first = list(islice(self._context.plans.newest_ids(), _WATCHED_PLANS))
        for plan_id in reversed(newest_first):
            for number in sorted(begun_shards(state, plan_id) - ended_attempts(state, plan_id).keys()):
                plan = self._plan(plan_id)
                shard = None if plan is None else plan.shard(number)
                if plan is None or shard is None or shard.action != "copy":
                    continue
                self.interrupted.add(plan.partition_key(shard))
                if plan.partition_key(shard) not in self._before:
                    self._add(plan_id, number)

    def _add(self, plan_id: str, number: int) -> None:
        plan = self._plan(plan_id)
        shard = None if plan is None else plan.shard(number)
        if plan is None or shard is None:
            return
        shards = self.steps[-1][1] if self.steps and self.steps[-1][0].id == plan_id else None
        if not isinstance(shards, dict):
            shards = {}
            self.steps.append((plan, shards))
        shards[number] = shard

    def _add_contents(self, plan_id: str, verification: str) -> None:
        """Add what a verification found equal by content, also where the server gave no ETag when it was copied."""
        plan = self._plan(plan_id)
        if plan is None:
            return
        try:
            folder = self._context.state.below(f"verifications/{plan_id}")
            content = folder.read_manifest(f"{verification}.json", Verification).content
        except StateError:
            return
        if content is not None and content.file is not None:
            self.steps.append((plan, content.file))

    def _plan(self, plan_id: str) -> Plan | None:
        """A plan for these places and versions; None for any other, and for one that was dropped."""
        if plan_id not in self._plans:
            try:
                plan = self._context.plans.load(plan_id)
            except (ConfigurationError, StateError):
                plan = None
            source, store = self._places
            is_wanted = (
                plan is not None
                and plan.source.is_same_place(source)
                and plan.store.is_same_place(store)
                and plan.options.versions == self._context.settings.options.versions
            )
            self._plans[plan_id] = plan if is_wanted else None
        return self._plans[plan_id]


class _Writer(Closing):
    """Writes the segments that a memory has more than the one before."""

    def __init__(self, context: SyncContext, memory: Memory) -> None:
        self._context = context
        self._memory = memory
        self._segments = list(memory.segments)
        # Of segments that this memory writes: it may merge them before it is done.
        self._written = 0
        self._database = RangeDatabase()

    def close(self) -> None:
        """Close the database."""
        self._database.close()

    def add_plan(self, plan: Plan, shards: Iterable[Shard]) -> None:
        """Add what the journals of some shards of a plan say."""
        for action in ("copy", "delete"):
            # In key order.
            wanted = sorted((shard for shard in shards if shard.action == action), key=lambda shard: shard.number)
            self.add(self._rows_of(plan, shard) for shard in wanted)

    def segments(self) -> tuple[Segment, ...]:
        """All segments, merged if they are many: into one, or behind a first one that is much larger than the others.

        Otherwise many small plans, as events make them, would write all that is remembered again and again.
        """
        if len(self._segments) > _MOST_SEGMENTS:
            first, *others = self._segments
            stays = first.rows > _MUCH_LARGER * sum(segment.rows for segment in others)
            merged = self._memory.model_copy(update={"segments": tuple(others if stays else self._segments)})
            self._segments = [first] if stays else []
            self.add(_merged(self._context.state, merged, keeps_deleted=stays))
        return tuple(self._segments)

    def add(self, tables: Iterable[pa.Table]) -> None:
        """Add rows that are in key order as a segment; none if there are no rows."""
        files: list[str] = []
        rows = 0
        groups = _groups(tables)
        following = next(groups, None)
        while following is not None:
            files.append(self._context.memories.file_name(self._memory.id, self._written, len(files)))
            with writing_parquet(self._context.state, files[-1], MEMORY_SCHEMA, repetitive=[]) as writer:
                for _ in range(_FILE_GROUPS):
                    if following is None:
                        break
                    writer.write_table(following, row_group_size=following.num_rows)
                    rows += following.num_rows
                    following = next(groups, None)
        if files:
            self._written += 1
            self._segments.append(Segment(files=tuple(files), rows=rows))

    def _rows_of(self, plan: Plan, shard: Shard) -> pa.Table:
        state = self._context.state
        columns = ["key", "outcome", "etag_after"]
        try:
            tables = [table.select(columns) for table in ShardJournal(state, plan.id, shard).tables()]
        except StateError:
            # A damaged journal must not prevent the next plan: what may have been copied is copied again.
            tables = []
        empty = pa.table({name: pa.array([], pa.string()) for name in columns})
        journaled = pa.concat_tables([empty, *(table.cast(empty.schema) for table in tables)])
        journaled = journaled.append_column("number", pa.array(range(journaled.num_rows), pa.int64()))
        planned = read_shard(self._context, plan, shard).select(["key", "source_etag", "size"])
        sql = _COPIED if shard.action == "copy" else _DELETED
        with self._database.showing({"journaled": journaled, "planned": planned}) as connection:
            # No untrusted text.
            found = connection.sql(f"SELECT * FROM ({sql}) ORDER BY key").to_arrow_table()  # noqa: S608
        return found.select(MEMORY_SCHEMA.names).cast(MEMORY_SCHEMA)


def _proved(state: Folder, file: str) -> Iterator[pa.Table]:
    """The pairs whose contents a verification found equal.

    If its file is damaged, that must not prevent the next plan: what is missing is compared as before.
    """
    with suppress(StateError), SortedRows(state, [file], schema=PROVED_SCHEMA) as rows:
        for key_range in cut_ranges(rows.chunks, _GROUP_ROWS):
            known = rows.read(key_range)
            # What is remembered of a key with versions is of its whole history.
            known = known.filter(pc.field("size").is_valid() & pc.field("place").is_null())
            yield known.select(MEMORY_SCHEMA.names).cast(MEMORY_SCHEMA)


def _merged(state: Folder, memory: Memory, *, keeps_deleted: bool) -> Iterator[pa.Table]:
    """The rows of all segments in key order; with the keys that were deleted where an earlier segment may have them."""
    condition = "true" if keeps_deleted else "source_etag IS NOT NULL"
    with ExitStack() as stack:
        rows = stack.enter_context(MemoryRows(state, memory))
        database = stack.enter_context(RangeDatabase())
        for key_range in cut_ranges(rows.chunks, _GROUP_ROWS):
            bounds = {"first": key_range.first, "end": key_range.end}
            with database.showing({"remembered": rows.read(key_range)}) as connection:
                found = connection.sql(
                    f"SELECT * FROM remembered WHERE {condition} AND key >= $first "  # noqa: S608 - a constant
                    "AND ($end IS NULL OR key < $end) ORDER BY key",
                    params=bounds,
                ).to_arrow_table()
            yield found.cast(MEMORY_SCHEMA)


def _groups(tables: Iterable[pa.Table]) -> Iterator[pa.Table]:
    """The rows of some tables, in tables that are large enough for a row group."""
    waiting: list[pa.Table] = []
    rows = 0
    for table in tables:
        for start in range(0, table.num_rows, _GROUP_ROWS):
            part = table.slice(start, _GROUP_ROWS)
            waiting.append(part)
            rows += part.num_rows
            if rows >= _GROUP_ROWS:
                yield pa.concat_tables(waiting)
                waiting, rows = [], 0
    if rows:
        yield pa.concat_tables(waiting)

"""Pairs of objects or versions of both buckets, range by range, each with what proves that its contents are equal.

Everything is from the state: the two listings, the plan and its journal, what verifications compared by content, and
what is remembered of earlier copies.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

import pyarrow as pa

from hyve_pipeline.core.base.arrow_columns import rows_with
from hyve_pipeline.core.base.etags import HEX_ETAG_PATTERN, differing_etags
from hyve_pipeline.core.base.manifest import Count
from hyve_pipeline.core.model.diff import ChangeSet
from hyve_pipeline.core.model.filters import Filters
from hyve_pipeline.core.model.inventory import SIDES, Inventory
from hyve_pipeline.core.model.journal import Outcome
from hyve_pipeline.core.model.memory import Memory
from hyve_pipeline.core.model.plan import Plan
from hyve_pipeline.core.model.proof import How, Unlike
from hyve_pipeline.core.model.ranges import RangeDatabase, RelativeRange, below, cut_ranges
from hyve_pipeline.core.model.shards import Shard, shards_with_keys
from hyve_pipeline.core.model.verification import PROVED_SCHEMA, Verification
from hyve_pipeline.operations.context import Folder, SyncContext
from hyve_pipeline.operations.inventory.sorted_rows import SortedRows, open_inventory
from hyve_pipeline.operations.plan.memory import MemoryRows
from hyve_pipeline.operations.prove import version_pairs
from hyve_pipeline.state.journals import ShardJournal

_LISTED = ["key", "size", "etag"]
_FILTERED = ["last_modified", "storage_class"]
_PLANNED = ["key", "set", "source_etag"]

# Of the journal; journals of earlier versions lack the last two.
_DONE = ("key", "etag_after", "how", "checksum")
_DONE_SCHEMA = pa.schema([pa.field(name, pa.string()) for name in ("key", "etag", "how", "checksum")])


@dataclass(frozen=True)
class Evidence:
    """What the pairs are made from.

    Attributes:
        plan: the plan.
        source, store: the listings.
        verification: the verification of the plan.
        contents: the files of what verifications of the plan compared by content, newest first.
        memory: what is remembered of earlier copies; None if nothing is.
    """

    plan: Plan
    source: Inventory
    store: Inventory
    verification: Verification
    contents: tuple[str, ...] = ()
    memory: Memory | None = None

    @property
    def changes(self) -> tuple[str, ...]:
        """The files of sets that the plan does not act on; none where these are empty."""
        untouched = [ChangeSet.ALTERED, ChangeSet.SKIPPED]
        if Filters.of(self.plan.options).properties.tag:
            untouched.append(ChangeSet.EXCLUDED)
        return self.plan.changes if any(self.plan.count(name).objects for name in untouched) else ()


_HOW = frozenset(how.value for how in How)


@dataclass
class PairCounts:
    """Objects and bytes by what proves the contents equal, and by why a key has no pair."""

    proved_by: dict[How, Count] = field(default_factory=dict)
    not_in_tree: dict[Unlike, Count] = field(default_factory=dict)

    def add(self, name: str, count: Count) -> None:
        """Add what a range has."""
        if name in _HOW:
            self.proved_by[How(name)] = self.proved_by.get(How(name), Count()) + count
        else:
            self.not_in_tree[Unlike(name)] = self.not_in_tree.get(Unlike(name), Count()) + count


def read_pairs(context: SyncContext, evidence: Evidence, counts: PairCounts) -> Iterator[pa.Table]:
    """The pairs in key order, some at a time.

    Args:
        context: the sync.
        evidence: what they are made from.
        counts: gets the numbers of all keys.

    Returns:
        Tables with the columns ``key``, ``size``, ``prefix`` (up to the first ``/``; empty without one) and ``leaf``,
        the data of the leaf after the byte that marks one.

    Raises:
        StateError: a file is missing or damaged.
    """
    with ExitStack() as stack:
        files = _Files(context, evidence, stack)
        database = stack.enter_context(RangeDatabase())
        of_versions = evidence.plan.has_histories
        classified = (version_pairs.classification if of_versions else _classification)(evidence.plan)
        ordered = _pairs_of(version_pairs.LEAF, "key, place") if of_versions else _pairs_of(_LEAF, "key")
        for key_range in cut_ranges(files.chunks, context.bounds.range_rows):
            bounds = {"first": key_range.first, "end": key_range.end}
            with database.showing(files.read(key_range)) as connection:
                connection.execute(f"CREATE OR REPLACE TEMP TABLE classified AS {classified}", bounds)
                totals = connection.execute(_TOTALS).fetchall()
                pairs = connection.sql(ordered).to_arrow_table()
            for name, objects, size in totals:
                counts.add(name, Count(objects=objects, bytes=size))
            yield pairs


class _Files:
    """The rows of all files by key range.

    Raises:
        StateError: a file is missing or damaged.
    """

    def __init__(self, context: SyncContext, evidence: Evidence, stack: ExitStack) -> None:
        state = context.state
        plan = evidence.plan

        def opened(rows: SortedRows) -> SortedRows:
            stack.callback(rows.close)
            return rows

        columns = [*_LISTED, *_FILTERED] if Filters.of(plan.options).look_at_objects else _LISTED
        planned = _PLANNED
        if plan.has_histories:
            columns, planned = [*columns, "history"], [*planned, "store_etag"]
        self._listed = {side: opened(open_inventory(state, getattr(evidence, side), columns)) for side in SIDES}
        self._copies = opened(SortedRows(state, plan.files["copy"], columns=planned))
        self._changes = opened(SortedRows(state, evidence.changes, columns=_PLANNED)) if evidence.changes else None
        self._contents = [opened(SortedRows(state, [file], schema=PROVED_SCHEMA)) for file in evidence.contents]
        self._memory = MemoryRows(state, evidence.memory)
        stack.callback(self._memory.close)
        self._done = _DoneCopies(state, plan)
        self._plan = plan

    @property
    def chunks(self) -> list[tuple[str, int]]:
        """First key and number of rows of each row group of the listings, in no order."""
        return [chunk for rows in self._listed.values() for chunk in rows.chunks]

    def read(self, key_range: RelativeRange) -> dict[str, pa.Table]:
        """The rows of a range, and perhaps some before and after it, by the names that the SQL has for them."""
        contents = [PROVED_SCHEMA.empty_table(), *(rows.read(key_range) for rows in reversed(self._contents))]
        copies = self._copies.read(key_range)
        listed = {f"{side}_rows": rows.read(key_range) for side, rows in self._listed.items()}
        more: dict[str, pa.Table] = {}
        if self._plan.has_histories:
            store = listed["store_rows"]
            more = {"before_rows": version_pairs.before_copies(copies, store, self._plan.store.prefix)}
        return {
            **listed,
            **more,
            "copies_rows": copies,
            "changes_rows": copies.slice(0, 0) if self._changes is None else self._changes.read(key_range),
            "contents_rows": _numbered(pa.concat_tables(contents)),
            "memory_rows": self._memory.read(key_range),
            "done_rows": self._done.read(key_range),
        }


class _DoneCopies:
    """The journal's finished copies of a plan, for ranges that follow each other."""

    def __init__(self, state: Folder, plan: Plan) -> None:
        self._state = state
        self._plan = plan.id
        self._shards = plan.shards_of("copy")
        # Of the shards of the last range: a large one has keys of several ranges.
        self._tables: dict[int, pa.Table] = {}

    def read(self, key_range: RelativeRange) -> pa.Table:
        """The rows, as in `_DONE_SCHEMA`, of all shards that may have keys of the range, with their numbers."""
        wanted = shards_with_keys(self._shards, key_range)
        self._tables = {shard.number: self._tables.get(shard.number) or self._of_shard(shard) for shard in wanted}
        return _numbered(pa.concat_tables([_DONE_SCHEMA.empty_table(), *self._tables.values()]))

    def _of_shard(self, shard: Shard) -> pa.Table:
        journal = ShardJournal(self._state, self._plan, shard)
        done = [rows_with(table, "outcome", [Outcome.DONE.value]) for table in journal.tables()]
        tables = [
            table.select(present := [name for name in _DONE if name in table.column_names])
            .rename_columns(_DONE_SCHEMA.names[: len(present)])
            .cast(pa.schema(list(_DONE_SCHEMA)[: len(present)]))
            for table in done
        ]
        return pa.concat_tables([_DONE_SCHEMA.empty_table(), *tables], promote_options="default")


def _numbered(rows: pa.Table) -> pa.Table:
    """The rows with their numbers in their order, as the column ``number``."""
    return rows.append_column("number", pa.array(range(rows.num_rows), pa.int64()))


def _same(left: str, right: str) -> str:
    """The SQL condition that two ETags are known and equal."""
    return f"coalesce({left} <> '' AND NOT {differing_etags(left, right)}, false)"


def _pins(table: str) -> str:
    """The SQL condition that a table's pair of ETags is that of both listings."""
    return f"{_same('s.etag', f'{table}.source_etag')} AND {_same('t.etag', f'{table}.store_etag')}"


def _classification(plan: Plan) -> str:
    """The SQL of one row a key, with what proves its contents equal, or why it has no pair."""
    bounds = "key >= $first AND ($end IS NULL OR key < $end)"
    prefixes = {"source": plan.source.prefix, "store": plan.store.prefix}
    listed = ", ".join(
        f"{side} AS (SELECT * FROM (SELECT * EXCLUDE (key), {below(prefix)} AS key FROM {side}_rows) "  # noqa: S608
        f"WHERE {bounds})"
        for side, prefix in prefixes.items()
    )
    filters = Filters.of(plan.options)
    passes = filters.passes("s", "t", "s.key IS NOT NULL")
    is_included = f"({filters.condition('coalesce(s.key, t.key)')} AND {passes} IS TRUE)"
    # No untrusted text: globs and prefixes are quoted.
    return f"""
        WITH {listed},
        done AS (SELECT key, max_by(etag, number) AS store_etag FROM done_rows GROUP BY key),
        streamed AS (
            SELECT key, etag AS store_etag, max_by(how, number) AS how, max_by(checksum, number) AS checksum
            FROM done_rows WHERE how IS NOT NULL GROUP BY ALL
        ),
        copies AS (
            SELECT key, source_etag, store_etag, done.key IS NULL AND set <> 'drifted' AS is_outdated, how, checksum
            FROM copies_rows LEFT JOIN done USING (key) LEFT JOIN streamed USING (key, store_etag)
        ),
        contents AS (
            SELECT key, source_etag, store_etag, max_by(how, number) AS how, max_by(checksum, number) AS checksum
            FROM contents_rows GROUP BY ALL
        ),
        changes AS (SELECT key, set FROM changes_rows WHERE set IN ('altered', 'skipped', 'excluded'))
        SELECT
            coalesce(s.key, t.key) AS key,
            coalesce(s.size, t.size) AS size,
            coalesce(s.etag, '') AS source_etag,
            coalesce(t.etag, '') AS store_etag,
            CASE WHEN c.checksum <> '' THEN c.checksum WHEN {_pins("p")} THEN coalesce(p.checksum, '') ELSE '' END
                AS checksum,
            CASE
                WHEN NOT {is_included} OR x.set IS NOT DISTINCT FROM 'excluded' THEN '{Unlike.EXCLUDED}'
                WHEN t.key IS NULL THEN '{Unlike.ONLY_IN_SOURCE}'
                WHEN s.key IS NULL THEN '{Unlike.ONLY_IN_STORE}'
                WHEN s.size <> t.size THEN '{Unlike.DIFFERENT_SIZE}'
                WHEN c.how IS NOT NULL AND c.how <> '{How.READ}' THEN c.how
                WHEN p.how IS NOT NULL AND {_pins("p")} THEN p.how
                WHEN c.how IS NOT NULL THEN c.how
                WHEN x.set = 'altered' THEN '{Unlike.ALTERED}'
                WHEN x.set = 'skipped' OR p.is_outdated THEN '{Unlike.OUTDATED}'
                WHEN {_same("s.etag", "t.etag")} AND regexp_full_match(s.etag, '{HEX_ETAG_PATTERN}')
                    THEN CASE WHEN contains(s.etag, '-') THEN '{How.PARTS_ETAG}' ELSE '{How.MD5_ETAG}' END
                WHEN {_pins("p")} THEN '{How.COPIED}'
                WHEN s.size = m.size AND {_pins("m")} THEN '{How.REMEMBERED}'
                ELSE '{How.NOT_PROVED}'
            END AS class
        FROM source s FULL OUTER JOIN store t ON s.key = t.key
        LEFT JOIN contents c ON c.key = s.key AND c.source_etag = s.etag AND c.store_etag = t.etag
        LEFT JOIN copies p ON p.key = s.key
        LEFT JOIN changes x ON x.key = coalesce(s.key, t.key)
        LEFT JOIN memory_rows m ON m.key = s.key"""  # noqa: S608


_TOTALS = "SELECT class, count(*), sum(size)::BIGINT FROM classified GROUP BY class"

# The fields of a leaf.
_LEAF = ("key", "size::VARCHAR", "source_etag", "store_etag", "checksum")


def _pairs_of(leaf: Sequence[str], order: str) -> str:
    """The SQL of the pairs in their order: a leaf has fields as netstrings, each its bytes, a colon, it and a comma."""
    texts = " || ".join(f"strlen({text}) || ':' || {text} || ','" for text in leaf)
    # Constants.
    return f"""
        SELECT key, size, CASE WHEN contains(key, '/') THEN split_part(key, '/', 1) || '/' ELSE '' END AS prefix,
            encode({texts}) AS leaf
        FROM classified WHERE class IN ({", ".join(f"'{how}'" for how in How)}) ORDER BY {order}"""  # noqa: S608

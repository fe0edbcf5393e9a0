"""The comparison of two inventories, one bounded key range at a time.

It is a full outer join in DuckDB. Only one range's rows are in memory, so memory depends on the range and
not on the bucket. Keys are joined without their side's prefix and compare by UTF-8 bytes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum

import pyarrow as pa
from pydantic import AliasChoices, Field

from hyve_pipeline.core.base.etags import HEX_ETAG_PATTERN, differing_etags
from hyve_pipeline.core.base.manifest import Count, Frozen, StateNames
from hyve_pipeline.core.model.filters import Filters
from hyve_pipeline.core.model.inventory import Inventory
from hyve_pipeline.core.model.memory import INTERRUPTED, MEMORY_SCHEMA
from hyve_pipeline.core.model.ranges import RangeDatabase, RelativeRange, below
from hyve_pipeline.core.model.safety_rules import Action, SharedKeys
from hyve_pipeline.core.settings.options import CompareRule, Options


class ChangeSet(StrEnum):
    """The set that the comparison puts a key in."""

    NEW = "new"
    MODIFIED = "modified"
    DRIFTED = "drifted"  # unchanged in content, but not in headers, metadata, tags or storage class
    DUPLICATE = "duplicate"  # only in the store: to delete
    ALTERED = "altered"  # the store's object is not the copy that was made, and the source's is the one that was copied
    SKIPPED = "skipped"  # would be copied or deleted, but can't be read now, or has no ETag to pin it to
    UNCHANGED = "unchanged"
    EXCLUDED = "excluded"  # left out by the filters: neither copied nor deleted

    @property
    def act(self) -> str | None:
        """What becomes of the objects of the set; None where the name says it."""
        return _ACTS.get(self)

    @property
    def described(self) -> str:
        """The name with what becomes of the objects, such as ``new (to copy)``."""
        return self.value if self.act is None else f"{self.value} ({self.act})"


_ACTS = {
    ChangeSet.NEW: "to copy",
    ChangeSet.MODIFIED: "to overwrite",
    ChangeSet.DRIFTED: "to repair",
    ChangeSet.DUPLICATE: "to delete",
    ChangeSet.ALTERED: "kept as it is",
}


# What a plan does with the sets that it may act on, in the order in which they are displayed.
ACTION_OF: dict[ChangeSet, Action] = {
    ChangeSet.NEW: "copy",
    ChangeSet.MODIFIED: "copy",
    ChangeSet.DRIFTED: "copy",
    ChangeSet.DUPLICATE: "delete",
}

PLANNED_SETS = tuple(ACTION_OF)

# The sets whose rows are kept; of the others only the totals matter.
LISTED_SETS = (*PLANNED_SETS, ChangeSet.ALTERED, ChangeSet.SKIPPED)

# The name of each set's list.
LIST_NAMES = {
    ChangeSet.NEW: "new",
    ChangeSet.MODIFIED: "modified",
    ChangeSet.DRIFTED: "drifted",
    ChangeSet.DUPLICATE: "duplicate_stores",
    ChangeSet.ALTERED: "altered",
}


def sets_of(options: Options) -> tuple[ChangeSet, ...]:
    """The sets under these options: `DRIFTED` only where properties are compared."""
    return tuple(name for name in ChangeSet if name is not ChangeSet.DRIFTED or options.compare_properties)


def planned_sets(options: Options) -> tuple[ChangeSet, ...]:
    """Those of `PLANNED_SETS` under these options."""
    there_are = sets_of(options)
    return tuple(name for name in PLANNED_SETS if name in there_are)


def sets_with_list(options: Options) -> tuple[ChangeSet, ...]:
    """The sets that have files and a text list under these options; that of altered objects only if there are any."""
    return (*planned_sets(options), ChangeSet.ALTERED)


# Classes whose objects can't be read unless they are temporarily restored.
# https://docs.aws.amazon.com/AmazonS3/latest/userguide/restoring-objects.html
ARCHIVED_CLASSES = ("GLACIER", "DEEP_ARCHIVE")

# The start of the reason of an object that is skipped since neither the listing nor HEAD has an ETag.
NO_ETAG = "no ETag"

# The start of the reason of an object of the store that was written after the report of the source was begun: its
# source may have been, too.
NEWER = "newer than the report of the source"

# The most skipped objects that a plan names.
SKIPPED_EXAMPLES = 5

_TIME = pa.timestamp("us", tz="UTC")

_SET_NAMES = "new, modified, drifted, duplicate, altered or skipped; excluded, where tags leave the object out"

CHANGE_SCHEMA = pa.schema(
    [
        pa.field("key", pa.string(), nullable=False, metadata={"description": "the key below the prefix"}),
        pa.field("set", pa.string(), nullable=False, metadata={"description": _SET_NAMES}),
        pa.field("reason", pa.string(), nullable=False, metadata={"description": "why the key is in its set"}),
        pa.field("size", pa.int64(), nullable=False, metadata={"description": "bytes to copy, or to delete"}),
        pa.field("source_etag", pa.string(), metadata={"description": "the source's ETag when it was listed"}),
        pa.field("source_last_modified", _TIME, metadata={"description": "when the source was last written"}),
        pa.field("storage_class", pa.string(), metadata={"description": "the source's storage class"}),
        pa.field("store_etag", pa.string(), metadata={"description": "the store's ETag when it was listed"}),
        pa.field("store_last_modified", _TIME, metadata={"description": "when the store's copy was last written"}),
        pa.field("store_size", pa.int64(), metadata={"description": "bytes of the store's copy"}),
        pa.field("store_storage_class", pa.string(), metadata={"description": "the storage class of the store's copy"}),
    ]
)


def rows_of_set(rows: pa.Table, name: ChangeSet, reasons: Sequence[str]) -> pa.Table:
    """Rows as in `CHANGE_SCHEMA` as rows of a set, with a reason for each."""
    for column, values in (("set", [name.value] * rows.num_rows), ("reason", list(reasons))):
        place = CHANGE_SCHEMA.get_field_index(column)
        rows = rows.set_column(place, CHANGE_SCHEMA.field(place), pa.array(values, pa.string()))
    return rows


# The keys, below the prefix, that were undone and not copied since.
UNDONE_SCHEMA = pa.schema([pa.field("key", pa.string(), nullable=False)])

# The reason of an object that the store has otherwise than it was copied.
ALTERED_REASON = "changed in the store by somebody else"

# The reason, until the contents are compared, of two objects of one size whose ETags can't decide.
CONTENT_UNKNOWN = "content not compared"

# The rules of modification; their results are the reasons in the plan. Null means unchanged. `s` is the source's row
# and `t` the store's. An ETag that is not 32 hexadecimal digits is not an MD5 of the content (multipart uploads), so
# it can't show whether two objects are equal.
PLAIN_MD5_PATTERN = "'^[0-9a-fA-F]{32}$'"
_ETAGS_DIFFER = differing_etags("s.etag", "t.etag")
_MODIFIED_REASON: dict[CompareRule, str] = {
    "last_modified": f"""CASE
        WHEN s.size <> t.size THEN 'size differs'
        WHEN s.last_modified > t.last_modified THEN 'source is newer'
        WHEN s.last_modified = t.last_modified AND {_ETAGS_DIFFER} THEN 'same time, ETag differs' END""",
    "size": "CASE WHEN s.size <> t.size THEN 'size differs' END",
    "etag": f"""CASE
        WHEN regexp_matches(s.etag, {PLAIN_MD5_PATTERN}) AND regexp_matches(t.etag, {PLAIN_MD5_PATTERN})
            THEN CASE WHEN {_ETAGS_DIFFER} THEN 'ETag differs' END
        WHEN s.size <> t.size THEN 'size differs'
        WHEN s.last_modified > t.last_modified THEN 'source is newer' END""",
    # Equal ETags of multipart uploads are of equal parts; different ones say nothing.
    "content": f"""CASE
        WHEN s.size <> t.size THEN 'size differs'
        WHEN regexp_matches(s.etag, {PLAIN_MD5_PATTERN}) AND regexp_matches(t.etag, {PLAIN_MD5_PATTERN})
            THEN CASE WHEN {_ETAGS_DIFFER} THEN 'ETag differs' END
        WHEN {_ETAGS_DIFFER} OR NOT regexp_full_match(s.etag, '{HEX_ETAG_PATTERN}') THEN '{CONTENT_UNKNOWN}' END""",
}


class FutureDates(Frozen):
    """Objects whose LastModified is in the future.

    Attributes:
        objects: how many.
        key: the first one's whole key.
        last_modified: its LastModified.
    """

    objects: int
    key: str
    last_modified: datetime


class Diff(Frozen):
    """The manifest of one comparison.

    Attributes:
        id: unique below the sync.
        sync: the sync's name.
        created: when the comparison was made.
        options: the options in force, overrides of the one run included.
        source, store: the inventories compared.
        counts: objects and bytes by set; bytes are the source's, for duplicates the store's.
        uncompared: how many unchanged objects had properties that could not be compared, by reason.
        unpinned: how many objects are skipped since they have no ETag.
        newer: how many objects of the store are skipped since they are newer than the report of the source.
        hidden: in a diff of versions, how many objects of the store are to be hidden by a delete marker.
        skipped_examples: the first few objects that are skipped, as (key, reason).
        shared: what shows whether both inventories are of one bucket; None where their places alone show that they are
            not.
        future: the source's objects that are dated in the future; None if there are none, or times are not compared.
        memory: the id of what was remembered of earlier copies; None if nothing was.
        changes: the Parquet file of all listed sets, in key order, columns as in `CHANGE_SCHEMA`.
        digest: SHA-256 of that file.
        files: the Parquet files of each set that has a list: new, modified, duplicate, altered and, if properties are
            compared, drifted.
    """

    id: str
    sync: str
    created: datetime
    options: Options
    source: Inventory
    store: Inventory
    counts: dict[ChangeSet, Count]
    uncompared: dict[str, int] = Field(default_factory=dict)
    unpinned: int = 0
    newer: int = 0
    hidden: int = 0
    skipped_examples: tuple[tuple[str, str], ...] = ()
    shared: SharedKeys | None = None
    future: FutureDates | None = None
    memory: str | None = None
    changes: StateNames
    digest: str
    files: dict[ChangeSet, StateNames] = Field(validation_alias=AliasChoices("files", "uris"))


@dataclass(frozen=True)
class RangeDiff:
    """What one range's comparison found.

    Attributes:
        rows: its listed rows, sorted by key, columns as in `CHANGE_SCHEMA`.
        counts: the totals of each set.
        unchanged: likewise the unchanged objects that can be read on both sides, if requested.
    """

    rows: pa.Table
    counts: dict[ChangeSet, Count]
    unchanged: pa.Table = field(default_factory=CHANGE_SCHEMA.empty_table)


class Differ:
    """Compares ranges of two inventories by one rule and one set of filters.

    Args:
        rule: the rule by which an object counts as modified.
        filters: what the sync includes; tags are not compared here.
        source_prefix: the prefix to remove from the source's keys.
        store_prefix: the prefix to remove from the store's keys.
        compared: the time of the comparison, after which a restored object must still be readable; by default now.
        source_as_of: what the store has of a later time is not deleted, though the source lacks it: the time of the
            report that the source's rows are from. None for a listing.
        gives_unchanged: whether to return the rows of unchanged objects too.
        overwrites_altered: whether altered objects count as modified.
    """

    def __init__(
        self,
        rule: CompareRule,
        filters: Filters,
        *,
        source_prefix: str = "",
        store_prefix: str = "",
        compared: datetime | None = None,
        source_as_of: datetime | None = None,
        gives_unchanged: bool = False,
        overwrites_altered: bool = False,
    ) -> None:
        self._gives_unchanged = gives_unchanged
        self._compared = compared or datetime.now(UTC)
        self._source_as_of = source_as_of
        self._database = RangeDatabase()
        prefixes = {"source": source_prefix, "store": store_prefix}
        altered = ChangeSet.MODIFIED if overwrites_altered else ChangeSet.ALTERED
        classified = _classification(rule, filters, prefixes, altered)
        columns = ", ".join(CHANGE_SCHEMA.names)
        listed = ", ".join(f"'{name}'" for name in LISTED_SETS)
        # No untrusted text: filters and prefixes are quoted below.
        self._totals = f"{classified} SELECT set, count(*), sum(size)::BIGINT FROM classified GROUP BY set"  # noqa: S608
        self._rows = f"{classified} SELECT {columns} FROM classified WHERE set IN ({listed}) ORDER BY key"  # noqa: S608
        readable = "set = 'unchanged' AND NOT is_archived AND NOT is_archived_in_store"
        self._unchanged = f"{classified} SELECT {columns} FROM classified WHERE {readable} ORDER BY key"  # noqa: S608

    def diff(
        self,
        source: pa.Table,
        store: pa.Table,
        key_range: RelativeRange,
        undone: pa.Table | None = None,
        memory: pa.Table | None = None,
    ) -> RangeDiff:
        """Compare the rows of both inventories that are in `key_range`.

        Args:
            source: rows of the source's inventory; rows outside the range are ignored.
            store: rows of the store's inventory, likewise.
            key_range: the range, in keys without prefix.
            undone: keys, without prefix, that are modified wherever both sides have them, as in `UNDONE_SCHEMA`.
            memory: what is remembered of copied keys, without prefix, as in `core.memory.MEMORY_SCHEMA`; each key once.
        """
        bounds = {"first": key_range.first, "end": key_range.end, "compared": self._compared}
        bounds["as_of"] = self._source_as_of
        undone = UNDONE_SCHEMA.empty_table() if undone is None else undone
        memory = MEMORY_SCHEMA.empty_table() if memory is None else memory
        tables = {"source_rows": source, "store_rows": store, "undone_rows": undone, "memory_rows": memory}
        with self._database.showing(tables) as connection:
            totals = connection.execute(self._totals, bounds).fetchall()
            counts = {ChangeSet(name): Count(objects=objects, bytes=size) for name, objects, size in totals}
            # Most ranges of most plans have nothing to list: they are only counted, without reading all columns.
            if counts.keys().isdisjoint(LISTED_SETS):
                rows = CHANGE_SCHEMA.empty_table()
            else:
                rows = connection.sql(self._rows, params=bounds).to_arrow_table().cast(CHANGE_SCHEMA)
            if not self._gives_unchanged or ChangeSet.UNCHANGED not in counts:
                return RangeDiff(rows, counts)
            unchanged = connection.sql(self._unchanged, params=bounds).to_arrow_table().cast(CHANGE_SCHEMA)
        return RangeDiff(rows, counts, unchanged)

    def close(self) -> None:
        """Free the memory and the temporary files."""
        self._database.close()


# What is remembered of a key, `m`, goes before the rule, where the listing gives the ETags that it takes.
_REMEMBERED_REASON = f"""
                    WHEN m.source_etag = '{INTERRUPTED}' THEN 'its last copy was interrupted'
                    WHEN s.etag <> '' AND (s.size <> m.size OR {differing_etags("s.etag", "m.source_etag")})
                        THEN 'source changed since it was copied'
                    WHEN s.etag <> '' AND t.etag <> '' AND m.store_etag IS NOT NULL THEN
                        CASE WHEN t.size <> m.size OR {differing_etags("t.etag", "m.store_etag")}
                            THEN '{ALTERED_REASON}' END"""


def _classification(rule: CompareRule, filters: Filters, prefixes: Mapping[str, str], altered: ChangeSet) -> str:
    bounds = "relative >= $first AND ($end IS NULL OR relative < $end)"
    ranges = (
        f"{side}_range AS (SELECT * FROM "  # noqa: S608 - no untrusted text
        f"(SELECT * EXCLUDE (key), {below(prefix)} AS relative FROM {side}_rows) WHERE {bounds})"
        for side, prefix in prefixes.items()
    )
    archived = ", ".join(f"'{name}'" for name in ARCHIVED_CLASSES)
    return f"""
        WITH {", ".join(ranges)},
        joined AS (
            SELECT
                coalesce(s.relative, t.relative) AS key,
                CASE
                    WHEN t.relative IS NULL THEN 'missing in store'
                    WHEN s.relative IS NULL THEN 'missing in source'
                    WHEN s.relative IN (SELECT key FROM undone_rows) THEN 'undone'{_REMEMBERED_REASON}
                    ELSE {_MODIFIED_REASON[rule]}
                END AS difference,
                s.storage_class IN ({archived}) AND coalesce(s.restored_until <= $compared, true) AS is_archived,
                t.storage_class IN ({archived}) AS is_archived_in_store,
                coalesce(s.etag = '', false) AS lacks_source_etag,
                coalesce(t.etag = '', false) AS lacks_store_etag,
                s.relative IS NULL AS only_in_store,
                coalesce(only_in_store AND t.last_modified >= $as_of::TIMESTAMPTZ, false) AS is_newer,
                t.relative IS NULL AS only_in_source,
                {filters.passes("s", "t", "s.relative IS NOT NULL")} AS passes,
                coalesce(s.size, t.size) AS size,
                s.etag AS source_etag,
                s.last_modified AS source_last_modified,
                s.storage_class AS storage_class,
                t.etag AS store_etag,
                t.last_modified AS store_last_modified,
                t.size AS store_size,
                t.storage_class AS store_storage_class
            FROM source_range AS s FULL OUTER JOIN store_range AS t ON s.relative = t.relative
                LEFT JOIN memory_rows AS m ON s.relative = m.key AND m.source_etag IS NOT NULL
        ),
        classified AS (SELECT
            * EXCLUDE (
                difference, is_newer, only_in_store, only_in_source, lacks_source_etag, lacks_store_etag, passes
            ),
            CASE
                WHEN NOT ({filters.condition("key")}) OR passes IS NOT TRUE THEN 'excluded'
                WHEN difference IS NULL THEN 'unchanged'
                WHEN difference = '{ALTERED_REASON}' AND '{altered}' = 'altered' THEN 'altered'
                WHEN lacks_source_etag OR lacks_store_etag OR is_newer THEN 'skipped'
                WHEN only_in_store THEN 'duplicate'
                WHEN is_archived THEN 'skipped'
                WHEN only_in_source THEN 'new'
                ELSE 'modified'
            END AS set,
            CASE
                WHEN lacks_source_etag THEN '{NO_ETAG} in the source''s listing, ' || difference
                WHEN lacks_store_etag THEN '{NO_ETAG} in the store''s listing, ' || difference
                WHEN is_newer THEN '{NEWER}, ' || difference
                WHEN is_archived THEN 'archived as ' || storage_class || ', ' || difference
            END AS hindrance,
            coalesce(hindrance, difference, '') AS reason
        FROM joined)"""  # noqa: S608 - the condition quotes its globs, the rest is fixed text

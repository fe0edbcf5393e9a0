"""Verification: a new listing of the store compared with the state that the plan should have produced.

Expected are the objects of the store's planned inventory, minus the deletes, plus the copies. Where a copy
was skipped since the source's object could not be read, the store's previous object is expected. The ETag of
a copy is the one in the journal; without one it is the source's if that is the MD5 of the content, else only
the size is compared. A repair of properties must be done according to the journal: a listing does not show it.
"""

from datetime import datetime
from enum import StrEnum

import pyarrow as pa
from pydantic import AliasChoices, Field

from hyve_pipeline.core.base.etags import differing_etags
from hyve_pipeline.core.base.manifest import Frozen, InventoryId, StateName
from hyve_pipeline.core.model.diff import PLAIN_MD5_PATTERN
from hyve_pipeline.core.model.filters import Filters
from hyve_pipeline.core.model.ranges import RangeDatabase, RelativeRange, below
from hyve_pipeline.core.runtime.closing import Closing


class Difference(StrEnum):
    """How the store differs from the plan at one key."""

    MISSING = "missing"  # expected, and not in the listing
    DIFFERENT = "different"  # size or ETag differs from the plan
    NOT_DELETED = "not_deleted"  # the plan deletes it, and it still exists
    UNEXPECTED = "unexpected"  # not in the plan
    CONTENT = "content"  # size and ETag are as planned, but the content differs from the source's
    UNREPAIRED = "unrepaired"  # size and ETag are as planned, but its headers, metadata or tags were not repaired
    UNREAD = "unread"  # the content could not be read and compared

    @property
    def described(self) -> str:
        """The name, followed by words where it does not explain itself."""
        words = _WORDS.get(self)
        return self.value if words is None else f"{self.value} ({words})"


_WORDS = {
    Difference.DIFFERENT: "size or ETag is not as planned",
    Difference.NOT_DELETED: "still there",
    Difference.UNEXPECTED: "not in the plan",
    Difference.CONTENT: "not the source's content",
    Difference.UNREPAIRED: "headers, metadata or tags are not repaired",
    Difference.UNREAD: "the content can't be read",
}


DIFFERENCE_SCHEMA = pa.schema(
    [
        pa.field("key", pa.string(), nullable=False, metadata={"description": "the key below the prefix"}),
        pa.field("difference", pa.string(), nullable=False, metadata={"description": "how the store differs"}),
        pa.field("expected_etag", pa.string(), metadata={"description": "ETag that the plan leaves there"}),
        pa.field("store_etag", pa.string(), metadata={"description": "ETag that was listed"}),
        pa.field("expected_size", pa.int64(), metadata={"description": "bytes that the plan leaves there"}),
        pa.field("store_size", pa.int64(), metadata={"description": "bytes that were listed"}),
    ]
)

# What proves a whole history: each of its versions was compared.
OF_VERSIONS = "versions"

# How the contents of two objects were proved equal, of those that were compared by content. Of a plan of all versions:
# of each version, and of each key all of whose versions are equal a row with the digests of both histories.
PROVED_SCHEMA = pa.schema(
    [
        pa.field("key", pa.string(), nullable=False, metadata={"description": "the key below the prefix"}),
        pa.field("source_etag", pa.string(), nullable=False, metadata={"description": "the source's ETag"}),
        pa.field("store_etag", pa.string(), nullable=False, metadata={"description": "the store's ETag"}),
        pa.field(
            "how",
            pa.string(),
            nullable=False,
            metadata={"description": "checksum, composite_checksum or read; of a whole history, versions"},
        ),
        pa.field(
            "checksum",
            pa.string(),
            nullable=False,
            metadata={"description": "ALGORITHM:VALUE that both sides keep; empty where the contents were read"},
        ),
        # Files of earlier versions do not have it.
        pa.field("size", pa.int64(), metadata={"description": "bytes of both objects"}),
        pa.field("place", pa.int32(), metadata={"description": "of a version its place in the history, from 1"}),
    ]
)

# From the journal: the ETags of finished copies.
COPIED_SCHEMA = pa.schema([pa.field("key", pa.string()), pa.field("etag", pa.string())])


class ContentSummary(Frozen):
    """What was compared by content: byte by byte, or by checksum. Of a plan of all versions, each version counts.

    Attributes:
        percent: the share of the objects in the sample.
        objects: how many were compared.
        bytes: their bytes.
        skipped: how many of the sample were not compared, by reason: changed since the plan, archived.
        by_checksum: how many were decided by checksums that both sides keep; all others were read.
        gets: how many GetObject requests that took.
        file: the Parquet file of the objects that are equal, columns as in `PROVED_SCHEMA`; None in files of earlier
            versions.
    """

    percent: float
    objects: int
    bytes: int
    skipped: dict[str, int]
    by_checksum: int = 0
    gets: int = 0
    file: StateName | None = None


class Verification(Frozen):
    """The result of comparing the store with a plan.

    Attributes:
        sync: the sync's name.
        plan: the plan's id.
        ended: when the comparison was made.
        objects: how many objects are as expected.
        differences: number of keys by kind of difference; kinds without any are omitted.
        examples: the first few, as (kind, key).
        inventory: the id of the listing.
        file: the Parquet file of all differences, columns as in `DIFFERENCE_SCHEMA`.
        content: what was compared by content, if anything.
        attempts: how many attempts at the plan's shards had completed before; None in files of versions that did not
            count them.
        since_report: how many keys were left out, because the plan was made from a report of S3 Inventory of the store
            and their objects were written after it.
        since_plan: how many keys were left out, because plans of some keys, by events or a list, have copied or deleted
            their objects since, and the store has what these left.
    """

    sync: str
    plan: str
    ended: datetime
    objects: int
    differences: dict[Difference, int]
    examples: tuple[tuple[Difference, str], ...]
    inventory: InventoryId
    file: StateName = Field(validation_alias=AliasChoices("file", "uri"))
    content: ContentSummary | None = None
    attempts: int | None = None
    since_report: int = 0
    since_plan: int = 0

    @property
    def verified(self) -> bool:
        """Whether there is no difference."""
        return not self.differences

    @property
    def described(self) -> str:
        """What is different, in one line."""
        figures = ", ".join(f"{count:,} {kind.value}" for kind, count in self.differences.items())
        return f"the store differs from plan {self.plan} ({figures})"


class Verifier(Closing):
    """Compares ranges of a listing with ranges of a plan.

    Args:
        filters: the plan's globs; keys that they exclude are not compared.
        store_prefix: the prefix to remove from the store's keys.
    """

    def __init__(self, filters: Filters, store_prefix: str) -> None:
        self._database = RangeDatabase()
        compared = _comparison(filters, store_prefix)
        columns = ", ".join(DIFFERENCE_SCHEMA.names)
        differing = "WHERE difference IS NOT NULL ORDER BY key"
        # No untrusted text: the filters are quoted below.
        self._totals = f"{compared} SELECT count(*), count(difference) FROM compared"  # noqa: S608
        self._differences = f"{compared} SELECT {columns} FROM compared {differing}"  # noqa: S608

    def compare(
        self,
        key_range: RelativeRange,
        *,
        listed: pa.Table,
        planned: pa.Table,
        copies: pa.Table,
        deletes: pa.Table,
        copied: pa.Table,
    ) -> tuple[pa.Table, int]:
        """Compare one range; rows outside of it are ignored.

        Args:
            key_range: the range, in keys without prefix.
            listed: the new listing of the store, as in `core.inventory.INVENTORY_SCHEMA`.
            planned: the store's inventory that the plan was made from, likewise.
            copies: the plan's copies, as in `core.diff.CHANGE_SCHEMA`.
            deletes: the plan's deletes, likewise.
            copied: finished copies from the journal, as in `COPIED_SCHEMA`.

        Returns:
            The differences, columns as in `DIFFERENCE_SCHEMA`, sorted by key; and how many keys are as
            expected.
        """
        tables = {"listed": listed, "planned": planned, "copies": copies, "deletes": deletes, "copied": copied}
        bounds = {"first": key_range.first, "end": key_range.end}
        with self._database.showing({f"{name}_rows": table for name, table in tables.items()}) as connection:
            (keys, differing) = connection.execute(self._totals, bounds).fetchall()[0]
            if differing:
                differences = connection.sql(self._differences, params=bounds).to_arrow_table().cast(DIFFERENCE_SCHEMA)
            else:
                differences = DIFFERENCE_SCHEMA.empty_table()
        return differences, keys - differing

    def close(self) -> None:
        """Free the memory."""
        self._database.close()


_ETAGS_DIFFER = differing_etags("expected.etag", "listed.etag")


def _comparison(filters: Filters, store_prefix: str) -> str:
    bounds = "key >= $first AND ($end IS NULL OR key < $end)"
    return f"""
        WITH listed AS (
            SELECT * FROM (SELECT {below(store_prefix)} AS key, size, etag FROM listed_rows) WHERE {bounds}
        ),
        planned AS (
            SELECT * FROM (SELECT {below(store_prefix)} AS key, size, nullif(etag, '') AS etag FROM planned_rows)
            WHERE {bounds}
        ),
        copies AS (
            SELECT key, size, coalesce(
                copied_rows.etag,
                CASE WHEN set = 'drifted' THEN store_etag
                    WHEN regexp_matches(source_etag, {PLAIN_MD5_PATTERN}) THEN source_etag END
            ) AS etag, set = 'drifted' AND copied_rows.etag IS NULL AS is_unrepaired
            FROM copies_rows LEFT JOIN copied_rows USING (key) WHERE {bounds}
        ),
        deletes AS (SELECT key FROM deletes_rows WHERE {bounds}),
        expected AS (
            SELECT * FROM copies
            UNION ALL
            SELECT *, false AS is_unrepaired FROM planned
            WHERE key NOT IN (SELECT key FROM copies) AND key NOT IN (SELECT key FROM deletes)
        ),
        compared AS (SELECT
            coalesce(expected.key, listed.key) AS key,
            CASE
                WHEN listed.key IS NULL THEN 'missing'
                WHEN expected.key IS NULL
                    THEN CASE WHEN listed.key IN (SELECT key FROM deletes) THEN 'not_deleted' ELSE 'unexpected' END
                WHEN expected.size <> listed.size OR {_ETAGS_DIFFER} THEN 'different'
                WHEN is_unrepaired THEN 'unrepaired'
            END AS difference,
            expected.etag AS expected_etag,
            listed.etag AS store_etag,
            expected.size AS expected_size,
            listed.size AS store_size
        FROM expected FULL OUTER JOIN listed ON expected.key = listed.key
        WHERE {filters.condition("coalesce(expected.key, listed.key)")})"""  # noqa: S608 - globs are quoted

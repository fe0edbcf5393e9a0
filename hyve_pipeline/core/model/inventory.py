"""What an inventory is, and when a listing counts as complete.

A listing is a set of key ranges that tile the whole key space. Each range is walked page by page until
the listing is no longer truncated, or until a key passes the range's upper bound. The proof records how
the walk of each range went; `check_proof` decides whether the walks together saw every key. Without a
proof there is no inventory, and so no plan, and no delete.

Keys compare as Python strings: by code point, which gives the same order as S3's UTF-8 bytes.
"""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from itertools import pairwise
from typing import Literal

import pyarrow as pa
from pydantic import AliasChoices, Field

from hyve_pipeline.core.base.counts import counted
from hyve_pipeline.core.base.errors import IncompleteInventoryError
from hyve_pipeline.core.base.manifest import Count, Frozen, StateNames
from hyve_pipeline.core.model.inventory_report import ReportOrigin
from hyve_pipeline.core.model.named_keys import NamedKeys
from hyve_pipeline.core.settings.mapping import MappingRule
from hyve_pipeline.core.settings.options import VersionsChoice
from hyve_pipeline.core.settings.places import Place

Side = Literal["source", "store"]
SIDES: tuple[Side, ...] = ("source", "store")

# One row an object, sorted by key. `key` is the whole key, prefix included; `etag` is without quotes.
INVENTORY_SCHEMA = pa.schema(
    [
        pa.field("key", pa.string(), nullable=False, metadata={"description": "the object's whole key"}),
        pa.field("size", pa.int64(), nullable=False, metadata={"description": "bytes"}),
        pa.field(
            "last_modified",
            pa.timestamp("us", tz="UTC"),
            nullable=False,
            metadata={"description": "when the server last wrote the object"},
        ),
        pa.field("etag", pa.string(), nullable=False, metadata={"description": "ETag without quotes; empty if none"}),
        pa.field("storage_class", pa.string(), nullable=False, metadata={"description": "S3 storage class"}),
        # Null for nearly all objects, and in inventories of stores, where it is not read. Files of earlier versions
        # do not have it.
        pa.field(
            "restored_until",
            pa.timestamp("us", tz="UTC"),
            metadata={"description": "until when an archived object can be read that was restored"},
        ),
    ]
)


# The columns of an inventory of a bucket as it was at an earlier time.
VERSION_SCHEMA = INVENTORY_SCHEMA.append(
    pa.field("version_id", pa.string(), nullable=False, metadata={"description": "the version that was the newest"})
)


class AsOf(Frozen):
    """The time that an inventory is of, where that is not the time of its listing.

    Attributes:
        time: the time; versions that were written later do not count.
        later: how many keys have later versions only: they were not there then, or what they were then has expired.
    """

    time: datetime
    later: int = 0

    @property
    def described(self) -> str:
        """The time, and what is not known of it, in one line."""
        line = f"the source as of {self.time:%Y-%m-%d %H:%M:%S} UTC"
        if not self.later:
            return line
        keys = counted(self.later, "key of it has", "keys of it have")
        return f"{line}; {keys} later versions only: not there then, or expired since"


class KeyRange(Frozen):
    """The keys after `after` up to and including `until`; None means no upper bound.

    The empty string comes before every key, so ``KeyRange(after="", until=None)`` is the whole key space.
    """

    after: str = ""
    until: str | None = None


class MappedKeys(Frozen):
    """How the keys of an inventory became those of a sync with a mapping, which are the keys of the store.

    Attributes:
        rules: the rules.
        whole: the id of the inventory that it was made from, with the keys as they were listed; None where single keys
            were looked at.
        left_out: the objects that no rule is about; they are not in it.
    """

    rules: tuple[MappingRule, ...]
    whole: str | None = None
    left_out: Count = Count()


# Whether a bucket keeps versions.
Versioning = Literal["enabled", "suspended", "never enabled"]


class RangeEnd(StrEnum):
    """How the walk through a range ended."""

    END_OF_LISTING = "end_of_listing"  # the server answered that the listing is not truncated
    PASSED_BOUND = "passed_bound"  # a key at or after the upper bound was seen
    END_OF_REPORT = "end_of_report"  # every file of an S3 Inventory report was read, each with its MD5
    ALL_MAPPED = "all_mapped"  # every row of a complete inventory was mapped, or is counted as left out
    ALL_NAMED = "all_named"  # every named key was looked at, and the bucket answered for each


class RangeProof(Frozen):
    """How the walk through one range went.

    Attributes:
        range: the range to walk.
        first_key: the first key found in it; None if there was none.
        last_key: the last key found in it, likewise.
        keys: how many keys were found.
        pages: how many pages were read; of a report its manifest and files, of named keys how many were looked at.
        end: why the walk ended.
    """

    range: KeyRange
    first_key: str | None
    last_key: str | None
    keys: int
    pages: int
    end: RangeEnd


class Inventory(Frozen):
    """The manifest of one complete listing or report of one bucket, or of one prefix, at one time.

    Attributes:
        id: unique for the sync and side.
        side: which side of the sync was listed.
        place: the bucket, its prefix and server.
        files: the Parquet files in key order, columns as in `INVENTORY_SCHEMA`.
        started, ended: when the first page was requested and the last one received; both are the time of the report,
            where the inventory is from one.
        objects, bytes: totals.
        oldest, newest: bounds of `last_modified`; None when empty.
        proof: one entry for each key range, in key order.
        cuts: keys that divide it into ranges of about equal size, in order; the next listing starts with them.
        versioning: of a store, whether the bucket keeps versions; None where the server does not say.
        report: the report of S3 Inventory that it was read from; None for a listing.
        as_of: the earlier time that it is of; its files have the columns of `VERSION_SCHEMA` then. None if it is of the
            time of the listing.
        named: the keys that it is restricted to; None if it is of all keys.
        bucket_objects: of one that is restricted, how many objects the bucket has below the prefix: by its newest whole
            inventory, and 0 only if it has none now. None if it is of all keys.
        mapped: of one of a sync with a mapping, how its keys were made; a source's ``key`` is its prefix and what
            follows the store's prefix in the store. None if the keys are those that were listed.
        versions: ``all`` if it has the histories of keys; then its files have the columns of
            `core.model.history.HISTORY_SCHEMA`.
    """

    id: str
    side: Side
    place: Place
    files: StateNames = Field(validation_alias=AliasChoices("files", "uri"))
    started: datetime
    ended: datetime
    objects: int
    bytes: int
    oldest: datetime | None
    newest: datetime | None
    proof: tuple[RangeProof, ...]
    cuts: tuple[str, ...] = ()
    versioning: Versioning | None = None
    report: ReportOrigin | None = None
    as_of: AsOf | None = None
    named: NamedKeys | None = None
    bucket_objects: int | None = None
    mapped: MappedKeys | None = None
    versions: VersionsChoice = "current"

    @property
    def rules(self) -> tuple[MappingRule, ...]:
        """The rules of the mapping; none without one."""
        return () if self.mapped is None else self.mapped.rules

    @property
    def seconds(self) -> float:
        """How long it took to list the bucket, or to read the report."""
        return (self.ended - self.started).total_seconds() if self.report is None else self.report.seconds


def check_proof(proof: Sequence[RangeProof], objects: int, place: str, key_range: KeyRange | None = None) -> None:
    """Check the proof of a listing, or of one range of it.

    The walks must tile the range, each walk must have reached its end, the keys found must be in its range, and the
    counts must add up to `objects`.

    Args:
        proof: the walks, in key order.
        objects: how many objects were kept.
        place: the bucket, for the message.
        key_range: the range; None for the whole key space.

    Raises:
        IncompleteInventoryError: the proof fails; the message names `place` and the gap.
    """
    problem = _find_gap(key_range or KeyRange(), proof, objects)
    if problem is not None:
        raise IncompleteInventoryError(
            f"the listing of {place} can't be proved complete: {problem}; nothing was planned, run it again"
        )


def _find_gap(key_range: KeyRange, proof: Sequence[RangeProof], objects: int) -> str | None:
    if not proof:
        return "no key range was walked"
    if proof[0].range.after != key_range.after:
        return f"it begins only after {proof[0].range.after!r}"
    if proof[-1].range.until != key_range.until:
        return f"it ends at {proof[-1].range.until!r}"
    for left, right in pairwise(proof):
        if left.range.until != right.range.after:
            return f"the ranges up to {left.range.until!r} and after {right.range.after!r} do not meet"
    for walk in proof:
        if walk.end is RangeEnd.PASSED_BOUND and walk.range.until is None:
            return "the last range has no bound to pass"
        if walk.pages < 1:
            return f"no page was read after {walk.range.after!r}"
        if (walk.keys == 0) != (walk.first_key is None) or (walk.keys == 0) != (walk.last_key is None):
            return f"the range after {walk.range.after!r} has keys without bounds"
        if walk.first_key is not None and walk.first_key <= walk.range.after:
            return f"{walk.first_key!r} is not after {walk.range.after!r}"
        if walk.last_key is not None and walk.range.until is not None and walk.last_key > walk.range.until:
            return f"{walk.last_key!r} is past {walk.range.until!r}"
    counted = sum(walk.keys for walk in proof)
    if counted != objects:
        return f"{counted} keys were listed but {objects} were kept"
    return None

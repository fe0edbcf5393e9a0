"""What a comparison of two inventories finds: the sets, their rows and its manifest."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

import pyarrow as pa
from pydantic import AliasChoices, Field

from hyve_pipeline.core.base.manifest import Count, Frozen, StateNames
from hyve_pipeline.core.model.inventory import Inventory
from hyve_pipeline.core.model.safety_rules import Action, SharedKeys
from hyve_pipeline.core.settings.options import Options


class ChangeSet(StrEnum):
    """The set that the comparison puts a key in."""

    NEW = "new"
    MODIFIED = "modified"
    DRIFTED = "drifted"  # unchanged in content, but not in headers, metadata, tags or storage class
    DUPLICATE = "duplicate"  # only in the store: to delete
    ALTERED = "altered"  # the store's object is not the copy that was made, and the source's is the one that was copied
    SKIPPED = "skipped"  # would be copied or deleted, but can't be read now, or has no ETag to pin it to
    UNCHANGED = "unchanged"
    EXCLUDED = "excluded"  # left out by filters or the mapping: neither copied nor deleted

    def act(self, has_histories: bool = False) -> str | None:
        """What becomes of the objects of the set, or of the keys where all versions are copied.

        None where the name says it.
        """
        return _ACTS_ON_HISTORIES.get(self, _ACTS.get(self)) if has_histories else _ACTS.get(self)

    def described(self, has_histories: bool = False) -> str:
        """The name with what becomes of the objects, such as ``new (to copy)``."""
        act = self.act(has_histories)
        return self.value if act is None else f"{self.value} ({act})"


_ACTS = {
    ChangeSet.NEW: "to copy",
    ChangeSet.MODIFIED: "to overwrite",
    ChangeSet.DRIFTED: "to repair",
    ChangeSet.DUPLICATE: "to delete",
    ChangeSet.ALTERED: "kept as it is",
}

# Nothing is overwritten where versions are added.
_ACTS_ON_HISTORIES = {ChangeSet.MODIFIED: "to continue"}


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

# An ETag that is not 32 hexadecimal digits is not an MD5 of the content (multipart uploads), so it can't show whether
# two objects are equal.
PLAIN_MD5_PATTERN = "'^[0-9a-fA-F]{32}$'"


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

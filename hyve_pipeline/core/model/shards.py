"""The shards of a plan: slices of consecutive keys of one action, each the unit of claims and retries.

They are in a table beside the plan's manifest, so that the manifest is small, however many there are.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from itertools import accumulate
from typing import Any

import pyarrow as pa

from hyve_pipeline.core.base.errors import StateError
from hyve_pipeline.core.base.manifest import Frozen
from hyve_pipeline.core.model.ranges import RelativeRange
from hyve_pipeline.core.model.safety_rules import Action


@dataclass(frozen=True, slots=True)
class Shard:
    """A contiguous slice of a plan, claimed by one worker at a time.

    Attributes:
        number: from 1, through all shards of the plan.
        action: what is done with its objects.
        row_group: its row group in its file.
        objects, bytes: totals.
        first_key, last_key: its first and last key, without prefix.
        file: which of the action's Parquet files it is in, from 0.
    """

    number: int
    action: Action
    row_group: int
    objects: int
    bytes: int
    first_key: str
    last_key: str
    file: int = 0


class ShardTotals(Frozen):
    """The number of shards of one action, and the objects and bytes in them."""

    shards: int = 0
    objects: int = 0
    bytes: int = 0

    @classmethod
    def of(cls, shards: Iterable[Shard]) -> "ShardTotals":
        """The totals of some shards."""
        listed = list(shards)
        return cls(
            shards=len(listed),
            objects=sum(shard.objects for shard in listed),
            bytes=sum(shard.bytes for shard in listed),
        )


SHARD_SCHEMA = pa.schema(
    [
        pa.field("number", pa.int32(), nullable=False, metadata={"description": "from 1, through the whole plan"}),
        pa.field("action", pa.string(), nullable=False, metadata={"description": "copy or delete"}),
        pa.field("row_group", pa.int32(), nullable=False, metadata={"description": "its row group in its file"}),
        pa.field("objects", pa.int64(), nullable=False, metadata={"description": "objects"}),
        pa.field("bytes", pa.int64(), nullable=False, metadata={"description": "bytes of its objects"}),
        pa.field("first_key", pa.string(), nullable=False, metadata={"description": "its first key below the prefix"}),
        pa.field("last_key", pa.string(), nullable=False, metadata={"description": "its last key below the prefix"}),
        pa.field("file", pa.int32(), nullable=False, metadata={"description": "which file of the action, from 0"}),
    ]
)

_FIELDS = [field.name for field in fields(Shard)]


def shard_table(shards: Iterable[Shard]) -> pa.Table:
    """Shards as an Arrow table with the columns of `SHARD_SCHEMA`."""
    listed = list(shards)
    return pa.table({name: [getattr(shard, name) for shard in listed] for name in SHARD_SCHEMA.names}, SHARD_SCHEMA)


def shards_with_keys(shards: Sequence[Shard], key_range: RelativeRange) -> Sequence[Shard]:
    """Those of some shards, all of one action and in order, that may have keys of a range."""
    begin = bisect_left(shards, key_range.first, key=lambda shard: shard.last_key)
    if key_range.end is None:
        return shards[begin:]
    return shards[begin : bisect_left(shards, key_range.end, begin, key=lambda shard: shard.first_key)]


class StoredShards:
    """The shards of a plan that are in a file; read when they are first needed.

    Two of them are equal: what tells plans apart is in their manifests.

    Args:
        read: reads the table, with the columns of `SHARD_SCHEMA`; None for a plan that was not stored.
    """

    def __init__(self, read: Callable[[], pa.Table] | None = None) -> None:
        self._read = read
        self._read_table: pa.Table | None = None
        self._built: tuple[Shard, ...] | None = None

    def all(self) -> tuple[Shard, ...]:
        """All of them, in order.

        Raises:
            StateError: the file is missing or damaged.
        """
        if self._built is None:
            self._built = tuple(_shards_of(self._table))
        return self._built

    def one(self, number: int) -> Shard | None:
        """The shard of a number; None where there is none.

        Raises:
            StateError: the file is missing or damaged.
        """
        if not 1 <= number <= self._table.num_rows:
            return None
        return next(_shards_of(self._table.slice(number - 1, 1)))

    @property
    def _table(self) -> pa.Table:
        if self._read_table is None:
            if self._read is None:
                raise StateError("the plan was not stored, so its shards can't be read")
            self._read_table = self._read()
        return self._read_table

    def __eq__(self, other: object) -> bool:
        return isinstance(other, StoredShards)

    __hash__ = None  # pyright: ignore[reportAssignmentType]

    def __getstate__(self) -> dict[str, Any]:
        """What another process gets: it reads the file if it needs to."""
        return {"_read": self._read, "_read_table": None, "_built": None}


def _shards_of(table: pa.Table) -> Iterator[Shard]:
    return map(Shard, *(table.column(name).to_pylist() for name in _FIELDS))


def cut_shards(tables: Iterable[pa.Table], most_objects: int, most_bytes: int) -> Iterator[pa.Table]:
    """Cut rows in key order into shards of consecutive keys.

    A shard ends at `most_objects` rows or before its bytes exceed `most_bytes`, whichever comes first; a
    larger object is a shard of its own.
    """
    held: list[pa.Table] = []
    objects = size = 0
    for table in tables:
        # The n-th entry is the bytes of the first n rows, so that a shard's end is found by binary search.
        totals = list(accumulate(table.column("size").to_pylist(), initial=0))
        begin = 0
        while begin < table.num_rows:
            fitting = bisect_right(totals, totals[begin] + most_bytes - size, begin + 1) - 1
            end = min(fitting, begin + most_objects - objects)
            if not objects:
                end = max(end, begin + 1)
            held.append(table.slice(begin, end - begin))
            objects += end - begin
            size += totals[end] - totals[begin]
            begin = end
            if begin < table.num_rows:
                yield pa.concat_tables(held)
                held, objects, size = [], 0, 0
    if objects:
        yield pa.concat_tables(held)

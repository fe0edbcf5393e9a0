"""Small tables that summarize a large one."""

import heapq
from collections.abc import Iterable
from itertools import islice
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from hyve_pipeline.core.base.arrow_columns import total
from hyve_pipeline.core.base.manifest import Count
from hyve_pipeline.core.model.inventory import Inventory
from hyve_pipeline.core.model.summary import PrefixSize
from hyve_pipeline.state.files import Folder
from hyve_pipeline.state.parquet import ParquetReader

# Prefixes in memory before the smaller ones of them are dropped.
_HELD = 1_000


def prefix_sizes(state: Folder, inventory: Inventory, most: int = 20) -> list[PrefixSize]:
    """Objects and bytes by the first part of the key, below the sync's prefix; the largest first."""
    offset = len(inventory.place.prefix)
    totals = PrefixTotals(most)
    for file in inventory.files:
        with ParquetReader(state, file) as reader:
            groups = reader.first_keys()
            first_prefixes = [prefix_of(key[offset:]) for key, _ in groups]
            for number in range(len(groups)):
                sizes = reader.read([number], ["size"]).column("size")
                prefix = common_prefix(first_prefixes[number : number + 2])
                if prefix is not None:
                    totals.add(prefix, len(sizes), total(sizes))
                else:
                    totals.add_rows(reader.read([number], ["key"]).column("key"), sizes, offset)
    return totals.largest()


def prefix_of(key: str) -> str:
    """The first part of a key, with its slash; empty for a key without one."""
    before, slash, _ = key.partition("/")
    return before + slash if slash else ""


def common_prefix(first_prefixes: list[str]) -> str | None:
    """The prefix of all keys from one key to another, if these two show it.

    Args:
        first_prefixes: the prefixes of a key and, if there is one, of a later one.
    """
    match first_prefixes:
        case [prefix, following] if prefix and prefix == following:
            # All keys between two keys of one prefix have it too.
            return prefix
    return None


class PrefixTotals:
    """Adds up objects and bytes by prefix, of rows that come in key order.

    Args:
        most: how many prefixes `largest` returns.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        # Negative bytes, prefix, objects: these sort as they are shown.
        self._found: list[tuple[int, str, int]] = []
        self._totals = {"": [0, 0]}

    def add(self, prefix: str, objects: int, size: int) -> None:
        """Add a run of consecutive keys with the same prefix."""
        if prefix not in self._totals:
            # In key order, the keys of a prefix follow each other, with keys without a prefix in between.
            self._found += self._entries(with_empty=False)
            if len(self._found) > _HELD:
                self._found = heapq.nsmallest(self._most, self._found)
            self._totals = {"": self._totals[""], prefix: [0, 0]}
        self._totals[prefix][0] += objects
        self._totals[prefix][1] += size

    def add_rows(self, keys: pa.ChunkedArray, sizes: pa.ChunkedArray, offset: int = 0) -> None:
        """Add rows.

        Args:
            keys: their keys, in order.
            sizes: their bytes.
            offset: how many characters at the beginning of each key do not count.
        """
        for batch in pa.table({"key": keys, "size": sizes}).to_batches():
            runs = _runs(batch, offset)
            without = pc.call_function("equal", [runs.column("prefix"), ""])
            empty = runs.filter(without)
            if empty.num_rows:
                self.add("", total(empty.column("objects")), total(empty.column("bytes")))
            named = runs.filter(pc.call_function("invert", [without]))
            # All but the first and the last are complete, so only the largest of them matter: where every key has a
            # prefix of its own, Python's loop must not process them all.
            inner = named.slice(1, max(named.num_rows - 2, 0))
            order = pc.SelectKOptions(self._most, [("bytes", "descending"), ("prefix", "ascending")])
            inner = inner.take(pc.call_function("select_k_unstable", [inner], order))
            for part in (named.slice(0, 1), inner, named.slice(max(named.num_rows - 1, 1))):
                for prefix, objects, size in zip(*(column.to_pylist() for column in part.columns), strict=True):
                    self.add(prefix, objects, size)

    def largest(self) -> list[PrefixSize]:
        """The prefixes with the most bytes, the largest first."""
        found = heapq.nsmallest(self._most, [*self._found, *self._entries(with_empty=True)])
        return [PrefixSize(name, Count(objects=objects, bytes=-size)) for size, name, objects in found]

    def _entries(self, *, with_empty: bool) -> list[tuple[int, str, int]]:
        return [
            (-size, name, objects) for name, (objects, size) in self._totals.items() if objects and (name or with_empty)
        ]


def _runs(batch: pa.RecordBatch, offset: int) -> pa.Table:
    """Runs of consecutive keys with the same prefix, in key order: columns `prefix`, `objects` and `bytes`."""
    below = batch.column("key")
    if offset:
        below = pc.call_function("utf8_slice_codeunits", [below], pc.SliceOptions(offset))
    parts = pc.call_function("split_pattern", [below], pc.SplitPatternOptions("/", max_splits=1))
    first = pc.call_function("list_element", [parts, 0])
    has_more = pc.call_function("greater", [pc.call_function("list_value_length", [parts]), 1])
    with_slash = pc.call_function("binary_join_element_wise", [first, "", "/"])
    runs = pc.call_function("run_end_encode", [pc.call_function("if_else", [has_more, with_slash, ""])])
    ends = runs.run_ends.cast(pa.int64())
    sums = pc.call_function("cumulative_sum", [batch.column("size")])
    sums = sums.take(pc.call_function("subtract", [ends, 1]))
    return pa.table({"prefix": runs.values, "objects": _steps(ends), "bytes": _steps(sums)})


def _steps(totals: pa.Array) -> pa.Array:
    """The difference of each running total to the one before it, of the first to 0."""
    before = pa.concat_arrays([pa.array([0], totals.type), totals.slice(0, len(totals) - 1)])
    return pc.call_function("subtract", [totals, before])


def first_rows(state: Folder, files: Iterable[str], most: int = 10) -> list[dict[str, Any]]:
    """The first rows of some Parquet files."""
    found: list[dict[str, Any]] = []
    for file in files:
        with ParquetReader(state, file) as reader:
            rows = (row for table in reader.tables() for row in table.slice(0, most).to_pylist())
            found += islice(rows, most - len(found))
        if len(found) == most:
            break
    return found

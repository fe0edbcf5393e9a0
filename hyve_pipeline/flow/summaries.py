"""Small tables that tell a person what is in a large one."""

import heapq
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import islice
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from hyve_pipeline.core.columns import total
from hyve_pipeline.core.inventory import Inventory
from hyve_pipeline.core.manifest import Count
from hyve_pipeline.state.parquet import ParquetReader


@dataclass(frozen=True)
class PrefixSize:
    """What lies below one top-level prefix; the empty prefix stands for keys without a ``/``."""

    prefix: str
    count: Count


# Prefixes that are held before the smaller ones of them are let go.
_HELD = 1_000


def prefix_sizes(inventory: Inventory, most: int = 20) -> list[PrefixSize]:
    """Objects and bytes by the first part of the key, below the sync's prefix; the largest first."""
    with closing(ParquetReader(inventory.uri)) as reader:
        return _largest(_runs(reader, len(inventory.place.prefix)), most)


def _largest(runs: Iterable[tuple[str, int, int]], most: int) -> list[PrefixSize]:
    """The largest prefixes of runs in key order."""
    # Bytes below zero, prefix, objects: the order of these is the order of what is shown.
    found: list[tuple[int, str, int]] = []
    totals = {"": [0, 0]}
    for prefix, objects, size in runs:
        if prefix not in totals:
            # The order of keys holds a prefix's keys together, save that keys without one come in between.
            found += [(-total[1], name, total[0]) for name, total in totals.items() if name]
            if len(found) > _HELD:
                found = heapq.nsmallest(most, found)
            totals = {"": totals[""], prefix: [0, 0]}
        totals[prefix][0] += objects
        totals[prefix][1] += size
    found += [(-total[1], name, total[0]) for name, total in totals.items() if total[0]]
    return [
        PrefixSize(name, Count(objects=objects, bytes=-size)) for size, name, objects in heapq.nsmallest(most, found)
    ]


def _runs(reader: ParquetReader, offset: int) -> Iterator[tuple[str, int, int]]:
    """Runs of consecutive keys with the same prefix, in key order: the prefix, objects and bytes.

    Args:
        reader: a file of objects in key order.
        offset: how many characters at the beginning of each key do not count.
    """
    groups = reader.first_keys()
    first_prefixes = [_prefix(key[offset:]) for key, _ in groups]
    for number, (_, rows) in enumerate(groups):
        prefix = first_prefixes[number]
        if prefix and first_prefixes[number + 1 : number + 2] == [prefix]:
            # What lies between two keys of one prefix has it too: no need to look at the keys.
            yield prefix, rows, total(reader.read([number], ["size"]).column("size"))
        else:
            yield from _runs_of(reader.read([number], ["key", "size"]), offset)


def _prefix(key: str) -> str:
    """The first part of a key, with its slash; empty for a key without one."""
    before, slash, _ = key.partition("/")
    return before + slash if slash else ""


def _runs_of(table: pa.Table, offset: int) -> Iterator[tuple[str, int, int]]:
    for batch in table.to_batches():
        below = pc.call_function("utf8_slice_codeunits", [batch.column("key")], pc.SliceOptions(offset))
        parts = pc.call_function("split_pattern", [below], pc.SplitPatternOptions("/", max_splits=1))
        first = pc.call_function("list_element", [parts, 0])
        has_more = pc.call_function("greater", [pc.call_function("list_value_length", [parts]), 1])
        with_slash = pc.call_function("binary_join_element_wise", [first, "", "/"])
        runs = pc.call_function("run_end_encode", [pc.call_function("if_else", [has_more, with_slash, ""])])
        sums = pc.call_function("cumulative_sum", [batch.column("size")])
        ends = runs.run_ends.cast(pa.int64())
        sizes = sums.take(pc.call_function("subtract", [ends, 1]))
        begin = before = 0
        for prefix, end, after in zip(runs.values.to_pylist(), ends.to_pylist(), sizes.to_pylist(), strict=True):
            yield prefix, end - begin, after - before
            begin, before = end, after


def first_rows(uri: str, most: int = 10) -> list[dict[str, Any]]:
    """The first rows of a Parquet file."""
    reader = ParquetReader(uri)
    try:
        return list(islice((row for table in reader.tables() for row in table.slice(0, most).to_pylist()), most))
    finally:
        reader.close()

"""Computations on Arrow columns, with types.

`pyarrow.compute` makes its functions at import, so type checkers do not see them. They are called by name here.
"""

from collections.abc import Collection, Iterable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc


def total(column: pa.ChunkedArray) -> int:
    """The sum of a column of integers; 0 when it is empty."""
    return pc.call_function("sum", [column]).as_py() or 0


def bounds(column: pa.ChunkedArray) -> tuple[Any, Any]:
    """The smallest and the largest value; both None when the column is empty."""
    result = pc.call_function("min_max", [_in_one_piece(column)]).as_py()
    return result["min"], result["max"]


def rows_with(table: pa.Table, column: str, values: Collection[str]) -> pa.Table:
    """The rows whose `column` is one of `values`, in their order."""
    options = pc.SetLookupOptions(value_set=pa.array(list(values)))
    return table.filter(pc.call_function("is_in", [table.column(column)], options))


def rows_without(table: pa.Table, column: str, values: Collection[str]) -> pa.Table:
    """The rows whose `column` is none of `values`, in their order."""
    if not values:
        return table
    options = pc.SetLookupOptions(value_set=pa.array(list(values)))
    return table.filter(pc.call_function("invert", [pc.call_function("is_in", [table.column(column)], options)]))


def rows_unlike(table: pa.Table, column: str, other: pa.Table) -> pa.Table:
    """The rows whose `column` is in no row of the other table, in their order."""
    if not other.num_rows:
        return table
    options = pc.SetLookupOptions(value_set=other.column(column).combine_chunks())
    return table.filter(pc.call_function("invert", [pc.call_function("is_in", [table.column(column)], options)]))


def with_prefix(prefix: str, column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Every string of the column with `prefix` before it."""
    if not prefix:
        return column
    return pc.call_function("binary_join_element_wise", [pa.scalar(prefix), column, pa.scalar("")])


def is_ascending(column: pa.ChunkedArray) -> bool:
    """Whether every string is greater, by UTF-8 bytes, than the one before it."""
    values = _in_one_piece(column)
    before, after = values.slice(0, max(len(values) - 1, 0)), values.slice(1)
    return pc.call_function("all", [pc.call_function("less", [before, after])]).as_py() is not False


def run_ends(column: pa.ChunkedArray) -> list[int]:
    """The number after the last row of each run of equal values."""
    if not len(column):
        return []
    runs = pc.call_function("run_end_encode", [_in_one_piece(column)])
    return runs.run_ends.to_pylist()


def has_empty(column: pa.ChunkedArray) -> bool:
    """Whether any string is empty."""
    return pc.call_function("min", [pc.call_function("binary_length", [_in_one_piece(column)])]).as_py() == 0


def longest(column: pa.ChunkedArray) -> int:
    """The length of the longest string in UTF-8 bytes; 0 when the column is empty."""
    return pc.call_function("max", [pc.call_function("binary_length", [_in_one_piece(column)])]).as_py() or 0


def are_all_matched(column: pa.ChunkedArray, pattern: str, most_bytes: int) -> bool:
    """Whether an RE2 regular expression matches the whole of every string, and none is longer than so many bytes.

    RE2 compiles a bound within the pattern, such as ``{1,1000}``, into a thousand states, anew for each call.
    """
    if longest(column) > most_bytes:
        return False
    options = pc.MatchSubstringOptions(f"^(?:{pattern})$")
    matched = pc.call_function("match_substring_regex", [_in_one_piece(column)], options)
    return pc.call_function("all", [matched]).as_py() is not False


def _in_one_piece(column: pa.ChunkedArray) -> "pa.ChunkedArray | pa.Array":
    """The column as one array where it has one chunk: Arrow computes several times faster on that."""
    return column.chunk(0) if column.num_chunks == 1 else column


def count_up_to(column: pa.ChunkedArray, bound: str) -> int:
    """How many strings are not greater than `bound`, by UTF-8 bytes."""
    within = pc.call_function("less_equal", [column, pa.scalar(bound, pa.string())])
    return pc.call_function("sum", [within]).as_py() or 0


def replace_all(content: bytes, replacements: Iterable[tuple[bytes, bytes]]) -> bytes:
    """The content with the replacements made in order, each at every occurrence.

    Faster than `bytes.replace`, and without the GIL, so that other threads run meanwhile.
    """
    column = pa.array([content], pa.binary())
    for pattern, replacement in replacements:
        options = pc.ReplaceSubstringOptions(pattern, replacement)
        column = pc.call_function("replace_substring", [column], options)
    return column[0].as_py()

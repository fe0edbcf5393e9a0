"""Summarizes a plan for the user, from its own files.

The files are read some row groups at a time and Arrow computes all sums, so that plans of ten million objects take
little memory and time. For most rows sizes and dates suffice: keys, which are by far the largest column, are read only
where they matter.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import cached_property
from itertools import pairwise

import pyarrow as pa
import pyarrow.compute as pc

from hyve_pipeline.core.base.arrow_columns import bounds, total
from hyve_pipeline.core.base.manifest import Count
from hyve_pipeline.core.model.diff import ACTION_OF, PLANNED_SETS, ChangeSet
from hyve_pipeline.core.model.plan import Plan
from hyve_pipeline.core.model.safety_rules import ACTIONS, Action
from hyve_pipeline.core.model.summary import (
    AGE_BINS,
    SIZE_BINS,
    PlannedRow,
    PlanSummary,
    SetSummary,
)
from hyve_pipeline.operations.plan.prefix_totals import PrefixTotals, common_prefix, prefix_of
from hyve_pipeline.state.files import Folder
from hyve_pipeline.state.parquet import ParquetReader

# Rows in memory at once, where row groups are smaller than that.
_BATCH_ROWS = 65_536

_ROW_COLUMNS = ["key", "size", "reason", "source_last_modified", "store_last_modified"]

# The column of an object's age: that of the object that is copied, or of the one that is deleted.
_DATE_OF: dict[Action, str] = {"copy": "source_last_modified", "delete": "store_last_modified"}


def summarize_plan(
    state: Folder, plan: Plan, *, most_prefixes: int = 6, most_rows: int = 10, batch_rows: int = _BATCH_ROWS
) -> PlanSummary:
    """Summarize a plan.

    Args:
        state: the sync's state.
        plan: the plan.
        most_prefixes: how many top-level prefixes of each set are listed.
        most_rows: how many first and how many largest objects of each set are kept.
        batch_rows: rows in memory at a time.

    Raises:
        StateError: a file of the plan is damaged or can't be read.
    """
    found: dict[ChangeSet, SetSummary] = {}
    for action in ACTIONS:
        names = [name for name in PLANNED_SETS if ACTION_OF[name] == action and plan.count(name).objects]
        if not names:
            continue
        date = _DATE_OF[action]
        totals = {name: _SetTotals(plan.created, date, most_prefixes, most_rows) for name in names}
        for file in plan.files[action]:
            with ParquetReader(state, file) as reader:
                for rows in _batches(reader, batch_rows):
                    for name in names:
                        totals[name].add(rows if len(names) == 1 else _RowsOfSet(rows, name))
        found |= {name: totals[name].summary(plan.count(name)) for name in names}
    return PlanSummary({name: found[name] for name in PLANNED_SETS if name in found}, plan.has_histories)


class _Rows:
    """Consecutive row groups of a plan's file; a column is read when it is first used.

    Attributes:
        prefix: the top-level prefix of all keys; None where only the keys show it.
    """

    def __init__(self, reader: ParquetReader, row_groups: list[int], prefix: str | None) -> None:
        self.prefix = prefix
        self._reader = reader
        self._row_groups = row_groups
        self._columns: dict[str, pa.ChunkedArray] = {}

    def column(self, name: str) -> pa.ChunkedArray:
        """One column of all rows."""
        if name not in self._columns:
            column = self._reader.read(self._row_groups, [name]).column(name)
            # In one piece: Arrow's calls cost some microseconds each, for a row group of ten rows too.
            self._columns[name] = pa.chunked_array([column.combine_chunks()])
        return self._columns[name]


class _RowsOfSet(_Rows):
    """The rows of one set."""

    def __init__(self, rows: _Rows, name: ChangeSet) -> None:
        self.prefix = rows.prefix
        self._rows = rows
        self._name = name
        self._columns = {}

    @cached_property
    def _mask(self) -> pa.ChunkedArray:
        return pc.call_function("equal", [self._rows.column("set"), self._name.value])

    def column(self, name: str) -> pa.ChunkedArray:
        """One column of the set's rows."""
        if name not in self._columns:
            self._columns[name] = self._rows.column(name).filter(self._mask)
        return self._columns[name]


def _batches(reader: ParquetReader, batch_rows: int) -> Iterator[_Rows]:
    """All rows of a plan's file, some row groups at a time."""
    groups = reader.first_keys()
    starts = [0]
    rows = 0
    for number, (_, count) in enumerate(groups):
        if rows and rows + count > batch_rows:
            starts.append(number)
            rows = 0
        rows += count
    first_prefixes = [prefix_of(groups[start][0]) for start in starts]
    for number, (start, end) in enumerate(pairwise([*starts, len(groups)])):
        yield _Rows(reader, list(range(start, end)), common_prefix(first_prefixes[number : number + 2]))


class _SetTotals:
    """Adds up the rows of one set, which come in key order.

    Args:
        created: when the plan was made.
        date: the column of an object's age.
        most_prefixes: how many prefixes are listed.
        most_rows: how many first and how many largest rows are kept.
    """

    def __init__(self, created: datetime, date: str, most_prefixes: int, most_rows: int) -> None:
        self._date = date
        self._most_rows = most_rows
        self._prefixes = PrefixTotals(most_prefixes)
        self._sizes = _Histogram([edge for edge, _ in SIZE_BINS])
        # By time, the bins are in descending order: what is older comes before.
        self._ages = _Histogram([_microseconds_before(created, age) for age, _ in AGE_BINS], descending=True)
        self._first: list[PlannedRow] = []
        self._largest: list[PlannedRow] = []

    def add(self, rows: _Rows) -> None:
        """Add rows."""
        sizes = rows.column("size")
        if not len(sizes):
            return
        if rows.prefix is not None:
            self._prefixes.add(rows.prefix, len(sizes), total(sizes))
        else:
            self._prefixes.add_rows(rows.column("key"), sizes)
        self._sizes.add(sizes, sizes)
        self._ages.add(rows.column(self._date).cast(pa.int64()), sizes)
        wanted = self._most_rows - len(self._first)
        if wanted > 0:
            self._first += _as_rows(_table(rows).slice(0, wanted))
        # Of objects of one size the first by key are kept, so only a larger one displaces one.
        if len(self._largest) < self._most_rows or bounds(sizes)[1] > self._largest[-1].size:
            order = pc.SelectKOptions(self._most_rows, [("size", "descending"), ("key", "ascending")])
            table = _table(rows)
            found = _as_rows(table.take(pc.call_function("select_k_unstable", [table], order)))
            self._largest = sorted([*self._largest, *found], key=lambda row: (-row.size, row.key))[: self._most_rows]

    def summary(self, count: Count) -> SetSummary:
        """The summary of the rows so far; `count` is all of them."""
        prefixes = self._prefixes.largest()
        listed = sum((prefix.count for prefix in prefixes), start=Count())
        return SetSummary(
            count=count,
            prefixes=tuple(prefixes),
            other_prefixes=count - listed,
            sizes=self._sizes.bins(),
            ages=self._ages.bins(),
            first=tuple(self._first),
            largest=tuple(self._largest),
        )


class _Histogram:
    """Counts rows by a value.

    Args:
        edges: where each bin begins. The first bin also has what comes before it.
        descending: whether the edges descend.
    """

    def __init__(self, edges: list[int], *, descending: bool = False) -> None:
        self._edges = edges
        self._compare = "less_equal" if descending else "greater_equal"
        # Objects and bytes at each edge or beyond it.
        self._beyond = [[0, 0] for _ in edges]

    def add(self, values: pa.ChunkedArray, sizes: pa.ChunkedArray) -> None:
        """Add rows: the values that they are counted by, and their bytes."""
        if values.null_count:
            known = values.is_valid()
            values, sizes = values.filter(known), sizes.filter(known)
        for number, entry in enumerate(self._beyond):
            if number:
                is_beyond = pc.call_function(self._compare, [values, self._edges[number]])
                values, sizes = values.filter(is_beyond), sizes.filter(is_beyond)
            if not len(values):
                return
            entry[0] += len(values)
            entry[1] += total(sizes)

    def bins(self) -> tuple[Count, ...]:
        """Objects and bytes of each bin."""
        return tuple(
            Count(objects=objects - objects_after, bytes=size - size_after)
            for (objects, size), (objects_after, size_after) in pairwise([*self._beyond, [0, 0]])
        )


_MICROSECOND = timedelta(microseconds=1)


def _microseconds_before(moment: datetime, age: timedelta) -> int:
    """The time `age` before `moment`, in microseconds since 1970 UTC, as Arrow stores times."""
    return (moment - age - datetime.fromtimestamp(0, moment.tzinfo)) // _MICROSECOND


def _table(rows: _Rows) -> pa.Table:
    return pa.table({name: rows.column(name) for name in _ROW_COLUMNS})


def _as_rows(table: pa.Table) -> list[PlannedRow]:
    return [PlannedRow(**row) for row in table.to_pylist()]

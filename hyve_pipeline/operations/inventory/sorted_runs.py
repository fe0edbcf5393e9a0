"""Sorts more rows by key than memory holds: sorted runs in files, which are then merged range by range."""

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import ipc

from hyve_pipeline.core.base.arrow_columns import is_ascending
from hyve_pipeline.core.base.errors import spill_error
from hyve_pipeline.core.model.ranges import cut_ranges

# Rows that are sorted in memory; about 150 bytes each, twice while they are sorted.
_RUN_ROWS = 500_000

# Rows of a run that are in memory while runs are merged: 100 million rows are 200 runs.
_BATCH_ROWS = 4_096

# Rows of all runs that are merged at a time.
_RANGE_ROWS = 100_000

_COMPRESSED = ipc.IpcWriteOptions(compression="lz4")


class SortedRuns:
    """Takes rows in any order, and gives them sorted by the column ``key``, by UTF-8 bytes.

    Args:
        folder: for temporary files; the caller removes it.
        run_rows: rows that are sorted in memory.
        batch_rows: rows of each run that are in memory while runs are merged.
    """

    def __init__(self, folder: Path, run_rows: int = _RUN_ROWS, batch_rows: int = _BATCH_ROWS) -> None:
        self._folder = folder
        self._run_rows = run_rows
        self._batch_rows = batch_rows
        self._waiting: list[pa.Table] = []
        self._rows = 0
        self._runs: list[_Run] = []

    def add(self, table: pa.Table) -> None:
        """Add rows.

        Raises:
            StateError: a temporary file can't be written.
        """
        self._waiting.append(table)
        self._rows += table.num_rows
        if self._rows >= self._run_rows:
            self._write_run()

    def tables(self, range_rows: int = _RANGE_ROWS) -> Iterator[pa.Table]:
        """All rows in order; equal keys follow each other.

        Args:
            range_rows: rows of a table, about.

        Raises:
            StateError: a temporary file can't be written or read.
        """
        if self._rows:
            self._write_run()
        chunks = (chunk for run in self._runs for chunk in run.chunks)
        for key_range in cut_ranges(chunks, range_rows):
            parts = [part for run in self._runs for part in run.take_below(key_range.end)]
            if parts:
                yield _sorted(pa.concat_tables(parts))

    def _write_run(self) -> None:
        table = _sorted(pa.concat_tables(self._waiting))
        self._waiting, self._rows = [], 0
        try:
            self._runs.append(_Run(self._folder / str(len(self._runs)), table, self._batch_rows))
        except OSError as error:
            raise spill_error(str(self._folder), error) from error


class _Run:
    """Sorted rows in a file, which are taken in order.

    Attributes:
        chunks: first key and number of rows of each batch.
    """

    def __init__(self, path: Path, table: pa.Table, batch_rows: int) -> None:
        self.chunks: list[tuple[str, int]] = []
        with ipc.new_file(str(path), table.schema, options=_COMPRESSED) as writer:
            for batch in table.combine_chunks().to_batches(max_chunksize=batch_rows):
                self.chunks.append((batch.column("key")[0].as_py(), batch.num_rows))
                writer.write_batch(batch)
        self._path = path
        self._batches = self._read()
        self._left = next(self._batches, None)

    def _read(self) -> Iterator[pa.Table]:
        with pa.memory_map(str(self._path)) as source:
            reader = ipc.open_file(source)
            for number in range(reader.num_record_batches):
                yield pa.Table.from_batches([reader.get_batch(number)])
        self._path.unlink()

    def take_below(self, end: str | None) -> Iterator[pa.Table]:
        """The next rows with keys less than `end`; None means all."""
        while self._left is not None:
            count = self._left.num_rows if end is None else _count_below(self._left.column("key"), end)
            if count:
                yield self._left.slice(0, count)
            if count < self._left.num_rows:
                self._left = self._left.slice(count)
                return
            self._left = next(self._batches, None)


def _count_below(keys: pa.ChunkedArray, end: str) -> int:
    return pc.call_function("sum", [pc.call_function("less", [keys, pa.scalar(end, pa.string())])]).as_py() or 0


def _sorted(table: pa.Table) -> pa.Table:
    if is_ascending(table.column("key")):
        return table
    return table.take(pc.call_function("array_sort_indices", [table.column("key").combine_chunks()]))

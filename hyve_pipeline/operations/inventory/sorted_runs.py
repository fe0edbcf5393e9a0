"""Sorts more rows by key than memory holds: sorted runs in a file, which are then merged range by range."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import ipc

from hyve_pipeline.core.base.arrow_columns import is_ascending
from hyve_pipeline.core.base.errors import spilling_to
from hyve_pipeline.core.model.ranges import cut_ranges

# Rows that are sorted in memory; about 150 bytes each, twice while they are sorted.
_RUN_ROWS = 500_000

# Rows of a run that are in memory while runs are merged: a billion rows are 2,000 runs.
_BATCH_ROWS = 1_024

# Rows of all runs that are merged at a time.
_RANGE_ROWS = 100_000

_COMPRESSED = ipc.IpcWriteOptions(compression="lz4")


class SortedRuns:
    """Takes rows in any order, and gives them sorted by the column ``key``, by UTF-8 bytes.

    Args:
        folder: for a temporary file, which has no name in it and is gone with this object.
        run_rows: rows that are sorted in memory.
        batch_rows: rows of each run that are in memory while runs are merged.
    """

    def __init__(self, folder: Path, run_rows: int = _RUN_ROWS, batch_rows: int = _BATCH_ROWS) -> None:
        self._folder = folder
        self._run_rows = run_rows
        self._batch_rows = batch_rows
        self._waiting: list[pa.Table] = []
        self._rows = 0
        self._spool: _Spool | None = None
        self._runs: list[_Run] = []

    def add(self, table: pa.Table) -> None:
        """Add rows.

        Raises:
            StateError: the temporary file can't be written.
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
            StateError: the temporary file can't be written or read.
        """
        if self._rows:
            self._write_run()
        chunks = ((chunk.first_key, chunk.rows) for run in self._runs for chunk in run.chunks)
        for key_range in cut_ranges(chunks, range_rows):
            with spilling_to(str(self._folder)):
                parts = [part for run in self._runs for part in run.take_below(key_range.end)]
            if parts:
                yield _sorted(pa.concat_tables(parts))

    def _write_run(self) -> None:
        table = _sorted(pa.concat_tables(self._waiting))
        self._waiting, self._rows = [], 0
        with spilling_to(str(self._folder)):
            if self._spool is None:
                self._spool = _Spool(self._folder)
            self._runs.append(_Run(self._spool, table, self._batch_rows))


class _Spool:
    """Batches in one file: a run each would be more files than a process may have open.

    It is read by calls and not mapped: pages of a mapped file count as the memory of the process.
    """

    def __init__(self, folder: Path) -> None:
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - lives as long as this object

    def write(self, batch: pa.RecordBatch) -> tuple[int, int]:
        """Append a batch; returns where it is: its first byte, and the number of bytes."""
        sink = pa.BufferOutputStream()
        with ipc.new_stream(sink, batch.schema, options=_COMPRESSED) as writer:
            writer.write_batch(batch)
        return self._file.tell(), self._file.write(sink.getvalue())

    def flush(self) -> None:
        """Let `read` see what was written."""
        self._file.flush()

    def read(self, begin: int, length: int) -> pa.Table:
        """The batch that is there."""
        with ipc.open_stream(os.pread(self._file.fileno(), length, begin)) as reader:
            return reader.read_all()


class _Chunk(NamedTuple):
    """A batch of a run: its first key, its number of rows, and where it is in the file."""

    first_key: str
    rows: int
    begin: int
    length: int


class _Run:
    """Sorted rows, which are taken in order.

    Attributes:
        chunks: the batches of the run.
    """

    def __init__(self, spool: _Spool, table: pa.Table, batch_rows: int) -> None:
        self.chunks = [
            _Chunk(batch.column("key")[0].as_py(), batch.num_rows, *spool.write(batch))
            for batch in table.combine_chunks().to_batches(max_chunksize=batch_rows)
        ]
        spool.flush()
        self._spool = spool
        self._unread = 0
        self._left: pa.Table | None = None

    def take_below(self, end: str | None) -> Iterator[pa.Table]:
        """The next rows with keys less than `end`; None means all."""
        while self._unread < len(self.chunks) and (end is None or self.chunks[self._unread].first_key < end):
            chunk = self.chunks[self._unread]
            rows = self._left if self._left is not None else self._spool.read(chunk.begin, chunk.length)
            count = rows.num_rows if end is None else _count_below(rows.column("key"), end)
            if count:
                yield rows.slice(0, count)
            if count < rows.num_rows:
                self._left = rows.slice(count)
                return
            self._left = None
            self._unread += 1


def _count_below(keys: pa.ChunkedArray, end: str) -> int:
    return pc.call_function("sum", [pc.call_function("less", [keys, pa.scalar(end, pa.string())])]).as_py() or 0


def _sorted(table: pa.Table) -> pa.Table:
    if is_ascending(table.column("key")):
        return table
    return table.take(pc.call_function("array_sort_indices", [table.column("key").combine_chunks()]))

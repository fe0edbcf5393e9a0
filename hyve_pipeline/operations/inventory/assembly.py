"""Puts the pages of a listing in key order, although its ranges are listed in parallel.

Rows of the lowest unfinished range are passed on at once. Rows of higher ranges are held until their turn: in memory
up to a limit, and then in a file, so that memory does not grow with the bucket.
"""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
from pyarrow import ipc

from hyve_pipeline.core.base.errors import spilling_to

_COMPRESSED = ipc.IpcWriteOptions(compression="lz4")


class SortedAssembly:
    """Takes tables of ranges in any order and passes them to `write` in the order of the ranges.

    A range is identified by the key that it begins after. The ranges cover the key space without gaps; the end of a
    range may be known only when it has ended.
    """

    def __init__(
        self, schema: pa.Schema, folder: Path, write: Callable[[pa.Table], None], held_rows: int, first: str = ""
    ) -> None:
        """Begin with no rows.

        Args:
            schema: the columns of all tables.
            folder: for temporary files; the caller removes it.
            write: gets each table in its turn.
            held_rows: rows of later ranges that are held in memory at a time.
            first: the key that the first range begins after.
        """
        self._schema = schema
        self._folder = folder
        self._write = write
        self._most = held_rows
        self._numbers = itertools.count()
        self._turn: str | None = first
        self._held: dict[str, _HeldRows] = {}
        self._ended: dict[str, str | None] = {}

    def add(self, after: str, table: pa.Table) -> None:
        """Add the next rows of the range that begins after `after`."""
        if after == self._turn:
            self._write(table)
            return
        held = self._held.get(after)
        if held is None:
            held = self._held[after] = _HeldRows(self._folder / str(next(self._numbers)), self._schema)
        held.append(table)
        if sum(held.rows for held in self._held.values()) > self._most:
            max(self._held.values(), key=lambda held: held.rows).spill()

    def end(self, after: str, until: str | None) -> None:
        """Record that the range after `after` has ended, at `until`; None means the end of all keys."""
        self._ended[after] = until
        while self._turn is not None and self._turn in self._ended:
            self._turn = self._ended[self._turn]
            held = self._held.pop(self._turn, None) if self._turn is not None else None
            if held is not None:
                for table in held.tables():
                    self._write(table)


class _HeldRows:
    """The held rows of one range.

    Attributes:
        rows: how many are in memory.
    """

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self.rows = 0
        self._path = path
        self._schema = schema
        self._tables: list[pa.Table] = []
        self._file: ipc.RecordBatchFileWriter | None = None

    def append(self, table: pa.Table) -> None:
        self._tables.append(table)
        self.rows += table.num_rows

    def spill(self) -> None:
        """Write the rows in memory to the file.

        Raises:
            StateError: the file can't be written.
        """
        with spilling_to(str(self._path.parent)):
            if self._file is None:
                self._file = ipc.new_file(str(self._path), self._schema, options=_COMPRESSED)
            self._file.write_table(pa.concat_tables(self._tables).combine_chunks())
        self._tables = []
        self.rows = 0

    def tables(self) -> Iterator[pa.Table]:
        """All rows in order; the file is removed.

        Raises:
            StateError: the file can't be written to its end.
        """
        if self._file is not None:
            with spilling_to(str(self._path.parent)):
                self._file.close()
            with pa.memory_map(str(self._path)) as source:
                reader = ipc.open_file(source)
                for number in range(reader.num_record_batches):
                    yield pa.Table.from_batches([reader.get_batch(number)])
            self._path.unlink()
        yield from self._tables

"""Reads key ranges of Parquet files that are sorted by key."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence

import pyarrow as pa

from hyve_pipeline.core.base.errors import StateError
from hyve_pipeline.core.model.inventory import INVENTORY_SCHEMA, Inventory
from hyve_pipeline.core.model.ranges import RelativeRange
from hyve_pipeline.core.runtime.closing import Closing
from hyve_pipeline.state.files import Folder
from hyve_pipeline.state.parquet import ParquetReader


class SortedRows(Closing):
    """The rows of some files by key range; only the row groups that a range needs are read.

    Args:
        state: the sync's state.
        files: the Parquet files, whose rows follow each other.
        prefix: the prefix of its keys, which ranges omit.
        columns: the columns to read; None for all.
        schema: the expected columns; nullable ones that the file lacks become null, as earlier versions did not write
            them.

    Attributes:
        chunks: first key, without prefix, and number of rows of each row group.
    """

    def __init__(
        self,
        state: Folder,
        files: Sequence[str],
        prefix: str = "",
        columns: list[str] | None = None,
        schema: pa.Schema | None = None,
    ) -> None:
        self._columns = columns
        self._readers = [ParquetReader(state, file) for file in files]
        self.rows = sum(reader.rows for reader in self._readers)
        present = {*self._readers[0].schema.names}
        self._missing = [
            field
            for field in schema or ()
            if field.nullable and field.name not in present and (columns is None or field.name in columns)
        ]
        self.chunks: list[tuple[str, int]] = []
        # Of each chunk: its reader, and its row group there.
        self._places: list[tuple[ParquetReader, int]] = []
        for reader in self._readers:
            for row_group, (key, rows) in zip(reader.filled_groups, reader.first_keys(), strict=True):
                self.chunks.append((key[len(prefix) :], rows))
                self._places.append((reader, row_group))

    def read(self, key_range: RelativeRange) -> pa.Table:
        """All rows of the range, and possibly some before and after it."""
        # A row group holds no key of the range if the next one begins at or before it.
        begin = max(bisect_right(self.chunks, key_range.first, key=_first_key) - 1, 0)
        end = None if key_range.end is None else bisect_left(self.chunks, key_range.end, begin, key=_first_key)
        wanted = range(len(self.chunks))[begin:end]
        by_reader: dict[ParquetReader, list[int]] = {}
        for number in wanted:
            reader, row_group = self._places[number]
            by_reader.setdefault(reader, []).append(row_group)
        tables = [reader.read(row_groups, self._columns) for reader, row_groups in by_reader.items()]
        table = pa.concat_tables(tables) if tables else self._readers[0].read([], self._columns)
        for field in self._missing:
            table = table.append_column(field, pa.nulls(table.num_rows, field.type))
        return table

    def close(self) -> None:
        """Close the files."""
        for reader in self._readers:
            reader.close()


def _first_key(chunk: tuple[str, int]) -> str:
    return chunk[0]


def open_inventory(state: Folder, inventory: Inventory, columns: list[str] | None = None) -> SortedRows:
    """The rows of an inventory, with all columns or some.

    Raises:
        StateError: the file is missing, damaged, or not the one that the manifest describes.
    """
    rows = SortedRows(state, inventory.files, inventory.place.prefix, columns, INVENTORY_SCHEMA)
    if rows.rows != inventory.objects:
        uri = state.uri_of(inventory.files[0])
        raise StateError(f"{uri}: damaged: {rows.rows} rows, its manifest says {inventory.objects}")
    return rows

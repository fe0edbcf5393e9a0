"""Reads key ranges of Parquet files that are sorted by key."""

import pyarrow as pa

from hyve_pipeline.core.base.errors import StateError
from hyve_pipeline.core.model.inventory import INVENTORY_SCHEMA, Inventory
from hyve_pipeline.core.model.ranges import RelativeRange
from hyve_pipeline.state.parquet import ParquetReader


class SortedRows:
    """The rows of one file by key range; only the row groups that a range needs are read.

    Args:
        uri: the Parquet file.
        prefix: the prefix of its keys, which ranges omit.
        columns: the columns to read; None for all.
        schema: the expected columns; nullable ones that the file lacks become null, as earlier versions did not write
            them.

    Attributes:
        chunks: first key, without prefix, and number of rows of each row group.
    """

    def __init__(
        self, uri: str, prefix: str = "", columns: list[str] | None = None, schema: pa.Schema | None = None
    ) -> None:
        self._columns = columns
        self._reader = ParquetReader(uri)
        self.rows = self._reader.rows
        present = {*self._reader.schema.names}
        self._missing = [
            field
            for field in schema or ()
            if field.nullable and field.name not in present and (columns is None or field.name in columns)
        ]
        self.chunks = [(key[len(prefix) :], rows) for key, rows in self._reader.first_keys()]

    def read(self, key_range: RelativeRange) -> pa.Table:
        """All rows of the range, and possibly some before and after it."""
        # A row group holds no key of the range if the next one begins at or before it.
        begin = max((number for number, (key, _) in enumerate(self.chunks) if key <= key_range.first), default=0)
        wanted = [
            number
            for number, (key, _) in enumerate(self.chunks)
            if number >= begin and (key_range.end is None or key < key_range.end)
        ]
        table = self._reader.read(wanted, self._columns)
        for field in self._missing:
            table = table.append_column(field, pa.nulls(table.num_rows, field.type))
        return table

    def close(self) -> None:
        """Close the file."""
        self._reader.close()


def open_inventory(inventory: Inventory, columns: list[str] | None = None) -> SortedRows:
    """The rows of an inventory, with all columns or some.

    Raises:
        StateError: the file is missing, damaged, or not the one that the manifest describes.
    """
    rows = SortedRows(inventory.uri, inventory.place.prefix, columns, INVENTORY_SCHEMA)
    if rows.rows != inventory.objects:
        raise StateError(f"{inventory.uri}: damaged: {rows.rows} rows, its manifest says {inventory.objects}")
    return rows

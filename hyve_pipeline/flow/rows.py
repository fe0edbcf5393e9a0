"""Reads key ranges of Parquet files that are sorted by key."""

import pyarrow as pa

from hyve_pipeline.core.errors import StateError
from hyve_pipeline.core.inventory import Inventory
from hyve_pipeline.core.ranges import RelativeRange
from hyve_pipeline.state.parquet import ParquetReader


class SortedRows:
    """The rows of one file by key range, reading no more row groups than a range touches.

    Args:
        uri: the Parquet file.
        prefix: what its keys begin with, and ranges leave out.
        columns: the columns to read; None for all.

    Attributes:
        chunks: first key, without prefix, and number of rows of each row group.
    """

    def __init__(self, uri: str, prefix: str = "", columns: list[str] | None = None) -> None:
        self._columns = columns
        self._reader = ParquetReader(uri)
        self.rows = self._reader.rows
        self.chunks = [(key[len(prefix) :], rows) for key, rows in self._reader.first_keys()]

    def read(self, key_range: RelativeRange) -> pa.Table:
        """All rows of the range, and perhaps some before and after it."""
        # A row group that is followed by one which begins at or before the range holds none of its keys.
        begin = max((number for number, (key, _) in enumerate(self.chunks) if key <= key_range.first), default=0)
        wanted = [
            number
            for number, (key, _) in enumerate(self.chunks)
            if number >= begin and (key_range.end is None or key < key_range.end)
        ]
        return self._reader.read(wanted, self._columns)

    def close(self) -> None:
        """Close the file."""
        self._reader.close()


def open_inventory(inventory: Inventory, columns: list[str] | None = None) -> SortedRows:
    """The rows of an inventory; of all columns, or of some.

    Raises:
        StateError: the file is missing, damaged, or not the one that the manifest describes.
    """
    rows = SortedRows(inventory.uri, inventory.place.prefix, columns)
    if rows.rows != inventory.objects:
        raise StateError(f"{inventory.uri}: damaged: {rows.rows} rows, its manifest says {inventory.objects}")
    return rows

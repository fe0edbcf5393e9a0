"""Stores, for each asset, which Parquet files hold its rows."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pyarrow as pa
from pydantic import AliasChoices, Field

from hyve_pipeline.core.base.errors import StateError
from hyve_pipeline.core.base.manifest import Frozen, StateNames
from hyve_pipeline.state.files import Folder
from hyve_pipeline.state.home import Home
from hyve_pipeline.state.parquet import ParquetReader, open_dataset

if TYPE_CHECKING:
    from pyarrow.dataset import Dataset


class StoredTable(Frozen):
    """The files that hold an asset's rows.

    Attributes:
        id: the id of the inventory, diff, plan or verification.
        files: the Parquet files below the sync's state, all with the same columns.
    """

    id: str
    files: StateNames = Field(validation_alias=AliasChoices("files", "uris"))


def open_table(state: Folder, table: StoredTable) -> "Dataset":
    """The rows as a dataset."""
    return open_dataset(state, table.files)


def measure_table(state: Folder, table: StoredTable) -> tuple[int, pa.Schema]:
    """A table's number of rows and its columns; the rows are not read."""
    readers = [ParquetReader(state, file) for file in table.files]
    try:
        return sum(reader.rows for reader in readers), readers[0].schema
    finally:
        for reader in readers:
            reader.close()


class TableShelf:
    """The tables of one asset: the newest one, and the one of each run.

    Args:
        home: the home.
        sync: the sync's name.
        asset: the asset's name in the sync.
    """

    def __init__(self, home: Home, sync: str, asset: str) -> None:
        self._folder = home.state(sync).below(f"assets/{asset}")
        self._name = f"{sync}/{asset}"

    def keep(self, table: StoredTable, run_id: str | None) -> None:
        """Store a table as the newest one, and as the one of a Dagster run where that made it."""
        # The run's own first: later steps of the same run must see this table, whatever other runs do.
        for name in filter(None, (run_id, "newest")):
            self._folder.write_manifest(f"{name}.json", table)

    def find(self, run_ids: Sequence[str]) -> StoredTable:
        """The table of the first of these runs that has one, or else the newest.

        Raises:
            StateError: there is none.
        """
        for name in (*run_ids, "newest"):
            if self._folder.exists(f"{name}.json"):
                return self._folder.read_manifest(f"{name}.json", StoredTable)
        raise StateError(f"{self._name} was never materialized: run 'hyve dryrun' first")


def drop_lost_tables(state: Folder) -> None:
    """Remove the records of tables whose files no longer exist.

    Args:
        state: the folder of a sync's state.

    Raises:
        StateError: a record can't be removed.
    """
    records = [f"assets/{asset}/{name}" for asset in state.names("assets") for name in state.names(f"assets/{asset}")]
    for record in records:
        try:
            table = state.read_manifest(record, StoredTable)
        except StateError:
            continue  # an unreadable record does not show that files are lost
        if not all(map(state.exists, table.files)):
            state.remove(record)

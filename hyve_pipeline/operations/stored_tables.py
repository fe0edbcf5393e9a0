"""Remembers, for each asset, which Parquet files hold its rows."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pyarrow as pa

from hyve_pipeline.core.base.errors import StateError
from hyve_pipeline.core.base.manifest import Frozen
from hyve_pipeline.state.files import Folder
from hyve_pipeline.state.home import Home
from hyve_pipeline.state.parquet import ParquetReader, open_dataset

if TYPE_CHECKING:
    from pyarrow.dataset import Dataset


class StoredTable(Frozen):
    """Where an asset's rows are.

    Attributes:
        id: the id of the inventory, diff, plan or verification that they belong to.
        uris: the Parquet files, all with the same columns.
    """

    id: str
    uris: tuple[str, ...]


def open_table(table: StoredTable) -> "Dataset":
    """The rows as a dataset."""
    return open_dataset(table.uris)


def measure_table(table: StoredTable) -> tuple[int, pa.Schema]:
    """How many rows a table has, and its columns; the rows themselves are not read."""
    readers = [ParquetReader(uri) for uri in table.uris]
    try:
        return sum(reader.rows for reader in readers), readers[0].schema
    finally:
        for reader in readers:
            reader.close()


class TableShelf:
    """The tables of one asset: the newest one, and the one that each run made.

    Args:
        home: the home.
        sync: the sync's name.
        asset: the asset's name in the sync.
    """

    def __init__(self, home: Home, sync: str, asset: str) -> None:
        self._folder = home.state(sync).below(f"assets/{asset}")
        self._name = f"{sync}/{asset}"

    def keep(self, table: StoredTable, run_id: str) -> None:
        """Remember a table as the newest one and as the one of a run."""
        # The run's own first: later steps of the same run must see this table, whatever others do meanwhile.
        for name in (run_id, "newest"):
            self._folder.write_manifest(f"{name}.json", table)

    def find(self, run_ids: Sequence[str]) -> StoredTable:
        """The table of the first of these runs that made one, or else the newest.

        Raises:
            StateError: there is none at all.
        """
        for name in (*run_ids, "newest"):
            if self._folder.exists(f"{name}.json"):
                return self._folder.read_manifest(f"{name}.json", StoredTable)
        raise StateError(f"{self._name} was never materialized: run 'hyve dryrun' first")


def drop_lost_tables(state: Folder) -> None:
    """Forget the tables whose files are no longer there.

    Args:
        state: the folder of a sync's state.

    Raises:
        StateError: a note can't be removed.
    """
    notes = [f"assets/{asset}/{name}" for asset in state.names("assets") for name in state.names(f"assets/{asset}")]
    for note in notes:
        try:
            table = state.read_manifest(note, StoredTable)
        except StateError:
            continue  # what can't be read says nothing of files that are lost
        if not all(map(_is_there, table.uris)):
            state.remove(note)


def _is_there(uri: str) -> bool:
    folder, _, name = uri.rpartition("/")
    return Folder(folder).exists(name)
